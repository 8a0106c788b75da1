"""Small things that the offers' pages need of templates."""

from collections.abc import Mapping
from typing import Any

from django import template

register = template.Library()


@register.filter
def get(values: Mapping[str, Any], key: str) -> Any:
    """Return a value by a key that a template cannot write."""
    return values.get(key)
