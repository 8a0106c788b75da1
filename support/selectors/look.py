"""Who looked at what: the rows of the audit that tell of reading, and of nothing being changed (B-18, issue 5)."""

from collections.abc import Iterable

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from loyalty.models import AuditEvent, Member, Programme
from offers.models import Assignment

# Every action that is a look, in words. One that is not here changes something and stands in the audit alone.
LOOKS = {
    "member.opened": _("opened her page"),
    "assignment.opened": _("opened the page of an offer of hers"),
    "member.contact_shown": _("looked at her contact data"),
    "member.code_shown": _("looked at her voucher code"),
    "member.viewed_as": _("looked at her own pages as she sees them"),
    "member.explained": _("asked why she has or does not have an offer"),
    "member.named_as_owner": _("was told that an offer or a code is hers"),
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
MEMBER, ASSIGNMENT = "loyalty.member", "offers.assignment"
# Of a member with more offers than anybody has, the latest.
MOST_OFFERS = 5_000


def looks(*, programme: Programme) -> QuerySet[AuditEvent]:
    """Return every look in the programme, with who it was."""
    return AuditEvent.objects.filter(programme=programme, action__in=list(LOOKS)).select_related("user", "api_client")


def at_member(*, programme: Programme, external_id: str) -> Q:
    """Return the condition that a row tells of the member with this id; nobody's of one that is not known."""
    known = Member.objects.filter(programme=programme, external_id=external_id).values_list("pk", flat=True).first()
    if known is None:
        return Q(pk__in=[])
    # Her offers' pages are looks at her: found by their ids, as rows are indexed by what they tell of.
    offers = Assignment.objects.filter(member=known).order_by("-issued_at").values_list("pk", flat=True)[:MOST_OFFERS]
    return Q(object_type=MEMBER, object_id=str(known)) | Q(
        object_type=ASSIGNMENT, object_id__in=[str(key) for key in offers]
    )


def members_of(*, programme: Programme, events: Iterable[AuditEvent]) -> dict[int, Member]:
    """Return the member that each row tells of, by the row's id; one query."""
    keys, names = {}, {}
    for event in events:
        if event.object_type == MEMBER and event.object_id.isdigit():
            keys[event.pk] = int(event.object_id)
        elif event.object_type == ASSIGNMENT and "member" in event.data:
            names[event.pk] = str(event.data["member"])
    found = Member.objects.filter(Q(pk__in=keys.values()) | Q(external_id__in=names.values()), programme=programme)
    by_key = {member.pk: member for member in found}
    by_name = {member.external_id: member for member in by_key.values()}
    told = {pk: by_key.get(key) for pk, key in keys.items()} | {pk: by_name.get(name) for pk, name in names.items()}
    return {pk: member for pk, member in told.items() if member is not None}
