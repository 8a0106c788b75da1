"""Vouchers from the command line (S4-17..22)."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from offers.models import VoucherBatch, VoucherCode
from tests.factories import ConfigOfferFactory, DraftOfferFactory, ProgrammeFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    return ConfigOfferFactory(
        offer_reference="coffee", require_vouchers=True, programme=ProgrammeFactory(timezone="Europe/Paris")
    )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "codes.txt"
    path.write_bytes(b"A\nB\nB\n")
    return path


def run(name, *arguments, **options):
    out = StringIO()
    call_command(name, *arguments, stdout=out, **options)
    return out.getvalue()


def test_s4_21_an_import_says_what_came_of_it(offer, file):
    assert run("import_vouchers", "coffee", str(file)) == (
        "2 of 3 codes imported; 1 repeated in the file, 0 already in the bank. 2 left.\n"
    )


def test_codes_expire_at_the_end_of_the_given_day_in_the_programmes_zone(offer, file):
    run("import_vouchers", "coffee", str(file), expires="2099-07-31")

    assert VoucherBatch.objects.get().expires_at == datetime(2099, 7, 31, 22, tzinfo=UTC)


def test_s4_20_a_bad_file_names_its_lines(offer, file):
    file.write_bytes(b"1\n2\n3\n4\n5\n6\n\n8\n" + b"x" * 101)

    with pytest.raises(CommandError) as caught:
        run("import_vouchers", "coffee", str(file))

    assert str(caught.value).splitlines() == [
        "The file has 2 problems. No code was imported.",
        "Line 7 is blank. Remove it and import the file again.",
        "Line 9 has 101 characters. A code has at most 100: shorten or remove it.",
    ]
    assert not VoucherCode.objects.exists()


def test_many_problems_end_with_how_many_more(offer, file):
    file.write_bytes(b"A\n" + b" \n" * 120)

    with pytest.raises(CommandError) as caught:
        run("import_vouchers", "coffee", str(file))

    assert str(caught.value).splitlines()[-1] == "… and 20 more."


def test_s4_17_an_offer_without_vouchers_is_refused(offer, file):
    DraftOfferFactory(programme=offer.programme, offer_reference="tea", name="Tea")

    with pytest.raises(CommandError, match="“Tea” does not require vouchers"):
        run("import_vouchers", "tea", str(file))


def test_what_is_not_there_is_said(offer, file):
    with pytest.raises(CommandError, match="There is no offer with the offer_reference “milk”"):
        run("import_vouchers", "milk", str(file))
    with pytest.raises(CommandError, match="No such file"):
        run("import_vouchers", "coffee", str(file.with_name("other.txt")))
    with pytest.raises(CommandError, match="“soon” is not a moment"):
        run("import_vouchers", "coffee", str(file), expires="soon")
    with pytest.raises(CommandError, match="“9999-12-31” is not a moment of the years 1900 to 2999"):
        run("import_vouchers", "coffee", str(file), expires="9999-12-31")
    ProgrammeFactory(slug="other")
    with pytest.raises(CommandError, match="Choose a programme with --programme"):
        run("import_vouchers", "coffee", str(file))


def test_s4_22_unassigned_codes_are_counted(offer, file):
    run("import_vouchers", "coffee", str(file))

    assert run("count_vouchers", "coffee") == "2\n"
    assert run("count_vouchers") == "        2  coffee\n"
    with pytest.raises(CommandError, match="There is no voucher bank"):
        run("count_vouchers", "milk")


def test_b_17_a_dry_run_reports_and_imports_nothing(offer, file):
    assert run("import_vouchers", "coffee", str(file), dry_run=True).splitlines() == [
        "ignored: duplicate_in_file (1)",
        "  Line 3 repeats line 2.",
        "2 of 3 codes would be imported; 1 repeated in the file, 0 already in the bank. Nothing was imported.",
    ]
    assert not VoucherCode.objects.exists()


def test_b_17_a_dry_run_of_a_bad_file_lists_all_and_fails(offer, file):
    file.write_bytes(b"A\n" + b"\n" * 120 + b"A\n")
    out = StringIO()

    with pytest.raises(CommandError, match="would be refused: it has 120 problems"):
        call_command("import_vouchers", "coffee", str(file), dry_run=True, stdout=out)

    lines = out.getvalue().splitlines()
    assert lines[:2] == ["error: blank (120)", "  Line 2 is blank. Remove it and import the file again."]
    assert lines[101:] == ["  … and 20 more.", "ignored: duplicate_in_file (1)", "  Line 122 repeats line 1."]
