"""Everything that happened to a member, merged: one query a kind, whatever she did (B-02, S0-11).

A kind is one entry of `KINDS`: how its rows are read, when each happened, which offer it is about, who may see it. What
a later part of the desk adds is another entry, and the words for it in `_timeline_entry.html`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.models import AuditEvent, ConsentEvent, Member, MemberImportChange, Purchase
from offers.models import (
    Assignment,
    AssignmentEvent,
    ConfigOffer,
    DoorEntry,
    OfferTemplate,
    PromotionEvent,
    Redemption,
)
from support.models import GrantRequest

PAGE = 25
# More offers than anybody was given; a bound for the choice of one.
MOST_OFFERS = 200


@dataclass(frozen=True)
class Kind:
    """One kind of entry: its name for people, its rows, and the field of their moment.

    `offer` is the path to the config offer; a kind without one is left out where one offer is looked at. `permission`
    is asked for besides seeing the member.
    """

    label: str | Promise
    read: Callable[[Member], QuerySet[Any]]
    at: str
    offer: str = ""
    permission: str = ""
    is_quiet: bool = False
    """Shown only where it is asked for: it would drown the rest."""

    def moment(self, row: Any) -> datetime:
        """Return when the thing that a row tells of happened."""
        return attrgetter(self.at.replace("__", "."))(row)


@dataclass(frozen=True)
class Entry:
    """One thing that happened; `thing` is the row that tells of it."""

    kind: str
    at: datetime
    key: str
    thing: Any
    until: datetime
    """The page tells nothing later, whatever became of the thing since."""

    @property
    def is_decided(self) -> bool:
        """Say whether a waiting grant was decided by then."""
        return self.thing.decided_at is not None and self.thing.decided_at <= self.until

    @property
    def is_undone(self) -> bool:
        """Say whether an import was taken back by then."""
        undone_at = self.thing.member_import.undone_at
        return undone_at is not None and undone_at <= self.until

    @property
    def moment(self) -> str:
        """Return when it was for an address: the page as of this moment."""
        return self.at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def timeline(
    *,
    member: Member,
    until: datetime,
    kinds: Iterable[str] | None = None,
    offer_id: int | None = None,
    page: int = 1,
) -> tuple[list[Entry], bool]:
    """Return a page of what happened to the member until a moment, newest first; and whether there is more.

    `kinds` are those that are wanted, each of them if none is named; `offer_id` keeps what is about one offer. Each
    kind is read as far as the page may need, then merged: one query a kind, however much there is.
    """
    wanted = list(KINDS if kinds is None else kinds)
    first = PAGE * (page - 1)
    found: list[Entry] = []
    for name, kind in KINDS.items():
        if name not in wanted or (offer_id is not None and not kind.offer):
            continue
        rows = kind.read(member).filter(**{f"{kind.at}__lte": until})
        if offer_id is not None:
            rows = rows.filter(**{kind.offer: offer_id})
        # Moments may be equal (a run issues many at once): the key makes the order total.
        rows = rows.order_by(F(kind.at).desc(), "-pk")[: first + PAGE + 1]
        found += [Entry(name, kind.moment(row), f"{name} {row.pk!s:>040}", row, until) for row in rows]
    found.sort(key=attrgetter("at", "key"), reverse=True)
    return found[first : first + PAGE], len(found) > first + PAGE


def offers(*, member: Member) -> list[ConfigOffer]:
    """Return the offers that her timeline speaks of, by name: those she was given and those she was refused."""
    given = Assignment.objects.filter(member=member).values("config_offer")
    refused = DoorEntry.objects.filter(member=member, assignment__isnull=True).annotate(of_template=_TEMPLATE)
    templates = OfferTemplate.objects.filter(pk__in=refused.values("of_template")).values("config_offer")
    used = Redemption.objects.filter(member=member, assignment__isnull=True).values("config_offer")
    found = ConfigOffer.objects.filter(Q(pk__in=given) | Q(pk__in=templates) | Q(pk__in=used))
    return list(found.order_by("name", "pk")[:MOST_OFFERS])


_TEMPLATE = Cast(KeyTextTransform("template", "answer"), BigIntegerField())


def _issued(member: Member) -> QuerySet[Assignment]:
    return Assignment.objects.filter(member=member).select_related(
        "config_offer__current_revision", "template", "run", "campaign", "actor"
    )


def _events(member: Member) -> QuerySet[AssignmentEvent]:
    # A use stands there as itself, with the receipt.
    changes = AssignmentEvent.objects.filter(assignment__member=member).exclude(verb="redeemed")
    return changes.select_related(
        "assignment__config_offer__current_revision", "assignment__run", "actor", "api_client"
    )


def _redemptions(member: Member) -> QuerySet[Redemption]:
    return Redemption.objects.filter(member=member).select_related("config_offer__current_revision", "purchase")


def _expired(member: Member) -> QuerySet[Assignment]:
    """Return what ended by itself: nothing else had ended it before."""
    ended = Q()
    for name in ("used_up_at", "revoked_at", "closed_at"):
        ended &= Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gte": F("ends_at")})
    used = Exists(Redemption.objects.standing().filter(assignment=OuterRef("pk")))
    return _issued(member).filter(ended, ends_at__isnull=False).annotate(is_used=used)


def _purchases(member: Member) -> QuerySet[Purchase]:
    return Purchase.objects.filter(member=member).select_related("store")


def _refusals(member: Member) -> QuerySet[DoorEntry]:
    refused = DoorEntry.objects.filter(member=member, assignment__isnull=True).select_related("actor")
    offer = Subquery(OfferTemplate.objects.filter(pk=OuterRef("of_template")).values("config_offer")[:1])
    return refused.annotate(of_template=_TEMPLATE).annotate(of_offer=offer)


def _requests(member: Member) -> QuerySet[GrantRequest]:
    return GrantRequest.objects.filter(member=member).select_related("template__config_offer", "asked_by", "decided_by")


def _promotions(member: Member) -> QuerySet[PromotionEvent]:
    return PromotionEvent.objects.filter(enrolment__member=member).select_related(
        "enrolment__promotion", "actor", "api_client"
    )


def _consents(member: Member) -> QuerySet[ConsentEvent]:
    return ConsentEvent.objects.filter(member=member).select_related("channel", "user", "api_client")


def _imports(member: Member) -> QuerySet[MemberImportChange]:
    # Named by its programme's imports, because that is how the changes are indexed.
    return MemberImportChange.objects.filter(
        member=member, member_import__programme=member.programme_id
    ).select_related("member_import__received_by", "member_import__api_client")


def _looks(member: Member) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(object_type="loyalty.member", object_id=str(member.pk)).select_related(
        "user", "api_client"
    )


KINDS: dict[str, Kind] = {
    "issued": Kind(_("Given"), _issued, "issued_at", offer="config_offer"),
    "event": Kind(_("Changes"), _events, "at", offer="assignment__config_offer"),
    "redemption": Kind(_("Used"), _redemptions, "redeemed_at", offer="config_offer"),
    "expired": Kind(_("Expired"), _expired, "ends_at", offer="config_offer"),
    "refusal": Kind(_("Refused"), _refusals, "created_at", offer="of_offer"),
    "request": Kind(_("Waiting grants"), _requests, "asked_at", offer="template__config_offer"),
    "purchase": Kind(_("Purchases"), _purchases, "purchased_at", permission="loyalty.view_purchase"),
    "promotion": Kind(_("Promotions"), _promotions, "at", permission="offers.view_promotionenrolment"),
    "consent": Kind(_("Consents"), _consents, "at"),
    "import": Kind(_("Imports"), _imports, "member_import__imported_at"),
    "look": Kind(_("Looks"), _looks, "at", permission="loyalty.view_auditevent", is_quiet=True),
}
