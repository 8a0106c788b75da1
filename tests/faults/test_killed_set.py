"""Processes killed with SIGKILL while they give a set of grants, approve one or undo one: all of it stands, or nothing.

A set is one transaction, so nobody resumes it: the same form sent again, to whoever is there by then, is the set that
was made, or makes it (B-05, S0-11, C-04).
"""

import random
import uuid

import pytest

from loyalty import clock
from offers.models import Assignment, AssignmentEvent, DoorEntry, GrantLedgerEntry
from offers.selectors import voucher as bank_selectors
from support.models import Allowance, GrantBatch, GrantBatchLine, MemberAllowance
from support.selectors import allowance as allowances
from support.services import grant_batch, grant_batch_decision
from support.services.grant import Why
from support.services.grant_batch_lines import Plan
from support.services.grant_request import NotApprovable
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    UserFactory,
    import_codes,
)
from tests.faults import killing

pytestmark = pytest.mark.django_db(transaction=True)
MEMBERS, COST = 12, 500
TERMS = {"benefit": {"type": "amount", "size": COST}}
MAKING = {
    "the set's row, nothing given": ("give", "before"),
    "assigned, not yet in the ledger": ("grant_set.grant_ledger.record", "before"),
    "in the ledger, the allowance not yet looked at": ("grant_set.allowance.exceeded", "before"),
    "given, what became of each line not yet": ("_keep", "before"),
    "all written, not committed": ("note", "after"),
    "committed, not answered": ("in_transaction", "after"),
}
APPROVING = {
    "waiting, nothing given": ("grant_batch.give", "before"),
    "given, not yet told": ("grant_batch.give", "after"),
    "all written, not committed": ("grant_batch.note", "after"),
    "committed, not answered": ("in_transaction", "after"),
}
UNDOING = {
    "nothing taken back": ("grant_set_undo.undo", "before"),
    "rows taken back, the ledger not yet": ("grant_set_undo.grant_ledger.take_back_batch", "before"),
    "ledger written, codes not yet": ("grant_set_undo.voucher_tape.give_back", "before"),
    "all written, not committed": ("note", "after"),
    "committed, not answered": ("in_transaction", "after"),
}


class Desk:
    """An agent with an allowance for a little more than the set, and members who are to be made good for."""

    def __init__(self, members: int) -> None:
        self.programme = ProgrammeFactory()
        self.agent = UserFactory(role="support agent", programmes=[self.programme])
        self.lead = UserFactory(role="support lead", programmes=[self.programme])
        self.members = MemberFactory.create_batch(members, programme=self.programme)
        offer = ConfigOfferFactory(
            programme=self.programme, require_vouchers=True, repeat_policy="unlimited",
            terms={"validity": {"days": 30}, "redemption_limit": {"limit": 1}} | TERMS,
        )  # fmt: skip
        import_codes(offer, members)
        self.bank = offer.voucher_bank
        self.template = OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])
        self.reference = uuid.uuid4()
        self.allowance = Allowance.objects.create(programme=self.programme, per_week=members + 1)
        MemberAllowance.objects.create(programme=self.programme, number=1, days=7)

    def make(self) -> GrantBatch:
        """Send the form; each time the same one."""
        named = [(n, one.external_id) for n, one in enumerate(self.members, 1)]
        plan = Plan(self.programme, self.template, TERMS, named, Why("service", "#1"))
        return grant_batch.make(plan=plan, reference=self.reference, actor=self.agent, now=clock.now())

    def approve(self) -> GrantBatch:
        pk = GrantBatch.objects.get().pk
        return grant_batch_decision.approve(programme=self.programme, batch_id=pk, actor=self.lead, now=clock.now())

    def undo(self) -> GrantBatch:
        pk = GrantBatch.objects.get().pk
        return grant_batch.undo(programme=self.programme, batch_id=pk, actor=self.agent, now=clock.now())

    @property
    def left(self) -> int:
        return bank_selectors.codes_left(bank=self.bank, now=clock.now())

    @property
    def used(self) -> tuple[int, int]:
        """Return what the allowance has counted: grants and money of the week."""
        used = allowances.usage(programme=self.programme, agent=self.agent, now=clock.now())
        return used.week, used.week_minor

    def assert_nothing(self) -> None:
        assert (self.used, self.left) == ((0, 0), len(self.members))
        for model in (Assignment, DoorEntry, GrantLedgerEntry):
            assert not model.objects.exists()

    def assert_given_once(self) -> None:
        everybody = {one.pk for one in self.members}
        held = list(Assignment.objects.values_list("member_id", "voucher_code_id"))
        assert len(held) == len(everybody)
        assert {member for member, _code in held} == everybody
        assert len({code for _member, code in held}) == len(everybody)
        assert list(GrantLedgerEntry.objects.values_list("n", flat=True)) == [1] * len(everybody)
        assert (self.used, self.left) == ((len(everybody), len(everybody) * COST), 0)
        batch = GrantBatch.objects.get()
        assert (batch.state, batch.counts) == ("granted", {"assigned": len(everybody)})
        assert GrantBatchLine.objects.filter(batch=batch, outcome="assigned").count() == len(everybody)

    def assert_taken_back_once(self) -> None:
        n = len(self.members)
        assert Assignment.objects.filter(revoked_at__isnull=False).count() == Assignment.objects.count() == n
        assert AssignmentEvent.objects.filter(verb="undone").count() == n
        assert GrantLedgerEntry.objects.filter(n=-1).count() == n
        assert (self.used, self.left) == ((0, 0), n)
        assert GrantBatch.objects.get().state == "undone"


def dies(work, owner, point) -> bool:
    return killing.ends_killed(killing.worker(work, owner=owner, point=point))


@pytest.mark.parametrize("point", MAKING)
def test_b_05_a_set_whose_process_is_killed_is_made_once_by_the_same_form_sent_again(point):
    """B-05, S0-11: nobody gets two, no code is lost, the allowance counts the set once."""
    desk = Desk(MEMBERS)
    assert dies(desk.make, grant_batch, MAKING[point])
    if MAKING[point] == ("in_transaction", "after"):
        desk.assert_given_once()
    else:
        desk.assert_nothing()
        assert not GrantBatch.objects.exists()
    first = desk.make()
    desk.assert_given_once()
    assert desk.make().pk == first.pk
    desk.assert_given_once()


@pytest.mark.parametrize("point", APPROVING)
def test_b_05_a_set_whose_approval_is_killed_goes_on_waiting_or_stands_and_is_given_once(point):
    desk = Desk(MEMBERS)
    Allowance.objects.update(per_week=1)
    assert desk.make().state == "waiting"
    desk.assert_nothing()
    assert dies(desk.approve, grant_batch_decision, APPROVING[point])
    if APPROVING[point] != ("in_transaction", "after"):
        desk.assert_nothing()
        assert GrantBatch.objects.get().state == "waiting"
        desk.approve()
    desk.assert_given_once()
    with pytest.raises(NotApprovable):
        desk.approve()
    desk.assert_given_once()


@pytest.mark.parametrize("point", UNDOING)
def test_b_05_an_undo_of_a_set_whose_process_is_killed_takes_each_back_once(point):
    desk = Desk(MEMBERS)
    desk.make()
    assert dies(desk.undo, grant_batch, UNDOING[point])
    if UNDOING[point] != ("in_transaction", "after"):
        desk.assert_given_once()
        desk.undo()
    desk.assert_taken_back_once()
    with pytest.raises(grant_batch.TooLate):
        desk.undo()
    desk.assert_taken_back_once()


def test_b_05_a_set_sent_again_and_again_while_its_processes_are_killed_at_random_is_given_once():
    """B-05: 1,000 members; two processes at a time with the same form, killed six times at random moments."""
    desk = Desk(1_000)
    randomly, killed, points = random.Random(20_261_122), 0, list(MAKING.values())
    while killed < 6:
        # The one dies where it is told to, the other whenever it is.
        named = points[killed % (len(points) - 1)]
        tabs = [killing.worker(desk.make, owner=grant_batch, point=each) for each in (named, None)]
        killed += killing.kill_all(tabs, after=randomly.uniform(0.02, 0.3))
        assert GrantBatch.objects.count() in (0, 1)
        assert Assignment.objects.count() == GrantLedgerEntry.objects.count() == 1_000 * GrantBatch.objects.count()
    desk.make()
    desk.assert_given_once()
