"""Files of members in Celery workers. Messages carry the import's id, may come twice, late or never."""

import structlog
from celery import shared_task

from loyalty import clock
from loyalty.errors import Conflict
from loyalty.models import MemberImport
from loyalty.services import member_import, member_import_dropping, member_import_undo
from loyalty.tasks import ringing

log = structlog.get_logger(__name__)
# Files that are dropped in one turn: others wait in the same queue.
MOST_DROPPED = 20


def ring(import_id: int) -> None:
    """Tell the workers that an import waits."""
    ringing.ring(work, import_id)


def do(made: MemberImport) -> MemberImport:
    """Do what the import waits for at once where it is small, else by a worker; return it as it is then."""
    if made.size > member_import.SMALL or made.created + made.changed > member_import_undo.STEP:
        ring(made.pk)
    else:
        work(made.pk)
    made.refresh_from_db()
    return made


@shared_task(name="loyalty.tasks.member_import.work", ignore_result=True)
def work(import_id: int) -> None:
    """Check, import or undo, whichever it waits for. Another file at work in the programme: the sweeper rings again."""
    state = MemberImport.objects.filter(pk=import_id).values_list("state", flat=True).first()
    try:
        if state == MemberImport.State.WAITING:
            member_import.work(import_id=import_id, now=clock.now())
        elif state == MemberImport.State.UNDOING:
            member_import_undo.work(import_id=import_id, now=clock.now())
    except Conflict as error:
        # Not its fault, so not an attempt of its own.
        member_import.wait_again(import_id=import_id)
        log.info("member_import.waits", member_import=import_id, cause=error.code)


@shared_task(name="loyalty.tasks.member_import.sweep", ignore_result=True)
def sweep() -> None:
    """Ring again for every import that waits: its message was lost, or its worker died."""
    waiting = MemberImport.objects.filter(state__in=[MemberImport.State.WAITING, MemberImport.State.UNDOING])
    for import_id in waiting.order_by("id").values_list("pk", flat=True)[:100]:
        ring(import_id)


@shared_task(name="loyalty.tasks.member_import.drop_old", ignore_result=True)
def drop_old() -> None:
    """Drop the files that waited too long to be imported; the next turn goes on with what is left."""
    for _ in range(MOST_DROPPED):
        if not member_import_dropping.drop_next(now=clock.now()):
            return
