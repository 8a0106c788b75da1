"""How a run's numbers are said."""

from django import template
from django.utils.translation import gettext, ngettext

from offers.models import MassAssignment

register = template.Library()
TONES = {
    "paused": "needs",
    "finished": "usable",
    "finished_with_errors": "needs",
    "failed": "refused",
    "cancelled": "over",
    "undoing": "needs",
    "undone": "over",
}


@register.filter
def run_tone(run: MassAssignment) -> str:
    """Return the colour of a run's bar."""
    return TONES.get(run.state, "")


@register.filter
def whole_percent(done: int, total: int | None) -> int:
    """Return whole percents, rounded down: 100 only when all is done."""
    return done * 100 // total if total else 100


@register.filter
def about(seconds: int | None) -> str:
    """Say about how long it will take; nothing where that is not known."""
    if seconds is None:
        return ""
    if seconds < 90:
        return gettext("less than a minute left") if seconds < 45 else gettext("about a minute left")
    minutes = round(seconds / 60)
    if minutes < 90:
        return ngettext("about %(n)d minute left", "about %(n)d minutes left", minutes) % {"n": minutes}
    hours = round(seconds / 3600)
    return ngettext("about %(n)d hour left", "about %(n)d hours left", hours) % {"n": hours}


@register.filter
def without(draft: object, part: str) -> list[tuple[str, str]]:
    """Return what a step's form hides in itself: the other steps' values."""
    parts = {"options": ("name", "campaign", "rank")}.get(part, (part,))
    return draft.kept(*parts)  # type: ignore[attr-defined, no-any-return]


@register.simple_tag
def draft_address(draft: object, *without: str, **changes: object) -> str:
    """Return the address of the draft, without some parts and with some changed."""
    return draft.address(*without, **changes)  # type: ignore[attr-defined, no-any-return]
