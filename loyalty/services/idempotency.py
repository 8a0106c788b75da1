"""Answers kept under an Idempotency-Key are forgotten after a while: a client repeats within minutes, not days."""

from datetime import datetime, timedelta

from loyalty.models import IdempotencyKey

KEPT = timedelta(hours=48)


def forget_old(*, now: datetime) -> int:
    """Delete answers older than `KEPT` and return how many."""
    deleted, _ = IdempotencyKey.objects.filter(created_at__lt=now - KEPT).delete()
    return deleted
