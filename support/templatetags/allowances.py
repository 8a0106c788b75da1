"""Words of allowances: which limit is exceeded and by how much, how much of one is used."""

from django import template
from django.utils.translation import gettext_lazy as _

from loyalty import money
from support.selectors.allowance import IS_MONEY, Bounds, Excess, Usage

register = template.Library()

EXCEEDS = {
    "per_day": _("%(reached)s grants today, of %(allowed)s"),
    "day_minor": _("%(reached)s today, of %(allowed)s"),
    "per_week": _("%(reached)s grants this week, of %(allowed)s"),
    "week_minor": _("%(reached)s this week, of %(allowed)s"),
    "single_minor": _("%(reached)s in one grant, of %(allowed)s"),
    "member_number": _("%(reached)s grants for this member, of %(allowed)s"),
    "member_minor": _("%(reached)s for this member, of %(allowed)s"),
}
USED = {"per_day": "today", "day_minor": "today_minor", "per_week": "week", "week_minor": "week_minor"}


@register.simple_tag(takes_context=True)
def exceeds(context: template.Context, excess: Excess) -> str:
    """Say what would be reached and what is allowed: `205.00 € this week, of 200.00 €`."""
    words = {"reached": _amount(context, excess.limit, excess.reached)}
    words["allowed"] = _amount(context, excess.limit, excess.allowed)
    return str(EXCEEDS[excess.limit] % words)


@register.simple_tag(takes_context=True)
def used(context: template.Context, bounds: Bounds, usage: Usage, name: str) -> str:
    """Say how much of an agent's limit is used: `89.00 € of 200.00 €`; without a limit just what was used."""
    reached, allowed = _amount(context, name, getattr(usage, USED[name])), getattr(bounds, name)
    if allowed is None:
        return reached
    return str(_("%(reached)s of %(allowed)s") % {"reached": reached, "allowed": _amount(context, name, allowed)})


@register.simple_tag(takes_context=True)
def limit_value(context: template.Context, row: object, name: str) -> str:
    """Write what an allowance's row says about one of its limits."""
    value = getattr(row, name)
    return str(_("no limit")) if value is None else _amount(context, name, value)


@register.simple_tag(takes_context=True)
def worst_case(context: template.Context, minor: int, grants: int = 1, *, is_alone: bool = False) -> str:
    """Write what grants cost at most; grants of an offer without a ceiling in money cost nobody knows what (D-08).

    `is_alone`: no word beside it says what it is.
    """
    if minor or not grants:
        return money.display(minor, context["programme"].currency)
    return str(_("cost unknown") if is_alone else _("unknown"))


def _amount(context: template.Context, name: str, value: int) -> str:
    return money.display(value, context["programme"].currency) if IS_MONEY[name] else f"{value:,}"
