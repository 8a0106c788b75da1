"""Codes made here (D-07) and their export to the till (D-10)."""

import tracemalloc
from collections import Counter

import pytest

from loyalty import clock
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import AuditEvent
from offers.models import VoucherCode
from offers.selectors import integrity
from offers.selectors import voucher as selectors
from offers.services import revocation, voucher_batch, voucher_code, voucher_generation
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, give, import_codes

PATTERN = "TEA-????-????"
pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    offer = ConfigOfferFactory(programme=ProgrammeFactory(), require_vouchers=True)
    voucher_generation.allow(bank=offer.voucher_bank, is_allowed=True, actor=None)
    return offer


@pytest.fixture(autouse=True)
def _whole(offer):
    yield
    assert [f"{f.check}: {f.samples}" for f in integrity.examine() if f.violations] == []


def make(offer, count=5, pattern=PATTERN, **options):
    return voucher_generation.generate(
        bank=offer.voucher_bank,
        count=count,
        pattern=pattern,
        **{"expires_at": None, "actor": None, "now": clock.now()} | options,
    )


def export(batch):
    return [code for code, _expires_at in voucher_generation.export(batch=batch, actor=None, now=clock.now())]


def stock(offer):
    return selectors.stock(bank=offer.voucher_bank, now=clock.now())


def test_d_07_making_codes_is_off_until_a_bank_allows_it(offer):
    other = ConfigOfferFactory(programme=offer.programme, require_vouchers=True)

    with pytest.raises(Conflict) as caught:
        make(other)

    assert caught.value.code == "generation_off"
    assert not VoucherCode.objects.exists()


def test_d_07_codes_follow_their_pattern_without_look_alikes_and_are_unlike_each_other(offer):
    batch = make(offer, count=2000)

    codes = list(VoucherCode.objects.values_list("code", flat=True))
    assert (batch.imported, len(set(codes)), batch.duplicates_in_file) == (2000, 2000, 0)
    assert all(code[:4] == "TEA-" and code[8] == "-" and len(code) == 13 for code in codes)
    letters = Counter("".join(code[4:].replace("-", "") for code in codes))
    assert set(letters) == set(voucher_generation.UNAMBIGUOUS)
    assert not set(letters) & set("ILO01")
    # 16,000 letters of 31 kinds: each about 516 times; ten standard deviations (22) off is no chance.
    assert all(300 < times < 740 for times in letters.values()), letters


def test_d_07_made_codes_wait_for_their_export_and_are_drawn_after_it(offer):
    batch = make(offer)
    assert (stock(offer).held, stock(offer).left, stock(offer).imported) == (5, 0, 5)
    [found] = {selectors.find_code(bank=offer.voucher_bank, text=c.code, now=clock.now()).state for c in _codes()}
    assert found == "held"

    codes = export(batch)

    assert codes == [code.code for code in _codes()]
    assert (stock(offer).held, stock(offer).left) == (0, 5)
    assert give(MemberFactory(programme=offer.programme), offer).voucher_code.code in codes
    assert export(batch) == codes
    assert AuditEvent.objects.filter(action="voucher.exported").count() == 2


def _codes():
    return VoucherCode.objects.order_by("code")


@pytest.mark.parametrize("place", [0, 2, 4])
def test_d_07_a_held_code_made_void_is_neither_exported_nor_drawn(offer, place):
    batch = make(offer)
    void = _codes()[place].code
    voucher_code.void(bank=offer.voucher_bank, code=void, reason="x", actor=None, now=clock.now())
    assert (stock(offer).held, stock(offer).voided) == (4, 1)

    codes = export(batch)

    assert len(codes) == 4
    assert void not in codes
    drawn = {give(MemberFactory(programme=offer.programme), offer).voucher_code.code for _ in range(4)}
    assert (drawn, stock(offer).left) == (set(codes), 0)


def test_d_07_held_codes_are_undone_like_an_import(offer):
    batch = make(offer)

    assert voucher_batch.undo(batch=batch, actor=None, now=clock.now()).removed == 5
    assert (stock(offer).imported, stock(offer).held, export(batch)) == (0, 0, [])


@pytest.mark.parametrize(
    ("pattern", "count", "places"), [("A???", 1, 5), ("?????", 29, 6), ("TEA-????", 1000, 7), ("??????", 888, 7)]
)
def test_d_07_a_code_space_that_could_be_guessed_is_refused_with_what_would_do(offer, pattern, count, places):
    with pytest.raises(voucher_generation.CodeSpaceTooSmall) as caught:
        make(offer, count=count, pattern=pattern)

    allowed = 31 ** pattern.count("?")
    assert (caught.value.details["allowed"], caught.value.details["random_places"]) == (allowed, places)
    assert f"allows {allowed:,} codes" in caught.value.message
    assert f"Use {places} random places." in caught.value.message
    assert not VoucherCode.objects.exists()


def test_d_07_what_the_bank_has_already_counts_against_the_space(offer):
    import_codes(offer, 880)

    with pytest.raises(voucher_generation.CodeSpaceTooSmall):
        make(offer, count=10, pattern="??????")
    assert make(offer, count=7, pattern="??????").imported == 7


def test_d_07_every_problem_is_told_at_once(offer):
    with pytest.raises(InvalidInput) as caught:
        make(offer, count=0, pattern="no random", characters="AA")

    assert [problem["field"] for problem in caught.value.problems] == ["count", "pattern", "characters"]


def test_d_07_a_code_that_is_there_is_made_anew(offer, monkeypatch):
    import_codes(offer, ["X-AAAA"])
    rounds = iter([["X-AAAA", "X-BBBB", "X-BBBB"], ["X-BBBB", "X-CCCC"], ["X-DDDD"]])
    monkeypatch.setattr(voucher_generation, "_blocks", lambda *_: [next(rounds)])

    batch = make(offer, count=3)

    assert export(batch) == ["X-BBBB", "X-CCCC", "X-DDDD"]


def test_d_10_an_exported_code_that_a_member_got_never_goes_back(offer):
    batch = make(offer)
    export(batch)
    held = give(MemberFactory(programme=offer.programme), offer)

    revocation.revoke(programme=offer.programme, assignment_id=held.pk, reason="slip", now=clock.now())

    held.refresh_from_db()
    assert held.voucher_code_id is not None
    assert (stock(offer).left, stock(offer).returned) == (4, 0)


def test_d_07_codes_are_made_in_bounded_memory(offer):
    tracemalloc.start()
    try:
        make(offer, count=100_000)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8_000_000, peak
