"""Large runs wait for a second person, never for the one who launched them; and again when they grew."""

import pytest
from django.db import IntegrityError, transaction

from loyalty import clock
from loyalty.errors import InvalidInput
from loyalty.models import AuditEvent
from offers.models import Assignment, AudienceMember, MassAssignment, RunApproval
from offers.services import execution, mass_assignment, run_approval
from offers.services.mass_assignment import LaunchPlan
from offers.services.run_approval import NotApprovable
from tests.factories import (
    AttributeDefinitionFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    UserFactory,
    draft_run,
    import_codes,
    work,
)
from tests.integrity import whole_at_the_end

__all__ = ["whole_at_the_end"]

pytestmark = pytest.mark.django_db
State = MassAssignment.State


@pytest.fixture
def programme():
    return ProgrammeFactory(approval_members=9)


@pytest.fixture
def offer(programme):
    return ConfigOfferFactory(programme=programme, terms={"benefit": {"type": "amount", "size": 100}})


@pytest.fixture
def ann(programme):
    return UserFactory(role="marketer", programmes=[programme])


@pytest.fixture
def bob(programme):
    return UserFactory(role="marketer", programmes=[programme])


def launch(offer, actor, **values):
    return mass_assignment.launch(run=draft_run(offer, actor=actor, **values), actor=actor, now=clock.now())


def asked(run):
    return RunApproval.objects.filter(run=run).order_by("id").values_list("cause", "members", "decision")


def test_a_run_up_to_the_size_needs_nobody(offer, programme, ann):
    """Issue 4, approval: nine of nine."""
    MemberFactory.create_batch(9, programme=programme)
    run = work(launch(offer, ann))
    assert (run.state, run.eligible, list(asked(run))) == (State.FINISHED, 9, [])


def test_a_larger_run_waits_and_another_person_lets_it_go_on(offer, programme, ann, bob):
    """Issue 4, approval; D-19 of who did what: asked with its numbers, approved by another, audited."""
    MemberFactory.create_batch(10, programme=programme)
    MemberFactory(programme=programme, status="inactive")
    run = launch(offer, ann)
    assert run.state == State.AWAITING_APPROVAL
    assert execution.plan(run_id=run.pk, now=clock.now()) is False
    [one] = RunApproval.objects.all()
    assert (one.cause, one.members, one.exposure_minor, one.requested_by) == ("size", 10, 1000, ann)
    run = run_approval.approve(run=run, actor=bob, now=clock.now())
    assert run.state == State.SCHEDULED
    run = work(run)
    assert (run.state, Assignment.objects.count()) == (State.FINISHED, 10)
    one.refresh_from_db()
    assert (one.decision, one.decided_by) == ("approved", bob)
    actions = list(
        AuditEvent.objects.filter(object_type="offers.massassignment", object_id=str(run.pk))
        .order_by("id")
        .values_list("action", "user")
    )
    assert actions == [
        ("mass_assignment.launched", ann.pk),
        ("mass_assignment.approval_asked", ann.pk),
        ("mass_assignment.approved", bob.pk),
    ]


def test_nobody_approves_or_declines_a_run_of_their_own(offer, programme, ann, bob):
    """Issue 4, approval: a second person is a second person; the database says so too."""
    MemberFactory.create_batch(10, programme=programme)
    run = launch(offer, ann)
    with pytest.raises(NotApprovable, match="Ask somebody else"):
        run_approval.approve(run=run, actor=ann, now=clock.now())
    with pytest.raises(NotApprovable, match="Ask somebody else"):
        run_approval.decline(run=run, reason="No.", actor=ann, now=clock.now())
    run.refresh_from_db()
    assert run.state == State.AWAITING_APPROVAL
    with pytest.raises(IntegrityError, match="nobody_approves_a_run_of_their_own"), transaction.atomic():
        RunApproval.objects.update(decision="approved", decided_by=ann)


def test_who_declines_says_why_and_nothing_is_assigned(offer, programme, ann, bob):
    """Issue 4, approval: cancelled, with the reason; an empty one is refused."""
    MemberFactory.create_batch(10, programme=programme)
    run = launch(offer, ann)
    with pytest.raises(InvalidInput, match="Say why"):
        run_approval.decline(run=run, reason="  ", actor=bob, now=clock.now())
    run = run_approval.decline(run=run, reason="Not in sale week.", actor=bob, now=clock.now())
    assert (run.state, run.failure) == (State.CANCELLED, {"code": "declined", "message": "Not in sale week."})
    with pytest.raises(NotApprovable):
        run_approval.approve(run=run, actor=bob, now=clock.now())
    assert not AudienceMember.objects.exists()


def test_a_worst_case_above_the_cost_needs_approval_too(programme, ann):
    """Issue 4, approval by cost; S1-05: to the cent, also where it differs per member."""
    programme.approval_members, programme.approval_cost_minor = None, 700
    programme.save()
    AttributeDefinitionFactory(programme=programme, name="n", type="number")
    offer = ConfigOfferFactory(programme=programme)
    for n in (3, 4):
        MemberFactory(programme=programme, attributes={"n": n})
    values = {"benefit": {"type": "amount", "size": {"attribute": "n", "minimum": 1, "maximum": 9}}}
    assert launch(offer, ann, member_values=values).state == State.SCHEDULED
    MemberFactory(programme=programme, attributes={"n": 1})
    run = launch(offer, ann, member_values=values)
    assert (run.state, list(asked(run))) == (State.AWAITING_APPROVAL, [("size", 3, "")])
    assert RunApproval.objects.get().exposure_minor == 800


@pytest.mark.parametrize(("more", "state"), [(1, State.FINISHED), (2, State.AWAITING_APPROVAL)])
def test_an_audience_may_grow_by_a_tenth_after_its_approval_and_not_by_more(offer, programme, ann, bob, more, state):
    """Issue 4, approval; B-03: eleven of ten approved go on, twelve wait again, with nothing frozen."""
    MemberFactory.create_batch(10, programme=programme)
    run = run_approval.approve(run=launch(offer, ann), actor=bob, now=clock.now())
    MemberFactory.create_batch(more, programme=programme)
    run = work(run)
    assert run.state == state
    if state == State.AWAITING_APPROVAL:
        assert list(asked(run)) == [("size", 10, "approved"), ("grew", 12, "")]
        assert not AudienceMember.objects.exists()
        run = work(run_approval.approve(run=run, actor=bob, now=clock.now()))
        assert (run.state, Assignment.objects.count()) == (State.FINISHED, 12)


def test_a_small_run_that_is_large_by_the_time_of_its_planning_waits(offer, programme, ann, bob):
    """Issue 4, approval: what counts is what would be assigned; launching small is no way around it."""
    MemberFactory.create_batch(9, programme=programme)
    run = launch(offer, ann)
    assert run.state == State.SCHEDULED
    MemberFactory(programme=programme)
    run = work(run)
    assert (run.state, list(asked(run))) == (State.AWAITING_APPROVAL, [("size", 10, "")])
    with pytest.raises(NotApprovable):
        run_approval.approve(run=run, actor=ann, now=clock.now())
    assert work(run_approval.approve(run=run, actor=bob, now=clock.now())).state == State.FINISHED


def test_a_run_that_is_cut_counts_with_what_stays(programme, ann):
    """Issue 4, approval; B-01: twelve targeted, eight codes: eight are assigned, and nobody need approve."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    MemberFactory.create_batch(12, programme=programme)
    import_codes(offer, 8)
    run = work(launch(offer, ann, plan=LaunchPlan("cut")))
    assert (run.state, run.eligible) == (State.FINISHED, 8)


def test_a_run_that_is_cancelled_while_it_waits_asks_no_more(offer, programme, ann, bob):
    """Issue 4, approval: withdrawn; whoever comes later finds nothing to approve."""
    MemberFactory.create_batch(10, programme=programme)
    run = mass_assignment.cancel(run=launch(offer, ann), actor=ann, now=clock.now())
    assert list(asked(run)) == [("size", 10, "withdrawn")]
    with pytest.raises(NotApprovable):
        run_approval.approve(run=run, actor=bob, now=clock.now())
