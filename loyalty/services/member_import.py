"""Members and their attributes by file (issue 4): checked as a whole, merged as a set, and taken back.

A file is received first and kept in pieces, then checked, then imported, by a worker or, where it is small, at once.
What it names is changed and the rest is left: a field without a column stays, an empty cell empties it (but an empty
consent says nothing). A file with a problem changes nothing.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import IO

import orjson
import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import F
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from loyalty import patience, tables
from loyalty.database import PERHAPS_PASSING, in_transaction
from loyalty.errors import Conflict, DomainError
from loyalty.models import (
    ApiClient,
    AttributeDefinition,
    Channel,
    MemberImport,
    MemberImportPart,
    MemberImportProblem,
    Programme,
    User,
)
from loyalty.services import audit, member_columns
from loyalty.services.member_merge import Merge

PART = 1 << 20
# So large a file is checked and imported while its sender waits.
SMALL = 4 << 20
MOST_ATTEMPTS = 3
State, Wish = MemberImport.State, MemberImport.Wish
log = structlog.get_logger(__name__)


class ImportRunning(Conflict):
    """Another file of members is at work in this programme."""

    code = "import_running"


def receive(
    *,
    programme: Programme,
    file: IO[bytes],
    file_name: str,
    now: datetime,
    wish: str = Wish.CHECK,
    actor: User | None = None,
    api_client: ApiClient | None = None,
) -> MemberImport:
    """Keep a file for a worker. Raises InvalidTable, TableTooLarge for what is no table by its first bytes and size."""
    tables.read(file=file, file_name=file_name, problems=tables.Problems())
    file.seek(0)
    with transaction.atomic():
        made = MemberImport.objects.create(
            programme=programme,
            file_name=file_name[-255:],
            wish=wish,
            received_at=now,
            received_by=actor,
            api_client=api_client,
        )
        for number, data in enumerate(iter(lambda: file.read(PART), b"")):
            made.size += len(data)
            if made.size > settings.TABLE_FILE_MAX_BYTES:
                message = _("The file has more than %(most)s bytes. Split it.")
                raise tables.TableTooLarge(message % {"most": f"{settings.TABLE_FILE_MAX_BYTES:,}"})
            MemberImportPart.objects.create(member_import=made, number=number, data=data)
        made.save(update_fields=["size"])
        audit.record(
            action="member_import.received",
            actor=actor,
            api_client=api_client,
            programme=programme,
            target=made,
            data={"bytes": made.size, "wish": str(wish)},
        )
    return made


def start(*, member_import: MemberImport, actor: User | None, api_client: ApiClient | None = None) -> MemberImport:
    """Wish for the import of a file that was checked. Raises Conflict unless it was, nothing was wrong, and it is
    still kept (`member_import_dropping`)."""
    waits = MemberImport.objects.filter(pk=member_import.pk, state=State.CHECKED)
    with transaction.atomic():
        if not waits.update(state=State.WAITING, wish=Wish.IMPORT, attempts=0):
            if MemberImport.objects.filter(pk=member_import.pk, dropped_at__isnull=False).exists():
                raise Conflict(_("This file was dropped, because it waited too long. Give it again."), code="dropped")
            raise Conflict(_("This file does not wait to be imported: look at its state."), code="not_checked")
        audit.record(
            action="member_import.started",
            actor=actor,
            api_client=api_client,
            programme=member_import.programme,
            target=member_import,
        )
    member_import.refresh_from_db()
    return member_import


@patience.patient()
def work(*, import_id: int, now: datetime) -> bool:
    """Check or import the file if it waits for that; say whether it was done. Raises ImportRunning.

    Attempts are counted before the work: a file that brings workers down is given up, and nothing of it is written. So
    is one that meets a mistake of ours, at once: the mistake would come again at every attempt.
    """
    if not in_transaction(lambda: _begin(import_id)):
        return False
    try:
        return in_transaction(lambda: _work(import_id, now))
    except (DomainError, *PERHAPS_PASSING):
        # Another file at work is such a one too.
        raise
    except Exception:
        # A mistake of ours comes again at every attempt: said at once, with its traceback in the log.
        log.exception("member_import.failed", member_import=import_id)
        return in_transaction(lambda: _fail(import_id))


def waiting(import_id: int, state: str) -> MemberImport | None:
    """Hold the import if it waits and nobody else is at it: whoever comes second does something else meanwhile."""
    rows = MemberImport.objects.select_related("programme").select_for_update(of=("self",), skip_locked=True)
    return rows.filter(pk=import_id, state=state).first()


def _begin(import_id: int) -> bool:
    found = waiting(import_id, State.WAITING)
    if found is None:
        return False
    if found.attempts >= MOST_ATTEMPTS:
        log.error("member_import.given_up", member_import=import_id)
        _give_up(found)
        return False
    found.attempts += 1
    found.save(update_fields=["attempts"])
    return True


def _fail(import_id: int) -> bool:
    found = waiting(import_id, State.WAITING)
    if found is not None:
        _give_up(found)
    return found is not None


def _give_up(found: MemberImport) -> None:
    """Say that nothing of the file is written, and that the file is not to blame."""
    found.problems.all().delete()
    MemberImportProblem.objects.create(member_import=found, code="given_up")
    found.state, found.problem_count, found.refused = State.FAILED, 1, 0
    found.save(update_fields=["state", "problem_count", "refused"])


def _work(import_id: int, now: datetime) -> bool:
    found = waiting(import_id, State.WAITING)
    if found is None:
        return False
    lock(found.programme)
    with tables.joined(_parts(found)) as file:
        _run(found, file, now)
    if found.state in (State.FINISHED, State.REFUSED):
        found.parts.all().delete()
    return True


def wait_again(*, import_id: int) -> None:
    """Count the last attempt as none: another file was at work."""
    MemberImport.objects.filter(pk=import_id, state=State.WAITING, attempts__gt=0).update(attempts=F("attempts") - 1)


def lock(programme: Programme) -> None:
    """Let no other file of members be written until the transaction ends. Raises ImportRunning."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"member import {programme.pk}"])
        if not cursor.fetchone()[0]:
            raise ImportRunning(_("Another file of members is at work. Wait until it is done."))


def _run(found: MemberImport, file: IO[bytes], now: datetime) -> None:
    """Check or import the file, and write down what came of it."""
    found.problems.all().delete()
    problems = tables.Problems()
    try:
        with transaction.atomic():
            _merge(found, file, problems, now)
    except (tables.InvalidTable, tables.TableTooLarge) as error:
        # No table at all: each problem is one of the whole file.
        found.problem_count = _write_error(found, error)
    found.refused = found.problems.exclude(line=None).values("line").distinct().count()
    is_import = found.wish == Wish.IMPORT
    found.state = State.REFUSED if found.problem_count else State.FINISHED if is_import else State.CHECKED
    if found.state == State.REFUSED:
        found.created = found.changed = found.unchanged = found.consents = 0
    found.checked_at = found.checked_at or now
    found.imported_at = now if found.state == State.FINISHED else None
    found.save()
    if found.state == State.FINISHED:
        counts = {name: getattr(found, name) for name in ("rows", "created", "changed", "unchanged", "consents")}
        audit.record(
            action="member_import.finished",
            actor=found.received_by,
            api_client=found.api_client,
            programme=found.programme,
            target=found,
            data=counts,
        )


def _merge(found: MemberImport, file: IO[bytes], problems: tables.Problems, now: datetime) -> None:
    definitions = {one.name: one for one in AttributeDefinition.objects.filter(programme=found.programme)}
    channels = {one.code: one for one in Channel.objects.filter(programme=found.programme)}
    # It brings Arrow, which only who reads a table loads.
    from loyalty.services.member_proof import Proofs

    proofs = Proofs(lambda name: member_columns.proof_of(name, definitions, channels))
    table = tables.read(file=file, file_name=found.file_name, problems=problems)
    table = replace(table, batches=proofs.watch(_told(found, table.batches, file)))
    with tables.staged(table, analyze=False, trim=True) as staging, connection.cursor() as cursor:
        read = member_columns.read(staging, definitions=definitions, channels=channels, proven=proofs.proven)
        count = _write_structural(found, problems) + _write_columns(found, read, staging)
        if staging.rows and staging.text("external_id"):
            merge = Merge(cursor, staging, read, found.programme, now)
            count += merge.problems(found)
            if not count:
                client_id, actor_id = found.api_client_id, found.received_by_id
                is_import = found.wish == Wish.IMPORT
                counts = merge.write(found, actor_id=actor_id, client_id=client_id) if is_import else merge.count()
                found.created, found.changed = counts.created, counts.changed
                found.unchanged, found.consents = counts.unchanged, counts.consents
        found.rows, found.problem_count = staging.rows, count


def _write_structural(found: MemberImport, problems: tables.Problems) -> int:
    MemberImportProblem.objects.bulk_create(
        (
            MemberImportProblem(
                member_import=found,
                line=one.line,
                code=one.code,
                needed=orjson.dumps(dict(one.parameters), default=str).decode()[:500],
            )
            for one in problems.listed
        ),
        batch_size=5000,
    )
    return problems.count


def _write_columns(found: MemberImport, read: member_columns.Read, staging: tables.Staging) -> int:
    """Note columns that mean nothing, and that there is none of external ids."""
    rows = [MemberImportProblem(member_import=found, field=name[:200], code="unknown_column") for name in read.unknown]
    if staging.columns and not staging.text("external_id"):
        rows.append(MemberImportProblem(member_import=found, field="external_id", code="missing_column"))
    MemberImportProblem.objects.bulk_create(rows)
    return len(rows)


def _write_error(found: MemberImport, error: DomainError) -> int:
    said = error.problems or [{"message": error.message}]
    MemberImportProblem.objects.bulk_create(
        MemberImportProblem(
            member_import=found, line=one.get("line"), code=error.code[:40], needed=str(one["message"])[:500]
        )
        for one in said
    )
    return len(said)


def _parts(found: MemberImport) -> Iterator[bytes]:
    """Yield the file, one piece in memory at a time."""
    for number in list(found.parts.order_by("number").values_list("number", flat=True)):
        yield bytes(found.parts.values_list("data", flat=True).get(number=number))


def _told(found: MemberImport, batches: Iterator[tables.Batch], file: IO[bytes]) -> Iterator[tables.Batch]:
    """Tell the page how much was read. What is told is disposable: Valkey may forget it."""
    for batch in batches:
        yield batch
        try:
            cache.set(_key(found.pk), round(70 * file.tell() / max(found.size, 1)), timeout=600)
        except (RedisError, ValueError):
            continue


def share_done(member_import: MemberImport) -> int:
    """Return how much of the file was read, in percent of all the work; 0 where nobody knows."""
    try:
        return int(cache.get(_key(member_import.pk)) or 0)
    except RedisError:
        return 0


def _key(import_id: int) -> str:
    return f"member_import:{import_id}"
