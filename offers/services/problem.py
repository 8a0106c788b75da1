"""Problems of given values, in the one shape that every door shows: code, field, message."""

from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model


def problem(field: str, code: str, message: str) -> dict[str, Any]:
    """Return one problem of a field."""
    return {"field": field, "code": code, "message": message}


def of_model(instance: Model, *, exclude: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return every problem of the instance's own fields: type, length, choice, shape. Reads no other row."""
    try:
        instance.clean_fields(exclude=set(exclude))
    except ValidationError as error:
        return [
            problem(name, str(found.code or "invalid"), message)
            for name, errors in error.error_dict.items()
            for found in errors
            for message in found.messages
        ]
    return []
