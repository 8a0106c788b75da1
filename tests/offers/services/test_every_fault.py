"""B-17: one file with every fault in it, and the report on it at every door, each problem with its line."""

import io
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from loyalty import clock
from offers.models import VoucherBatch, VoucherCode
from offers.services import voucher
from offers.services.voucher_file import InvalidVoucherFile
from tests.factories import ApiClientFactory, ConfigOfferFactory, import_codes
from tests.voucher_files import EVERY_FAULT, EVERY_FINDING, HELD, HELD_BY_TEA

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank():
    offer = ConfigOfferFactory(require_vouchers=True, offer_reference="coffee", name="Coffee")
    import_codes(offer, HELD)
    import_codes(ConfigOfferFactory(programme=offer.programme, require_vouchers=True, name="Tea"), HELD_BY_TEA)
    return offer.voucher_bank


@pytest.fixture(autouse=True)
def nothing_is_imported(bank):
    before = VoucherCode.objects.count(), VoucherBatch.objects.count()
    yield
    assert (VoucherCode.objects.count(), VoucherBatch.objects.count()) == before


def test_b_17_the_check_names_each_problem_with_its_line(bank):
    report = voucher.check_file(
        bank=bank, file=io.BytesIO(EVERY_FAULT), file_name="every_fault.csv", expires_at=None, now=clock.now()
    )
    found = {one.kind: (one.severity, one.count, [each["line"] for each in one.problems]) for one in report.findings}
    assert found == EVERY_FINDING
    assert (report.lines, report.imported, report.refused) == (24, 0, 14)
    assert all(one.title for one in report.findings)
    for one in report.findings:
        for problem in one.problems:
            assert re.search(rf"\b[Ll]ine {problem['line']}\b", problem["message"]) or one.kind == "byte_order_mark"
    assert not any(code in str(report) for code in HELD), "a report is no way to read what a bank holds (D-10)"


def test_b_17_the_import_refuses_the_file_with_every_error_at_once(bank):
    with pytest.raises(InvalidVoucherFile) as caught:
        voucher.import_file(
            bank=bank,
            file=io.BytesIO(EVERY_FAULT),
            file_name="every_fault.csv",
            expires_at=None,
            actor=None,
            now=clock.now(),
        )
    expected = {kind: count for kind, (severity, count, _lines) in EVERY_FINDING.items() if severity == "error"}
    assert caught.value.details["counts"] == expected
    lines = [problem["line"] for problem in caught.value.problems]
    assert lines == sorted(lines)


def test_b_17_the_api_answers_with_the_same_report(bank):
    _client, key = ApiClientFactory(programme=bank.programme, scopes=["vouchers"])
    answer = Client().post(
        "/api/v1/voucher-banks/coffee/codes/dry-run",
        EVERY_FAULT,
        content_type="text/csv",
        headers={"Authorization": f"Api-Key {key}"},
    )
    told = answer.json()
    assert (answer.status_code, told["is_acceptable"], told["imported"]) == (200, False, 0)
    found = {
        one["kind"]: (one["severity"], one["count"], [p["line"] for p in one["problems"]]) for one in told["findings"]
    }
    assert found == EVERY_FINDING


def test_b_17_the_manual_shows_the_report_as_the_command_prints_it(bank, tmp_path):
    path, printed = tmp_path / "every_fault.csv", io.StringIO()
    path.write_bytes(EVERY_FAULT)
    with pytest.raises(CommandError) as caught:
        call_command("import_vouchers", "coffee", str(path), "--dry-run", stdout=printed)
    report = printed.getvalue() + str(caught.value)
    manual = Path(settings.BASE_DIR, "docs", "vouchers.md").read_text()
    assert report in manual, f"docs/vouchers.md no longer shows what is printed:\n{report}"
