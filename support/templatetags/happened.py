"""Words of the timeline's entries that no model has: who looked at what, which fields an import changed."""

from django import template
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty.models import AuditEvent, Member, MemberImportChange

register = template.Library()

LOOKS = {
    "member.opened": gettext_lazy("opened her page"),
    "member.contact_shown": gettext_lazy("looked at her contact data"),
    "member.viewed_as": gettext_lazy("looked at her own pages as she sees them"),
    "member.explained": gettext_lazy("asked why she has or does not have an offer"),
    "member.record_read": gettext_lazy("looked at all that is known of her"),
    "member.record_exported": gettext_lazy("took out all that is known of her"),
}


@register.filter
def look_label(event: AuditEvent) -> str:
    """Say what an audit row of a member tells of: who looked, or what was done."""
    known = LOOKS.get(event.action)
    return str(known) if known else event.action.partition(".")[2].replace("_", " ")


@register.filter
def changed_fields(change: MemberImportChange) -> str:
    """Name the fields that an import changed; their values are told nowhere, because they are kept only as now."""
    columns = {field.name: str(getattr(field, "verbose_name", field.name)) for field in Member._meta.get_fields()}
    return get_text_list([columns.get(name, name.replace("_", " ")) for name in sorted(change.before)], _("and"))
