"""Undoing a whole run: what nobody used is taken back, seen codes are burned, users keep theirs (B-04, D-01, D-10)."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from loyalty import clock
from loyalty.models import AuditEvent, OutboxEvent
from offers.models import (
    Assignment,
    AssignmentEvent,
    KeptAssignment,
    Limit,
    MassAssignment,
    MassAssignmentUndoChunk,
    MemberCount,
)
from offers.selectors import mass_assignment_undo as selectors
from offers.selectors import timeline
from offers.selectors import voucher as bank_selectors
from offers.services import (
    assignment_verbs,
    closing,
    execution,
    mass_assignment,
    mass_assignment_undo,
    redemption,
    revocation,
)
from offers.services.verb import By
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    UserFactory,
    give,
    import_codes,
    launch_run,
    limit_of,
    plan_run,
    redeem,
    work,
)
from tests.integrity import assert_whole

pytestmark = pytest.mark.django_db
State = MassAssignment.State


@pytest.fixture(autouse=True)
def chunks(settings):
    settings.MASS_ASSIGNMENT_CHUNK = 10


@pytest.fixture
def programme():
    return ProgrammeFactory()


def a_run(programme, members=30, *, codes=40, campaign=None, **offer_values):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=bool(codes), **offer_values)
    if codes:
        import_codes(offer, codes)
    MemberFactory.create_batch(members, programme=programme)
    return work(plan_run(offer, campaign=campaign))


def given(run):
    return list(Assignment.objects.filter(run=run).order_by("member_id"))


def show(held):
    return assignment_verbs.expose(member_id=held.member_id, assignment_id=held.pk, now=clock.now())


def undo(run, **values):
    mass_assignment_undo.start(run=run, actor=None, now=clock.now(), **values)
    return mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)


def codes_left(run):
    return bank_selectors.codes_left(bank=run.config_offer.voucher_bank, now=clock.now())


def test_b_04_run_redeem_3_view_5_undo(programme):
    """B-04, D-10: 27 taken back, 22 codes given back, 5 burned, 3 listed as used; one event for each taken back."""
    run = a_run(programme)
    held = given(run)
    used, seen, others = held[:3], held[3:8], held[8:]
    for one in used:
        redeem(one)
    shown = {show(one) for one in seen}
    assert codes_left(run) == 10

    foreseen = selectors.foresee(run=run, now=clock.now())
    assert (foreseen.revoked, foreseen.returned, foreseen.burned, foreseen.redeemed) == (27, 22, 5, 3)
    run = undo(run, reason="wrong audience")

    assert run.state == State.UNDONE
    assert selectors.report(run=run).counts == foreseen
    assert codes_left(run) == 32
    assert set(Assignment.objects.filter(revoked_at=None).values_list("pk", flat=True)) == {one.pk for one in used}
    # Who was shown hers keeps its record, for good; what goes back is nobody's.
    for one in seen:
        one.refresh_from_db()
        assert one.voucher_code.code in shown
    assert not Assignment.objects.filter(pk__in=[one.pk for one in others], voucher_code__isnull=False).exists()
    assert not Assignment.objects.filter(revoked_at__isnull=False, holding_key__isnull=False).exists()
    assert [(one.member_id, one.assignment_id, one.reason) for one in KeptAssignment.objects.order_by("member")] == [
        (one.member_id, one.pk, "redeemed") for one in used
    ]
    assert AssignmentEvent.objects.filter(verb="undone").count() == 27
    told = OutboxEvent.objects.filter(type="assignment.revoked", run_id=run.pk).order_by("chunk")
    assert list(told.values_list("chunk", "size", "is_synchronized")) == [(0, 7, True), (1, 10, True), (2, 10, True)]
    assert_whole()


def test_b_04_an_event_of_an_undo_addresses_what_it_took_back_and_nothing_else(programme):
    """B-04, DESIGN 5: (run, chunk) with the moment; two rows where some waited for their till."""
    run = a_run(programme, members=10)
    held = given(run)
    redeem(held[0])
    revocation.revoke(programme=programme, assignment_id=held[1].pk, reason="slip", now=clock.now())
    Assignment.objects.filter(pk__in=[held[2].pk, held[3].pk]).update(synchronized_at=None)
    undo(run)
    rows = OutboxEvent.objects.filter(type="assignment.revoked", run_id=run.pk).order_by("is_synchronized")
    assert [(row.is_synchronized, row.size, row.assignment_ids) for row in rows] == [(False, 2, []), (True, 6, [])]
    addressed = [set(selectors.addressed(event=row, run=run)) for row in rows]
    assert addressed == [{held[2].pk, held[3].pk}, {one.pk for one in held[4:]}]


def test_b_04_the_timeline_of_each_says_undone_with_its_run_and_by_whom(programme):
    """B-04, B-18: and who used hers is told of nothing."""
    run = a_run(programme, members=2)
    used, back = given(run)
    redeem(used)
    person = UserFactory(programmes=[programme])
    mass_assignment_undo.start(run=run, actor=person, now=clock.now(), reason="wrong week")
    mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)

    def told(one):
        found = Assignment.objects.select_related("revision", "template", "run", "campaign", "actor").get(pk=one.pk)
        return timeline.timeline(assignment=found)

    entries = told(back)
    [undone] = [entry for entry in entries if entry.kind == "undone"]
    assert (undone.actor, undone.reason, undone.details) == (person, "wrong week", {"run": run.name})
    assert {change.field for change in undone.changes} == {"revoked_at", "holding_key", "voucher_code"}
    assert [e.details["type"] for e in entries if e.kind == "told"] == ["assignment.created", "assignment.revoked"]
    assert [e.details["type"] for e in told(used) if e.kind == "told"] == ["assignment.created"]
    actions = AuditEvent.objects.filter(object_id=str(run.pk)).order_by("id").values_list("action", "user", "data")
    assert list(actions)[-2:] == [
        ("mass_assignment.undo_started", person.pk, {"reason": "wrong week"}),
        ("mass_assignment.undone", person.pk, selectors.report(run=run).counts.__dict__),
    ]


@pytest.mark.parametrize("policy", ["unlimited", "once_ever", "one_open", "once_per_campaign"])
def test_b_04_members_can_be_given_the_offer_again_whatever_the_repeat_policy(programme, policy):
    """B-04, D-01: the holding key is let go, and where there is none the run is found all the same."""
    campaign = CampaignFactory(programme=programme)
    run = a_run(programme, members=12, codes=12, repeat_policy=policy, campaign=campaign)
    assert undo(run).state == State.UNDONE
    again = work(launch_run(run.config_offer, campaign=campaign))
    assert (again.state, again.eligible, codes_left(again)) == ("finished", 12, 0)
    assert_whole()


def test_b_04_limits_go_back_as_far_as_it_was_taken_back(programme):
    """B-04, D-05: cap, budget and each member's count, and not the share of who used hers."""
    campaign = CampaignFactory(programme=programme)
    offer = ConfigOfferFactory(programme=programme, terms={"benefit": {"type": "amount", "size": 200}})
    limit_of(offer, cap=100, budget_minor=100_000)
    limit_of(campaign, cap=50, per_member=1)
    members = MemberFactory.create_batch(20, programme=programme)
    run = work(plan_run(offer, campaign=campaign))
    redeem(given(run)[0])
    undo(run)
    assert list(Limit.objects.order_by("pk").values_list("assigned", "spent_minor", "assigned_today")) == [
        (1, 200, 1),
        (1, 200, 1),
    ]
    counts = dict(MemberCount.objects.values_list("member_id", "assigned"))
    assert counts == {member.pk: int(member == members[0]) for member in members}
    assert_whole()


def test_b_04_what_was_over_before_stays_as_it_was_and_is_reported(programme):
    """B-04: revoked, closed, expired and used up before are counted apart, and no event tells of them again."""
    run = a_run(programme, members=8)
    revoked, closed, expired, used_up, *rest = given(run)
    revocation.revoke(programme=programme, assignment_id=revoked.pk, reason="slip", now=clock.now())
    closing.close(programme=programme, assignment_id=closed.pk, reason="asked", by=By(), now=clock.now())
    Assignment.objects.filter(pk=expired.pk).update(starts_at=None, ends_at=clock.now())
    redeem(used_up, is_used_up=True)
    before = Assignment.objects.filter(pk__in=[revoked.pk, closed.pk, expired.pk, used_up.pk]).order_by("pk")
    values = list(before.values())
    undo(run)
    found = selectors.report(run=run).counts
    assert (found.revoked, found.revoked_before, found.closed, found.expired, found.kept) == (4, 1, 1, 1, 1)
    assert list(before.values()) == values
    assert AssignmentEvent.objects.filter(verb="undone").count() == len(rest)
    assert_whole()


def test_b_04_one_used_after_its_till_is_kept_even_where_it_may_be_used_again(programme):
    """B-04: "unredeemed" means never used, whatever the redemption limit."""
    run = a_run(programme, members=2, codes=0)
    first, second = given(run)
    redeem(first)
    undo(run)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.revoked_at, second.revoked_at is not None) == (None, True)


def test_d_10_a_code_whose_use_was_given_back_does_not_go_back_into_the_bank(programme):
    """D-10, B-04: a till saw it. Foreseen, and done."""
    run = a_run(programme, members=2, codes=2)
    first, _second = given(run)
    use = redeem(first, is_used_up=True)
    redemption.give_back(
        programme=programme, assignment_id=first.pk, external_id=use.external_id, by=By(), now=clock.now(), reason="x"
    )
    foreseen = selectors.foresee(run=run, now=clock.now())
    assert (foreseen.revoked, foreseen.returned, foreseen.burned) == (2, 1, 1)
    undo(run)
    assert selectors.report(run=run).counts == foreseen
    assert Assignment.objects.get(pk=first.pk).voucher_code_id == first.voucher_code_id
    assert codes_left(run) == 1
    assert_whole()


@pytest.mark.parametrize("state", ["draft", "scheduled", "running", "paused", "failed", "undone"])
def test_b_04_a_run_that_is_not_over_or_gave_nothing_is_not_undone(programme, state):
    """B-04: and nothing is written."""
    run = a_run(programme, members=2, codes=0)
    if state == "undone":
        undo(run)
    MassAssignment.objects.filter(pk=run.pk).update(state=state)
    run.refresh_from_db()
    audited = AuditEvent.objects.count()
    with pytest.raises(mass_assignment.NotLaunchable, match="cannot be undone now"):
        mass_assignment_undo.start(run=run, actor=None, now=clock.now())
    run.refresh_from_db()
    assert (run.state, AuditEvent.objects.count()) == (state, audited)


def test_b_04_a_run_that_assigned_nobody_has_nothing_to_undo(programme):
    run = work(plan_run(ConfigOfferFactory(programme=programme)))
    with pytest.raises(mass_assignment_undo.NothingToUndo):
        mass_assignment_undo.start(run=run, actor=None, now=clock.now())
    run.refresh_from_db()
    assert (run.state, hasattr(run, "undo")) == ("finished", False)


def test_b_04_a_second_click_changes_nothing(programme):
    run = a_run(programme, members=2, codes=0)
    mass_assignment_undo.start(run=run, actor=None, now=clock.now())
    with pytest.raises(mass_assignment.NotLaunchable, match="is being undone already"):
        mass_assignment_undo.start(run=run, actor=None, now=clock.now())
    assert AuditEvent.objects.filter(action="mass_assignment.undo_started").count() == 1


def test_b_04_a_cancelled_run_is_undone_as_far_as_it_came(programme):
    """B-04, D-05: and the codes that it had reserved and nobody got are back too."""
    run = a_run_half_done(programme)
    mass_assignment.cancel(run=run, actor=None, now=clock.now())
    assert undo(run).state == State.UNDONE
    assert (selectors.report(run=run).counts.revoked, codes_left(run)) == (10, 40)
    assert_whole()


def test_b_04_what_a_large_cancelled_run_still_held_goes_back_with_its_undo(programme, monkeypatch):
    """B-04, D-05: undone before the workers had released what nobody got."""
    monkeypatch.setattr(mass_assignment, "AT_ONCE", 0)
    run = a_run_half_done(programme)
    mass_assignment.cancel(run=run, actor=None, now=clock.now())
    assert codes_left(run) == 10
    undo(run)
    assert codes_left(run) == 40
    assert_whole()


def a_run_half_done(programme):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 40)
    MemberFactory.create_batch(30, programme=programme)
    run = plan_run(offer)
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    return run


def test_b_04_a_chunk_that_fails_is_tried_again_then_given_up_shown_and_begun_anew(programme, monkeypatch):
    """B-04, C-04: the others are taken back; "undone" is said only when all are."""
    run = a_run(programme, members=20)
    original = mass_assignment_undo.take_back_chunk

    def broken(*, chunk, **values):
        if chunk.number == 0:
            raise DatabaseError("disk is full")
        return original(chunk=chunk, **values)

    monkeypatch.setattr(mass_assignment_undo, "take_back_chunk", broken)
    monkeypatch.setattr("offers.services.chunk.BACK_OFF", timedelta())
    mass_assignment_undo.start(run=run, actor=None, now=clock.now())
    for _ in range(4):
        run = mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)
    chunk = MassAssignmentUndoChunk.objects.get(number=0)
    assert (run.state, chunk.attempts, chunk.failure) == ("undoing", 3, "disk is full")
    assert chunk.failed_at is not None
    assert Assignment.objects.filter(revoked_at__isnull=False).count() == 10
    # It waits for a person: the sweeper leaves it alone.
    assert mass_assignment_undo.waiting_runs(now=clock.now()) == []

    monkeypatch.undo()
    mass_assignment_undo.start(run=run, actor=None, now=clock.now())
    assert mass_assignment_undo.waiting_runs(now=clock.now()) == [run.pk]
    assert mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now).state == "undone"
    assert selectors.report(run=run).counts.revoked == 20
    assert_whole()


def test_b_04_a_chunk_costs_the_same_statements_however_many_it_takes_back(programme, settings):
    """B-04, DESIGN 10.9."""
    counted = []
    for members in (3, 60):
        settings.MASS_ASSIGNMENT_CHUNK = 100
        run = a_run(programme, members=members, codes=100)
        limit_of(run.config_offer, cap=1000)
        mass_assignment_undo.start(run=run, actor=None, now=clock.now())
        with CaptureQueriesContext(connection) as queries:
            mass_assignment_undo.do_next_chunk(run_id=run.pk, now=clock.now())
        counted.append(len(queries))
    assert counted[0] == counted[1] <= 16


def test_b_04_an_undo_leaves_other_grants_of_the_same_members_alone(programme):
    """B-04: only what the run gave, not what a door gave them besides."""
    run = a_run(programme, members=3, codes=10, repeat_policy="unlimited")
    other = give(given(run)[0].member, run.config_offer)
    undo(run)
    other.refresh_from_db()
    assert (other.revoked_at, other.voucher_code is not None) == (None, True)
    assert Assignment.objects.filter(revoked_at__isnull=False).count() == 3
