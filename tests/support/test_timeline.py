"""One timeline of everything about a member, filtered by kind and by offer (issue 5, B-02, S0-11)."""

import datetime
from datetime import UTC, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty.models import Channel, ConsentEvent, MemberImport, MemberImportChange
from loyalty.services import audit
from offers.models import (
    Assignment,
    DoorEntry,
    PersonalizedPromotion,
    PromotionEvent,
    PromotionProductList,
    Redemption,
    Source,
)
from support.models import GrantRequest
from support.selectors import timeline as timelines
from tests.factories import ConfigOfferFactory, MemberFactory, PurchaseFactory, UserFactory, give, redeem

pytestmark = pytest.mark.django_db
BEGUN = datetime.datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = BEGUN + 30 * DAY


@pytest.fixture
def coffee(programme):
    return ConfigOfferFactory(programme=programme, name="Coffee", terms={"validity": {"days": 3}})


def refuse(programme, ann, template, at):
    return DoorEntry.objects.create(
        programme=programme,
        door=Source.API,
        instance="crm",
        reference=f"{at:%d%H}",
        member=ann,
        answer={"outcome": "out_of_codes", "template": template.pk},
        created_at=at,
    )


def ask(programme, ann, template, user, at):
    return GrantRequest.objects.create(
        programme=programme,
        member=ann,
        template=template,
        exposure_minor=500,
        reference="00000000-0000-0000-0000-000000000001",
        reason="goodwill",
        asked_by=user,
        asked_at=at,
        expires_at=at + DAY,
    )


def everything(programme, ann, coffee, user):
    """Let one thing of each kind happen, an hour after the other; return the kinds, the latest first."""
    template = coffee.templates.get()
    held = give(ann, coffee, now=BEGUN)
    Assignment.objects.filter(pk=held.pk).update(ends_at=BEGUN + 9 * HOUR)
    refuse(programme, ann, template, BEGUN + HOUR)
    ask(programme, ann, template, user, BEGUN + 2 * HOUR)
    PurchaseFactory(member=ann, purchased_at=BEGUN + 3 * HOUR, total_minor=1234)
    channel = Channel.objects.get(programme=programme, code="email")
    moment = {"at": BEGUN + 4 * HOUR, "changed_at": BEGUN - DAY, "source": "web shop"}
    ConsentEvent.objects.create(member=ann, channel=channel, is_granted=True, user=user, **moment)
    made = MemberImport.objects.create(
        programme=programme,
        file_name="members.csv",
        state="finished",
        received_at=BEGUN,
        imported_at=BEGUN + 5 * HOUR,
    )
    MemberImportChange.objects.create(member_import=made, member=ann, before={"city": "Nice", "tier": "gold"})
    promotion = PersonalizedPromotion.objects.create(programme=programme, name="Her five")
    chosen_from = PromotionProductList.objects.create(promotion=promotion, external_id="1", name="Five")
    enrolment = promotion.enrolments.create(product_list=chosen_from, member=ann, assigned_at=BEGUN + 6 * HOUR)
    PromotionEvent.objects.create(enrolment=enrolment, at=BEGUN + 6 * HOUR, verb="assigned", actor=user)
    return ["expired", "promotion", "import", "consent", "purchase", "request", "refusal", "issued"]


def kinds_of(page):
    return [entry.kind for entry in page.context["entries"]]


def test_issue_5_everything_that_happened_stands_in_one_timeline(agent, user, programme, ann, coffee):
    """Consents, imports that changed her, waiting grants, promotions, what expired unused: each in its own words."""
    kinds = everything(programme, ann, coffee, user)
    page = agent.get(reverse("support:member", args=[ann.pk]))
    assert kinds_of(page) == kinds
    for said in (
        "expired unused",
        "Her five",
        "Agreed to",
        "web shop",
        "The import “members.csv” changed her data",
        "city and tier",
        "asked for by Ola Agent, above a limit",
        "out_of_codes",
    ):
        assert said in page.text, said
    assert "Nice" not in page.text, "what it was before is told nowhere"


def test_issue_5_kinds_and_offer_are_filters_in_the_address(agent, user, programme, ann, coffee):
    """The page opens as the address says; the part answers with the address that it stands for."""
    everything(programme, ann, coffee, user)
    give(ann, ConfigOfferFactory(programme=programme, name="Tea", terms={}), now=BEGUN)
    address = reverse("support:member", args=[ann.pk])
    page = agent.get(address, {"kind": ["refusal", "issued"], "offer": coffee.pk})
    assert kinds_of(page) == ["refusal", "issued"]
    assert page.context["offer_id"] == coffee.pk
    assert [offer.name for offer in page.context["offers"]] == ["Coffee", "Tea"]
    # What is of no offer is left out where one is chosen.
    page = agent.get(address, {"offer": coffee.pk})
    assert kinds_of(page) == ["expired", "request", "refusal", "issued"]
    part = agent.get(
        reverse("support:member_timeline", args=[ann.pk]),
        {"kind": "issued", "offer": coffee.pk},
        headers={"HX-Request": "true"},
    )
    assert kinds_of(part) == ["issued"]
    assert part.headers["HX-Push-Url"] == f"{address}?kind=issued&offer={coffee.pk}"
    plain = agent.get(reverse("support:member_timeline", args=[ann.pk]), headers={"HX-Request": "true"})
    assert plain.headers["HX-Push-Url"] == address


def test_issue_5_with_every_kind_unticked_nothing_is_shown_and_all_can_be_ticked_again(agent, programme, ann, coffee):
    """The address tells none from not given; the offer and the past moment stay when all are ticked again."""
    give(ann, coffee, now=BEGUN)
    address, part = (reverse(f"support:{name}", args=[ann.pk]) for name in ("member", "member_timeline"))
    given = {"kind": "", "offer": coffee.pk, "as_of": "2026-03-04"}
    page = agent.get(part, given, headers={"HX-Request": "true"})
    assert (kinds_of(page), page.context["chosen"]) == ([], [])
    assert page.headers["HX-Push-Url"] == f"{address}?kind=&offer={coffee.pk}&as_of=2026-03-04"
    assert "No kind of entry is ticked" in page.text
    assert " checked" not in page.text
    assert f'href="{address}?offer={coffee.pk}&amp;as_of=2026-03-04"' in page.text
    # The address opens as it was left; without a word about kinds all of them are there.
    page = agent.get(page.headers["HX-Push-Url"])
    assert kinds_of(page) == []
    assert "Tick all again" in page.text
    assert kinds_of(agent.get(address)) == ["expired", "issued"]
    # What the form sends along is no kind.
    assert kinds_of(agent.get(part, {"kind": ["", "issued"]})) == ["issued"]


def test_issue_5_an_offer_of_another_programme_or_none_filters_nothing(agent, programme, ann, coffee):
    give(ann, coffee, now=BEGUN)
    for wrong in (ConfigOfferFactory().pk, "x", "999999999999999999999"):
        page = agent.get(reverse("support:member", args=[ann.pk]), {"offer": wrong, "kind": "nonsense"})
        assert page.context["offer_id"] is None
        assert "issued" in kinds_of(page)


def test_issue_5_looks_at_her_are_told_to_who_may_see_the_audit_and_only_when_asked_for(client, programme, ann, user):
    """C-03: desk looks and contact data shown; nobody else gets them, whatever the address asks for."""
    for action in ("member.opened", "member.contact_shown"):
        audit.record(action=action, actor=user, programme=programme, target=ann, data={"field": "email"})
    audit.record(action="member.opened", actor=user, programme=programme, target=MemberFactory(programme=programme))
    address = reverse("support:member_timeline", args=[ann.pk])
    client.force_login(user)
    assert kinds_of(client.get(address, {"kind": "look"})) == []
    assert "Looks" not in client.get(address).text
    client.force_login(UserFactory(role="administrator", programmes=[programme]))
    assert kinds_of(client.get(address)) == []
    page = client.get(address, {"kind": "look"})
    # The third one is the administrator's own, who asked for this part alone.
    assert kinds_of(page) == ["look", "look", "look"]
    assert "looked at her contact data" in page.text
    assert "opened her page" in page.text


def test_issue_5_what_expired_says_whether_it_was_used_and_what_ended_otherwise_does_not_expire(
    programme, ann, coffee, agent
):
    unused, revoked, used_up = (give(ann, coffee, now=BEGUN) for _number in range(3))
    for one, name in ((revoked, "revoked_at"), (used_up, "used_up_at")):
        Assignment.objects.filter(pk=one.pk).update(**{name: BEGUN + HOUR})
    entries, _has_older = timelines.timeline(member=ann, until=NOW, kinds=["expired"])
    assert [entry.thing.pk for entry in entries] == [unused.pk]
    assert entries[0].at == Assignment.objects.get(pk=unused.pk).ends_at
    # Ahead of its end it has not happened yet.
    assert timelines.timeline(member=ann, until=BEGUN + HOUR, kinds=["expired"]) == ([], False)


def test_issue_5_a_use_that_was_given_back_leaves_it_expired_unused(programme, ann, coffee):
    """B-02: a returned use counts nowhere."""
    held = give(ann, coffee, now=BEGUN)
    used = redeem(held)
    [entry], _older = timelines.timeline(member=ann, until=NOW, kinds=["expired"])
    assert entry.thing.is_used
    Redemption.objects.filter(pk=used.pk).update(returned_at=NOW)
    [entry], _older = timelines.timeline(member=ann, until=NOW, kinds=["expired"])
    assert not entry.thing.is_used


def test_issue_5_as_of_tells_no_decision_before_it_was_made(agent, user, programme, ann, coffee):
    """Issue 5, "as of": what waited then waits there, whoever decided it since."""
    asked = ask(programme, ann, coffee.templates.get(), user, BEGUN)
    GrantRequest.objects.filter(pk=asked.pk).update(
        state="declined", decided_at=BEGUN + 5 * HOUR, decided_by=UserFactory(programmes=[programme]), answer="Never"
    )
    for until, is_decided in ((BEGUN + HOUR, False), (BEGUN + 6 * HOUR, True)):
        [entry], _older = timelines.timeline(member=ann, until=until, kinds=["request"])
        assert entry.is_decided is is_decided
    page = agent.get(reverse("support:member", args=[ann.pk]), {"as_of": (BEGUN + HOUR).isoformat()})
    assert "Never" not in page.content.decode()
    assert "Never" in agent.get(reverse("support:member", args=[ann.pk])).content.decode()


def test_p1_one_query_a_kind_however_much_happened(programme, ann, coffee, user):
    everything(programme, ann, coffee, user)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            entries, _has_older = timelines.timeline(member=ann, until=NOW)
            [str(entry.thing) for entry in entries]
        return len(captured)

    assert queries() == len(timelines.KINDS)
    for number in range(30):
        give(ann, coffee, now=BEGUN + number * HOUR)
        refuse(programme, ann, coffee.templates.get(), BEGUN + DAY + number * HOUR)
    assert queries() == len(timelines.KINDS)
