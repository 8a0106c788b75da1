"""The design system's parts as template tags (docs/design-system.md says which to use for what)."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.conf import settings
from django.forms import BoundField, widgets
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import format_html, json_script
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from loyalty import money as amounts
from loyalty import toasts

register = template.Library()

SPRITE = "vendor/tabler-icons-3.51.0/sprite.svg"

# What each state means to a person: a tone (colour) and a word. Colour never stands alone.
STATES: Mapping[str, tuple[str, Any]] = {
    # assignments
    "usable": ("usable", _("usable")),
    "upcoming": ("waiting", _("not yet open")),
    "waiting_for_acceptance": ("waiting", _("waiting for acceptance")),
    "waiting_for_till": ("waiting", _("waiting for the till")),
    "used_up": ("over", _("used up")),
    "expired": ("over", _("expired")),
    "closed": ("over", _("closed")),
    "revoked": ("refused", _("revoked")),
    # config offers
    "draft": ("over", _("draft")),
    "published": ("usable", _("published")),
    "archived": ("over", _("archived")),
    # runs
    "awaiting_approval": ("needs", _("awaiting approval")),
    "scheduled": ("waiting", _("scheduled")),
    "planned": ("waiting", _("planned")),
    "running": ("waiting", _("running")),
    "paused": ("needs", _("paused")),
    "finished": ("usable", _("finished")),
    "finished_with_errors": ("needs", _("finished with errors")),
    "failed": ("refused", _("failed")),
    "cancelled": ("over", _("cancelled")),
    "undoing": ("waiting", _("being undone")),
    "undone": ("over", _("undone")),
    # members, people, keys
    "active": ("usable", _("active")),
    "inactive": ("over", _("inactive")),
    "erased": ("over", _("erased")),
}


@register.simple_tag
def icon(name: str, label: str = "", css: str = "") -> SafeString:
    """Draw an icon of the sprite; without a label it is decoration and hidden from screen readers."""
    source = f"{static(SPRITE)}#{name}"
    if label:
        return format_html(
            '<svg class="icon-sprite {}" role="img" aria-label="{}"><use href="{}"></use></svg>', css, label, source
        )
    return format_html('<svg class="icon-sprite {}" aria-hidden="true"><use href="{}"></use></svg>', css, source)


@register.simple_tag
def sprite() -> str:
    """Return the address of the icons, for scripts that draw some."""
    return static(SPRITE)


@register.simple_tag
def state(code: str, word: str = "", tone: str = "") -> SafeString:
    """Show a state as colour and word: `{% state run.state %}` or `{% state "x" _("3 short") "needs" %}`."""
    known_tone, known_word = STATES.get(str(code), ("over", str(code).replace("_", " ")))
    return format_html('<span class="state {}">{}</span>', tone or known_tone, word or known_word)


@register.simple_tag(takes_context=True)
def money(context: template.Context, minor: int | None, currency: str = "") -> str:
    """Write minor units in the programme's currency: `4,164.00 €`; nothing given is the word "none"."""
    if minor is None:
        return gettext("none")
    return amounts.display(minor, currency or getattr(context.get("programme"), "currency", "") or "EUR")


@register.simple_tag(takes_context=True)
def moment(context: template.Context, value: datetime | date | None, how: str = "", never: str = "") -> SafeString:
    """Write a moment in the programme's zone, the zone on hover. `how`: empty, "day" or "time"; None is "never"."""
    if value is None:
        return format_html('<span class="soft">{}</span>', never or gettext("never"))
    if not isinstance(value, datetime):
        return format_html('<time datetime="{}">{}</time>', value.isoformat(), formats.date_format(value, "j M Y"))
    zone = getattr(context.get("programme"), "zone", None) or ZoneInfo(settings.TIME_ZONE)
    local = value.astimezone(zone)
    this_year = local.year == timezone.now().astimezone(zone).year
    day = formats.date_format(local, "j M" if this_year else "j M Y")
    text = {"day": day, "time": local.strftime("%H:%M")}.get(how, f"{day} {local:%H:%M}")
    return format_html(
        '<time class="nowrap" datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        f"{formats.date_format(local, 'l j F Y')} {local:%H:%M:%S} {local.tzname()} ({zone.key})",
        text,
    )


@register.filter
def number(value: int | float | Decimal | None) -> str:
    """Write a count with its thousands apart; None is "unknown"."""
    if value is None:
        return gettext("unknown")
    return formats.number_format(value, use_l10n=True, force_grouping=True)


@register.filter
def percent(part: float | None, whole: float | None = None) -> str:
    """Write a share: `{{ accepted|percent:issued }}` is `12 %`; below ten with one digit; of nothing is "none"."""
    if part is None or whole == 0:
        return gettext("none")
    share = part if whole is None else 100 * part / whole
    digits = 1 if 0 < share < 10 else 0
    return f"{formats.number_format(round(share, digits), digits)} %"


@register.inclusion_tag("support/_progress.html")
def progress(done: float, whole: float, label: str, tone: str = "") -> dict[str, Any]:
    """Draw a bar of committed work. The label names it for screen readers."""
    share = 0 if not whole else min(100.0, 100 * float(done) / float(whole))
    return {"done": done, "whole": whole, "share": f"{share:.2f}", "label": label, "tone": tone}


@register.inclusion_tag("support/_tile.html")
def tile(label: str, value: Any, note: str = "", url: str = "", tone: str = "") -> dict[str, Any]:
    """Show one number with its name; put tiles into `<div class="tiles">`."""
    return {"label": label, "value": value, "note": note, "url": url, "tone": tone}


@register.inclusion_tag("support/_empty.html")
def empty(title: str, text: str = "", icon: str = "inbox", url: str = "", action: str = "") -> dict[str, Any]:
    """Say what a place is for while it holds nothing, and offer the first step."""
    return {"title": title, "text": text, "icon": icon, "url": url, "action": action}


@register.inclusion_tag("support/_copy.html")
def copy(value: str, label: str = "") -> dict[str, Any]:
    """Offer to copy a value."""
    return {"value": value, "label": label or gettext("Copy %(value)s") % {"value": value}}


@register.simple_tag
def chart(name: str, labels: list[str], series: list[dict[str, Any]], kind: str = "line", alt: str = "") -> SafeString:
    """Draw a chart: series are {label, values}; `alt` says in words what it shows. The page loads Chart.js."""
    data = json_script({"labels": labels, "series": series, "kind": kind}, f"chart-{name}")
    canvas = format_html(
        '<div class="chart"><canvas data-chart="chart-{}" role="img" aria-label="{}"></canvas></div>', name, alt
    )
    return mark_safe(data + canvas)  # noqa: S308 - both are escaped by format_html and json_script


@register.simple_tag
def field(bound: BoundField, unit: str = "") -> SafeString:
    """Draw a form field: label, widget, help, errors."""
    drawn = bound.form.renderer.render("support/_field.html", {"field": bound, "unit": unit})
    return mark_safe(drawn)  # noqa: S308 - the template escapes


@register.filter
def control(bound: BoundField) -> SafeString:
    """Draw a field's widget alone, in the design system's look."""
    widget = bound.field.widget
    if isinstance(widget, widgets.CheckboxInput | widgets.RadioSelect | widgets.CheckboxSelectMultiple):
        css = "form-check-input"
    elif isinstance(widget, widgets.Select):
        css = "form-select"
    else:
        css = "form-control"
    own = widget.attrs.get("class", "")
    return bound.as_widget(attrs={"class": f"{own} {css}".strip()})


@register.filter
def is_checkbox(bound: BoundField) -> bool:
    return isinstance(bound.field.widget, widgets.CheckboxInput)


@register.filter
def is_group(bound: BoundField) -> bool:
    """Say whether the widget is several inputs, which need a fieldset and a legend."""
    return bool(bound.field.widget.use_fieldset)


@register.filter
def undo_url(message: Any) -> str:
    """Return the address that takes back what a message tells of, or nothing."""
    tags = (getattr(message, "extra_tags", "") or "").split()
    return next((tag.removeprefix(toasts.UNDO) for tag in tags if tag.startswith(toasts.UNDO)), "")


@register.filter
def pretty_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str, sort_keys=True)
