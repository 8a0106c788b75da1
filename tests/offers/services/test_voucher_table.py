"""A file with an expiry for each code: `code,expires_at` ("expiry per code or batch"; B-17, S4-19, S4-20)."""

import io
import os
import subprocess
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from offers.models import VoucherBatch, VoucherCode, VoucherSegment
from offers.selectors import voucher as selectors
from offers.services import voucher, voucher_batch, voucher_generation
from offers.services.voucher_file import InvalidVoucherFile
from tests import instance
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, give, import_codes
from tests.integrity import assert_whole

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def bank():
    programme = ProgrammeFactory(timezone="Europe/Paris")
    return ConfigOfferFactory(
        programme=programme, require_vouchers=True, offer_reference="coffee", repeat_policy="unlimited"
    ).voucher_bank


def put(bank, content, *, name="codes.csv", expires_at=None):
    return voucher.import_file(
        bank=bank, file=io.BytesIO(content), file_name=name, expires_at=expires_at, actor=None, now=NOW
    )


def check(bank, content, **options):
    given = {"file_name": "codes.csv", "expires_at": None} | options
    return voucher.check_file(bank=bank, file=io.BytesIO(content), now=NOW, **given)


def moment(*parts, zone="Europe/Paris"):
    return datetime(*parts, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def held(bank):
    return dict(VoucherCode.objects.filter(bank=bank).values_list("code", "segment__expires_at"))


def problems(bank, content):
    with pytest.raises(InvalidVoucherFile) as caught:
        put(bank, content)
    assert not VoucherBatch.objects.exists()
    return [(problem["line"], problem["code"]) for problem in caught.value.problems]


def test_b_17_a_date_lasts_to_its_end_in_the_programmes_zone_and_a_moment_is_exact(bank):
    """D-09: also across a clock change."""
    batch = put(
        bank,
        b"code,expires_at\r\n"
        b"DAY,2026-12-31\r\n"
        b"SUMMER,2027-03-28\r\n"
        b"OFFSET,2026-12-31T18:00:00-05:00\r\n"
        b"LOCAL,2026-12-31 18:00\r\n"
        b"NEVER,\r\n"
        b"BARE\r\n",
    )
    assert held(bank) == {
        "DAY": moment(2027, 1, 1),
        "SUMMER": moment(2027, 3, 29),
        "OFFSET": datetime(2026, 12, 31, 23, tzinfo=UTC),
        "LOCAL": moment(2026, 12, 31, 18),
        "NEVER": None,
        "BARE": None,
    }
    assert (batch.lines, batch.imported, batch.duplicates_in_file) == (6, 6, 0)


def test_codes_without_an_expiry_take_the_files_and_one_segment_holds_each_expiry(bank):
    """DESIGN 4: a segment is (bank, batch, expiry)."""
    put(bank, b"Code;Expires_At\nB;2026-12-01\nA;2026-12-01\nC;\nD;2026-12-24\n", expires_at=moment(2026, 12, 25))
    segments = VoucherSegment.objects.filter(bank=bank).order_by("expires_at")
    assert [(one.expires_at, one.cursor, one.size) for one in segments] == [
        (moment(2026, 12, 2), 0, 2),
        (moment(2026, 12, 25), 0, 2),
    ]
    assert [list(one.codes.order_by("position").values_list("position", "code")) for one in segments] == [
        [(0, "A"), (1, "B")],
        [(0, "C"), (1, "D")],
    ]


def test_what_expires_first_is_drawn_first_across_files_and_nothing_that_is_over(bank):
    """S4-07, DESIGN 4: earliest expiry first, whatever order and file the codes came in."""
    put(bank, b"code,expires_at\nLATE,2027-06-30\nSOON,2026-12-01\nNEVER,\nNOT-YET,2027-01-15\n")
    import_codes(bank.config_offer, ["PLAIN"], expires_at=moment(2026, 12, 20), now=NOW)
    member = MemberFactory(programme=bank.programme)
    drawn = [give(member, bank.config_offer, now=NOW).voucher_code.code for _n in range(2)]
    assert drawn == ["SOON", "PLAIN"]
    later = moment(2027, 2, 1)
    assert [give(member, bank.config_offer, now=later).voucher_code.code for _n in range(2)] == ["LATE", "NEVER"]
    assert selectors.stock(bank=bank, now=later).expired == 1
    assert_whole()


def test_b_17_each_expiry_that_cannot_be_kept_is_named_with_its_line(bank):
    assert (
        problems(
            bank,
            b"code,expires_at\n"
            b"A,2026-13-01\n"  # 2
            b"B,tomorrow\n"
            b"C,2026-11-21\n"
            b"D,2026-11-22T12:59:59\n"  # 5: over for a minute in Paris
            b"E,2026-11-22\n"
            b"F,2026-12-01,more\n"
            b"\n"
            b",2026-12-01\n"
            b'"G"x,2026-12-01\n'  # 10
            b'"H,2026-12-01\n'
            b"\xe9,2026-12-01\n" + b"x" * 101 + b",2026-12-01\n"
            b" I,2026-12-01\n",
        )
        == [
            (2, "not_a_moment"),
            (3, "not_a_moment"),
            (4, "expiry_over"),
            (5, "expiry_over"),
            (7, "columns"),
            (8, "blank"),
            (9, "blank"),
            (10, "columns"),
            (11, "columns"),
            (12, "not_utf_8"),
            (13, "too_long"),
            (14, "space_around"),
        ]
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", [(None, "empty_file")]),
        (b"code,expires_at\n", [(None, "empty_file")]),
        (b"A\nB\n", [(1, "csv_header")]),
        (b"expires_at,code\n2026-12-01,A\n", [(1, "csv_header")]),
        (b"\n", [(1, "csv_header")]),
        (b"\xff\xfec\0", [(None, "utf_16")]),
    ],
)
def test_b_17_without_the_header_nobody_knows_which_column_is_which(bank, content, expected):
    assert problems(bank, content) == expected


def test_b_17_too_many_different_expiries_are_refused_as_each_is_a_segment(bank):
    lines = [f"C-{n},2027-01-01T{n // 60:02}:{n % 60:02}" for n in range(402)]
    assert problems(bank, "\n".join(["code,expires_at", *lines]).encode()) == [
        (402, "too_many_expiries"),
        (403, "too_many_expiries"),
    ]
    assert put(bank, "\n".join(["code,expires_at", *lines[:400]]).encode()).imported == 400


def test_s4_20_repeated_codes_are_ignored_the_first_line_counts_and_the_check_says_so(bank):
    import_codes(bank.config_offer, ["OLD"], now=NOW)
    content = (
        b'\xef\xbb\xbf"code","expires_at"\n'
        b'"QUO,TED",2026-12-01\n'
        b"A,2026-12-01\n"
        b"OLD,2026-12-01\n"
        b"A,2026-12-24\n"
        b"A,2026-12-01\n"
        b"C\\N,\n"
    )
    report = check(bank, content)
    assert not VoucherBatch.objects.filter(file_name="codes.csv").exists()
    kinds = {finding.kind: [problem["line"] for problem in finding.problems] for finding in report.findings}
    assert kinds == {
        "duplicate_in_file": [5, 6],
        "duplicate_in_bank": [4],
        "expiry_differs": [5],
        "byte_order_mark": [1],
    }
    assert [(one.expires_at, one.count) for one in report.expiries] == [(moment(2026, 12, 2), 2), (None, 1)]
    batch = put(bank, content)
    counts = ("lines", "imported", "duplicates_in_file", "duplicates_in_bank")
    assert [getattr(report, name) for name in counts] == [getattr(batch, name) for name in counts] == [6, 3, 2, 1]
    assert held(bank) == {"OLD": None, "QUO,TED": moment(2026, 12, 2), "A": moment(2026, 12, 2), "C\\N": None}
    assert put(bank, content).imported == 0
    assert_whole()


def test_an_import_with_many_expiries_is_undone_and_exported_whole(bank):
    """B-17: undo for codes not yet drawn; each code is exported with its own expiry."""
    batch = put(bank, b"code,expires_at\nA,2026-12-01\nB,2026-12-24\nC,\n")
    give(MemberFactory(programme=bank.programme), bank.config_offer, now=NOW)
    [shown] = selectors.batches(bank=bank)
    assert (shown.expires_first, shown.expires_last, shown.endless) == (moment(2026, 12, 2), moment(2026, 12, 25), 1)
    exported = dict(voucher_generation.export(batch=batch, actor=None, now=NOW))
    assert exported == {"A": moment(2026, 12, 2), "B": moment(2026, 12, 25), "C": None}
    done = voucher_batch.undo(batch=batch, actor=None, now=NOW)
    assert (done.removed, done.kept) == (2, 1)
    assert_whole()


def test_one_copy_and_a_fixed_number_of_statements_however_many_codes_and_expiries(bank):
    def statements(content):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            put(bank, content)
        return len(queries)

    put(bank, b"code,expires_at\nFIRST,2026-12-01\n")
    few = statements(b"code,expires_at\nA,2026-12-01\n")
    many = "code,expires_at\n" + "".join(f"C-{n},2027-{1 + n % 12:02}-{1 + n % 28:02}\n" for n in range(5000))
    assert statements(many.encode()) == few


MEASURED = """
import sys
from pathlib import Path
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "import_vouchers", *sys.argv[1:], "--dry-run"])
execute_from_command_line(["manage.py", "import_vouchers", *sys.argv[1:]])
[peak] = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print("peak", peak)
"""


@pytest.mark.django_db(transaction=True)
def test_b_17_half_a_million_lines_with_expiries_stay_below_150_mb(bank, tmp_path):
    """The whole process, interpreter and Django included, by the operating system's own count."""
    path = tmp_path / "codes.csv"
    with path.open("w") as file:
        file.write("code,expires_at\n")
        file.writelines(f"CODE-{n:030},2199-{1 + n % 12:02}-{1 + n % 28:02}\n" for n in range(500_000))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "coffee", str(path)],
        cwd=instance.BASE,
        env=os.environ | instance.process_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "500000 of 500000 codes imported; 0 repeated in the file" in done.stdout
    peak_bytes = int(done.stdout.split("peak")[1]) * 1024
    assert peak_bytes < 150_000_000, peak_bytes
    assert VoucherSegment.objects.filter(bank=bank).count() == 84
    assert selectors.codes_left(bank=bank, now=NOW) == 500_000
