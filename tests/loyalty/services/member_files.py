"""What tests of members by file share: a programme with attributes, a file given, looked at, undone."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

from loyalty.models import MemberImport, Programme
from loyalty.selectors import member_import as selectors
from loyalty.services import member_import, member_import_undo
from tests.factories import AttributeDefinitionFactory, ProgrammeFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
HEAD = "external_id,first_name,last_name,email,phone,birth_date,country,tier,joined_at,size,hobbies,consent.email\n"
ADA = "m1,Ada,Lovelace, Ada@Example.com ,+1 555 000 0001,1985-12-10,US,gold,2026-01-31,4.5,chess|tea,yes\n"


def a_programme() -> Programme:
    programme = ProgrammeFactory(timezone="Europe/Paris")
    AttributeDefinitionFactory(programme=programme, name="size", type="number")
    AttributeDefinitionFactory(programme=programme, name="hobbies", type="list", choices=["chess", "tea", "go"])
    AttributeDefinitionFactory(programme=programme, name="owner", type="boolean")
    AttributeDefinitionFactory(programme=programme, name="wedding", type="date")
    AttributeDefinitionFactory(programme=programme, name="note", type="text")
    return programme


def run(programme, content: str | bytes, *, name: str = "members.csv", wish: str = "import", now=NOW) -> MemberImport:
    data = content.encode() if isinstance(content, str) else content
    made = member_import.receive(programme=programme, file=io.BytesIO(data), file_name=name, now=now, wish=wish)
    assert member_import.work(import_id=made.pk, now=now)
    made.refresh_from_db()
    return made


def undo(made: MemberImport, now=LATER) -> MemberImport:
    member_import_undo.begin(member_import=made, actor=None, now=now)
    assert member_import_undo.work(import_id=made.pk, now=now)
    made.refresh_from_db()
    return made


def counts(made: MemberImport) -> tuple[Any, ...]:
    return made.state, made.created, made.changed, made.unchanged


def found(made: MemberImport) -> list[tuple[int | None, str, str, str]]:
    problems = selectors.problems(member_import=made)
    assert all(selectors.message(one) for one in problems)
    return [(one.line, one.field, one.code, one.value) for one in problems]
