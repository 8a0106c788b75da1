"""Mass assignments in this process: planning, reservation, chunks, outcomes, leftovers."""

from datetime import timedelta

import pytest
from django.db import OperationalError

from loyalty import clock
from loyalty.errors import InvalidInput
from loyalty.models import Member, OutboxEvent, Programme
from offers.models import (
    Assignment,
    AudienceMember,
    CodeReservation,
    ConfigOffer,
    MassAssignment,
    VoucherSegment,
)
from offers.selectors import mass_assignment as selector
from offers.selectors import voucher as voucher_selector
from offers.services import audience, execution, mass_assignment
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    TargetingFactory,
    give,
    import_codes,
    launch_run,
)

pytestmark = pytest.mark.django_db
State = MassAssignment.State


@pytest.fixture(autouse=True)
def _small_chunks(settings):
    settings.MASS_ASSIGNMENT_CHUNK = 4


@pytest.fixture
def programme():
    return ProgrammeFactory()


def launched(programme, offer, *, template=None, **values):
    return launch_run(template or offer, **values)


def to_end(run):
    return execution.run_to_end(run_id=run.pk, clock=clock.now)


def codes_left(offer):
    return voucher_selector.codes_left(bank=offer.voucher_bank, now=clock.now())


def test_one_assignment_with_a_code_for_each_member_of_the_target(programme):
    """S4-24, S4-27, C-04, B-01: exactly one assignment and one distinct code per member, told once."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 7)
    import_codes(offer, [f"second-{n}" for n in range(5)])
    members = MemberFactory.create_batch(10, programme=programme)
    MemberFactory.create_batch(3)  # another programme's
    run = to_end(launched(programme, offer))
    assert (run.state, run.matched, run.eligible) == (State.FINISHED, 10, 10)
    made = Assignment.objects.filter(run=run)
    assert set(made.values_list("member_id", flat=True)) == {m.pk for m in members}
    assert made.values("voucher_code_id").distinct().count() == 10
    assert sorted(run.chunks.values_list("size", "assigned")) == [(2, 2), (4, 4), (4, 4)]
    assert codes_left(offer) == 2
    events = OutboxEvent.objects.filter(type="assignment.created", run_id=run.pk)
    assert sorted(events.values_list("chunk", "size")) == [(0, 4), (1, 4), (2, 2)]


def test_the_run_carries_what_it_was_launched_with(programme):
    """S0-08, S0-10, S0-11, B-03: revision, terms, rank, period and source are on every record."""
    offer = ConfigOfferFactory(programme=programme)
    template = OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])
    MemberFactory(programme=programme)
    given = {"benefit": {"type": "amount", "size": 150}, "acceptance": {"required": True}}
    run = to_end(launched(programme, offer, template=template, terms=given, rank=3))
    record = Assignment.objects.get()
    assert (record.run, record.template, record.revision) == (run, template, offer.current_revision)
    assert (record.terms, record.rank, record.exposure_minor) == (given, 3, 150)
    assert (record.get_source_display(), record.acceptance_required) == ("mass assignment", True)
    assert record.ends_at == run.ends_at


def test_too_few_codes_fail_the_run_and_nobody_is_half_assigned(programme):
    """S4-28, D-05: all or nothing; import more, launch again."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 3)
    MemberFactory.create_batch(5, programme=programme)
    run = to_end(launched(programme, offer))
    assert run.state == State.FAILED
    assert run.failure == {"code": "out_of_codes", "needed": 5, "short": 2}
    assert not Assignment.objects.exists()
    assert not AudienceMember.objects.exists()
    assert not CodeReservation.objects.exists()
    assert codes_left(offer) == 3
    import_codes(offer, ["more-1", "more-2"])
    run = to_end(mass_assignment.launch(run=run, actor=None, now=clock.now()))
    assert (run.state, Assignment.objects.count(), codes_left(offer)) == (State.FINISHED, 5, 0)


def test_who_is_inactive_or_holds_it_already_is_left_out_with_the_reason(programme):
    """B-02, B-03: the frozen audience keeps each member's outcome; codes are reserved for the eligible only."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy="once_ever")
    import_codes(offer, 3)
    ann, bob, ian = (
        MemberFactory(programme=programme),
        MemberFactory(programme=programme),
        MemberFactory(programme=programme, status=Member.Status.INACTIVE),
    )
    give(ann, offer)
    run = to_end(launched(programme, offer))
    assert run.excluded == {"already_held": 1, "member_inactive": 1}
    assert dict(AudienceMember.objects.values_list("member_id", "outcome")) == {
        ann.pk: "already_held",
        bob.pk: None,
        ian.pk: "member_inactive",
    }
    assert (run.matched, run.eligible, codes_left(offer)) == (3, 1, 1)


def test_what_changes_between_planning_and_doing_is_an_outcome_and_its_code_goes_back(programme):
    """D-05: leftovers go back, and can be drawn again."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy="once_ever")
    import_codes(offer, 4)
    ann, bob, _ = MemberFactory.create_batch(3, programme=programme)
    run = launched(programme, offer)
    execution.plan(run_id=run.pk, now=clock.now())
    give(ann, offer)
    Member.objects.filter(pk=bob.pk).update(status=Member.Status.INACTIVE)
    run = to_end(run)
    progress = selector.progress(run=run, now=clock.now())
    assert progress.refused == {"already_held": 1, "member_inactive": 1}
    assert (progress.assigned, progress.percent) == (1, 100)
    assert codes_left(offer) == 2
    late = MemberFactory.create_batch(2, programme=programme)
    drawn = {give(m, offer).voucher_code_id for m in late}
    assert Assignment.objects.values("voucher_code_id").distinct().count() == 4
    assert len(drawn) == 2


def test_without_a_campaign_a_run_is_its_own(programme):
    """D-01: the same offer again in another run is given again; the same run twice gives nothing more."""
    offer = ConfigOfferFactory(programme=programme)
    MemberFactory(programme=programme)
    first, second = to_end(launched(programme, offer)), to_end(launched(programme, offer))
    assert first.campaign != second.campaign
    assert first.campaign.is_of_run
    assert Assignment.objects.count() == 2


def test_launching_twice_is_refused(programme):
    """R9: a double click launches once."""
    run = launched(programme, ConfigOfferFactory(programme=programme))
    with pytest.raises(mass_assignment.NotLaunchable, match="launched already"):
        mass_assignment.launch(run=run, actor=None, now=clock.now())


def test_planning_is_done_once_however_often_it_is_rung(programme):
    """A message may come twice."""
    MemberFactory.create_batch(2, programme=programme)
    run = launched(programme, ConfigOfferFactory(programme=programme))
    assert execution.plan(run_id=run.pk, now=clock.now()) is True
    assert execution.plan(run_id=run.pk, now=clock.now()) is False
    assert to_end(run).state == State.FINISHED
    assert to_end(run).state == State.FINISHED
    assert Assignment.objects.count() == 2


def test_a_rule_left_empty_is_refused_when_the_run_is_made(programme):
    """S0-07: the message names the rule, and nothing is written."""
    offer = ConfigOfferFactory(programme=programme)
    template = OfferTemplateFactory(config_offer=offer, name="Win-back", required_rules=["benefit"])
    with pytest.raises(InvalidInput) as refusal:
        launched(programme, offer, template=template)
    assert refusal.value.code == "missing_rule"
    assert "Win-back" in refusal.value.message
    assert "Benefit" in refusal.value.message
    assert not MassAssignment.objects.exists()


def test_an_offer_archived_before_its_run_starts_fails_the_run(programme):
    offer = ConfigOfferFactory(programme=programme)
    MemberFactory(programme=programme)
    run = launched(programme, offer)
    offer.state = "archived"
    offer.save()
    run = to_end(run)
    assert (run.state, run.failure["code"]) == (State.FAILED, "offer_closed")


def test_the_dry_run_counts_what_the_launch_then_does(programme):
    """S4-25, S4-26, D-05: matched, left out, codes short, worst case; nothing written."""
    offer = ConfigOfferFactory(
        programme=programme, require_vouchers=True, terms={"benefit": {"type": "amount", "size": 200}}
    )
    import_codes(offer, 2)
    MemberFactory.create_batch(3, programme=programme)
    MemberFactory(programme=programme, status=Member.Status.INACTIVE)
    told = audience.dry_run(
        programme=programme,
        template=offer.templates.get(),
        criteria=TargetingFactory(programme=programme).current_version.criteria,
        terms={},
        campaign=None,
        now=clock.now(),
    )
    assert (told.matched, told.excluded, told.eligible) == (4, {"member_inactive": 1}, 3)
    assert (told.codes_left, told.codes_short, told.exposure_minor) == (2, 1, 600)
    assert not AudienceMember.objects.exists()


def test_a_paused_run_takes_no_chunk_and_a_resumed_one_ends_exactly(programme):
    """R9: counts add up."""
    MemberFactory.create_batch(10, programme=programme)
    run = launched(programme, ConfigOfferFactory(programme=programme))
    execution.plan(run_id=run.pk, now=clock.now())
    assert execution.do_next_chunk(run_id=run.pk, now=clock.now()) is True
    run = mass_assignment.pause(run=run, actor=None, now=clock.now())
    assert execution.do_next_chunk(run_id=run.pk, now=clock.now()) is False
    assert selector.progress(run=run, now=clock.now()).done == 4
    mass_assignment.resume(run=run, actor=None, now=clock.now())
    assert to_end(run).state == State.FINISHED
    assert Assignment.objects.count() == 10


def test_a_cancelled_run_keeps_what_it_gave_and_returns_the_other_codes(programme):
    """R9, D-05: reserved codes that nobody got go back, exactly."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 12)
    MemberFactory.create_batch(10, programme=programme)
    run = launched(programme, offer)
    execution.plan(run_id=run.pk, now=clock.now())
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    assert codes_left(offer) == 2
    run = mass_assignment.cancel(run=run, actor=None, now=clock.now())
    assert (run.state, Assignment.objects.count(), codes_left(offer)) == (State.CANCELLED, 4, 8)
    assert to_end(run).state == State.CANCELLED
    assert Assignment.objects.count() == 4


def test_a_chunk_whose_worker_died_is_taken_again_after_its_lease_and_gives_the_same_codes(programme, settings):
    """DESIGN 4: attempts are counted before the work; the ordinal fixes the code."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 4)
    MemberFactory.create_batch(4, programme=programme)
    run = launched(programme, offer)
    now = clock.now()
    execution.plan(run_id=run.pk, now=now)
    # A worker took the chunk and died: the lease stands, the work does not.
    run.chunks.update(attempts=1, leased_until=now + timedelta(seconds=settings.MASS_ASSIGNMENT_LEASE_SECONDS))
    assert execution.do_next_chunk(run_id=run.pk, now=now) is False
    later = now + timedelta(seconds=settings.MASS_ASSIGNMENT_LEASE_SECONDS + 1)
    assert execution.do_next_chunk(run_id=run.pk, now=later) is True
    assert execution.finish(run_id=run.pk, now=later) is True
    by_member = list(Assignment.objects.order_by("member_id").values_list("voucher_code__position", flat=True))
    assert by_member == [0, 1, 2, 3]
    assert run.chunks.get().attempts == 2


def test_a_chunk_that_kills_three_workers_is_given_up_and_shown(programme):
    """R8: the run ends with errors, the others unharmed, its codes go back."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 8)
    MemberFactory.create_batch(8, programme=programme)
    run = launched(programme, offer)
    now = clock.now()
    execution.plan(run_id=run.pk, now=now)
    run.chunks.filter(number=1).update(attempts=3, leased_until=now - timedelta(seconds=1))
    run = to_end(run)
    assert run.state == State.FINISHED_WITH_ERRORS
    assert (Assignment.objects.count(), codes_left(offer)) == (4, 4)
    assert selector.progress(run=run, now=clock.now()).failed_chunks == 1


def test_a_pause_between_taking_a_chunk_and_doing_it_costs_no_attempt(programme, monkeypatch):
    """R9: three pauses must not lose a chunk."""
    MemberFactory.create_batch(2, programme=programme)
    run = launched(programme, ConfigOfferFactory(programme=programme))
    execution.plan(run_id=run.pk, now=clock.now())
    do_chunk = execution._do_chunk

    def paused_first(run_id, *arguments):
        mass_assignment.pause(run=run, actor=None, now=clock.now())
        do_chunk(run_id, *arguments)

    monkeypatch.setattr(execution, "_do_chunk", paused_first)
    for _ in range(4):
        assert execution.do_next_chunk(run_id=run.pk, now=clock.now()) is True
        assert run.chunks.values_list("attempts", "leased_until").get() == (0, None)
        mass_assignment.resume(run=run, actor=None, now=clock.now())
    monkeypatch.undo()
    assert to_end(run).state == State.FINISHED
    assert Assignment.objects.count() == 2


def test_a_database_error_makes_a_chunk_wait_instead_of_using_up_its_attempts(programme, monkeypatch):
    """DESIGN 4: what ails the database for a moment costs one attempt."""
    MemberFactory.create_batch(2, programme=programme)
    run = launched(programme, ConfigOfferFactory(programme=programme))
    now = clock.now()
    execution.plan(run_id=run.pk, now=now)
    with monkeypatch.context() as patched:
        patched.setattr(execution, "_do_chunk", lambda *_: (_ for _ in ()).throw(OperationalError("disk full")))
        assert execution.do_next_chunk(run_id=run.pk, now=now) is True
        assert execution.do_next_chunk(run_id=run.pk, now=now) is False
    assert run.chunks.values_list("attempts", "failure").get() == (1, "disk full")
    assert execution.do_next_chunk(run_id=run.pk, now=now + timedelta(seconds=6)) is True
    assert Assignment.objects.count() == 2


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda run: ConfigOffer.objects.filter(pk=run.config_offer_id).update(state="archived"), "offer_closed"),
        (lambda run: Programme.objects.filter(pk=run.programme_id).update(offers_enabled=False), "offers_module_off"),
        (lambda run: MassAssignment.objects.filter(pk=run.pk).update(ends_at=clock.now()), "offer_closed"),
        (lambda run: VoucherSegment.objects.update(expires_at=clock.now()), "codes_expired"),
    ],
    ids=["archived", "S4-41 module off", "period over", "codes expired"],
)
def test_a_run_that_may_not_give_any_more_stops_and_says_why(programme, spoil, code):
    """D-05: the world is looked at again before each chunk; resuming is refused until the cause is mended."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 8)
    MemberFactory.create_batch(8, programme=programme)
    run = launched(programme, offer)
    execution.plan(run_id=run.pk, now=clock.now())
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    spoil(run)
    run = to_end(run)
    assert (run.state, run.failure["code"], Assignment.objects.count()) == (State.PAUSED, code, 4)
    with pytest.raises(mass_assignment.NotLaunchable, match=run.failure["message"][:20]):
        mass_assignment.resume(run=run, actor=None, now=clock.now())
    assert run.chunks.get(done_at=None).attempts == 0


def test_what_the_offer_says_of_codes_and_tills_is_frozen_with_the_run(programme):
    """B-03: changing the offer in the middle changes nothing of a run that goes on."""
    offer = ConfigOfferFactory(programme=programme)
    MemberFactory.create_batch(8, programme=programme)
    run = launched(programme, offer)
    execution.plan(run_id=run.pk, now=clock.now())
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    ConfigOffer.objects.filter(pk=offer.pk).update(require_vouchers=True, to_synchronize=True, rank=1)
    assert to_end(run).state == State.FINISHED
    made = Assignment.objects.filter(synchronized_at__isnull=False)
    assert set(made.values_list("rank", "voucher_code")) == {(offer.rank, None)}
    assert made.count() == 8


def test_a_large_cancelled_run_leaves_its_codes_to_the_workers(programme, monkeypatch):
    """A million codes are not given back in a web request."""
    monkeypatch.setattr(mass_assignment, "AT_ONCE", 5)
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 12)
    MemberFactory.create_batch(10, programme=programme)
    run = launched(programme, offer)
    execution.plan(run_id=run.pk, now=clock.now())
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    run = mass_assignment.cancel(run=run, actor=None, now=clock.now())
    assert (run.state, codes_left(offer)) == (State.CANCELLED, 2)
    assert to_end(run).state == State.CANCELLED
    assert (Assignment.objects.count(), codes_left(offer)) == (4, 8)
