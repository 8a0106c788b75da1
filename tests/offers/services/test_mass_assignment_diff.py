"""Going on from a run: only members who match now and are in no frozen audience of its line (B-03)."""

import uuid

import pytest

from loyalty import clock
from offers.models import Assignment, AudienceMember, MassAssignment, TargetingVersion
from offers.selectors import mass_assignment_family as family
from offers.services import execution, mass_assignment, mass_assignment_diff
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    TargetingFactory,
    draft_run,
    import_codes,
    plan_run,
    work,
)
from tests.integrity import assert_whole

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def columbus(programme):
    criteria = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Columbus"}]}
    return TargetingFactory(programme=programme, criteria=criteria)


def go_on(run, **values):
    return mass_assignment_diff.start(run=run, reference=uuid.uuid4(), actor=None, now=clock.now(), **values).run


def members_of(run):
    return set(AudienceMember.objects.filter(run=run).values_list("member_id", flat=True))


@pytest.mark.parametrize("policy", ["unlimited", "once_per_campaign"])
def test_b_03_only_members_who_match_now_and_are_new_are_assigned(programme, columbus, policy):
    """B-03: also where the policy would let everybody have it again; held out, refused and former ones stay out."""
    offer = ConfigOfferFactory(programme=programme, repeat_policy=policy)
    stays, leaves = MemberFactory.create_batch(2, programme=programme)
    inactive = MemberFactory(programme=programme, status="inactive")
    first = work(plan_run(offer, targeting=columbus))
    leaves.city = "Dayton"
    leaves.save()
    inactive.status = "active"
    inactive.save()
    new = MemberFactory.create_batch(3, programme=programme)

    foreseen = mass_assignment_diff.dry_run(run=first, now=clock.now())
    assert (foreseen.matched, foreseen.eligible) == (3, 3)
    second = work(go_on(first))
    assert (second.state, second.follows, second.first) == ("finished", first, first)
    assert members_of(second) == {member.pk for member in new}
    assert set(Assignment.objects.filter(run=second).values_list("member_id", flat=True)) == members_of(second)

    newest = MemberFactory(programme=programme)
    third = work(go_on(second))
    assert (third.follows, third.first, members_of(third)) == (second, first, {newest.pk})
    # From the first again: whoever any run of the line froze is not new.
    assert mass_assignment_diff.dry_run(run=first, now=clock.now()).matched == 0
    assert family.line(run=third) == [first.pk, second.pk, third.pk]
    relatives = family.relatives(run=second)
    assert (relatives.follows, relatives.followers) == (first, [third])
    assert Assignment.objects.filter(member=stays).count() == 1
    assert_whole()


def test_b_03_it_takes_offer_template_terms_campaign_rank_and_hold_out(programme, columbus):
    """B-03, D-19: and the audience as it is saved now."""
    offer = ConfigOfferFactory(programme=programme)
    campaign = CampaignFactory(programme=programme)
    MemberFactory(programme=programme)
    terms = {"benefit": {"type": "percent", "size": 25}}
    run = work(plan_run(offer, targeting=columbus, campaign=campaign, terms=terms, rank=7, hold_out_percent=50))
    columbus.current_version = TargetingVersion.objects.create(
        targeting=columbus,
        number=2,
        criteria={"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Dayton"}]},
    )
    columbus.save()
    new = MemberFactory.create_batch(40, programme=programme, city="Dayton")
    foreseen = mass_assignment_diff.dry_run(run=run, now=clock.now())
    made = work(go_on(run))
    same = ("config_offer", "template", "campaign", "terms", "rank", "hold_out_percent")
    assert [getattr(made, name) for name in same] == [getattr(run, name) for name in same]
    assert (made.targeting_version.number, members_of(made)) == (2, {member.pk for member in new})
    assert made.name == f"{run.name}: new members"
    assert foreseen.excluded == made.excluded
    assert 0 < made.excluded["held_out"] < 40


def test_b_03_a_run_without_a_campaign_is_gone_on_with_by_one_of_its_own(programme, columbus):
    MemberFactory(programme=programme)
    run = work(plan_run(ConfigOfferFactory(programme=programme), targeting=columbus))
    MemberFactory(programme=programme)
    made = work(go_on(run))
    assert made.campaign.is_of_run
    assert (made.campaign != run.campaign, made.eligible) == (True, 1)


def test_b_03_of_two_that_go_on_at_once_the_later_one_finds_nobody_new(programme, columbus):
    """B-03: planned one after the other, each sees whom the other froze."""
    MemberFactory(programme=programme)
    run = work(plan_run(ConfigOfferFactory(programme=programme, repeat_policy="unlimited"), targeting=columbus))
    MemberFactory.create_batch(4, programme=programme)
    one, other = go_on(run), go_on(run)
    for each in (one, other):
        execution.plan(run_id=each.pk, now=clock.now())
        each.refresh_from_db()
    assert (one.matched, other.matched) == (4, 0)


def test_b_03_the_same_reference_goes_on_once(programme, columbus):
    MemberFactory(programme=programme)
    run = work(plan_run(ConfigOfferFactory(programme=programme), targeting=columbus))
    reference = uuid.uuid4()
    made = [mass_assignment_diff.start(run=run, reference=reference, actor=None, now=clock.now()) for _ in range(2)]
    assert (made[0].run, made[1].is_replayed) == (made[1].run, True)
    assert MassAssignment.objects.count() == 2


def test_b_03_a_run_that_was_never_planned_knows_nobody_who_is_new(programme, columbus):
    run = draft_run(ConfigOfferFactory(programme=programme), targeting=columbus)
    for attempt in (lambda: mass_assignment_diff.dry_run(run=run, now=clock.now()), lambda: go_on(run)):
        with pytest.raises(mass_assignment.NotLaunchable, match="has no frozen audience yet"):
            attempt()
    assert MassAssignment.objects.count() == 1


def test_b_03_too_few_codes_for_the_new_ones_are_foreseen_and_fail_it_whole(programme, columbus):
    """B-03, S4-28."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 2)
    MemberFactory(programme=programme)
    run = work(plan_run(offer, targeting=columbus))
    MemberFactory.create_batch(3, programme=programme)
    assert mass_assignment_diff.dry_run(run=run, now=clock.now()).codes_short == 2
    assert work(go_on(run)).state == "failed"
    assert Assignment.objects.count() == 1
