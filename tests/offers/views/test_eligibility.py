"""Choosing whom an offer may be given to (S0-02, S4-26)."""

import json

import pytest
from django.db import transaction
from django.urls import reverse

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import Source, Targeting
from offers.selectors import targeting as targetings
from offers.services import assignment, targeting
from offers.services.assignment import Grant
from tests.factories import DraftOfferFactory, MemberFactory, ProgrammeFactory, TargetingFactory
from tests.offers.views.marketer import sign_in, words

pytestmark = pytest.mark.django_db


def living_in(city):
    return {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": city}]}


def page_of(offer):
    return reverse("offers:offer_eligibility", args=[offer.pk])


def outcome_of(offer, member):
    with transaction.atomic():
        [outcome] = assignment.assign(
            programme=offer.programme, grants=[Grant(template_id=offer.templates.get().pk, member_id=member.pk)],
            source=Source.API, actor=None, now=clock.now(),
        )  # fmt: skip
    return outcome


def test_s0_02_a_marketer_chooses_a_saved_audience_and_takes_it_away_again(programme, coffee):
    """S0-02, S4-26: as it was when it was chosen; the page says that it went on, and the audit who chose what."""
    client = sign_in(programme)
    lyon = TargetingFactory(programme=programme, name="Lyon", criteria=living_in("Lyon"))
    assert client.post(page_of(coffee), {"who": "audience", "targeting": lyon.pk}).status_code == 302
    page = words(client.get(reverse("offers:offer", args=[coffee.pk])))
    assert "City is Lyon" in page
    there = MemberFactory(programme=programme, city="Nice")
    assert outcome_of(coffee, there).code == "ineligible"
    targeting.update(targeting=lyon, actor=None, criteria=living_in("Nice"))
    assert "The audience went on to version 2." in words(client.get(page_of(coffee)))
    assert outcome_of(coffee, there).code == "ineligible"
    assert client.post(page_of(coffee), {"who": "everyone"}).status_code == 302
    assert "Every active member may be given it." in words(client.get(reverse("offers:offer", args=[coffee.pk])))
    assert outcome_of(coffee, there).code == "assigned"
    told = [
        event.data["changed"]["eligibility"]
        for event in AuditEvent.objects.filter(action="offer.eligibility_set").order_by("pk")
    ]
    assert [[one and one["name"] for one in pair] for pair in told] == [[None, "Lyon"], ["Lyon", None]]
    assert "Only for: <del>“Lyon”, version 1</del> → <ins>everyone</ins>" in words(client.get(page_of(coffee)))


def test_s0_02_conditions_are_built_for_one_offer_alone_and_refused_in_words(programme, coffee):
    """S0-02: a version each time they change; no list of audiences shows them; the reason says what is asked."""
    client = sign_in(programme)
    for city in ("Lyon", "Lyon", "Nice"):
        answer = client.post(page_of(coffee), {"who": "conditions", "criteria": json.dumps(living_in(city))})
        assert answer.status_code == 302
    own = Targeting.objects.get(config_offer=coffee)
    assert own.versions.count() == 2
    assert not targetings.saved(programme).exists()
    assert client.get(reverse("offers:targeting", args=[own.pk])).status_code == 404
    here, there = MemberFactory(programme=programme, city="Nice"), MemberFactory(programme=programme, city="Lyon")
    assert outcome_of(coffee, here).code == "assigned"
    refused = outcome_of(coffee, there)
    assert (refused.code, refused.reasons[0].code) == ("ineligible", "conditions_not_met")
    assert "City is Nice" in refused.reasons[0].message
    assert "meet its own conditions: City is Nice" in words(client.get(reverse("offers:offer", args=[coffee.pk])))
    # The form opens with what is set.
    assert json.loads(client.get(page_of(coffee)).context["builder"]["text"]) == living_in("Nice")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Choose whom it may be given to."),
        ({"who": "audience", "targeting": ""}, "Choose an audience."),
        ({"who": "audience", "targeting": "999999"}, "Choose an audience."),
        ({"who": "conditions", "criteria": "{"}, "The criteria are not JSON"),
        ({"who": "conditions", "criteria": '{"op": "and", "items": []}'}, "Add a condition, or choose"),
        ({"who": "conditions", "criteria": json.dumps(living_in(None))}, "City"),
    ],
)
def test_s0_02_what_is_not_chosen_well_is_said_and_nothing_is_set(programme, coffee, given, said):
    """S0-02: a clear error, and what was typed stays."""
    answer = sign_in(programme).post(page_of(coffee), given)
    assert answer.status_code == 422
    assert said in words(answer)
    coffee.refresh_from_db()
    assert coffee.eligibility_id is None
    assert not Targeting.objects.exists()


def test_s0_02_choosing_has_a_permission_of_its_own_and_stays_in_the_programme(programme, coffee):
    """S0-02, A2: an agent reads whom it is for and changes nothing; another programme's audience is not there."""
    elsewhere = TargetingFactory(name="Elsewhere")
    client = sign_in(programme)
    assert "Elsewhere" not in words(client.get(page_of(coffee)))
    assert client.post(page_of(coffee), {"who": "audience", "targeting": elsewhere.pk}).status_code == 422
    agent = sign_in(programme, "support agent")
    assert agent.post(page_of(coffee), {"who": "everyone"}).status_code == 403
    assert page_of(coffee) not in words(agent.get(reverse("offers:offer", args=[coffee.pk])))
    assert sign_in(ProgrammeFactory()).get(page_of(coffee)).status_code == 404
    assert client.get(page_of(DraftOfferFactory(programme=programme, audience="everyone"))).status_code == 404


def test_s0_02_the_builder_of_audiences_comes_back_with_the_new_one_chosen(programme, coffee):
    """S0-02, S4-26: as when a run is launched."""
    lyon = TargetingFactory(programme=programme, name="Lyon")
    given = sign_in(programme).get(f"{page_of(coffee)}?targeting={lyon.pk}").context["given"]
    assert (given["who"], given["targeting"]) == ("audience", str(lyon.pk))
