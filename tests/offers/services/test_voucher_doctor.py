"""The import doctor: what a file would do, with everything odd about it by its line, before it does it (B-17)."""

import io
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from django.db import connection

from loyalty.errors import Conflict
from loyalty.models import AuditEvent
from offers.models import VoucherBatch, VoucherCode, VoucherSegment
from offers.selectors import voucher as bank_selectors
from offers.services import voucher
from offers.services.voucher_file import InvalidVoucherFile, VoucherFileTooLarge
from tests import instance
from tests.factories import ConfigOfferFactory, import_codes

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def bank():
    return ConfigOfferFactory(require_vouchers=True, offer_reference="coffee", name="Coffee").voucher_bank


def check(bank, content, **options):
    """Check a file; whatever comes of it, nothing may be written."""
    before = written()
    try:
        given = {"file_name": "codes.txt", "expires_at": None} | options
        return voucher.check_file(bank=bank, file=io.BytesIO(content), now=NOW, **given)
    finally:
        assert written() == before


def written():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'staging'")
        tables = cursor.fetchone()
    return (*(model.objects.count() for model in (VoucherCode, VoucherBatch, VoucherSegment, AuditEvent)), tables)


def found(report):
    return {
        finding.kind: (finding.severity, finding.count, [problem["line"] for problem in finding.problems])
        for finding in report.findings
    }


def messages(report, kind):
    return [p["message"] for finding in report.findings if finding.kind == kind for p in finding.problems]


def test_b_17_a_clean_file_would_be_imported_whole(bank):
    report = check(bank, b"A-2\nA-3\n")

    assert (report.lines, report.imported, report.is_acceptable, report.findings) == (2, 2, True, [])


def test_b_17_a_file_with_every_fault_in_it_names_each_with_its_line_at_once(bank):
    tea = ConfigOfferFactory(programme=bank.programme, require_vouchers=True, name="Tea")
    import_codes(bank.config_offer, ["HELD-2", "BANK-0"])
    import_codes(tea, ["TEA-2"])
    lines = [
        b"codes",  # 1
        b"GOOD-2",
        b"",
        b"x" * 101,
        "caf\u00e9".encode("latin-1"),  # 5
        b"NUL\0",
        b"TAB\tBED",
        b"RETURN\rED",
        b" SPACE",
        "IN\u200bVISIBLE".encode(),  # 10
        b"GOOD-2",
        b"HELD-2",
        b"TEA-2",
        "\u0410BC".encode(),  # a Cyrillic A before a Latin BC
        b"TWIN-0",  # 15
        b"TWIN-O",
        b"BANK-O",
        b"GOOD-2",
        b"BELL\x07",
    ]

    report = check(bank, b"\xef\xbb\xbf" + b"\n".join(lines) + b"\n")

    assert found(report) == {
        "blank": ("error", 1, [3]),
        "too_long": ("error", 1, [4]),
        "not_utf_8": ("error", 1, [5]),
        "nul": ("error", 1, [6]),
        "tab": ("error", 1, [7]),
        "carriage_return": ("error", 1, [8]),
        "space_around": ("error", 1, [9]),
        "invisible": ("error", 2, [10, 19]),
        "duplicate_in_file": ("ignored", 2, [11, 18]),
        "duplicate_in_bank": ("ignored", 1, [12]),
        "in_another_bank": ("warning", 1, [13]),
        "mixed_letters": ("warning", 1, [14]),
        "look_alike_in_file": ("warning", 1, [16]),
        "look_alike_in_bank": ("warning", 1, [17]),
        "byte_order_mark": ("warning", 1, [1]),
        "header": ("warning", 1, [1]),
    }
    assert (report.lines, report.refused, report.imported, report.is_acceptable) == (19, 9, 0, False)
    assert messages(report, "duplicate_in_file") == ["Line 11 repeats line 2.", "Line 18 repeats line 2."]
    assert messages(report, "in_another_bank") == ["Line 13 is in the bank of “Tea” too."]
    assert messages(report, "look_alike_in_file")[0].startswith("Line 16 looks like line 15 ")
    assert all(finding.title for finding in report.findings)
    # A report is no way to read what a bank holds (D-10).
    assert "BANK-0" not in str(report)
    with pytest.raises(InvalidVoucherFile) as caught:
        voucher.import_file(
            bank=bank, file=io.BytesIO(b"\n".join(lines)), file_name="", expires_at=None, actor=None, now=NOW
        )
    assert caught.value.details["counts"]["invisible"] == 2
    assert caught.value.details["problem_count"] == 9


def test_b_17_what_is_ignored_or_odd_stops_no_import_and_the_check_foretells_it(bank):
    import_codes(bank.config_offer, ["A", "B"])
    content = b"B\nC\nC\nD\nC\nB\nO1\n01\n"

    report = check(bank, content)
    batch = voucher.import_file(
        bank=bank, file=io.BytesIO(content), file_name="codes.txt", expires_at=None, actor=None, now=NOW
    )

    counts = ("lines", "imported", "duplicates_in_file", "duplicates_in_bank")
    assert [getattr(report, name) for name in counts] == [getattr(batch, name) for name in counts] == [8, 4, 3, 1]
    assert found(report)["look_alike_in_file"] == ("warning", 1, [8])


@pytest.mark.parametrize(
    ("one", "other"),
    [("A0", "AO"), ("A1", "AI"), ("A1", "Al"), ("AI", "Al"), ("AB", "\u0410B"), ("OK", "\u039fK"), ("a|", "a1")],
)
def test_b_17_look_alikes_are_seen_in_the_file_and_against_the_bank(bank, one, other):
    assert found(check(bank, f"{one}\n{other}\n".encode()))["look_alike_in_file"] == ("warning", 1, [2])
    import_codes(bank.config_offer, [one])
    assert found(check(bank, f"ZZ\n{other}\n".encode()))["look_alike_in_bank"] == ("warning", 1, [2])


def test_b_17_codes_wholly_in_one_alphabet_and_those_that_differ_are_not_odd(bank):
    assert check(bank, "\u041f\u0420\u0418\u0412\u0415\u0422\n\u00c4RGER\nA0\nB0\n".encode()).findings == []


def test_b_17_another_programmes_bank_is_not_looked_at(bank):
    import_codes(ConfigOfferFactory(require_vouchers=True), ["SAME"])

    assert check(bank, b"SAME\n").findings == []


def test_b_17_each_kind_is_counted_exactly_and_listed_up_to_a_hundred(bank):
    content = b"\n".join([b"A"] * 151 + [b""] * 120 + [b"x" * 101] * 3 + [b"B"]) + b"\n"

    report = check(bank, content)

    kinds = {finding.kind: (finding.count, len(finding.problems), finding.more) for finding in report.findings}
    assert kinds == {"duplicate_in_file": (150, 100, 50), "blank": (120, 100, 20), "too_long": (3, 3, 0)}


def test_b_17_lines_keep_their_numbers_behind_lines_that_are_refused_and_across_blocks(bank):
    filler = b"".join(b"%09d\n" % number for number in range(250_000))

    report = check(bank, b"\n" + filler + b"X\n\nX\n")

    assert found(report) == {
        "blank": ("error", 2, [1, 250_003]),
        "duplicate_in_file": ("ignored", 1, [250_004]),
    }
    assert messages(report, "duplicate_in_file") == ["Line 250004 repeats line 250002."]


def test_s4_17_to_19_what_no_import_would_take_is_refused_by_the_check(bank):
    with pytest.raises(InvalidVoucherFile, match=r"neither a \.txt nor a \.csv file"):
        check(bank, b"A\n", file_name="codes.xlsx")
    with pytest.raises(VoucherFileTooLarge):
        check(bank, b"x" * 26_214_401)
    bank.config_offer.state = "archived"
    with pytest.raises(Conflict, match="archived"):
        check(bank, b"A\n")
    bank.config_offer.require_vouchers = False
    with pytest.raises(voucher.VouchersNotRequired):
        check(bank, b"A\n")


MEASURED = """
import sys
from pathlib import Path
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "import_vouchers", *sys.argv[1:], "--dry-run"])
execute_from_command_line(["manage.py", "import_vouchers", *sys.argv[1:]])
# Of this program alone; what getrusage says would have begun with its parent's.
[peak] = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print("peak", peak)
"""


@pytest.mark.django_db(transaction=True)
def test_b_17_a_process_that_reads_half_a_million_lines_stays_below_150_mb(bank, tmp_path):
    """The whole process, interpreter and Django included, by the operating system's own count."""
    path = tmp_path / "codes.txt"
    with path.open("w") as file:
        file.writelines(f"CODE-{number:043}\n" for number in range(499_990))
        file.writelines(f"CODE-{number:043}\n" for number in range(10))

    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "coffee", str(path)],
        cwd=instance.BASE,
        env=os.environ | instance.process_environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert "499990 of 500000 codes would be imported; 10 repeated in the file" in done.stdout
    assert "499990 of 500000 codes imported; 10 repeated in the file" in done.stdout
    peak_bytes = int(done.stdout.split("peak")[1]) * 1024
    assert peak_bytes < 150_000_000, peak_bytes
    assert bank_selectors.codes_left(bank=bank, now=NOW) == 499_990
