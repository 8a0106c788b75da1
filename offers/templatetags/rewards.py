"""How the member's pages say things: a benefit in two words, an end in days, a code as a picture."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import segno
from django import template
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty import money
from offers import rules

register = template.Library()

# Up to here an end is said in days; further away its date says more.
DAYS_SAID = 21
# Of a member's own terms, so many stand on the card; all of them on the offer's page.
MOST_LINES = 3


@register.simple_tag
def headline(benefit: Mapping[str, Any] | None, currency: str) -> str:
    """Say a benefit as a price tag does: `20 % off`, `−1.00 €`, `100 points`."""
    if not benefit:
        return ""
    size = benefit["size"]
    match benefit["type"]:
        case "percent":
            # Kept on one line: the spaces do not break.
            return (_("%(size)d %% off") % {"size": size}).replace(" ", "\u00a0")
        case "amount":
            return f"−{money.display(size, currency)}"
        case "fixed_price":
            return _("Free") if size == 0 else money.display(size, currency)
        case "bonus_points":
            return ngettext("%(points)s point", "%(points)s points", size) % {
                "points": formats.number_format(size, force_grouping=True)
            }
    return ""


@register.simple_tag
def personal_headline(personal: Mapping[str, Any] | None, currency: str) -> str:
    """Say a member's own terms as a price tag does, where they are of one type: `up to 30 % off`."""
    if not personal:
        return ""
    kind = personal.get("benefit_type")
    benefits = [{**one, "type": kind} for one in personal.get("thresholds", ())]
    benefits = benefits or [item["benefit"] for item in personal.get("items", ())]
    if not benefits or len({one["type"] for one in benefits}) > 1 or benefits[0]["type"] in ("fixed_price", "coupon"):
        return ""
    sizes = [one["size"] for one in benefits]
    best = headline({"type": benefits[0]["type"], "size": max(sizes)}, currency)
    return best if min(sizes) == max(sizes) else _("up to %(benefit)s") % {"benefit": best}


@register.simple_tag(takes_context=True)
def personal_lines(context: Any, personal: Mapping[str, Any] | None, currency: str) -> list[str]:
    """Say the first of a member's own terms, for her card (S1-19)."""
    if not personal:
        return []
    terms = {"personal": personal}
    said = [str(line.text) for line in rules.explain(terms, currency=currency, zone=context["brand"].zone)]
    if len(said) <= MOST_LINES:
        return said
    more = len(said) - MOST_LINES
    return [*said[:MOST_LINES], ngettext("and %(n)d more", "and %(n)d more", more) % {"n": more}]


@register.simple_tag
def symbol(benefit: Mapping[str, Any] | None) -> str:
    """Name the icon of a benefit."""
    icons = {"percent": "discount", "amount": "tag", "fixed_price": "tags", "bonus_points": "star"}
    return icons.get((benefit or {}).get("type", ""), "gift")


def _last_moment(ends_at: datetime) -> datetime:
    # Ends are half-open: what is over at midnight is for people "until 23:59".
    return timezone.localtime(ends_at - timedelta(minutes=1))


@register.simple_tag
def time_left(ends_at: datetime | None, now: datetime) -> str:
    """Say how long the member has, in days of her own zone."""
    if ends_at is None:
        return _("No end date")
    last = _last_moment(ends_at)
    days = (last.date() - timezone.localtime(now).date()).days
    if days <= 0:
        return _("Ends today, %(time)s") % {"time": clock_time(last)}
    if days == 1:
        return _("Until tomorrow")
    if days <= DAYS_SAID:
        return ngettext("%(days)d day left", "%(days)d days left", days) % {"days": days}
    return _("Until %(date)s") % {"date": short_date(last.date())}


@register.simple_tag
def is_soon(ends_at: datetime | None, now: datetime) -> bool:
    """Say whether the end is so near that it deserves a colour."""
    return ends_at is not None and ends_at - now <= timedelta(days=3)


@register.filter
def last_moment(ends_at: datetime) -> str:
    """Write an end with its last usable minute: `Sun 30 Nov, 23:59`."""
    last = _last_moment(ends_at)
    return _("%(date)s, %(time)s") % {
        "date": short_date(last.date()),
        "time": clock_time(last),
    }


@register.filter
def first_moment(starts_at: datetime) -> str:
    """Write a start; midnight goes without saying."""
    first = timezone.localtime(starts_at)
    if (first.hour, first.minute) == (0, 0):
        return short_date(first.date())
    return _("%(date)s, %(time)s") % {
        "date": short_date(first.date()),
        "time": clock_time(first),
    }


@register.filter
def zone_name(moment: datetime) -> str:
    """Name the member's zone at that moment, such as CET."""
    return timezone.localtime(moment).tzname() or ""


def clock_time(moment: datetime) -> str:
    """Write `23:59`, in every language: one way of saying the end of a day that nobody misreads."""
    return f"{moment:%H:%M}"


def short_date(day: date) -> str:
    """Write `Sun 30 Nov`, with the year when it is not this one."""
    written = formats.date_format(day, "D j M")
    return written if day.year == timezone.localdate().year else f"{written} {day.year}"


@register.simple_tag
def qr(code: str) -> str:
    """Return a code as a data address of an SVG; black on white in dark mode too, or scanners fail."""
    return segno.make(code, error="m", micro=False).svg_data_uri(scale=8, border=3, dark="#000", light="#fff")


@register.simple_tag
def shade(key: Any) -> int:
    """Return which of six shades an offer without a picture wears, the same one every time."""
    return sum(str(key).encode()) % 6
