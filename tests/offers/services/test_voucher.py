"""Importing files of voucher codes (S4-17..21) and what is left (S4-22)."""

import io
import itertools
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from loyalty.errors import Conflict, InvalidInput
from loyalty.models import AuditEvent
from offers.models import VoucherBatch, VoucherCode, VoucherSegment
from offers.selectors import voucher as bank_selectors
from offers.services import voucher
from offers.services.voucher_file import InvalidVoucherFile, VoucherFileTooLarge
from tests.factories import ConfigOfferFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def bank():
    return ConfigOfferFactory(require_vouchers=True, offer_reference="coffee").voucher_bank


def put(bank, content, *, file_name="codes.txt", expires_at=None):
    return voucher.import_file(
        bank=bank, file=io.BytesIO(content), file_name=file_name, expires_at=expires_at, actor=None, now=NOW
    )


def codes(bank):
    return list(VoucherCode.objects.filter(bank=bank).order_by("segment", "position").values_list("code", "position"))


def refused(bank, content, **options):
    """Import a file that has to be refused; nothing may be written. Returns its problems."""
    before = VoucherCode.objects.count(), VoucherBatch.objects.count(), VoucherSegment.objects.count()
    with pytest.raises(InvalidVoucherFile) as caught:
        put(bank, content, **options)
    after = VoucherCode.objects.count(), VoucherBatch.objects.count(), VoucherSegment.objects.count()
    assert after == before
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'staging'")
        assert cursor.fetchone() == (0,)
    return caught.value


@pytest.mark.parametrize(
    "content", [b"B\nA\nC\n", b"B\nA\nC", b"B\r\nA\r\nC\r\n", b"B\r\nA\r\nC", b"\xef\xbb\xbfB\nA\nC\n"]
)
def test_s4_18_and_19_lf_and_crlf_with_or_without_a_final_newline_or_mark(bank, content):
    batch = put(bank, content)

    assert (batch.lines, batch.imported, batch.duplicates_in_file, batch.duplicates_in_bank) == (3, 3, 0, 0)
    assert codes(bank) == [("A", 0), ("B", 1), ("C", 2)]
    [segment] = VoucherSegment.objects.all()
    assert (segment.bank, segment.batch, segment.cursor, segment.size) == (bank, batch, 0, 3)


def test_s4_20_duplicates_in_the_file_and_in_the_bank_are_ignored_and_counted(bank):
    put(bank, b"A\nB\n")

    batch = put(bank, b"B\nC\nC\nD\nC\n")

    assert (batch.lines, batch.imported, batch.duplicates_in_file, batch.duplicates_in_bank) == (5, 2, 2, 1)
    assert [code for code, _position in codes(bank)] == ["A", "B", "C", "D"]
    assert [position for _code, position in codes(bank)] == [0, 1, 0, 1]


def test_s4_20_a_file_of_nothing_new_makes_a_batch_but_no_segment(bank):
    put(bank, b"A\nB\n")

    batch = put(bank, b"A\nB\n")

    assert (batch.imported, batch.duplicates_in_bank) == (0, 2)
    assert VoucherSegment.objects.count() == 1


def test_the_same_code_may_stand_in_two_offers_banks(bank):
    other = ConfigOfferFactory(programme=bank.programme, require_vouchers=True).voucher_bank
    put(bank, b"A\n")

    assert put(other, b"A\n").imported == 1


def test_s4_20_blank_line_seven_is_named_and_nothing_is_written(bank):
    error = refused(bank, b"1\n2\n3\n4\n5\n6\n\n8\n")

    assert error.problems == [
        {"line": 7, "code": "blank", "message": "Line 7 is blank. Remove it and import the file again."}
    ]
    assert error.message == "The file has 1 problem. No code was imported."


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"\n", 1), (b"A\n\n", 2), (b"A\r\n\r\n", 2), (b"A\n   \nB\n", 2), (b"\r\nA", 1), (b"\xef\xbb\xbf\nA\n", 1)],
)
def test_s4_20_a_blank_row_is_an_error_wherever_it_stands(bank, content, line):
    assert [(p["line"], p["code"]) for p in refused(bank, content).problems] == [(line, "blank")]


def test_s4_19_a_code_of_100_characters_passes_and_101_is_refused(bank):
    assert put(bank, ("ü" * 100 + "\n" + "y" * 100).encode()).imported == 2

    error = refused(bank, b"A\n" + b"x" * 101 + b"\nB\n")

    assert error.problems == [
        {
            "line": 2,
            "code": "too_long",
            "message": "Line 2 has 101 characters. A code has at most 100: shorten or remove it.",
        }
    ]


def test_s4_18_a_file_that_is_not_utf_8_names_each_line(bank):
    error = refused(bank, "A\ncafé\nB\nthé".encode("latin-1"))

    assert [(p["line"], p["code"]) for p in error.problems] == [(2, "not_utf_8"), (4, "not_utf_8")]
    assert error.problems[0]["message"] == (
        "Line 2 is not UTF-8 (byte 0xE9). Save the file as UTF-8 and import it again."
    )


def test_s4_18_utf_16_is_refused_by_its_name(bank):
    error = refused(bank, "A\nB\n".encode("utf-16"))

    assert error.problems[0]["message"] == "The file is UTF-16 (“Unicode”). Save it as UTF-8 and import it again."


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"A\nB\0C\n", "nul"),
        (b"A\nB\tC\n", "tab"),
        (b"A\nB\rC\n", "carriage_return"),
        (b"A\nB\r", "carriage_return"),
        (b"A\n B\n", "space_around"),
        (b"A\nB \r\n", "space_around"),
        ("A\nB\u200bC\n".encode(), "invisible"),
        ("A\n\ufeffB\n".encode(), "invisible"),
    ],
)
def test_s4_18_what_nobody_can_see_in_a_code_is_refused(bank, content, code):
    [problem] = refused(bank, content).problems

    assert (problem["line"], problem["code"]) == (2, code)
    assert problem["message"].startswith("Line 2 ")


def test_every_problem_is_told_with_its_line_up_to_a_hundred(bank):
    lines = ["ok"] * 300
    for number in range(1, 151):
        lines[number] = "x" * 101

    error = refused(bank, "\n".join(lines).encode())

    assert [problem["line"] for problem in error.problems] == list(range(2, 102))
    assert error.details == {"problem_count": 150, "more": 50, "counts": {"too_long": 150}}
    assert error.message == "The file has 150 problems. No code was imported."


def test_lines_are_numbered_across_blocks(bank):
    filler = b"".join(b"%09d\n" % number for number in range(250_000))

    error = refused(bank, filler + b"\n" + b"A\n" + "é".encode("latin-1"))

    assert [(p["line"], p["code"]) for p in error.problems] == [(250_001, "blank"), (250_003, "not_utf_8")]


def test_an_empty_file_is_refused(bank):
    assert [p["code"] for p in refused(bank, b"").problems] == ["empty_file"]


def test_s4_18_another_kind_of_file_is_refused(bank):
    [problem] = refused(bank, b"A\n", file_name="codes.xlsx").problems

    assert problem["message"] == (
        "“codes.xlsx” is neither a .txt nor a .csv file. Save the codes as plain text, one a line, with the "
        "ending .txt."
    )
    assert put(bank, b"A\n", file_name="CODES.TXT").imported == 1


def test_s4_19_26_214_400_bytes_pass_and_one_more_is_refused(bank):
    whole = b"".join(b"%099d\n" % number for number in range(262_144))
    assert len(whole) == 26_214_400

    with pytest.raises(VoucherFileTooLarge) as caught:
        put(bank, whole + b"\n")

    assert caught.value.status == 413
    assert caught.value.message == (
        "The file has more than 26,214,400 bytes (25 MB). Split it and import the parts one after another."
    )
    assert VoucherCode.objects.count() == 0
    assert put(bank, whole).imported == 262_144


def test_special_characters_of_copy_are_kept_as_they_are(bank):
    put(bank, "\\N\n\\.\na\\b\n$1,50;'\"\nÄ-€\n".encode())

    assert {code for code, _position in codes(bank)} == {"\\N", "\\.", "a\\b", "$1,50;'\"", "Ä-€"}


def test_s4_17_an_offer_that_does_not_require_vouchers_takes_none(bank):
    bank.config_offer.require_vouchers = False
    bank.config_offer.save()

    with pytest.raises(voucher.VouchersNotRequired) as caught:
        put(bank, b"A\n")

    assert caught.value.message.startswith("“Offer")
    assert "does not require vouchers" in caught.value.message
    assert VoucherCode.objects.count() == 0


def test_s4_41_nothing_is_imported_where_the_module_is_off(bank):
    bank.config_offer.programme.offers_enabled = False

    with pytest.raises(Conflict) as caught:
        put(bank, b"A\n")

    assert caught.value.code == "offers_module_off"


def test_an_archived_offer_takes_no_codes(bank):
    bank.config_offer.state = "archived"

    with pytest.raises(Conflict, match="archived"):
        put(bank, b"A\n")


def test_codes_that_have_expired_already_are_refused(bank):
    with pytest.raises(InvalidInput, match="over already"):
        put(bank, b"A\n", expires_at=NOW)


def test_s4_21_the_import_is_summed_up_and_audited(bank):
    batch = put(bank, b"A\nB\nB\n")

    [event] = AuditEvent.objects.filter(action="voucher.imported")
    assert event.data == {
        "batch": batch.pk,
        "file": "codes.txt",
        "lines": 3,
        "imported": 2,
        "duplicates_in_file": 1,
        "duplicates_in_bank": 0,
    }


def test_s4_22_unassigned_codes_are_counted_without_expired_ones(bank):
    put(bank, b"A\nB\nC\n")
    put(bank, b"D\nE\n", expires_at=NOW + timedelta(days=1))
    VoucherSegment.objects.filter(size=3).update(cursor=1)

    assert bank_selectors.codes_left(bank=bank, now=NOW) == 4
    later = NOW + timedelta(days=1)
    assert bank_selectors.codes_left(bank=bank, now=later) == 2
    stock = bank_selectors.stock(bank=bank, now=later)
    assert (stock.imported, stock.drawn, stock.left, stock.expired) == (5, 1, 2, 2)
    assert bank_selectors.codes_left_by_offer(offer_ids=[bank.config_offer_id], now=NOW) == {bank.config_offer_id: 4}


def test_s4_22_an_empty_bank_has_none_left(bank):
    assert bank_selectors.codes_left(bank=bank, now=NOW) == 0
    assert bank_selectors.codes_left_by_offer(offer_ids=[bank.config_offer_id], now=NOW) == {bank.config_offer_id: 0}


class Endless:
    """A file of many codes that does not exist as a whole anywhere."""

    def __init__(self, count):
        self.lines = iter(range(count))
        self.rest = b""

    def read(self, size):
        while len(self.rest) < size:
            some = b"".join(b"CODE-%020d\n" % number for number in itertools.islice(self.lines, 10_000))
            if not some:
                break
            self.rest += some
        head, self.rest = self.rest[:size], self.rest[size:]
        return head


def test_b_17_half_a_million_codes_are_imported_in_bounded_memory(bank):
    tracemalloc.start()
    try:
        batch = voucher.import_file(
            bank=bank, file=Endless(500_000), file_name="codes.txt", expires_at=None, actor=None, now=NOW
        )
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert batch.imported == 500_000
    assert bank_selectors.codes_left(bank=bank, now=NOW) == 500_000
    # The file alone has 13 MB, as Python texts it would be 40 MB; a block and its lines are a few.
    assert peak < 16_000_000, peak
