"""Personal offers from the command line, and the faulty files of docs/personal-offers.md (S1-03..06, D-14, B-02)."""

import re
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from offers.models import Assignment, PersonalOfferImport
from tests.offers.personal_offers import item, jsonl, members_of, offer_of

pytestmark = pytest.mark.django_db
MANUAL = Path(settings.BASE_DIR, "docs", "personal-offers.md")
BLOCK = re.compile(r"```(csv|jsonl)\n(.*?)```\n\nIt says:\n\n```\n(.*?)```", re.S)


def run(*arguments, **options):
    out = StringIO()
    call_command("import_personal_offers", *map(str, arguments), stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def offer():
    return offer_of(offer_reference="mine")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "offers.jsonl"
    path.write_bytes(jsonl({"member": "M-1", "items": [item()]}, {"member": "M-2", "items": [item("TEA", 5)]}))
    return path


def test_a_file_is_imported_and_again_changes_nothing_d_14(offer, file):
    members_of(offer, "M-1", "M-2")
    assert run("mine", file) == "It would do: 2 new.\nDone: 2 new.\n"
    assert run("mine", file) == "It would do: 2 unchanged.\nDone: 2 unchanged.\n"
    file.write_bytes(jsonl({"member": "M-1", "items": [item(size=25)]}))
    assert run("mine", file, full=True).splitlines()[-1] == "Done: 1 changed, 1 withdrawn."


def test_a_dry_run_gives_nothing_and_stands_in_nobodys_way_b_02(offer, file):
    members_of(offer, "M-1", "M-2")
    assert run("mine", file, dry_run=True) == "It would do: 2 new.\n"
    assert Assignment.objects.count() == 0
    assert PersonalOfferImport.objects.get().state == "discarded"


def test_faulty_members_are_left_out_on_demand_b_02(offer, file):
    members_of(offer, "M-1")
    with pytest.raises(CommandError, match="The file has problems"):
        run("mine", file)
    assert Assignment.objects.count() == 0
    assert run("mine", file, leave_out_faulty=True).splitlines() == [
        "Line 2, member: there is no member “M-2”.",
        "It would do: 1 new, 1 left out.",
        "Done: 1 new, 1 left out.",
    ]


def test_what_cannot_be_read_is_said(offer, file):
    with pytest.raises(CommandError, match="No such file"):
        run("mine", file.with_name("other.csv"))
    with pytest.raises(CommandError, match="There is no offer"):
        run("yours", file)
    (other := file.with_name("a.csv")).write_bytes(b"colour\nred\n")
    with pytest.raises(CommandError, match="cannot be read"):
        run("mine", other)


@pytest.mark.parametrize("number", [0, 1])
def test_the_manual_shows_what_a_faulty_file_says_b_02(number, tmp_path):
    """Issue 4, "show": the import report of a faulty attribute file."""
    ending, content, said = BLOCK.findall(MANUAL.read_text())[number]
    offer = offer_of("products" if ending == "csv" else "receipt", offer_reference="mine")
    members_of(offer, *(f"M-{n}" for n in range(1, 13)))
    path = tmp_path / f"faulty.{ending}"
    path.write_text(content)
    out = StringIO()
    with pytest.raises(CommandError, match="Nothing was given"):
        call_command("import_personal_offers", "mine", str(path), stdout=out)
    assert said == out.getvalue(), f"docs/personal-offers.md no longer shows what is printed:\n{out.getvalue()}"
    assert Assignment.objects.count() == 0
