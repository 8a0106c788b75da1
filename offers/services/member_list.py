"""Lists of members made from files, looked at before they are kept (issue 4, S1-01).

The file names members by their external ids; what else it says of them is kept by column, for rule values. Ids that
nobody has are reported by line and left out: a list is whom it found.
"""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from loyalty import patience, tables
from loyalty.database import execute, is_violation, rows
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, Programme, User
from loyalty.services import audit
from offers.models import MemberList
from offers.selectors import member_list as selector
from offers.services.problem import problem

# What a column of ids is called, compared without case, spaces and underscores.
ID_COLUMNS = ("externalid", "member", "memberid", "memberexternalid", "userid", "customerid", "id")
# Further columns: enough for rule values, and few enough for one row of PostgreSQL's arguments.
MOST_COLUMNS = 40
# Of the lines that would be left out, so many are shown before the list is kept; all of them after.
SHOWN = 100
# A list so long is analysed at once, so that the next count is planned with it.
LONG = 10_000
LONGEST_NAME = 200
NAME_CONSTRAINT = "a_member_list_name_is_used_once_per_programme"


class NameTaken(Conflict):
    """Another list in use has this name."""

    code = "member_list_name_taken"


class InUse(Conflict):
    """Audiences name the list."""

    code = "member_list_in_use"


@dataclass(frozen=True)
class LeftOut:
    """A line that adds nobody, and why."""

    line: int
    kind: str
    external_id: str
    first_line: int | None


@dataclass(frozen=True)
class Report:
    """What a file is as a list: its lines, the members found, the lines left out by kind and the first of them."""

    lines: int
    size: int
    counts: dict[str, int]
    left_out: list[LeftOut]
    columns: list[str]

    @property
    def unknown(self) -> int:
        """Return how many lines name nobody, empty ones too: one number from the check to the list that is kept."""
        return self.counts.get("unknown", 0) + self.counts.get("empty", 0)

    @property
    def repeated(self) -> int:
        return self.counts.get("repeated", 0)


def pasted(text: str) -> IO[bytes]:
    """Return ids that were pasted, one a line or with commas or semicolons between, as a file of one column."""
    return of_ids(one for _line, one in pasted_lines(text))


def pasted_lines(text: str) -> list[tuple[int, str]]:
    """Return what was pasted id by id, each with the number of its line; empty ones are left out."""
    parts = ((n, part.strip()) for n, line in enumerate(text.splitlines(), 1) for part in _parts(line))
    return [(n, one) for n, one in parts if one]


def _parts(line: str) -> list[str]:
    return line.replace(";", ",").split(",")


def of_ids(ids: Iterable[str]) -> IO[bytes]:
    """Return ids as a file of one column. Each stands in quotes, whatever it holds."""
    lines = ["member"] + ['"' + one.replace('"', '""') + '"' for one in ids]
    return io.BytesIO("\n".join(lines).encode("utf-8", "surrogatepass"))


@patience.patient()
def named(*, file: IO[bytes], file_name: str, most: int, column: str = "") -> list[tuple[int, str]]:
    """Return whom a file names, with the line of each: at most one more than `most`, so that too many are noticed.

    Keeps nothing, and looks up nobody. Raises as `upload` does of a file's shape.
    """
    with transaction.atomic(), _staged(file, file_name) as staging:
        name = _id_column(staging, column)
        if len(staging.names) == 1 and _squeezed(name) not in ID_COLUMNS and name != column:
            execute(f"INSERT INTO {staging.name} (line, {staging.text(name)}) VALUES (1, %s)", [name])
        trimmed = f"btrim({staging.text(name)}, E' \\t\\r\\n')"
        found = rows(
            f"SELECT line, {trimmed} AS id FROM {staging.name} WHERE {trimmed} <> '' ORDER BY line LIMIT %(most)s",
            {"most": most + 1},
        )
    return [(row["line"], row["id"]) for row in found]


@patience.patient()
def check(*, programme: Programme, file: IO[bytes], file_name: str, column: str = "") -> Report:
    """Say what the file would be as a list; keep nothing. Raises as `upload` does, but for its name."""
    with transaction.atomic(), _staged(file, file_name) as staging:
        return _look(staging, programme, column)


@patience.patient()
def upload(
    *,
    programme: Programme,
    name: str,
    file: IO[bytes],
    file_name: str,
    actor: User | None,
    api_client: ApiClient | None = None,
    column: str = "",
) -> MemberList:
    """Keep the members that a file names as a list. `column` holds their external ids; without one it is found.

    All in one transaction. Raises tables.InvalidTable with every problem of the file by line, TableTooLarge,
    InvalidInput without a name, without a column of ids, or where no member is found; NameTaken.
    """
    called = _name(name)
    with transaction.atomic():
        with _staged(file, file_name) as staging:
            report = _look(staging, programme, column)
            made = MemberList(
                programme=programme,
                name=called,
                file_name=file_name[:200],
                columns=report.columns,
                lines=report.lines,
                size=report.size,
                unknown=report.unknown,
                repeated=report.repeated,
                created_by=actor,
            )
            _save(made)
            _keep(made, staging)
        data = {"members": made.size, "unknown": made.unknown, "repeated": made.repeated}
        audit.record(
            action="member_list.uploaded",
            actor=actor,
            api_client=api_client,
            programme=programme,
            target=made,
            data=data,
        )
    if made.size >= LONG:
        execute("ANALYZE offers_memberlistentry")
    return made


def archive(*, member_list: MemberList, actor: User | None, now: datetime) -> bool:
    """Take a list out of use and free its name. False when it was archived already. Raises InUse.

    What was counted or launched with it keeps it.
    """
    with transaction.atomic():
        if names := selector.targetings_naming(member_list):
            words = {"name": member_list.name, "names": ", ".join(f"“{one}”" for one in names[:5])}
            raise InUse(_("“%(name)s” is named by the audiences %(names)s. Change them first.") % words)
        archived = MemberList.objects.filter(pk=member_list.pk, archived_at__isnull=True).update(archived_at=now)
        if archived:
            audit.record(
                action="member_list.archived", actor=actor, programme=member_list.programme, target=member_list
            )
    return bool(archived)


@contextmanager
def _staged(file: IO[bytes], file_name: str) -> Iterator[tables.Staging]:
    """Stage a file that has no problem; all of them are raised at once."""
    problems = tables.Problems()
    with tables.staged(tables.read(file=file, file_name=file_name, problems=problems)) as staging:
        only = problems.only_line
        if only is None or _squeezed(only) in ID_COLUMNS:
            problems.refuse()
        else:
            # One line that is the name of no column of ids: it is an id, and `_look` takes it as the first of them.
            execute(f"ALTER TABLE {staging.name} ADD COLUMN c0 text")
            staging.columns[tables.Column(only)] = "c0"
        yield staging


def _look(staging: tables.Staging, programme: Programme, column: str) -> Report:
    """Judge each line, in a table that `_judged` names, and count."""
    name = _id_column(staging, column)
    further = [one for one in staging.names if one != name]
    if len(further) > MOST_COLUMNS:
        words = {"given": len(further), "most": MOST_COLUMNS}
        message = _("The file has %(given)d columns beside the ids; at most %(most)d are kept. Leave some out.") % words
        raise InvalidInput(message, problems=[problem("file", "too_many_columns", message)])
    held = staging.text(name)
    if not further and _squeezed(name) not in ID_COLUMNS and name != column:
        # A file of nothing but ids has no header: what was read as one is the first of them.
        execute(f"INSERT INTO {staging.name} (line, {held}) VALUES (1, %s)", [name])
    judged = _judged(staging)
    execute(_JUDGE.format(judged=judged, table=staging.name, id=held), {"programme": programme.pk})
    counts = {row["kind"]: row["n"] for row in rows(_COUNT.format(judged=judged))}
    size = counts.pop("member", 0)
    lines = size + sum(counts.values())
    if not size and lines == 1 and not staging.rows:
        message = _("“%(id)s” is no member's id, and no name of a column of ids. Give a line for each member.")
        message %= {"id": name}
        raise InvalidInput(message, code="no_member_found", problems=[problem("file", "no_member_found", message)])
    if not size:
        message = _("None of the %(lines)d ids in “%(column)s” is a member's. Choose the column that holds them.")
        message %= {"lines": lines, "column": name}
        raise InvalidInput(message, code="no_member_found", problems=[problem("file", "no_member_found", message)])
    shown = rows(_LEFT_OUT.format(judged=judged) + " LIMIT %(most)s", {"most": SHOWN})
    return Report(lines, size, counts, [LeftOut(**row) for row in shown], further)


# A line that names somebody first is a member; `first_line` is where a repeated id stood before.
_JUDGE = """
    CREATE TEMPORARY TABLE {judged} ON COMMIT DROP AS
    SELECT given.*, member.id AS member_id,
           CASE WHEN given.external_id = '' THEN 'empty'
                WHEN member.id IS NULL THEN 'unknown'
                WHEN given.line > given.first_line THEN 'repeated'
                ELSE 'member' END AS kind
      FROM (SELECT staged.*, trimmed.id AS external_id,
                   min(staged.line) OVER (PARTITION BY trimmed.id) AS first_line
              FROM {table} AS staged
                   CROSS JOIN LATERAL (SELECT coalesce(btrim(staged.{id}, E' \\t\\r\\n'), '') COLLATE "C" AS id)
                           AS trimmed) AS given
           LEFT JOIN loyalty_member AS member
             ON member.programme_id = %(programme)s AND member.external_id = given.external_id
            AND member.status <> 'erased'
"""
_COUNT = "SELECT kind, count(*) AS n FROM {judged} GROUP BY kind"
# Also what is shown of a list that is kept: ids are as long as members' may be.
_LEFT_OUT = """
    SELECT line, kind, left(external_id, 200) AS external_id,
           CASE WHEN kind = 'repeated' THEN first_line END AS first_line
      FROM {judged} WHERE kind <> 'member' ORDER BY line
"""


def _judged(staging: tables.Staging) -> str:
    """Return the name of the table of judged lines, which goes with the transaction."""
    return staging.name.replace("staging.table_", "judged_")


def _keep(made: MemberList, staging: tables.Staging) -> None:
    values = " || ".join(_value(staging, name, place) for place, name in enumerate(made.columns)) or "'{}'::jsonb"
    names = {f"name_{place}": name for place, name in enumerate(made.columns)}
    execute(
        "INSERT INTO offers_memberlistentry (member_list_id, member_id, line, values)"
        f" SELECT %(list)s, member_id, line, {values} FROM {_judged(staging)} WHERE kind = 'member' ORDER BY member_id",
        {"list": made.pk, **names},
    )
    execute(
        "INSERT INTO offers_memberlistline (member_list_id, line, kind, external_id, first_line)"
        f" SELECT %(list)s, * FROM ({_LEFT_OUT.format(judged=_judged(staging))}) AS left_out",
        {"list": made.pk},
    )


def _value(staging: tables.Staging, name: str, place: int) -> str:
    """Return the object of one column: empty where the line says nothing of it."""
    text, json = staging.text(name), staging.json(name)
    said = [f"to_jsonb(nullif({text}, ''))"] if text else []
    said += [json] if json else []
    return f"jsonb_strip_nulls(jsonb_build_object(%(name_{place})s::text, coalesce({', '.join(said)})))"


def _id_column(staging: tables.Staging, column: str) -> str:
    """Return the name of the column that holds the members' ids."""
    names = [name for name in staging.names if staging.text(name)]
    if column:
        if column in names:
            return column
        words = {"column": column, "columns": ", ".join(staging.names)}
        message = _("The file has no column “%(column)s”. It has: %(columns)s.") % words
        raise InvalidInput(message, problems=[problem("column", "unknown_column", message)])
    if len(names) == 1 and len(staging.names) == 1:
        return names[0]
    for known in ID_COLUMNS:
        for name in names:
            if _squeezed(name) == known:
                return name
    message = _("Which column holds the members' ids? Name one of: %(columns)s.") % {"columns": ", ".join(names)}
    raise InvalidInput(message, code="no_id_column", problems=[problem("column", "no_id_column", message)])


def _squeezed(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _name(name: str) -> str:
    stripped = name.strip()
    if stripped and len(stripped) <= LONGEST_NAME:
        return stripped
    message = _("The list has no name. Give it one.")
    if stripped:
        message = _("The list's name is too long. Use at most %(limit)d characters.") % {"limit": LONGEST_NAME}
    raise InvalidInput(message, problems=[problem("name", "name", message)])


def _save(made: MemberList) -> None:
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError as error:
        if not is_violation(error, NAME_CONSTRAINT):
            raise
        message = _("There is a list called “%(name)s” already. Choose another name.") % {"name": made.name}
        raise NameTaken(message, problems=[problem("name", "name_taken", message)]) from error
