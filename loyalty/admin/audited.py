"""Saving from an admin page leaves an audit row, as saving anywhere else does."""

from typing import Any

from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest

from loyalty import staff
from loyalty.admin.scoped import ScopedAdmin
from loyalty.services import audit


class AuditedAdmin(ScopedAdmin):
    """For master data without a service of its own: what was created, changed or deleted, by field name."""

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            self.record(request, obj, "changed" if change else "created", fields=form.changed_data)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        with transaction.atomic():
            self.record(request, obj, "deleted")
            super().delete_model(request, obj)

    def record(self, request: HttpRequest, obj: Model, verb: str, **data: Any) -> None:
        """Write the audit row: names of fields, never their values, which may be personal."""
        audit.record(
            action=f"{obj._meta.model_name}.{verb}",
            actor=staff.of(request).user,
            programme=staff.of(request).programme,
            target=obj,
            data=data,
        )
