"""Who may be given an offer: an audience that the offer asks for, looked at whenever it is assigned (S0-02, S4-24)."""

import pytest
from django.db import transaction

from loyalty import clock
from loyalty.errors import InvalidInput
from loyalty.models import AuditEvent
from offers.models import Assignment, AudienceMember, Source
from offers.services import assignment, audience, door, eligibility_settings, execution, mass_assignment, targeting
from offers.services.assignment import Grant
from tests.factories import (
    AttributeDefinitionFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    PurchaseLineFactory,
    TargetingFactory,
    UserFactory,
    draft_run,
)

pytestmark = pytest.mark.django_db


def comparison(field, value, operator="equals"):
    return {"op": "and", "items": [{"field": field, "is": operator, "value": value}]}


BUYERS = {"op": "and", "items": [{"purchases": "count", "is": "greater_or_equal", "value": 2}]}


@pytest.fixture
def programme():
    return ProgrammeFactory()


def asking(programme, criteria, **offer):
    """An offer that is only for whom the criteria mean."""
    made = ConfigOfferFactory(programme=programme, **offer)
    wanted = TargetingFactory(programme=programme, name=f"Wanted {made.pk}", criteria=criteria)
    return eligibility_settings.put(offer=made, targeting=wanted, actor=None)


def assign(programme, offers, members):
    with transaction.atomic():
        return assignment.assign(
            programme=programme,
            grants=[Grant(template_id=o.templates.get().pk, member_id=m.pk) for o in offers for m in members],
            source=Source.API,
            actor=None,
            now=clock.now(),
        )


def codes(outcomes):
    return [outcome.code for outcome in outcomes]


def test_s0_02_each_offer_of_a_set_asks_its_own_of_each_member_and_says_why_not(programme):
    """S0-02, D-01: by a column, by an attribute, by nothing; a refused grant never fails its neighbours."""
    AttributeDefinitionFactory(programme=programme, name="club", type="text")
    local = asking(programme, comparison("member.city", "Columbus"))
    club = asking(programme, comparison("attribute.club", "wine"))
    free = ConfigOfferFactory(programme=programme)
    ann = MemberFactory(programme=programme, attributes={"club": "wine"}, city="Dayton")
    ben = MemberFactory(programme=programme)
    outcomes = assign(programme, [local, club, free], [ann, ben])
    assert codes(outcomes) == ["ineligible", "assigned", "assigned", "ineligible", "assigned", "assigned"]
    [reason] = outcomes[0].reasons
    assert (reason.code, reason.parameters["audience"]) == ("not_in_audience", f"Wanted {local.pk}")
    assert f"Wanted {local.pk}" in reason.message
    assert outcomes[0].member_id == ann.pk


def test_s0_02_purchases_decide_as_well_and_by_external_id(programme):
    """S0-02: only the set's members' purchases are read; unknown and inactive members keep their own outcomes."""
    offer = asking(programme, BUYERS)
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    ian = MemberFactory(programme=programme, status="inactive")
    for member in (ann, ann, ben):
        PurchaseLineFactory(purchase__member=member)
    template = offer.templates.get()
    with transaction.atomic():
        outcomes = assignment.assign(
            programme=programme,
            grants=[
                Grant(template_id=template.pk, member_external_id=name)
                for name in (ann.external_id, ben.external_id, ian.external_id, "nobody")
            ],
            source=Source.API,
            actor=None,
            now=clock.now(),
        )
    assert codes(outcomes) == ["assigned", "ineligible", "member_inactive", "unknown_member"]


def test_s4_24_a_run_leaves_out_who_is_not_eligible_in_the_dry_run_and_when_it_is_planned(programme):
    """S4-24, S4-27: excluded by reason; the reason stands with each member of the audience."""
    offer = asking(programme, comparison("member.city", "Columbus"))
    here, _there = MemberFactory(programme=programme), MemberFactory(programme=programme, city="Dayton")
    gone = MemberFactory(programme=programme, city="Dayton", status="inactive")
    # The run's own criteria have parameters too: the two trees do not mix.
    adults = TargetingFactory(programme=programme, criteria=comparison("member.country", "US"))
    run = draft_run(offer, targeting=adults)
    told = audience.dry_run(
        programme=programme, template=run.template, criteria=adults.current_version.criteria, terms={}, campaign=None,
        now=clock.now(),
    )  # fmt: skip
    assert (told.matched, told.eligible) == (3, 1)
    assert told.excluded == {"ineligible": 1, "member_inactive": 1}
    assert told.reasons == {"not_in_audience": 1}
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    run.refresh_from_db()
    assert (run.state, run.eligible, run.excluded) == ("finished", 1, told.excluded)
    assert [given.member for given in Assignment.objects.all()] == [here]
    left_out = dict(AudienceMember.objects.exclude(member=here).values_list("outcome", "details"))
    assert left_out == {"ineligible": {"reason": "not_in_audience"}, "member_inactive": None}
    assert AudienceMember.objects.get(member=gone).outcome == "member_inactive"


def test_s0_02_the_preview_says_what_the_grant_would_answer(programme):
    offer = asking(programme, comparison("member.city", "Columbus"))
    here, there = MemberFactory(programme=programme), MemberFactory(programme=programme, city="Dayton")
    template = offer.templates.get()
    told = [
        door.preview(programme=programme, grant=Grant(template_id=template.pk, member_id=m.pk), now=clock.now())
        for m in (here, there)
    ]
    assert [(one.code, [reason.code for reason in one.reasons]) for one in told] == [
        ("assigned", []),
        ("ineligible", ["not_in_audience"]),
    ]


def test_s4_26_an_offer_keeps_the_audience_as_it_was_when_it_was_chosen(programme):
    """S4-26: a later version counts when it is chosen again; choosing is in the audit; nothing asks nothing."""
    robin = UserFactory()
    offer = ConfigOfferFactory(programme=programme)
    wanted = TargetingFactory(programme=programme, criteria=comparison("member.city", "Columbus"))
    eligibility_settings.put(offer=offer, targeting=wanted, actor=robin)
    targeting.update(targeting=wanted, actor=None, criteria=comparison("member.city", "Dayton"))
    member = MemberFactory(programme=programme, city="Dayton")
    assert codes(assign(programme, [offer], [member])) == ["ineligible"]
    wanted.refresh_from_db()
    eligibility_settings.put(offer=offer, targeting=wanted, actor=robin)
    assert codes(assign(programme, [offer], [member])) == ["assigned"]
    eligibility_settings.put(offer=offer, targeting=None, actor=robin)
    assert codes(assign(programme, [offer], [MemberFactory(programme=programme, city="Lima")])) == ["assigned"]
    assert AuditEvent.objects.filter(action="offer.eligibility_set", user=robin).count() == 3
    with pytest.raises(InvalidInput):
        eligibility_settings.put(offer=offer, targeting=TargetingFactory(), actor=robin)


def test_s0_02_an_audience_that_speaks_of_what_is_no_more_closes_its_offer_and_no_other(programme):
    """S0-02: nobody can tell whom it is for, so nobody is given it; the others of the set are."""
    definition = AttributeDefinitionFactory(programme=programme, name="club", type="text")
    club, free = asking(programme, comparison("attribute.club", "wine")), ConfigOfferFactory(programme=programme)
    definition.delete()
    outcomes = assign(programme, [club, free], [MemberFactory(programme=programme)])
    assert codes(outcomes) == ["offer_closed", "assigned"]
    assert outcomes[0].reasons[0].code == "audience_unreadable"
