"""Who looked at what: the rows of the audit that tell of reading, and of nothing being changed (B-18, issue 5)."""

from collections.abc import Iterable

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from loyalty.models import AuditEvent, Member, Programme

# Every action that is a look, in words. One that is not here changes something and stands in the audit alone.
LOOKS = {
    "member.opened": _("opened her page"),
    "member.contact_shown": _("looked at her contact data"),
    "member.code_shown": _("looked at her voucher code"),
    "member.viewed_as": _("looked at her own pages as she sees them"),
    "member.explained": _("asked why she has or does not have an offer"),
    "member.record_read": _("looked at all that is known of her"),
    "member.record_exported": _("took out all that is known of her"),
    "member.searched": _("searched for members"),
    "member.listed": _("looked through the list of members"),
    "member.exported": _("took out the list of members"),
    "member_import.reported": _("took out an import's problems"),
    "ledger.exported": _("took out the ledger of the desk"),
    "grant_batch.exported": _("took out what became of a set of grants"),
    "look.exported": _("took out who looked at what"),
    "mass_assignment.exported": _("took out the members of a run"),
    "voucher.exported": _("took out voucher codes"),
}
MEMBER = "loyalty.member"


def looks(*, programme: Programme) -> QuerySet[AuditEvent]:
    """Return every look in the programme, with who it was."""
    return AuditEvent.objects.filter(programme=programme, action__in=list(LOOKS)).select_related("user", "api_client")


def at_member(*, programme: Programme, external_id: str) -> Q:
    """Return the condition that a row tells of the member with this id; nobody's of one that is not known."""
    known = Member.objects.filter(programme=programme, external_id=external_id).values_list("pk", flat=True).first()
    return Q(object_type=MEMBER, object_id=str(known)) if known is not None else Q(pk__in=[])


def members_of(*, programme: Programme, events: Iterable[AuditEvent]) -> dict[str, Member]:
    """Return the members that rows tell of, by the id that a row has; one query."""
    keys = {event.object_id for event in events if event.object_type == MEMBER and event.object_id.isdigit()}
    found = Member.objects.filter(programme=programme, pk__in=[int(key) for key in keys])
    return {str(member.pk): member for member in found}
