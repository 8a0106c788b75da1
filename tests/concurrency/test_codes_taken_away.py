"""Imports undone, codes voided, assignments taken back while others draw: no code is lost, void and given, or twice."""

import contextlib

import pytest
from django.db.models import F

from loyalty import clock
from loyalty.database import in_transaction
from offers.models import Assignment, Source, VoucherBatch, VoucherCode
from offers.selectors import voucher as bank_selectors
from offers.services import assignment, door, revocation, voucher, voucher_batch, voucher_code
from offers.services.assignment import Grant
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    give,
    import_codes,
    launch_run,
    work,
)
from tests.threads import at_once, deadlocks

pytestmark = pytest.mark.django_db(transaction=True)


def ask(offer, member, reference):
    return door.grant(
        programme=offer.programme,
        door=Source.API,
        instance="crowd",
        grant=Grant(template_id=offer.templates.get().pk, member_id=member.pk, reference=reference),
        actor=None,
        now=clock.now(),
    ).outcome.code


@pytest.mark.parametrize("turn", range(3))
def test_undoing_an_import_and_voiding_while_doors_sets_and_a_run_draw(turn, settings):
    """B-17, D-10, S4-20, issue 3: of 200 codes each is given, void, taken out or still there, and one of these only."""
    settings.MASS_ASSIGNMENT_CHUNK = 10
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy="unlimited")
    bank, template = offer.voucher_bank, offer.templates.get()
    members = MemberFactory.create_batch(30, programme=programme)
    kept, undone = (import_codes(offer, [f"{name}-{n:03}" for n in range(100)]) for name in ("KEPT", "UNDONE"))
    run = launch_run(offer)

    def grants(n):
        for member in members[n::2]:
            ask(offer, member, f"{n}-{member.pk}")

    def a_set():
        in_transaction(
            lambda: assignment.assign(
                programme=programme,
                grants=[Grant(template_id=template.pk, member_id=member.pk) for member in members],
                source=Source.BULK_PRODUCER,
                actor=None,
                now=clock.now(),
            )
        )

    def take_back():
        for held in list(Assignment.objects.filter(config_offer=offer)[:20]):
            revocation.revoke(programme=programme, assignment_id=held.pk, reason="slip", now=clock.now())

    def void(name):
        for n in range(0, 100, 7):
            try:
                voucher_code.void(bank=bank, code=f"{name}-{n:03}", reason="leak", actor=None, now=clock.now())
            except voucher_code.CodeNotFound:
                assert name == "UNDONE"

    def undo():
        voucher_batch.undo(batch=undone, actor=None, now=clock.now())

    before = deadlocks()
    calls = [lambda: grants(0), lambda: grants(1), a_set, lambda: work(run), lambda: void("KEPT"), take_back]
    # Another one is likelier to come first each time.
    at_once([*calls[turn:], undo, lambda: void("UNDONE"), *calls[:turn]])
    work(run)

    kept.refresh_from_db()
    undone.refresh_from_db()
    assert (kept.undone_at, undone.undone_at is None) == (None, False)
    codes = VoucherCode.objects.filter(bank=bank)
    assert codes.filter(segment__batch=kept).count() == 100
    assert codes.filter(segment__batch=undone).count() + undone.removed == 100
    holders = Assignment.objects.filter(voucher_code__isnull=False)
    given = codes.filter(pk__in=holders.values("voucher_code"))
    assert given.count() == holders.count()
    # Behind its segment's end are the codes that were voided before anybody drew them: nobody has one of those.
    never_drawn = codes.filter(voided_at__isnull=False, position__gte=F("segment__size"))
    assert never_drawn.exists()
    assert not given.filter(pk__in=never_drawn).exists()
    # Whatever the bank says is left can be drawn, none of it void, and nothing more.
    left = bank_selectors.codes_left(bank=bank, now=clock.now())
    drawn = [give(members[0], offer).voucher_code for _ in range(left)]
    assert len({code.pk for code in drawn}) == left
    assert not [code for code in drawn if code.voided_at or code.segment.batch_id == undone.pk]
    with pytest.raises(AssertionError, match="out_of_codes"):
        give(members[0], offer)
    assert deadlocks() == before


def test_two_undo_the_same_import_while_its_codes_are_drawn():
    """B-17: one of them takes the rest out, the other is told the same; what was drawn stays."""
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy="unlimited")
    batch = import_codes(offer, 60)
    members = MemberFactory.create_batch(4, programme=programme)

    def draw(member):
        told = [ask(offer, member, f"{member.pk}-{n}") for n in range(20)]
        assert set(told) <= {"assigned", "out_of_codes"}
        return told.count("assigned")

    def undo():
        # After a few were drawn, so that there is something to keep.
        while Assignment.objects.count() < 5:
            pass
        while True:
            # The one is told that the other is at it, and asks again.
            with contextlib.suppress(voucher.ImportRunning):
                return voucher_batch.undo(batch=VoucherBatch.objects.get(pk=batch.pk), actor=None, now=clock.now())

    one, other, *given = at_once([undo, undo, *[lambda member=member: draw(member) for member in members]])

    assert (one.removed, one.kept) == (other.removed, other.kept)
    assert one.kept == sum(given) == Assignment.objects.count()
    assert one.kept + one.removed == 60
    assert VoucherCode.objects.filter(bank=offer.voucher_bank).count() == one.kept
