"""Taking an import of members back, in steps that a killed worker's successor goes on with (issue 4).

Members that it changed get their former values where nobody changed them since. Members that it made go, unless
something speaks of them (then they become inactive, for nothing that is referred to is deleted) or somebody changed
them since. What could not be taken back is written down, member by member.
"""

from datetime import datetime
from functools import partial
from typing import Any

from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext as _
from psycopg.errors import LockNotAvailable

from loyalty import patience
from loyalty.database import execute, in_transaction
from loyalty.errors import Conflict
from loyalty.models import ApiClient, Member, MemberImport, MemberImportChange, User
from loyalty.services import audit
from loyalty.services.member_import import lock, waiting
from loyalty.services.member_merge import COLUMNS, source_of

STEP = 10_000
State = MemberImport.State
DATES = {"birth_date": "date", "joined_at": "timestamptz"}


def begin(
    *, member_import: MemberImport, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> MemberImport:
    """Wish for the undo of a finished import; again is the same. Raises Conflict for any other state."""
    finished = MemberImport.objects.filter(pk=member_import.pk, state=State.FINISHED)
    with transaction.atomic():
        is_new = finished.update(state=State.UNDOING, undone_by=actor)
        member_import.refresh_from_db()
        if not is_new and member_import.state not in (State.UNDOING, State.UNDONE):
            raise Conflict(_("Only a file that was imported can be taken back."), code="not_imported")
        if is_new:
            audit.record(
                action="member_import.undo_begun",
                actor=actor,
                api_client=api_client,
                programme=member_import.programme,
                target=member_import,
            )
    return member_import


@patience.patient()
def work(*, import_id: int, now: datetime) -> bool:
    """Take the import back if it waits for that; say whether it is done. Raises ImportRunning.

    Each step is a transaction of its own: assignments go on being written beside a long undo.
    """
    if not in_transaction(lambda: _put_back(import_id, now)):
        return False
    last: int | None = 0
    while last is not None:
        last = in_transaction(partial(_take_away, import_id, last, now))
    return in_transaction(lambda: _finish(import_id, now))


def _held(import_id: int) -> MemberImport | None:
    found = waiting(import_id, State.UNDOING)
    if found is not None:
        lock(found.programme)
    return found


def _put_back(import_id: int, now: datetime) -> bool:
    found = _held(import_id)
    if found is None:
        return False
    parameters = {"import": found.pk, "imported_at": found.imported_at, "now": now}
    _take_consents_back(found, now)
    values = []
    for column in (*COLUMNS, "attributes"):
        former = "change.before -> 'attributes'" if column == "attributes" else f"change.before ->> '{column}'"
        if column in DATES:
            former = f"({former})::{DATES[column]}"
        values.append(f"{column} = CASE WHEN change.before ? '{column}' THEN {former} ELSE member.{column} END")
    # Removed with the row: a step that comes again finds what is left.
    found.restored += execute(
        f"""
        WITH change AS (
            DELETE FROM loyalty_memberimportchange AS change USING loyalty_member AS member
             WHERE change.member_import_id = %(import)s AND member.id = change.member_id
               AND member.updated_at = %(imported_at)s AND member.status <> 'erased'
            RETURNING change.member_id, change.before
        )
        UPDATE loyalty_member AS member SET {", ".join(values)}, updated_at = %(now)s
          FROM change WHERE member.id = change.member_id
        """,
        parameters,
    )
    found.kept += execute(
        """
        INSERT INTO loyalty_memberimportproblem (member_import_id, field, code, value, needed)
        SELECT %(import)s, 'external_id', 'changed_since', left(member.external_id, 200), ''
          FROM loyalty_memberimportchange AS change JOIN loyalty_member AS member ON member.id = change.member_id
         WHERE change.member_import_id = %(import)s ORDER BY member.external_id
        """,
        parameters,
    )
    MemberImportChange.objects.filter(member_import=found).delete()
    found.save()
    return True


def _take_consents_back(found: MemberImport, now: datetime) -> None:
    """Give consents that still are as the import noted them their former answers; who had none was never asked."""
    parameters = {"source": source_of(found), "undo": f"undo of import {found.pk}", "now": now, "import": found.pk}
    parameters["user"] = found.undone_by_id
    execute(
        """
        WITH former AS (
            SELECT held.id, held.member_id, held.channel_id, event.is_granted
              FROM loyalty_consent AS held
              JOIN loyalty_channel AS channel ON channel.id = held.channel_id
              LEFT JOIN LATERAL (
                   SELECT event.is_granted FROM loyalty_consentevent AS event
                    WHERE event.member_id = held.member_id AND event.channel_id = held.channel_id
                      AND event.source <> %(source)s
                      -- What an import noted that was undone before was never said.
                      AND NOT EXISTS (SELECT FROM loyalty_memberimport AS undone
                                       WHERE undone.programme_id = channel.programme_id
                                         AND undone.undone_at IS NOT NULL AND event.source = 'import ' || undone.id)
                    ORDER BY event.id DESC LIMIT 1) AS event ON true
             WHERE held.source = %(source)s
             ORDER BY held.id FOR UPDATE OF held
        ), again AS (
            UPDATE loyalty_consent AS held SET is_granted = former.is_granted, changed_at = %(now)s, source = %(undo)s
              FROM former WHERE held.id = former.id AND former.is_granted IS NOT NULL
            RETURNING held.member_id, held.channel_id, held.is_granted
        ), never AS (
            DELETE FROM loyalty_consent AS held USING former WHERE held.id = former.id AND former.is_granted IS NULL
        )
        INSERT INTO loyalty_consentevent (member_id, channel_id, is_granted, changed_at, source, at, user_id)
        SELECT member_id, channel_id, is_granted, %(now)s, %(undo)s, %(now)s, %(user)s FROM again
        """,
        parameters,
    )


def _take_away(import_id: int, after: int, now: datetime) -> int | None:
    """Do the next members that the import made; return the last one's id, None at the end."""
    found = _held(import_id)
    if found is None or found.imported_at is None:
        return None
    of_import = Member.objects.filter(programme=found.programme, created_at=found.imported_at, pk__gt=after)
    ids = list(of_import.order_by("pk").values_list("pk", flat=True)[:STEP])
    if not ids:
        return None
    _hold_writers()
    # Nobody can begin to speak of them now, and whoever waits finds them gone.
    free = " AND ".join(
        f"NOT EXISTS (SELECT FROM {table} AS other WHERE other.{column} = member.id)" for table, column in _relations()
    )
    parameters = {"ids": ids, "imported_at": found.imported_at, "now": now, "import": found.pk}
    untouched = "member.id = ANY(%(ids)s) AND member.updated_at = %(imported_at)s"
    found.removed += execute(f"DELETE FROM loyalty_member AS member WHERE {untouched} AND {free}", parameters)
    found.deactivated += execute(
        f"UPDATE loyalty_member AS member SET status = 'inactive', updated_at = %(now)s WHERE {untouched}", parameters
    )
    found.kept += execute(
        """
        INSERT INTO loyalty_memberimportproblem (member_import_id, field, code, value, needed)
        SELECT %(import)s, 'external_id', 'made_and_changed_since', left(external_id, 200), ''
          FROM loyalty_member
         WHERE id = ANY(%(ids)s) AND updated_at NOT IN (%(imported_at)s, %(now)s) AND status <> 'erased'
         ORDER BY external_id
        """,
        parameters,
    )
    found.save()
    return int(ids[-1])


def _hold_writers() -> None:
    """Let nobody write what may refer to a member, until the step ends. Raises Conflict where that takes too long."""
    names = sorted({table for table, _column in _relations()})
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '3s'")
            cursor.execute(f"LOCK TABLE {', '.join(names)} IN SHARE ROW EXCLUSIVE MODE")
            cursor.execute("SET LOCAL lock_timeout = 0")
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise Conflict(_("Offers are being written just now. It goes on by itself."), code="busy") from error


def _relations() -> list[tuple[str, str]]:
    """Return every table and column that may refer to a member, of all apps."""
    relations: list[Any] = [
        field
        for field in Member._meta.get_fields(include_hidden=True)
        if field.auto_created and not field.concrete and field.related_model is not MemberImportChange
    ]
    return [(one.related_model._meta.db_table, one.field.column) for one in relations]


def _finish(import_id: int, now: datetime) -> bool:
    found = _held(import_id)
    if found is None:
        return False
    found.state, found.undone_at = State.UNDONE, now
    found.save()
    counts: dict[str, Any] = {name: getattr(found, name) for name in ("removed", "deactivated", "restored", "kept")}
    audit.record(
        action="member_import.undone", actor=found.undone_by, programme=found.programme, target=found, data=counts
    )
    return True
