"""Messages about runs: who gets them, what they say, and what became of them (issue 4, "Running")."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet, Sum

from loyalty.models import Programme, User
from offers.models import MassAssignment, MassAssignmentChunk, RunFollower, RunNotification
from offers.selectors import mass_assignment as runs
from offers.selectors import mass_assignment_undo as undos

State = MassAssignment.State
SEE, APPROVE = "offers.view_massassignment", "offers.approve_massassignment"
BACKEND = "django.contrib.auth.backends.ModelBackend"


def _with(permission: str, programme: Programme) -> QuerySet[User]:
    """Return the people of the programme who have a permission and an address; superusers work in all."""
    found = User.objects.with_perm(permission, backend=BACKEND)
    return found.filter(Q(programmes=programme) | Q(is_superuser=True), is_staff=True).exclude(email="").distinct()


def recipients(*, programme: Programme, user_ids: Iterable[int | None]) -> list[User]:
    """Return those of the people who may still see the programme's runs, and have an address."""
    wanted = [pk for pk in user_ids if pk is not None]
    return list(_with(SEE, programme).filter(pk__in=wanted).order_by("pk")) if wanted else []


def approvers(*, programme: Programme, besides: Iterable[int | None]) -> list[User]:
    """Return who may approve the programme's runs, without those who may not approve this one."""
    found = _with(APPROVE, programme).exclude(pk__in=[pk for pk in besides if pk is not None])
    return list(found.order_by("pk"))


def summary(*, run: MassAssignment, now: datetime) -> dict[str, Any]:
    """Return what became of a run that just ended, as numbers and codes. Cost in minor units, duration in seconds."""
    data: dict[str, Any] = {"state": run.state, "failure": run.failure, "cause": ""}
    if run.state == State.UNDONE:
        return data | {"undo": undos.totals(run_id=run.pk)}
    if run.planned_at is None or run.state == State.FAILED:
        return data
    progress = runs.progress(run=run, now=now)
    own = MassAssignmentChunk.objects.filter(run=run, exposure_minor__isnull=False).aggregate(
        cost=Sum("exposure_minor"), given=Sum("assigned")
    )
    cost = (own["cost"] or 0) + (progress.assigned - (own["given"] or 0)) * run.exposure_minor
    return data | {
        "matched": run.matched or 0,
        "left_out": progress.refused,
        "assigned": progress.assigned,
        "not_done": progress.total - progress.done,
        "failed_chunks": progress.failed_chunks,
        "codes": progress.assigned if run.require_vouchers else 0,
        "exposure_minor": cost,
        "seconds": int(((run.finished_at or now) - (run.launched_at or run.planned_at)).total_seconds()),
    }


def of_run(*, run: MassAssignment) -> list[RunNotification]:
    """Return whom a run told by e-mail, the latest first."""
    return list(RunNotification.objects.filter(run=run).select_related("recipient").order_by("-id")[:20])


def follows(*, run: MassAssignment, user: User) -> bool:
    """Say whether the person follows the run."""
    return RunFollower.objects.filter(run=run, user=user).exists()


def of_person(*, user: User, programme: Programme) -> list[RunNotification]:
    """Return the latest messages to a person about the programme's runs."""
    found = RunNotification.objects.filter(recipient=user, run__programme=programme).select_related("run")
    return list(found.order_by("-id")[:20])
