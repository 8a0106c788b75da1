"""Fields of serializers that more than one app needs."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from loyalty import storable


class ObjectField(serializers.DictField):
    """An object whose content its service checks: here only what cannot be stored at all is named, by its place."""

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)
        if found := storable.problems(values):
            raise ValidationError({place: [ErrorDetail(message, code)] for place, code, message in found})
        return values
