"""The audit: who did what to which thing. The table is append-only by trigger."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model

from loyalty.models import ApiClient, AuditEvent, Programme, User


def record(
    *,
    action: str,
    actor: User | None,
    programme: Programme | None,
    target: Model | None = None,
    api_client: ApiClient | None = None,
    data: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Write one audit row in the caller's transaction.

    `action` is `noun.verb`, such as `offer.published`; `data` holds ids and counts, never personal data. What is
    called by somebody's name has an `audit_label` instead.
    """
    label = getattr(target, "audit_label", None) or (str(target) if target is not None else "")
    return AuditEvent.objects.create(
        action=action,
        user=actor,
        api_client=api_client,
        programme=programme,
        object_type=target._meta.label_lower if target is not None else "",
        object_id=str(target.pk) if target is not None else "",
        object_label=label[:200],
        data=dict(data or {}),
    )
