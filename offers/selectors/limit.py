"""What is limited, how much of it is used and left, and who changed what (D-05, B-14)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty import money
from loyalty.models import ApiClient, AuditEvent, Programme, User
from offers.models import Campaign, ConfigOffer, Limit, LimitReservation
from offers.models.limit import day_of

# What counts of assignments called `given`: what was not taken back, and what was, while uses of it stand.
COUNTS = """(given.revoked_at IS NULL OR EXISTS (
            SELECT FROM offers_redemption AS used WHERE used.assignment_id = given.id AND used.returned_at IS NULL))"""
# By the limit's name: how pages call it, and whether it counts money.
LABELS: dict[str, str | Promise] = {
    "cap": gettext_lazy("Assignments in all"),
    "daily_cap": gettext_lazy("Assignments per day"),
    "budget_minor": gettext_lazy("Budget in all"),
    "daily_budget_minor": gettext_lazy("Budget per day"),
    "per_member": gettext_lazy("Offers per member"),
    "is_budget_hard": gettext_lazy("At the budget's end"),
    "eligibility": gettext_lazy("Only for"),
}
MONEY = ("budget_minor", "daily_budget_minor")
HISTORY = ("offer.limits_set", "campaign.limits_set", "offer.eligibility_set")


@dataclass(frozen=True)
class Line:
    """One limit: how much there is, how much of it was given, in assignments or in minor units of money."""

    name: str
    most: int
    used: int
    is_hard: bool = True

    @property
    def label(self) -> str | Promise:
        return LABELS[self.name]

    @property
    def is_money(self) -> bool:
        return self.name in MONEY

    @property
    def is_daily(self) -> bool:
        return self.name.startswith("daily_")

    @property
    def left(self) -> int:
        return max(0, self.most - self.used)

    @property
    def over(self) -> int:
        return max(0, self.used - self.most)

    @property
    def tone(self) -> str:
        """Colour of the bar: nothing left is a refusal, or a warning where a soft budget gives on."""
        if self.used < self.most:
            return ""
        return "refused" if self.is_hard else "needs"


@dataclass(frozen=True)
class Usage:
    """The limits of an offer or a campaign on a day of the programme; counts include what runs at work reserve."""

    limit: Limit
    day: date
    lines: list[Line]
    assigned_today: int
    spent_today_minor: int
    reserved: int

    @property
    def owner(self) -> ConfigOffer | Campaign:
        return self.limit.config_offer or self.limit.campaign  # type: ignore[return-value]  # one of them, by constraint

    @property
    def has_budget(self) -> bool:
        return any(line.is_money for line in self.lines)

    @property
    def is_of_offer(self) -> bool:
        return self.limit.config_offer_id is not None


def of(owner: ConfigOffer | Campaign, *, now: datetime) -> Usage | None:
    """Return what is limited and used, or None where nothing is limited; two queries."""
    found = usages(
        programme=owner.programme,
        offer_id=owner.pk if isinstance(owner, ConfigOffer) else None,
        campaign_id=owner.pk if isinstance(owner, Campaign) else None,
        now=now,
    )
    return found[0] if found else None


def usages(*, programme: Programme, offer_id: int | None, campaign_id: int | None, now: datetime) -> list[Usage]:
    """Return the usage of the offer's limits and of the campaign's, where they have any."""
    limits = list(
        Limit.objects.filter(Q(config_offer_id=offer_id or 0) | Q(campaign_id=campaign_id or 0))
        .select_related("config_offer", "campaign")
        .order_by("config_offer_id")
    )
    if not limits:
        return []
    day = day_of(now, programme.zone)
    reserved = {
        row["limit"]: row["n"]
        for row in LimitReservation.objects.filter(limit__in=limits, released_at__isnull=True)
        .values("limit")
        .annotate(n=Sum("size"))
    }
    return [_usage(limit, day, reserved.get(limit.pk, 0)) for limit in limits]


def _usage(limit: Limit, day: date, reserved: int) -> Usage:
    given_today, spent_today = limit.on(day)
    used = {
        "cap": limit.assigned,
        "daily_cap": given_today,
        "budget_minor": limit.spent_minor,
        "daily_budget_minor": spent_today,
    }
    lines = [
        Line(name, getattr(limit, name), given, is_hard=name not in MONEY or limit.is_budget_hard)
        for name, given in used.items()
        if getattr(limit, name) is not None
    ]
    return Usage(limit, day, lines, given_today, spent_today, reserved)


@dataclass(frozen=True)
class Change:
    """One change of a limit, in words: what it was called, from what to what."""

    label: str | Promise
    old: str
    new: str


@dataclass(frozen=True)
class Changed:
    """Who changed which limits, and when."""

    at: datetime
    by: User | ApiClient | None
    changes: list[Change]


def history(owner: ConfigOffer | Campaign, *, most: int = 20) -> list[Changed]:
    """Return who changed what of an owner's limits and of whom an offer is for, the newest first; one query."""
    found: QuerySet[AuditEvent] = (
        AuditEvent.objects.filter(object_type=owner._meta.label_lower, object_id=str(owner.pk), action__in=HISTORY)
        .select_related("user", "api_client")
        .order_by("-id")[:most]
    )
    currency = owner.programme.currency
    return [
        Changed(event.at, event.user or event.api_client, list(_changes(event.data.get("changed") or {}, currency)))
        for event in found
    ]


def _changes(changed: dict[str, list[Any]], currency: str) -> Iterator[Change]:
    for name, values in changed.items():
        if name not in LABELS:
            continue
        old, new = (shown(name, value, currency) for value in values)
        if old != new:
            yield Change(LABELS[name], old, new)


def shown(name: str, value: Any, currency: str) -> str:
    """Write a limit's value for people."""
    if name == "eligibility":
        return _audience(value)
    if name == "is_budget_hard":
        return _("warn only") if value is False else _("stop")
    if value is None:
        return _("none")
    return money.display(value, currency) if name in MONEY else number_format(value, use_l10n=True, force_grouping=True)


def _audience(told: dict[str, Any] | None) -> str:
    """Say whom an offer is for, as the audit keeps it."""
    if told is None:
        return _("everyone")
    if told.get("is_own"):
        return _("own conditions, version %(number)s") % {"number": told["version"]}
    return _("“%(name)s”, version %(number)s") % {"name": told["name"], "number": told["version"]}
