"""Too few codes, or too little left: assign nobody, cut to what is there, or wait (B-01, S4-28, D-05)."""

from datetime import timedelta

import pytest

from loyalty import clock
from offers.models import Assignment, AudienceMember, CodeReservation, Limit, MassAssignment
from offers.selectors import voucher as vouchers
from offers.services import audience, execution, mass_assignment, planning, waiting
from offers.services.mass_assignment import LaunchPlan
from offers.tasks import mass_assignment as tasks
from tests.factories import (
    AttributeDefinitionFactory,
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    draft_run,
    give,
    import_codes,
    limit_of,
    work,
)
from tests.integrity import whole_at_the_end

__all__ = ["whole_at_the_end"]

pytestmark = pytest.mark.django_db
State = MassAssignment.State
CUT, WAIT = LaunchPlan("cut"), LaunchPlan("wait", wait_days=3)
EVERYONE = {"op": "and", "items": [], "all_members": True}


@pytest.fixture(autouse=True)
def _small_chunks(settings):
    settings.MASS_ASSIGNMENT_CHUNK = 4


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def offer(programme):
    return ConfigOfferFactory(
        programme=programme, require_vouchers=True, terms={"benefit": {"type": "amount", "size": 100}}
    )


def launched(offer, plan, **values):
    run = draft_run(offer, plan=plan, **values)
    return mass_assignment.launch(run=run, actor=None, now=clock.now())


def dry_run(offer, **values):
    return audience.dry_run(
        programme=offer.programme, template=offer.templates.get(), criteria=EVERYONE, now=clock.now(),
        **({"terms": {}, "campaign": None} | values),
    )  # fmt: skip


def left(offer):
    return vouchers.codes_left(bank=offer.voucher_bank, now=clock.now())


def test_b_01_cut_to_the_codes_there_are_the_first_ones_get_them(offer, programme):
    """B-01: 12 targeted, 9 codes: the first nine are assigned, three are out of codes, each with the reason."""
    members = MemberFactory.create_batch(12, programme=programme)
    import_codes(offer, 9)
    seen = dry_run(offer)
    assert (seen.eligible, seen.codes_left, seen.codes_short, seen.fits) == (12, 9, 3, 9)
    run = work(launched(offer, CUT))
    assert (run.state, run.matched, run.eligible, run.excluded) == (State.FINISHED, 12, 9, {"out_of_codes": 3})
    assert set(Assignment.objects.values_list("member_id", flat=True)) == {one.pk for one in members[:9]}
    assert Assignment.objects.values("voucher_code").distinct().count() == 9
    cut = AudienceMember.objects.filter(run=run, outcome="out_of_codes")
    assert {one.member_id: one.details for one in cut} == {one.pk: {"reason": "cut"} for one in members[9:]}
    assert CodeReservation.objects.get().size == 9
    assert left(offer) == 0


def test_b_01_with_enough_nothing_is_cut(offer, programme):
    """B-01: a plan for a shortfall changes nothing where there is none."""
    MemberFactory.create_batch(5, programme=programme)
    import_codes(offer, 6)
    run = work(launched(offer, CUT))
    assert (run.state, run.eligible, run.excluded, left(offer)) == (State.FINISHED, 5, {}, 1)


def test_b_01_codes_that_vanish_between_the_dry_run_and_planning_make_the_cut_smaller_not_wrong(offer, programme):
    """B-01, D-05: what the dry run promised is counted anew under the bank's lock."""
    MemberFactory.create_batch(8, programme=programme)
    import_codes(offer, 6)
    run = launched(offer, CUT)
    assert dry_run(offer).fits == 6
    other = MemberFactory(programme=ProgrammeFactory())
    other.programme = programme
    other.save()
    for member in programme.members.order_by("-pk")[:2]:
        give(member, offer, campaign_id=CampaignFactory(programme=programme).pk)
    run = work(run)
    assert (run.state, run.eligible, run.excluded["out_of_codes"]) == (State.FINISHED, 4, 5)
    assert left(offer) == 0


def test_b_01_without_a_single_code_a_cut_run_fails_and_says_how_many_are_missing(offer, programme):
    """B-01, S4-28: nobody is nobody, not a finished run of none."""
    MemberFactory.create_batch(3, programme=programme)
    run = work(launched(offer, CUT))
    assert (run.state, run.failure) == (State.FAILED, {"code": "out_of_codes", "needed": 3, "short": 3})
    assert not AudienceMember.objects.exists()


def test_b_01_a_cut_keeps_within_cap_and_budget_too(offer, programme):
    """B-01, D-05: the tightest of codes, cap and budget decides, and names the outcome; to the cent."""
    MemberFactory.create_batch(10, programme=programme)
    import_codes(offer, 9)
    campaign = CampaignFactory(programme=programme)
    limit_of(offer, cap=8)
    shared = limit_of(campaign, budget_minor=799)
    assert dry_run(offer, campaign=campaign).fits == 7
    run = work(launched(offer, CUT, campaign=campaign))
    assert (run.state, run.eligible, run.excluded) == (State.FINISHED, 7, {"budget_reached": 3})
    shared.refresh_from_db()
    assert (shared.assigned, shared.spent_minor, left(offer)) == (7, 700, 2)
    Limit.objects.filter(pk=shared.pk).update(budget_minor=10_000)
    second = work(launched(offer, CUT, campaign=CampaignFactory(programme=programme)))
    assert (second.eligible, second.excluded) == (1, {"cap_reached": 9})


def test_b_01_a_cut_of_values_per_member_adds_them_up_in_order(programme):
    """B-01, S1-05: 3 + 5 fit into 9.00, 3 + 5 + 2 do not; who comes later does not slip in."""
    AttributeDefinitionFactory(programme=programme, name="n", type="number")
    offer = ConfigOfferFactory(programme=programme)
    for n in (3, 5, 2, 1):
        MemberFactory(programme=programme, attributes={"n": n})
    campaign = CampaignFactory(programme=programme)
    shared = limit_of(campaign, budget_minor=900)
    values = {"benefit": {"type": "amount", "size": {"attribute": "n", "minimum": 1, "maximum": 9}}}
    assert dry_run(offer, campaign=campaign, member_values=values).fits == 2
    run = work(launched(offer, CUT, campaign=campaign, member_values=values))
    assert (run.state, run.eligible, run.excluded) == (State.FINISHED, 2, {"budget_reached": 2})
    shared.refresh_from_db()
    assert shared.spent_minor == 800


def test_b_01_a_waiting_run_begins_when_enough_codes_are_imported(offer, programme, monkeypatch):
    """B-01: it holds nothing meanwhile, an import that is not enough changes nothing, the last one lets it go."""
    rung = []
    monkeypatch.setattr(tasks, "ring", lambda run_id, messages=1: rung.append(run_id))
    MemberFactory.create_batch(6, programme=programme)
    import_codes(offer, 2)
    run = work(launched(offer, WAIT))
    assert run.state == State.SCHEDULED
    assert {key: run.waiting[key] for key in ("code", "needed", "short")} == {
        "code": "out_of_codes", "needed": 6, "short": 4
    }  # fmt: skip
    assert run.wait_until - run.launched_at <= timedelta(days=3, minutes=1)
    assert (left(offer), AudienceMember.objects.count()) == (2, 0)
    import_codes(offer, ["one-more"])
    tasks.sweep()
    assert (rung, planning.plannable(now=clock.now()).count()) == ([], 0)
    assert planning.plan(run_id=run.pk, now=clock.now()) is False
    import_codes(offer, ["second", "third", "fourth"])
    tasks.sweep()
    assert rung == [run.pk]
    run = work(run)
    assert (run.state, run.waiting, Assignment.objects.count(), left(offer)) == (State.FINISHED, None, 6, 0)


def test_b_01_a_run_that_waited_in_vain_fails_with_what_was_missing(offer, programme):
    """B-01, S4-28: at most as long as was said; then as if it had not waited, and it may be launched again."""
    MemberFactory.create_batch(3, programme=programme)
    run = work(launched(offer, WAIT))
    late = clock.now() + timedelta(days=3, minutes=1)
    assert waiting.wake(now=clock.now()) == []
    assert waiting.wake(now=late) == []
    run.refresh_from_db()
    assert (run.state, run.failure["code"], run.failure["short"]) == (State.FAILED, "out_of_codes", 3)
    import_codes(offer, 3)
    run = work(mass_assignment.launch(run=run, actor=None, now=clock.now()))
    assert run.state == State.FINISHED


def test_b_01_a_run_waits_for_a_cap_and_a_budget_as_well(offer, programme):
    """B-01, D-05: raised, and it goes on at the sweeper's next round."""
    MemberFactory.create_batch(4, programme=programme)
    import_codes(offer, 4)
    campaign = CampaignFactory(programme=programme)
    cap, budget = limit_of(offer, cap=3), limit_of(campaign, budget_minor=399)
    run = work(launched(offer, WAIT, campaign=campaign))
    assert {one["code"] for one in run.waiting["problems"]} == {"cap_reached", "budget_reached"}
    Limit.objects.filter(pk=cap.pk).update(cap=4)
    assert waiting.wake(now=clock.now()) == []
    Limit.objects.filter(pk=budget.pk).update(budget_minor=400)
    assert waiting.wake(now=clock.now()) == [run.pk]
    assert work(run).state == State.FINISHED


def test_b_01_a_waiting_run_can_be_cancelled(offer, programme):
    """B-01: nothing was assigned and nothing is held."""
    MemberFactory.create_batch(3, programme=programme)
    run = work(launched(offer, WAIT))
    run = mass_assignment.cancel(run=run, actor=None, now=clock.now())
    import_codes(offer, 3)
    assert waiting.wake(now=clock.now()) == []
    execution.finish(run_id=run.pk, now=clock.now())
    run.refresh_from_db()
    assert (run.state, Assignment.objects.count()) == (State.CANCELLED, 0)
