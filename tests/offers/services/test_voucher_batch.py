"""Undoing an import, voiding codes and a bank's numbers after all of it (B-17, S4-22, D-10)."""

from datetime import timedelta

import pytest

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import VoucherCode
from offers.selectors import integrity
from offers.selectors import voucher as selectors
from offers.services import revocation, voucher_batch, voucher_code
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, give, import_codes

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    return ConfigOfferFactory(programme=ProgrammeFactory(), require_vouchers=True)


@pytest.fixture(autouse=True)
def _whole(offer):
    yield
    assert [f"{f.check}: {f.samples}" for f in integrity.examine() if f.violations] == []


def undo(batch):
    return voucher_batch.undo(batch=batch, actor=None, now=clock.now())


def void(offer, code):
    return voucher_code.void(bank=offer.voucher_bank, code=code, reason="slip", actor=None, now=clock.now())


def stock(offer):
    found = selectors.stock(bank=offer.voucher_bank, now=clock.now())
    assert found.imported == found.drawn + found.left + found.expired + found.held + void_undrawn(offer)
    return found


def void_undrawn(offer):
    void_ones = VoucherCode.objects.filter(bank=offer.voucher_bank, voided_at__isnull=False).select_related("segment")
    return sum(code.position >= code.segment.cursor for code in void_ones)


def drawn(offer):
    return give(MemberFactory(programme=offer.programme), offer).voucher_code.code


def revoke(held):
    revocation.revoke(programme=held.member.programme, assignment_id=held.pk, reason="slip", now=clock.now())


def test_b_17_undo_takes_out_what_nobody_drew_and_the_same_codes_may_be_imported_again(offer):
    kept = import_codes(offer, ["K-1"])
    batch = import_codes(offer, ["A", "B", "C"])
    assert [drawn(offer), drawn(offer)] == ["K-1", "A"]

    done = undo(batch)

    assert (done.removed, done.kept) == (2, 1)
    assert (stock(offer).imported, stock(offer).left, stock(offer).given) == (2, 0, 2)
    again = import_codes(offer, ["A", "B", "C"])
    assert (again.imported, again.duplicates_in_bank) == (2, 1)
    assert [drawn(offer), drawn(offer)] == ["B", "C"]
    kept.refresh_from_db()
    assert kept.undone_at is None


def test_b_17_undoing_again_changes_nothing_and_is_audited_once(offer):
    batch = import_codes(offer, ["A", "B"])

    assert [undo(batch).removed, undo(batch).removed] == [2, 2]
    [event] = AuditEvent.objects.filter(action="voucher.import_undone")
    assert event.data == {"batch": batch.pk, "removed": 2, "kept": 0}


def test_b_17_a_code_that_comes_back_after_the_undo_goes_away_too(offer):
    batch = import_codes(offer, ["A", "B"])
    held = give(MemberFactory(programme=offer.programme), offer)
    undo(batch)

    revoke(held)

    assert not VoucherCode.objects.exists()
    batch.refresh_from_db()
    assert (batch.removed, stock(offer).imported, stock(offer).left) == (2, 0, 0)


def test_b_17_expired_and_returned_codes_go_with_the_undo(offer):
    soon = clock.now() + timedelta(seconds=1)
    batch = import_codes(offer, ["A", "B", "C"], expires_at=soon)
    revoke(give(MemberFactory(programme=offer.programme), offer))

    done = voucher_batch.undo(batch=batch, actor=None, now=soon + timedelta(days=1))

    assert (done.removed, done.kept, VoucherCode.objects.count()) == (3, 0, 0)


@pytest.mark.parametrize("code", ["A", "B", "C"])
def test_s4_22_a_void_code_is_drawn_by_nobody_wherever_it_lies(offer, code):
    import_codes(offer, ["A", "B", "C"])

    void(offer, code)
    void(offer, code)

    assert (stock(offer).left, stock(offer).voided) == (2, 1)
    assert {drawn(offer), drawn(offer)} == {"A", "B", "C"} - {code}
    assert stock(offer).left == 0
    assert AuditEvent.objects.filter(action="voucher_code.voided").count() == 1


def test_d_10_a_drawn_code_made_void_stays_with_its_member_and_never_comes_back(offer):
    import_codes(offer, ["A"])
    held = give(MemberFactory(programme=offer.programme), offer)

    void(offer, "A")
    revoke(held)

    held.refresh_from_db()
    assert (held.voucher_code.code, stock(offer).left, stock(offer).voided) == ("A", 0, 1)


def test_b_17_a_void_code_outlives_the_undo_so_that_it_cannot_be_imported_again(offer):
    batch = import_codes(offer, ["A", "B", "C"])
    void(offer, "B")

    assert undo(batch).removed == 2
    assert import_codes(offer, ["A", "B", "C"]).duplicates_in_bank == 1


def test_a_code_that_is_not_there_cannot_be_voided(offer):
    with pytest.raises(voucher_code.CodeNotFound):
        void(offer, "NONE")


def test_s4_22_a_code_that_came_back_is_counted_once(offer):
    import_codes(offer, ["A", "B", "C"])
    revoke(give(MemberFactory(programme=offer.programme), offer))
    give(MemberFactory(programme=offer.programme), offer)

    found = stock(offer)

    assert (found.imported, found.drawn, found.given, found.returned, found.left) == (3, 1, 1, 1, 2)


def test_s4_22_earliest_expiry_is_drawn_first_and_what_expires_soon_is_warned_of(offer):
    now = clock.now()
    import_codes(offer, ["NEVER"])
    import_codes(offer, ["LATE"], expires_at=now + timedelta(days=60))
    import_codes(offer, ["SOON"], expires_at=now + timedelta(days=3))

    assert stock(offer).expiring == 1
    [bank] = selectors.needing(programme=offer.programme, now=now)
    assert (bank.left, bank.expiring) == (3, 1)
    assert [drawn(offer), drawn(offer), drawn(offer)] == ["SOON", "LATE", "NEVER"]
    assert stock(offer).expiring == 0


def test_s4_22_a_code_is_found_with_where_it_stands(offer):
    def state(code):
        found = selectors.find_code(bank=offer.voucher_bank, text=code, now=clock.now())
        return found and found.state

    import_codes(offer, ["A", "B", "C"])
    held = give(MemberFactory(programme=offer.programme), offer)
    void(offer, "B")

    assert [state(code) for code in ("A", "B", "C", "a", "", "A%", "\0")] == [
        "given", "voided", "left", None, None, None, None
    ]  # fmt: skip
    assert selectors.find_code(bank=offer.voucher_bank, text=" A ", now=clock.now()).assignment == held
