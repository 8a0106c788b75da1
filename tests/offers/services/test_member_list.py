"""Lists of members from files: whom they find, what they leave out by line, what they keep of each (issue 4, S1-01)."""

import io
import json

import pyarrow as pa
import pytest
import xlsxwriter
from pyarrow import parquet

from loyalty import clock, patience, tables
from loyalty.database import rows
from loyalty.errors import InvalidInput
from loyalty.models import AuditEvent, Member
from offers.models import MemberList, MemberListEntry, MemberListLine
from offers.selectors import targeting as selector
from offers.services import member_list
from offers.targeting import InvalidCriteria
from tests.factories import MemberFactory, ProgrammeFactory, TargetingFactory, UserFactory
from tests.offers.targeting import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    programme = ProgrammeFactory()
    for name in ("M-1", "M-2", "M-3", "us-east-1:192991f1"):
        MemberFactory(programme=programme, external_id=name)
    MemberFactory(programme=programme, external_id="gone", status=Member.Status.ERASED)
    MemberFactory(external_id="theirs")
    return programme


def upload(programme, content, file_name="list.csv", **options):
    given = {"name": "Spring", "actor": None} | options
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return member_list.upload(programme=programme, file=file, file_name=file_name, **given)


def members(made):
    return list(
        MemberListEntry.objects.filter(member_list=made).order_by("line").values_list("member__external_id", flat=True)
    )


def left_out(made):
    found = MemberListLine.objects.filter(member_list=made).order_by("line")
    return [(one.line, one.kind, one.external_id, one.first_line) for one in found]


def test_issue_4_whoever_the_file_names_is_found_and_every_other_line_is_reported(programme):
    content = "member;discount;note\n M-2 ;10;a\nnobody;5;b\nM-1;;\n;7;\nM-2;20;again\ngone;1;\ntheirs;1;\n"
    made = upload(programme, content, actor=UserFactory(programmes=[programme]))
    assert members(made) == ["M-2", "M-1"]
    assert left_out(made) == [
        (3, "unknown", "nobody", None),
        (5, "empty", "", None),
        (6, "repeated", "M-2", 2),
        (7, "unknown", "gone", None),
        (8, "unknown", "theirs", None),
    ]
    assert (made.lines, made.size, made.unknown, made.repeated) == (7, 2, 4, 1)
    assert made.columns == ["discount", "note"]
    # The first line counts, and says only what it holds.
    values = dict(MemberListEntry.objects.filter(member_list=made).values_list("member__external_id", "values"))
    assert values == {"M-2": {"discount": "10", "note": "a"}, "M-1": {}}
    audited = AuditEvent.objects.get(action="member_list.uploaded")
    assert audited.data == {"members": 2, "unknown": 4, "repeated": 1}


def _workbook(rows):
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return file.getvalue()


def _parquet(rows):
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("file_name", "content"),
    [
        ("list.csv", b"external_id,points\nM-1,5\nM-3,\n"),
        ("list.xlsx", _workbook([["External id", "points"], ["M-1", 5], ["M-3", None]])),
        ("list.parquet", _parquet([{"memberId": "M-1", "points": 5}, {"memberId": "M-3", "points": None}])),
        ("list.jsonl", b'{"member": "M-1", "points": 5}\n{"member": "M-3"}\n'),
    ],
)
def test_issue_4_csv_xlsx_parquet_and_jsonl_say_the_same(programme, file_name, content):
    made = upload(programme, content, file_name)
    assert members(made) == ["M-1", "M-3"]
    assert list(MemberListEntry.objects.filter(member_list=made).order_by("line").values_list("values", flat=True)) == [
        {"points": "5"},
        {},
    ]


def test_a_file_of_nothing_but_ids_needs_no_header_and_may_have_one(programme):
    assert members(upload(programme, "M-1\nM-3\nM-1\n")) == ["M-1", "M-3"]
    with_header = upload(programme, "Member ID\nM-1\nM-3\n", name="With a header")
    assert (members(with_header), left_out(with_header)) == (["M-1", "M-3"], [])
    odd = upload(programme, "Kundennummer\nM-1\n", name="With a header of its own")
    assert left_out(odd) == [(1, "unknown", "Kundennummer", None)]
    assert left_out(upload(programme, "Kundennummer\nM-1\n", name="Said", column="Kundennummer")) == []


@pytest.mark.parametrize("content", ["M-1", "M-1\n", " M-1 \r\n", '"M-1"\n', "\ufeffM-1\n"])
def test_issue_4_a_file_of_one_id_needs_no_header_either(programme, content):
    """Issue 4, an uploaded list of member ids: one line that no column of ids is called by is the id itself."""
    made = upload(programme, content)
    assert (members(made), left_out(made), made.lines, made.columns) == (["M-1"], [], 1, [])
    assert selector.count(  # it can be targeted like any other
        selector.read({"op": "and", "items": [{"list": made.pk}]}, programme=programme),
        programme=programme, now=clock.now(),
    ) == 1  # fmt: skip


def test_issue_4_one_cell_of_a_workbook_is_one_id_too(programme):
    """Issue 4: XLSX as CSV."""
    into = io.BytesIO()
    with xlsxwriter.Workbook(into, {"in_memory": True}) as book:
        book.add_worksheet().write(0, 0, "M-3")
    assert members(upload(programme, into.getvalue(), "list.xlsx")) == ["M-3"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Member ID\n", "“list.csv” has a header but no rows."),
        ("external_id", "“list.csv” has a header but no rows."),
        ("member;points\n", "“list.csv” has a header but no rows."),
        ("M-9\n", "“M-9” is no member's id, and no name of a column of ids. Give a line for each member."),
    ],
)
def test_issue_4_one_line_that_names_nobody_says_what_to_do(programme, content, said):
    """Issue 4, bad input: a header alone, or an id of nobody; nothing is kept."""
    with pytest.raises(InvalidInput) as refusal:
        upload(programme, content)
    assert said in [one["message"] for one in refusal.value.problems]
    assert not MemberList.objects.exists()


def test_ids_are_pasted_with_lines_commas_and_colons(programme):
    file = member_list.pasted('M-1, M-3;us-east-1:192991f1\n\n  M-2\n"x"')
    made = member_list.upload(programme=programme, name="Pasted", file=file, file_name="pasted.csv", actor=None)
    assert members(made) == ["M-1", "M-3", "us-east-1:192991f1", "M-2"]
    assert left_out(made) == [(6, "unknown", '"x"', None)]


def test_a_check_says_the_same_and_keeps_nothing(programme):
    content = b"member,points\nM-1,5\nx,\nM-1,6\n"
    report = member_list.check(programme=programme, file=io.BytesIO(content), file_name="list.csv")
    assert (report.lines, report.size, report.counts) == (3, 1, {"unknown": 1, "repeated": 1})
    assert [(one.line, one.kind, one.first_line) for one in report.left_out] == [
        (3, "unknown", None),
        (4, "repeated", 2),
    ]
    assert not MemberList.objects.exists()
    assert not MemberListLine.objects.exists()


@pytest.mark.parametrize(
    ("content", "options", "code"),
    [
        ("name,city\nAnn,Lyon\n", {}, "no_id_column"),
        ("member,city\nM-1,Lyon\n", {"column": "town"}, "unknown_column"),
        ("member,city\nnobody,Lyon\n", {}, "no_member_found"),
        ("member\nM-1\n", {"name": "  "}, "name"),
        ("member\nM-1\n", {"name": "x" * 201}, "name"),
        ("member," + ",".join(f"c{n}" for n in range(41)) + "\nM-1" + "," * 41 + "\n", {}, "too_many_columns"),
    ],
)
def test_what_cannot_be_a_list_is_refused_by_name_and_nothing_is_kept(programme, content, options, code):
    with pytest.raises(InvalidInput) as refused:
        upload(programme, content, **options)
    assert [one["code"] for one in refused.value.problems] == [code]
    assert not MemberList.objects.exists()
    assert not MemberListEntry.objects.exists()


def test_every_broken_line_of_a_file_is_named_at_once(programme):
    with pytest.raises(tables.InvalidTable) as refused:
        upload(programme, b"member,points\nM-1\nM-2,5\nM-3,\xff\n")
    assert [one["line"] for one in refused.value.problems] == [2, 4]
    assert not MemberList.objects.exists()


def test_a_name_is_used_once_among_lists_in_use(programme):
    made = upload(programme, "M-1\nM-2\n")
    with pytest.raises(member_list.NameTaken):
        upload(programme, "M-1\nM-2\n")
    assert member_list.archive(member_list=made, actor=None, now=clock.now())
    assert not member_list.archive(member_list=made, actor=None, now=clock.now())
    upload(programme, "M-1\nM-2\n")


def test_issue_4_an_audience_is_made_with_a_list_and_keeps_it(programme):
    made = upload(programme, "M-1\nM-3\nnobody\n")

    def found(tree):
        predicate = selector.where(programme=programme, criteria=tree, now=world.NOW)
        sql = f"SELECT member.external_id FROM loyalty_member AS member WHERE {predicate.sql} ORDER BY 1"
        return [row["external_id"] for row in rows(sql, predicate.params)]

    assert found({"list": made.pk}) == ["M-1", "M-3"]
    assert found({"op": "and", "not": True, "items": [{"list": made.pk}]}) == ["M-2", "us-east-1:192991f1"]
    either = {"op": "or", "items": [{"list": made.pk}, {"field": "member.external_id", "is": "equals", "value": "M-2"}]}
    assert found(either) == ["M-1", "M-2", "M-3"]
    TargetingFactory(programme=programme, name="Listed", criteria=either)
    with pytest.raises(member_list.InUse, match="Listed"):
        member_list.archive(member_list=made, actor=None, now=clock.now())


@pytest.mark.parametrize("value", [0, -1, "1", 1.5, True, 2**63, 4711, [1]])
def test_a_list_that_is_none_of_the_programmes_is_refused_by_its_path(programme, value):
    theirs = ProgrammeFactory()
    MemberFactory(programme=theirs, external_id="M-1")
    foreign = upload(theirs, "member\nM-1\n")
    for tree in ({"list": value}, {"list": foreign.pk}):
        with pytest.raises(InvalidCriteria) as refused:
            selector.read(tree, programme=programme)
        assert [(one["path"], one["code"]) for one in refused.value.problems] == [("list", "unknown_list")]


def test_a_list_of_many_ids_is_kept_with_few_statements(programme, django_assert_max_num_queries):
    """Issue 4, bad input: ids by the thousand, most of them nobody's, cost no more statements than a few."""
    content = "member,points\n" + "".join(f"X-{number},1\n" for number in range(20_000)) + "M-1,2\n"
    with django_assert_max_num_queries(25):
        made = upload(programme, content)
    assert (made.size, made.unknown) == (1, 20_000)
    assert json.dumps(made.columns) == '["points"]'


def test_a_long_list_may_take_longer_than_a_web_process_waits_otherwise(programme, monkeypatch):
    """A million ids are looked up in one statement: that is no database that hangs."""
    seen = []
    looked = member_list._look
    monkeypatch.setattr(member_list, "_look", lambda *given: seen.append(patience._is_patient.get()) or looked(*given))
    upload(programme, "M-1\nM-2\n")
    member_list.check(programme=programme, file=io.BytesIO(b"M-1\nM-2\n"), file_name="list.csv")
    assert seen == [True, True]
