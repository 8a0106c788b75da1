"""Telling people by e-mail what became of a run: a row in the transaction that ends it, a mail after it (issue 4).

Rows are the truth: a worker leases one, counts the attempt, sends without a transaction open, and notes that it did.
Who dies between sending and noting sends twice: at least once, then, with the same Message-ID.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import F, Max, Q

from loyalty import mail
from loyalty.models import AuditEvent, User
from offers.models import MassAssignment, RunApproval, RunFollower, RunNotification
from offers.selectors import mass_assignment_undo as undo_selectors
from offers.selectors import run_mail
from offers.selectors import run_notification as selectors

log = structlog.get_logger(__name__)
State, Kind = MassAssignment.State, RunNotification.Kind
ATTEMPTS = 5
# Longer than all that a hanging mail server may take of a worker, one timeout an answer.
LEASE = timedelta(minutes=5)
# Until the next attempt, times two for each before: 1, 2, 4, 8 minutes.
BACK_OFF = timedelta(minutes=1)
KINDS = {State.FINISHED: Kind.FINISHED, State.UNDONE: Kind.UNDONE}
# What sets a run going: whatever ends that is one occasion.
BEGINNINGS = ("launched", "retried", "undo_started", "undo_retried")
UNWANTED = "unwanted"


def follow(*, run: MassAssignment, user: User, is_following: bool, now: datetime) -> None:
    """Follow a run, or stop; either is harmless twice."""
    if is_following:
        RunFollower.objects.bulk_create([RunFollower(run=run, user=user, followed_at=now)], ignore_conflicts=True)
    else:
        RunFollower.objects.filter(run=run, user=user).delete()


def prefer(*, user: User, wanted: Iterable[str], language: str) -> None:
    """Keep which mails a person wants, and in which language; what is not a kind of mail is not kept."""
    chosen = set(wanted)
    user.muted_mails = [kind for kind in Kind.values if kind not in chosen]
    user.language = language if language in dict(settings.LANGUAGES) else ""
    user.save(update_fields=["muted_mails", "language"])


def tell_end(*, run_id: int, now: datetime) -> None:
    """Note for whoever launched or follows a run that it ended: in the transaction that ends it, once an occasion.

    (Issue 4, S4-27)
    """
    run = MassAssignment.objects.select_related("programme").get(pk=run_id)
    people = {run.launched_by_id, *RunFollower.objects.filter(run=run).values_list("user_id", flat=True)}
    if run.state == State.UNDONE:
        people.add(undo_selectors.started_by(run_id=run.pk))
    recipients = selectors.recipients(programme=run.programme, user_ids=people - {None})
    if not recipients:
        return
    events = AuditEvent.objects.filter(
        object_type="offers.massassignment",
        object_id=str(run.pk),
        action__in=[f"mass_assignment.{verb}" for verb in BEGINNINGS],
    )
    occasion = events.aggregate(latest=Max("pk"))["latest"] or 0
    kind = KINDS.get(State(run.state), Kind.TROUBLED)
    _write(run, recipients, kind, occasion, selectors.summary(run=run, now=now), now)


def tell_approvers(*, run: MassAssignment, approval: RunApproval, now: datetime) -> None:
    """Note for everybody who may approve the run that it waits for that: not for whoever launched it, or asks."""
    recipients = selectors.approvers(programme=run.programme, besides={run.launched_by_id, approval.requested_by_id})
    data = {
        "state": State.AWAITING_APPROVAL,
        "cause": approval.cause,
        "members": approval.members,
        "exposure_minor": approval.exposure_minor,
    }
    _write(run, recipients, Kind.APPROVAL, approval.pk, data, now)


def _write(
    run: MassAssignment, recipients: Iterable[User], kind: str, occasion: int, data: Mapping[str, Any], now: datetime
) -> None:
    RunNotification.objects.bulk_create(
        [
            RunNotification(run=run, recipient=user, kind=kind, occasion=occasion, data=dict(data), created_at=now)
            for user in recipients
            if kind not in user.muted_mails
        ],
        ignore_conflicts=True,
    )


def waiting(*, now: datetime, run_id: int | None = None, most: int = 200) -> list[int]:
    """Return the messages that are to be sent now and nobody is at; those of one run, or of all."""
    found = RunNotification.objects.filter(sent_at__isnull=True, given_up_at__isnull=True).filter(
        Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    )
    if run_id is not None:
        found = found.filter(run=run_id)
    return list(found.order_by("pk").values_list("pk", flat=True)[:most])


def send(*, notification_id: int, now: datetime) -> bool:
    """Send one message and return whether it went out; a second worker, or a second message, finds it taken.

    The attempt is counted, and committed, before the work. No transaction is open while the mail server is asked.
    After five attempts it is given up, and shown as that to its recipient and on the run's page. (Issue 4, C-04)
    """
    mine = RunNotification.objects.filter(pk=notification_id, sent_at__isnull=True, given_up_at__isnull=True)
    free = mine.filter(Q(leased_until__isnull=True) | Q(leased_until__lt=now))
    if not free.filter(attempts__lt=ATTEMPTS).update(attempts=F("attempts") + 1, leased_until=now + LEASE):
        # Whoever took it five times died each time.
        free.filter(attempts__gte=ATTEMPTS).update(given_up_at=now, leased_until=None)
        return False
    message = RunNotification.objects.select_related("run__programme", "run__config_offer", "recipient").get(
        pk=notification_id
    )
    # Of what this attempt took alone: one that hung longer than its lease changes nothing of a later one's.
    mine = mine.filter(attempts=message.attempts)
    user, programme = message.recipient, message.run.programme
    if message.kind in user.muted_mails or not selectors.recipients(programme=programme, user_ids={user.pk}):
        mine.update(given_up_at=now, leased_until=None, failure=UNWANTED)
        return False
    try:
        mail.send(
            to=user,
            language=mail.language_of(user, programme),
            template="run",
            context=lambda: run_mail.content(message=message),
            message_id=f"laurel-run-{message.run_id}-{message.pk}",
        )
    except Exception as error:
        # Whatever a mail server or its driver comes up with: one recipient's mail never stops another's.
        log.exception("run_notification.not_sent", notification=message.pk, attempt=message.attempts)
        is_last = message.attempts >= ATTEMPTS
        mine.update(
            failure=mail.one_line(f"{type(error).__name__}: {error}")[:200],
            given_up_at=now if is_last else None,
            leased_until=None if is_last else now + BACK_OFF * 2 ** (message.attempts - 1),
        )
        return False
    mine.update(sent_at=now, leased_until=None, failure="")
    return True
