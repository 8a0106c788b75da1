"""What stands on a member's page, as data: tabs, and in each the sections that a person may see (S2-11, SCREENS).

To add one (favourites, challenges, points …): a `Section` here with its selector and its template. Only the tab that is
shown is read, so a page costs what it shows. A template finds what its selector returned as `data`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.models import Member, User
from loyalty.selectors import consent as consents
from offers.selectors import promotion_enrolment
from support.selectors import assignment as assignments
from support.selectors import member as members
from support.selectors import purchase as purchases

Select = Callable[[Member, datetime], Mapping[str, Any]]


@dataclass(frozen=True)
class Section:
    """One part of a tab. `count` says how many things it shows, from what `select` returned: it asks nothing."""

    key: str
    label: str | Promise
    permission: str
    select: Select
    template: str
    count: Callable[[Mapping[str, Any]], int]

    def is_for(self, user: User, member: Member) -> bool:
        """Say whether this person sees it of this member: what the offers module keeps goes with it (S4-41)."""
        is_on = member.programme.offers_enabled or not self.permission.startswith("offers.")
        return is_on and user.has_perm(self.permission)


@dataclass(frozen=True)
class Tab:
    """A page of the member's page, with an address of its own: `?tab=<key>`. The first one stands at no `tab`.

    One without sections has a template that lays its parts out itself, and is for everybody who opens the page.
    """

    key: str
    label: str | Promise
    template: str
    sections: Sequence[Section] = ()
    select: Select = lambda member, now: {}
    has_timeline: bool = False
    """What happened stands there too; the page reads it as its address asks for it."""

    def is_for(self, user: User, member: Member) -> bool:
        return not self.sections or any(section.is_for(user, member) for section in self.sections)


@dataclass(frozen=True)
class Shown:
    """A section with what it shows of one member."""

    section: Section
    data: Mapping[str, Any]

    @property
    def count(self) -> int:
        return self.section.count(self.data)


def tabs(*, user: User, member: Member) -> list[Tab]:
    """Return the tabs of the member's page that the person may open."""
    return [tab for tab in TABS if tab.is_for(user, member)]


def chosen(*, user: User, member: Member, key: str) -> Tab:
    """Return the tab with that key, or the first one where there is none for this person."""
    found = tabs(user=user, member=member)
    return next((tab for tab in found if tab.key == key), found[0])


def context(*, tab: Tab, user: User, member: Member, now: datetime) -> dict[str, Any]:
    """Return what the tab's template shows; nothing is read for any other."""
    shown = [Shown(one, one.select(member, now)) for one in tab.sections if one.is_for(user, member)]
    return {**tab.select(member, now), "shown": shown}


def _overview(member: Member, now: datetime) -> dict[str, Any]:
    receipts, has_more_receipts = purchases.receipts(member=member)
    over, has_more_past = assignments.past(member=member, now=now)
    return {
        "attributes": members.attributes(member=member),
        "consents": consents.of_member(member=member),
        "current": assignments.current(member=member, now=now),
        "past": over,
        "has_more_past": has_more_past,
        "receipts": receipts,
        "has_more_receipts": has_more_receipts,
    }


def _promotions(member: Member, now: datetime) -> dict[str, Any]:
    return {"held": promotion_enrolment.of_member(member=member)}


PROMOTIONS = Section(
    "promotions",
    _("Personalized promotions"),
    "offers.view_promotionenrolment",
    _promotions,
    "support/_member_promotions.html",
    lambda data: len(data["held"]),
)

TABS = (
    Tab("overview", _("Overview"), "support/_member_overview.html", select=_overview, has_timeline=True),
    Tab("loyalty", _("Loyalty"), "support/_member_sections.html", sections=(PROMOTIONS,)),
)
