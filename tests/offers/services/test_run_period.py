"""A run whose period goes beyond the offer's own: said by field before the launch, launched all the same (S0-08)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from loyalty import clock
from offers.models import Assignment, MassAssignment
from offers.services import run_period
from offers.services.member_value_preview import Spread
from tests.factories import (
    ApiClientFactory,
    AttributeDefinitionFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    TargetingFactory,
    draft_run,
    work,
)
from tests.offers.views.marketer import filled_in, sign_in, words

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
JUNE = {"starts_at": "2026-06-01", "ends_at": "2026-06-30"}


@pytest.fixture
def programme():
    return ProgrammeFactory(timezone="Europe/Paris")


def warned(programme, own, given=None, *, member_values=None, begins_at=NOW, **more):
    offer = ConfigOfferFactory(programme=programme, terms={"validity": own} if own else {})
    found = run_period.warnings(
        template=offer.templates.get(),
        terms={"validity": given} if given else {},
        member_values=member_values or {},
        begins_at=begins_at,
        **more,
    )
    return [(one["code"], one["field"]) for one in found]


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        (JUNE, None, []),
        (JUNE, {"starts_at": "2026-06-10", "ends_at": "2026-06-30"}, []),
        (JUNE, {"starts_at": "2026-06-10", "ends_at": "2026-07-01"}, [("ends_after_offer", "ends_at")]),
        (JUNE, {"starts_at": "2026-06-10"}, [("ends_after_offer", "ends_at")]),
        (JUNE, {"days": 29}, []),
        (JUNE, {"days": 30}, [("ends_after_offer", "days")]),
        ({"days": 30}, {"days": 60}, [("ends_after_offer", "days")]),
        ({"days": 30}, {"days": 30, "start_in_days": 3}, []),
        ({"days": 30, "start_in_days": 3}, {"days": 30}, [("starts_before_offer", "start_in_days")]),
        (
            {"starts_at": "2026-07-01", "ends_at": "2026-07-31"},
            {"starts_at": "2026-06-15", "ends_at": "2026-08-31"},
            [("ends_after_offer", "ends_at"), ("starts_before_offer", "starts_at")],
        ),
        (None, {"days": 3650}, []),
        ({"starts_at": "2026-06-01"}, {"starts_at": "2026-06-02", "ends_at": "2031-01-01"}, []),
    ],
)
def test_s0_08_each_way_beyond_the_offers_own_period_is_named_by_its_field(programme, own, given, expected):
    """S0-08, D-09: half-open periods of the programme's zone, both settled when the run begins; no end is for ever."""
    assert warned(programme, own, given) == expected


def test_s1_05_days_of_each_members_own_count_by_their_most_and_their_dates_do_not(programme):
    """S1-05: 20 to 40 days may end after June; a date attribute's values are not known before."""
    AttributeDefinitionFactory(programme=programme, name="stay", type="number")
    AttributeDefinitionFactory(programme=programme, name="until", type="date")
    for most, expected in ((29, []), (40, [("ends_after_offer", "days")])):
        days = {"validity": {"days": {"attribute": "stay", "minimum": 20, "maximum": most}}}
        assert warned(programme, JUNE, member_values=days) == expected
    # What members have counts, where it is known, and not what they might have.
    for most, expected in ((29, []), (30, [("ends_after_offer", "days")])):
        seen = [Spread("validity.days", "", minimum=20, median=25, maximum=most, unit="days", currency="EUR")]
        assert warned(programme, JUNE, member_values=days, spreads=seen) == expected
    assert warned(programme, JUNE, member_values={"validity": {"ends_at": {"attribute": "until"}}}) == []


def test_d_09_a_run_that_begins_or_comes_again_when_all_is_over_is_named(programme):
    """D-09, issue 4: once later, and runs that come again beyond the end; the last day of June still counts."""
    after, last = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 6, 30, 20, tzinfo=UTC)
    assert warned(programme, JUNE, begins_at=after) == [("over_before_it_begins", "ends_at")]
    assert warned(programme, JUNE, begins_at=NOW, last_at=last) == []
    assert warned(programme, JUNE, last_at=after) == [("over_before_the_last", "ends_at")]
    assert warned(programme, JUNE, last_at=run_period.WITHOUT_END) == [("over_before_the_last", "ends_at")]
    assert warned(programme, {"days": 9}, last_at=run_period.WITHOUT_END) == []


def test_s0_08_pages_and_api_say_it_in_words_and_the_run_is_launched_all_the_same(programme, client):
    """S0-08: in the dry run, in a draft's dialog and over the API; a warning is no refusal."""
    AttributeDefinitionFactory(programme=programme)
    MemberFactory(programme=programme)
    today = clock.now().astimezone(programme.zone).date()
    ends, later = today + timedelta(days=10), today + timedelta(days=20)
    offer = ConfigOfferFactory(
        programme=programme, name="Coffee", offer_reference="coffee", terms={"validity": {"ends_at": ends.isoformat()}}
    )
    everyone = TargetingFactory(programme=programme)
    marketer = sign_in(programme)
    values = filled_in(offer.templates.get(), everyone)
    address = reverse("offers:run_dry_run")
    assert "Look at the period once more." not in words(marketer.get(address, values))
    values["validity__ends_at"] = later.isoformat()
    page = words(marketer.get(address, values))
    assert "Validity, Ends: it ends after the offer&#x27;s own period. Here: Valid until" in page
    terms = {"validity": {"ends_at": later.isoformat()}}
    draft = draft_run(offer, targeting=everyone, terms=terms)
    assert "Look at the period once more." in words(marketer.get(reverse("offers:run_preview", args=[draft.pk])))
    _client, key = ApiClientFactory(programme=programme, scopes=["targetings"])
    answer = client.post(
        "/api/v1/mass-assignments/dry-run",
        data={"config_offer": "coffee", "targeting": everyone.pk, "terms": terms},
        content_type="application/json",
        headers={"Authorization": f"Api-Key {key}"},
    ).json()
    [found] = answer["warnings"]
    assert (found["field"], found["code"]) == ("validity.ends_at", "ends_after_offer")
    assert "The offer: Valid until" in found["message"]
    marketer.post(reverse("offers:run_act", args=[draft.pk, "launch"]))
    work(MassAssignment.objects.get())
    assert Assignment.objects.get().ends_at.astimezone(programme.zone).date() == later + timedelta(days=1)
