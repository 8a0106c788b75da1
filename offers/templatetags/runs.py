"""How a run's numbers are said."""

from django import template
from django.forms import BoundField
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from loyalty import money
from offers.forms.mass_assignment import OPTIONS, Draft
from offers.forms.run_rules import RunRulesForm
from offers.models import MassAssignment
from offers.services.member_value_preview import Spread

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
def without(draft: Draft, part: str) -> list[tuple[str, str]]:
    """Return what a step's form hides in itself: the other steps' values."""
    parts = {"options": OPTIONS}.get(part, (part,))
    return draft.kept(*parts)


@register.filter
def own_fields(bound: BoundField) -> list[BoundField]:
    """Return the inputs for a member's own value of a rule's field; none where it cannot differ (S1-05)."""
    return bound.form.own_fields(bound.html_name) if isinstance(bound.form, RunRulesForm) else []


@register.filter
def is_own(bound: BoundField) -> bool:
    """Say whether the field is filled from a member's own value."""
    return isinstance(bound.form, RunRulesForm) and bound.form.is_own(bound.html_name)


@register.filter
def in_unit(value: int | None, spread: Spread) -> str:
    """Say a number of a rule in its unit."""
    if value is None:
        return gettext("none")
    if spread.unit == "money":
        return money.display(value, spread.currency)
    return f"{number_format(value, use_l10n=True, force_grouping=True)}{' %' if spread.unit == 'percent' else ''}"


@register.simple_tag
def draft_address(draft: Draft, *without: str, **changes: object) -> str:
    """Return the address of the draft, without some parts and with some changed."""
    return draft.address(*without, **changes)
