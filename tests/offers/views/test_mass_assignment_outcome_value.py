"""What each member got in a run with values per member, and what was refused: on the page, in files, over the API."""

import csv
import io
import json

import pyarrow.parquet
import pytest
import python_calamine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from offers.models import Assignment
from offers.services import member_list
from tests.factories import (
    ApiClientFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    launch_run,
    work,
)
from tests.offers.views.marketer import sign_in, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]

CELLS = {"M-1": "13", "M-2": "7", "M-3": "abc", "M-4": "1,234", "M-5": "100%", "M-6": "=2|3", "M-7": "", "M-8": "9"}
IDS = {"M-1": "coffee|tea", "M-2": "milk"}
# Of each member: outcome, reason, refused value, and what she got.
EXPECTED = {
    "M-1": ["assigned", "", "", "benefit.size=13"],
    "M-2": ["assigned", "", "", "benefit.size=7"],
    "M-3": ["invalid_value", "benefit.size", "abc", ""],
    "M-4": ["invalid_value", "benefit.size", "1,234", ""],
    "M-5": ["invalid_value", "benefit.size", "100%", ""],
    "M-6": ["invalid_value", "benefit.size", "=2|3", ""],
    "M-7": ["missing_rule", "benefit.size", "", ""],
    "M-8": ["member_inactive", "", "", ""],
}


def upload(programme, name, column, cells):
    lines = [json.dumps({"member": one, column: cell}) for one, cell in cells.items()]
    file = io.BytesIO("\n".join(lines).encode())
    return member_list.upload(programme=programme, name=name, file=file, file_name="list.jsonl", actor=None)


@pytest.fixture
def template(programme):
    offer = ConfigOfferFactory(programme=programme, terms={"validity": {"days": 30}})
    return OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])


@pytest.fixture
def run(programme, template):
    for external_id in CELLS:
        status = "inactive" if external_id == "M-8" else "active"
        MemberFactory(programme=programme, external_id=external_id, status=status)
    made = upload(programme, "Sizes", "Size", CELLS)
    size = {"list": made.pk, "column": "Size", "minimum": 1, "maximum": 100}
    return work(launch_run(template, member_values={"benefit": {"type": "percent", "size": size}}))


def content(client, run, file_format):
    return b"".join(client.get(reverse("offers:run_outcomes_export", args=[run.pk, file_format])).streaming_content)


def test_s1_05_the_page_says_what_each_one_got_and_what_was_refused(programme, run):
    """S1-05, S4-27: 13 and 7 %, and for the others the value as it was written, so that it can be mended."""
    page = words(sign_in(programme).get(reverse("offers:run_members", args=[run.pk])))
    assert "What she got" in page
    assert page.count("13 % off") == page.count("7 % off") == 1
    for value in ("abc", "1,234", "100%", "=2|3"):
        assert f"Benefit, Size: “{value}”" in page
    assert "Benefit, Size</span>" in page


def test_s1_05_the_three_files_have_what_each_one_got_and_what_was_refused(programme, run):
    """S1-05, S4-27: the same in all formats, and no cell of a spreadsheet runs as a formula."""
    marketer = sign_in(programme)
    head, *lines = csv.reader(io.StringIO(content(marketer, run, "csv").decode("utf-8-sig")))
    assert head[:5] == ["member", "outcome", "reason", "value", "values"]
    safe = EXPECTED | {"M-6": ["invalid_value", "benefit.size", "'=2\\|3", ""]}
    assert {line[0]: line[1:5] for line in lines} == safe
    sheet = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content(marketer, run, "xlsx")))
    rows = sheet.get_sheet_by_index(0).to_python()
    assert rows[0][:5] == head[:5]
    assert {row[0]: row[1:5] for row in rows[1:]} == EXPECTED
    table = pyarrow.parquet.read_table(io.BytesIO(content(marketer, run, "parquet"))).to_pylist()
    assert {row["member"]: [row[name] or "" for name in head[1:5]] for row in table} == EXPECTED


def test_s1_05_the_api_lists_what_each_one_got_by_field(programme, run, client):
    """S1-05: as the assignment has it, and the refused value beside its reason."""
    _client, key = ApiClientFactory(programme=programme, scopes=["targetings"])
    address = f"/api/v1/mass-assignments/{run.pk}/outcomes"
    found = client.get(address, headers={"Authorization": f"Api-Key {key}"}).json()["results"]
    by_member = {each["member"]: each for each in found}
    assert {one: each["values"] for one, each in by_member.items() if each["values"]} == {
        "M-1": {"benefit.size": 13}, "M-2": {"benefit.size": 7}
    }  # fmt: skip
    assert by_member["M-4"]["value"] == "1,234"


def test_s1_05_several_values_stand_one_behind_the_other_and_a_long_one_is_cut(programme, template):
    """S1-05: a cell holds them whatever they are; the assignment has each whole."""
    for external_id in IDS:
        MemberFactory(programme=programme, external_id=external_id)
    many = [f"product-{n:04}" for n in range(100)]
    ids = upload(programme, "Ids", "Ids", IDS | {"M-2": "|".join(many)})
    days = upload(programme, "Days", "Days", {"M-1": "7", "M-2": "8"})
    values = {
        "products": {"products": {"list": ids.pk, "column": "Ids"}},
        "validity": {"days": {"list": days.pk, "column": "Days", "minimum": 1, "maximum": 30}},
    }
    run = work(launch_run(template, member_values=values, terms={"benefit": {"type": "percent", "size": 9}}))
    lines = list(csv.DictReader(io.StringIO(content(sign_in(programme), run, "csv").decode("utf-8-sig"))))
    short, long = ({pair.partition("=")[0]: pair.partition("=")[2] for pair in line["values"].split("; ")}
                   for line in lines)  # fmt: skip
    assert short == {"products.products": '["coffee", "tea"]', "validity.days": "7"}
    assert (len(long["products.products"]), long["products.products"][-1], long["validity.days"]) == (500, "…", "8")
    assert Assignment.objects.get(member__external_id="M-2").terms["products"]["products"] == many


def test_s1_05_a_run_with_the_same_for_everybody_has_no_such_column_on_its_page(programme, template, run):
    """S1-05: and a page costs as many queries with values per member as without."""
    same = work(launch_run(template, terms={"benefit": {"type": "percent", "size": 9}}))
    marketer = sign_in(programme)
    counted = []
    for one in (run, run, same):
        with CaptureQueriesContext(connection) as queries:
            page = words(marketer.get(reverse("offers:run_members", args=[one.pk])))
        counted.append(len(queries))
    assert "What she got" not in page
    assert counted[1] == counted[2]
    lines = csv.DictReader(io.StringIO(content(marketer, same, "csv").decode("utf-8-sig")))
    assert {(line["value"], line["values"]) for line in lines} == {("", "")}
