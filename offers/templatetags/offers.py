"""Small things that the offers' pages need of templates."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

register = template.Library()
# By the audit's action: what was done to an offer.
DONE = {
    "offer.created": _("made"),
    "offer.updated": _("changed"),
    "offer.published": _("published"),
    "offer.archived": _("archived"),
    "offer.restored": _("opened again"),
    "offer.limits_set": _("limits set"),
    "offer.eligibility_set": _("chosen whom it is for"),
}


@register.filter
def get(values: Mapping[str, Any], key: str) -> Any:
    """Return a value by a key that a template cannot write."""
    return values.get(key)


@register.filter
def done(action: str) -> str | Promise:
    """Say what an entry of an offer's audit tells."""
    return DONE.get(action, action.partition(".")[2])
