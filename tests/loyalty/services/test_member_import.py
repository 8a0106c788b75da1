"""Members and attributes by file: dry run, per-line report, import and undo (issue 4, C)."""

import io
import json
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from loyalty import contact, tables
from loyalty.errors import Conflict
from loyalty.models import AuditEvent, Consent, ConsentEvent, Member, MemberImport
from loyalty.selectors import member_import as selectors
from loyalty.services import member, member_import
from tests.factories import AttributeDefinitionFactory, MemberFactory
from tests.loyalty.services.member_files import ADA, HEAD, LATER, NOW, a_programme, counts, found, run, undo

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return a_programme()


def test_members_are_made_as_the_api_would_make_them(programme):
    made = run(programme, HEAD + ADA)
    assert counts(made) == ("finished", 1, 0, 0)
    one = Member.objects.get()
    assert (one.email, one.email_key, one.phone, one.phone_key) == (
        "Ada@Example.com", "ada@example.com", "+1 555 000 0001", "+15550000001",
    )  # fmt: skip
    assert (one.birth_date, one.joined_at) == (date(1985, 12, 10), datetime(2026, 1, 30, 23, tzinfo=UTC))
    assert one.attributes == {"size": 4.5, "hobbies": ["chess", "tea"]}
    assert (one.status, one.created_at, one.updated_at) == ("active", NOW, NOW)
    assert Consent.objects.get().is_granted
    assert ConsentEvent.objects.get().source == f"import {made.pk}"
    # The API would find nothing to change.
    values = {"email": "Ada@Example.com", "phone": "+1 555 000 0001", "attributes": {"size": 4.5}}
    member.put(programme=programme, members=[{"external_id": "m1", **values}], now=LATER)
    assert Member.objects.get().updated_at == NOW
    actions = list(AuditEvent.objects.filter(object_type="loyalty.memberimport").values_list("action", flat=True))
    assert actions == ["member_import.finished", "member_import.received"]
    assert not made.parts.exists()


def test_a_dry_run_says_what_would_be_done_and_writes_no_member(programme):
    run(programme, HEAD + ADA)
    file = HEAD + ADA + ADA.replace("m1", "m2") + ADA.replace("m1", "m3")
    MemberFactory(programme=programme, external_id="m3")
    checked = run(programme, file, wish="check")
    assert counts(checked) == ("checked", 1, 1, 1)
    assert Member.objects.count() == 2
    member_import.start(member_import=checked, actor=None)
    assert member_import.work(import_id=checked.pk, now=LATER)
    checked.refresh_from_db()
    assert counts(checked) == ("finished", 1, 1, 1)
    assert Member.objects.get(external_id="m3").first_name == "Ada"
    with pytest.raises(Conflict):
        member_import.start(member_import=checked, actor=None)


def test_the_same_file_again_changes_nothing(programme):
    run(programme, HEAD + ADA)
    assert counts(run(programme, HEAD + ADA, now=LATER)) == ("finished", 0, 0, 1)
    assert Member.objects.get().updated_at == NOW


def test_per_member_attributes_by_file_leave_the_rest_and_an_empty_cell_empties(programme):
    run(programme, HEAD + ADA)
    made = run(programme, "external_id;attributes.size;owner;wedding\nm1;;Yes;2020-02-29\n", now=LATER)
    assert counts(made) == ("finished", 0, 1, 0)
    one = Member.objects.get()
    assert one.attributes == {"hobbies": ["chess", "tea"], "owner": True, "wedding": "2020-02-29"}
    assert (one.first_name, one.updated_at) == ("Ada", LATER)
    run(programme, "external_id,first_name,birth_date,joined_at,hobbies\nm1,,,,\n", now=LATER)
    one.refresh_from_db()
    assert (one.first_name, one.birth_date, one.joined_at) == ("", None, None)
    assert one.attributes == {"owner": True, "wedding": "2020-02-29"}
    # A line of JSONL leaves what it does not name; null empties.
    lines = [{"external_id": "m1", "owner": None}, {"external_id": "m2", "hobbies": ["go"], "size": 3}]
    run(programme, b"\n".join(map(orjson.dumps, lines)), name="a.jsonl", now=LATER)
    one.refresh_from_db()
    assert one.attributes == {"wedding": "2020-02-29"}
    assert Member.objects.get(external_id="m2").attributes == {"hobbies": ["go"], "size": 3}


def test_every_problem_is_named_by_line_field_and_value_and_nothing_is_written(programme):
    MemberFactory(programme=programme, external_id="gone", status=Member.Status.ERASED)
    head = (
        "external_id,first_name,email,phone,birth_date,country,language,timezone,status,joined_at,size,hobbies,owner,"
    )
    head += "wedding,consent.sms,colour\n"
    bad = (
        "m1,"
        + "x" * 101
        + ",a@b,call me,1985-02-30,fra,EN,Mars/Base,asleep,0001-01-01,1.2.3,go|cards,maybe,soon,perhaps,"
    )
    lines = [bad + "red", "m2" + "," * 15, "m2" + "," * 15, "," * 15, "gone" + "," * 15, "m3,too,short"]
    made = run(programme, head + "\n".join(lines) + "\n")
    assert counts(made) == ("refused", 0, 0, 0)
    whole = found(made)
    assert whole[0] == (None, "colour", "unknown_column", "")
    assert {one[1:] for one in whole if one[0] == 2} == {
        ("first_name", "too_long", "x" * 101),
        ("email", "invalid_email", "a@b"),
        ("phone", "invalid_phone", "call me"),
        ("birth_date", "not_a_date", "1985-02-30"),
        ("country", "too_long", "fra"),
        ("country", "invalid_country", "fra"),
        ("language", "invalid_language", "EN"),
        ("timezone", "unknown_zone", "Mars/Base"),
        ("status", "unknown_choice", "asleep"),
        ("joined_at", "year_out_of_range", "0001-01-01"),
        ("size", "not_a_number", "1.2.3"),
        ("hobbies", "unknown_choice", "go|cards"),
        ("owner", "not_yes_or_no", "maybe"),
        ("wedding", "not_a_date", "soon"),
        ("consent.sms", "not_yes_or_no", "perhaps"),
    }
    rest = {one for one in whole if one[0] not in (None, 2)}
    assert rest == {
        (3, "status", "unknown_choice", ""),
        (4, "external_id", "given_twice", "m2"),
        (4, "status", "unknown_choice", ""),
        (5, "external_id", "missing", ""),
        (5, "status", "unknown_choice", ""),
        (6, "external_id", "member_erased", "gone"),
        (6, "status", "unknown_choice", ""),
        (7, "", "ragged_row", ""),
    }
    assert (made.problem_count, made.refused) == (len(whole), 6)
    assert Member.objects.count() == 1
    twice = made.problems.get(code="given_twice")
    assert selectors.message(twice) == "This member is on line 3 too. Give each one once."
    assert "The line has 3 cells" in selectors.message(made.problems.get(code="ragged_row"))


@pytest.mark.parametrize(
    ("cell", "code", "sentence"),
    [
        ("9" * 18, None, ""),
        ("-" + "9" * 18, None, ""),
        ("1" + "0" * 18, "too_large", f"The number is too large: at most {'9' * 18}, above zero or below."),
        ("-" + "9" * 19 + ".5", "too_large", f"The number is too large: at most {'9' * 18}, above zero or below."),
        ("1E+20", "too_large", f"The number is too large: at most {'9' * 18}, above zero or below."),
        ("1.5e18", "too_large", f"The number is too large: at most {'9' * 18}, above zero or below."),
        ("0." + "3" * 15, None, ""),
        ("0." + "3" * 16, "too_many_decimals", "The number is too exact: at most 15 digits after the point."),
        ("1e5", "not_a_number", "Write a number such as 12.5, with a point."),
        ("12,5", "not_a_number", "Write a number such as 12.5, with a point."),
        ("many", "not_a_number", "Write a number such as 12.5, with a point."),
    ],
)
def test_b_02_a_number_that_is_too_large_is_told_the_most(programme, cell, code, sentence):
    """B-02, issue 4, C: what is wrong with a number is one thing, and its sentence says what would be right."""
    made = run(programme, f'external_id,size\nm1,"{cell}"\n')
    assert found(made) == ([(2, "size", code, cell)] if code else [])
    assert [selectors.message(one) for one in made.problems.all()] == ([sentence] if code else [])


def test_a_file_without_ids_and_a_file_that_is_no_table_are_refused(programme):
    assert found(run(programme, "first_name\nAda\n")) == [(None, "external_id", "missing_column", "")]
    with pytest.raises(tables.InvalidTable):
        run(programme, "external_id,external_id\n1,2\n")
    assert MemberImport.objects.count() == 1


def test_addresses_and_numbers_of_every_kind_get_the_keys_that_one_member_would(programme):
    """S0-01: whoever searches finds members of files as she finds others."""
    emails = ["A@B.example", '"odd.one"@example.com', "ÄÖ@example.com", "x@bücher.example", "", "a.b+c@d-e.example"]
    phones = ["+33 1 44 55 66 77", "01 44 55 66 77", "0033144556677", "+33144556677", "", "+15550000001", "+4930123456"]
    lines = [{"external_id": f"e{n}", "email": one} for n, one in enumerate(emails) if one.isascii() or "@b" in one]
    lines += [{"external_id": f"p{n}", "phone": one, "country": "FR"} for n, one in enumerate(phones)]
    made = run(programme, b"\n".join(map(orjson.dumps, lines)), name="a.jsonl")
    assert found(made) == []
    for one in Member.objects.all():
        assert one.email_key == contact.email_key(one.email)
        assert one.phone_key == contact.phone_key(one.phone, regions=[one.country, "FR"] if one.country else ["FR"])
    # A number is read anew where the country changes.
    MemberFactory(programme=programme, external_id="moved", phone="030 123456", phone_key="", country="FR")
    run(programme, "external_id,country\nmoved,DE\n", now=LATER)
    assert Member.objects.get(external_id="moved").phone_key == "+4930123456"


def test_what_is_its_own_key_in_the_database_is_so_in_python_too():
    """The pattern is never surer than the library, for any calling code."""
    import re

    for code in contact.calling_codes():
        pattern = contact.plain_pattern(code)
        if not pattern:
            continue
        for begin in ("1", "2", "3", "5", "7", "9", "11", "15", "80", "44", "62", "90"):
            for length in range(4, 16):
                number = f"+{code}{(begin + '2345678901234567')[:length]}"
                if re.fullmatch(rf"\+(?:{pattern})", number):
                    assert contact.phone_key(number) == number


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.csv"])
def test_three_formats_mean_the_same(programme, name):
    table = {
        "external_id": ["m1", "m2"], "first_name": ["Ada", "Zoë"],
        "birth_date": ["1985-12-10", ""], "size": ["4.5", "5"],
    }  # fmt: skip
    if name.endswith("parquet"):
        into = io.BytesIO()
        typed = {**table, "birth_date": [date(1985, 12, 10), None], "size": [4.5, 5.0], "hobbies": [["go"], None]}
        pq.write_table(pa.table({key: pa.array(value) for key, value in typed.items()}), into)
        content = into.getvalue()
    elif name.endswith("jsonl"):
        rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
        rows[0]["hobbies"] = ["go"]
        content = b"\n".join(map(orjson.dumps, rows))
    else:
        rows = [",".join(row) for row in zip(*table.values(), strict=True)]
        content = (",".join(table) + ",hobbies\n" + rows[0] + ',"[""go""]"\n' + rows[1] + ",\n").encode()
    assert counts(run(programme, content, name=name)) == ("finished", 2, 0, 0)
    one, two = Member.objects.order_by("external_id")
    assert (one.birth_date, one.attributes) == (date(1985, 12, 10), {"size": 4.5, "hobbies": ["go"]})
    assert (two.first_name, two.birth_date, json.loads(json.dumps(two.attributes))) == ("Zoë", None, {"size": 5})


def test_a_file_that_brings_workers_down_is_given_up(programme, monkeypatch):
    made = member_import.receive(programme=programme, file=io.BytesIO(b"external_id\n1\n"), file_name="a.csv", now=NOW)

    def die(*_given: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(member_import, "_merge", die)
    for _attempt in range(3):
        with pytest.raises(MemoryError):
            member_import.work(import_id=made.pk, now=NOW)
    assert not member_import.work(import_id=made.pk, now=NOW)
    made.refresh_from_db()
    assert made.state == "failed"
    assert [one[2] for one in found(made)] == ["given_up"]


def test_a_mistake_of_ours_ends_an_import_at_once_with_a_sentence_and_a_traceback_d_14(programme, monkeypatch):
    """D-14, issue 4: three attempts of silence before; nothing of the file is written, and it says why."""

    def fail(*_given: Any) -> None:
        raise TypeError("Integer exceeds 64-bit range")

    made = member_import.receive(
        programme=programme, file=io.BytesIO(b"external_id\n1\n"), file_name="a.csv", now=NOW, wish="import"
    )
    with monkeypatch.context() as broken, capture_logs() as logged:
        broken.setattr(member_import, "_merge", fail)
        assert member_import.work(import_id=made.pk, now=NOW)
    made.refresh_from_db()
    assert (made.state, made.attempts, made.problem_count, made.parts.count()) == ("failed", 1, 1, 1)
    assert found(made) == [(None, "", "given_up", "")]
    assert [selectors.said(one)["message"] for one in selectors.problems(member_import=made)] == [
        "Nothing of the file was written. The administrator finds the cause in the log; then give it again."
    ]
    told = [one for one in logged if one["event"] == "member_import.failed"]
    assert [(one["log_level"], one["member_import"], one["exc_info"]) for one in told] == [("error", made.pk, True)]
    assert not Member.objects.exists()
    assert not member_import.work(import_id=made.pk, now=LATER)


def test_another_programmes_members_and_attributes_are_not_touched(programme):
    """D-21."""
    other = MemberFactory(external_id="m1", first_name="Eve")
    AttributeDefinitionFactory(programme=other.programme, name="secret")
    assert [one[1:3] for one in found(run(programme, "external_id,secret\nm1,x\n"))] == [("secret", "unknown_column")]
    run(programme, HEAD + ADA)
    other.refresh_from_db()
    assert other.first_name == "Eve"


@pytest.mark.parametrize("count", [50, 51, 120])
def test_a_file_may_have_more_attributes_than_a_function_of_sql_takes_arguments(programme, count):
    """S1-02: PostgreSQL's functions take a hundred; a file has up to 250 columns."""
    names = [f"a{place}" for place in range(count)]
    for name in names:
        AttributeDefinitionFactory(programme=programme, name=name, type="text")
    made = run(programme, f"external_id,{','.join(names)}\nm1,{','.join(names)}\n")
    assert counts(made) == ("finished", 1, 0, 0)
    assert Member.objects.get(external_id="m1").attributes == dict(zip(names, names, strict=True))
    changed = run(programme, f"external_id,{','.join(names)}\nm1,{','.join(['x', *names[1:]])}\n", now=LATER)
    assert counts(changed) == ("finished", 0, 1, 0)
    assert Member.objects.get(external_id="m1").attributes["a0"] == "x"


def test_s2_01_a_file_says_who_is_an_employee_and_an_undo_takes_it_back(programme):
    """S2-01: consumer where nothing is said; anything else is refused by its line."""
    MemberFactory(programme=programme, external_id="m1")
    made = run(programme, "external_id,kind\nm1,employee\nm2,consumer\n")
    assert counts(made) == ("finished", 1, 1, 0)
    kinds = Member.objects.values_list("external_id", "kind").order_by("external_id")
    assert list(kinds) == [("m1", "employee"), ("m2", "consumer")]
    undo(made)
    assert Member.objects.get(external_id="m1").kind == "consumer"
    assert counts(run(programme, "external_id,first_name\nm3,Ada\n", now=LATER)) == ("finished", 1, 0, 0)
    assert Member.objects.get(external_id="m3").kind == "consumer"
    assert found(run(programme, "external_id,kind\nm4,robot\nm5,\n")) == [
        (2, "kind", "unknown_choice", "robot"),
        (3, "kind", "unknown_choice", ""),
    ]
