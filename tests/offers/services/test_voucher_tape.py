"""The tape against a simple model: whatever is imported, drawn, reserved, released and given back, in any order.

The model is a list of codes that nobody has and a set of those that somebody has; the tape's cursors, positions and
segments must come to the same, and every invariant must hold after each step.
"""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from loyalty import clock
from loyalty.errors import DomainError
from offers.models import Assignment, VoucherCode
from offers.selectors import voucher as bank_selectors
from offers.services import assignment_verbs, execution, mass_assignment, revocation
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    TargetingFactory,
    give,
    import_codes,
    launch_run,
)
from tests.integrity import assert_whole
from tests.machines import drive, drive_long

SOON, NEVER = datetime(2099, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Tape(RuleBasedStateMachine):
    """One bank. Draws go through grants, reservations through runs: nothing else in Laurel draws."""

    whole_every = 1

    def __init__(self):
        super().__init__()
        self.steps = 0
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.programme = ProgrammeFactory()
        self.offer = ConfigOfferFactory(programme=self.programme, require_vouchers=True, repeat_policy="unlimited")
        self.bank = self.offer.voucher_bank
        self.members = MemberFactory.create_batch(3, programme=self.programme)
        self.targeting = TargetingFactory(programme=self.programme)
        self.made = 0
        # The model: expiry by code of what nobody has; the code of each assignment; which of them were shown.
        self.free: dict[str, datetime | None] = {}
        self.held: dict[Assignment, str] = {}
        self.expiry: dict[str, datetime | None] = {}
        self.shown: set[Assignment] = set()
        self.runs: dict[int, list[str]] = {}

    def teardown(self):
        transaction.set_rollback(True)
        self.savepoint.__exit__(None, None, None)

    @initialize(count=strategies.integers(4, 9))
    def begin(self, count):
        """Few stories are told each time: none may be about an empty bank."""
        self.import_(count, 0, None)

    @rule(
        count=strategies.integers(1, 6),
        twins=strategies.integers(0, 2),
        expires=strategies.sampled_from([None, SOON, SOON + timedelta(days=1)]),
    )
    def import_(self, count, twins, expires):
        new = [f"C{number:04}" for number in range(self.made, self.made + count)]
        old = sorted(self.expiry)[:twins]
        batch = import_codes(self.offer, new + old, expires_at=expires)
        assert (batch.imported, batch.duplicates_in_bank) == (count, len(old))
        self.made += count
        self.free |= dict.fromkeys(new, expires)
        self.expiry |= dict.fromkeys(new, expires)

    @precondition(lambda self: self.free)
    @rule(member=strategies.integers(0, 2))
    def draw(self, member):
        held = give(self.members[member], self.offer)
        code = held.voucher_code.code
        # Earliest expiry first, and what never expires last; among equals, whichever.
        assert code in self.free
        assert (self.expiry[code] or NEVER) == min(at or NEVER for at in self.free.values())
        del self.free[code]
        self.held[held] = code

    @precondition(lambda self: not self.free)
    @rule()
    def draw_from_nothing(self):
        with pytest.raises(AssertionError, match="out_of_codes"):
            give(self.members[0], self.offer)

    @precondition(lambda self: self.held)
    @rule(data=strategies.data())
    def show(self, data):
        held = data.draw(strategies.sampled_from(sorted(self.held, key=lambda one: one.pk)))
        revoked = Assignment.objects.get(pk=held.pk).revoked_at is not None
        shown = assignment_verbs.expose(member_id=held.member_id, assignment_id=held.pk, now=clock.now())
        assert shown == (None if revoked else self.held[held])
        if not revoked:
            self.shown.add(held)

    @precondition(lambda self: self.held)
    @rule(data=strategies.data())
    def take_back(self, data):
        held = data.draw(strategies.sampled_from(sorted(self.held, key=lambda one: one.pk)))
        revocation.revoke(programme=self.programme, assignment_id=held.pk, reason="model", now=clock.now())
        if held not in self.shown:
            code = self.held.pop(held)
            self.free[code] = self.expiry[code]

    @rule(inactive=strategies.booleans())
    def reserve(self, inactive):
        """A run to the three members: all or nothing; one of them may have left before her chunk."""
        run = launch_run(self.offer, targeting=self.targeting)
        if execution.plan(run_id=run.pk, now=clock.now()):
            reserved = self._reserved(run.pk)
            assert len(reserved) == 3
            for code in reserved:
                del self.free[code]
            self.runs[run.pk] = reserved
        else:
            assert len(self.free) < 3

    @precondition(lambda self: self.runs)
    @rule(data=strategies.data(), leaves=strategies.booleans())
    def do(self, data, leaves):
        run_id = data.draw(strategies.sampled_from(sorted(self.runs)))
        reserved = self.runs.pop(run_id)
        if leaves:
            self.members[0].status = "inactive"
            self.members[0].save()
        execution.run_to_end(run_id=run_id, clock=clock.now)
        if leaves:
            self.members[0].status = "active"
            self.members[0].save()
        given = {held: held.voucher_code.code for held in Assignment.objects.filter(run_id=run_id)}
        assert len(given) == 3 - leaves
        assert set(given.values()) <= set(reserved)
        self.held |= given
        self.free |= {code: self.expiry[code] for code in reserved if code not in given.values()}

    @precondition(lambda self: self.runs)
    @rule(data=strategies.data())
    def release(self, data):
        run_id = data.draw(strategies.sampled_from(sorted(self.runs)))
        run = mass_assignment.MassAssignment.objects.get(pk=run_id)
        mass_assignment.cancel(run=run, actor=None, now=clock.now())
        with pytest.raises(DomainError):
            mass_assignment.cancel(run=run, actor=None, now=clock.now())
        self.free |= {code: self.expiry[code] for code in self.runs.pop(run_id)}

    @invariant()
    def the_tape_is_the_model(self):
        assert bank_selectors.codes_left(bank=self.bank, now=clock.now()) == len(self.free)
        assert VoucherCode.objects.filter(bank=self.bank).count() == len(self.expiry)
        holders = Assignment.objects.filter(voucher_code__bank=self.bank).select_related("voucher_code")
        assert {held: held.voucher_code.code for held in holders} == self.held
        self.steps += 1
        if self.steps % self.whole_every == 0:
            assert_whole()

    def _reserved(self, run_id):
        return [
            code
            for reservation in mass_assignment.MassAssignment.objects.get(pk=run_id).reservations.all()
            for code in reservation.segment.codes.filter(
                position__gte=reservation.first_position, position__lt=reservation.first_position + reservation.size
            ).values_list("code", flat=True)
        ]


class LongTape(Tape):
    """All invariants at every twentieth step: the model is compared at each."""

    whole_every = 20


@pytest.mark.django_db
def test_the_tape_is_a_simple_model_whatever_happens_to_it():
    """R13 (short), S4-20..22, S4-28, D-10, issue 3: the same few stories each time."""
    drive(Tape, stories=8, steps=14)


@pytest.mark.chaos
@pytest.mark.django_db
def test_the_tape_is_a_simple_model_in_many_stories(fault):
    """R13 (long), issue 3: other stories each time."""
    told = drive_long(LongTape, stories=50, steps=200, say=fault.say)
    fault.counted(
        "the tape in any order of import, draw, reserve, release, give back †",
        before=f"{told} stories of 200 steps",
        after="the same as a simple model, after each step",
    )
