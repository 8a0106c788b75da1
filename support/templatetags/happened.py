"""Words of the timeline's entries that no model has: who looked at what, which fields an import changed."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from loyalty.models import AuditEvent, Member, MemberImportChange
from support.selectors.look import LOOKS

register = template.Library()


@register.filter
def look_label(event: AuditEvent) -> str:
    """Say what an audit row of a member tells of: who looked, or what was done."""
    known = LOOKS.get(event.action)
    return str(known) if known else event.action.partition(".")[2].replace("_", " ")


@register.filter
def brief(data: Mapping[str, Any]) -> str:
    """Write what an audit row says besides in a line: `field: email`."""
    parts = []
    for name, value in data.items():
        if isinstance(value, Mapping):
            value = brief(value)
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        if value not in ("", None):
            parts.append(f"{name.replace('_', ' ')}: {value}")
    return "; ".join(parts)[:300]


@register.filter
def changed_fields(change: MemberImportChange) -> str:
    """Name the fields that an import changed; their values are told nowhere, because they are kept only as now."""
    columns = {field.name: str(getattr(field, "verbose_name", field.name)) for field in Member._meta.get_fields()}
    return get_text_list([columns.get(name, name.replace("_", " ")) for name in sorted(change.before)], _("and"))
