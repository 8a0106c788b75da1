"""Values per member as a run keeps them, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from loyalty.models import Programme
from offers import rules
from offers.rules import problem


@dataclass(frozen=True)
class OwnLine:
    """One field that differs per member: which one, and where her value comes from."""

    rule: str
    label: str
    text: str


def lines(*, programme: Programme, given: Mapping[str, Any]) -> list[OwnLine]:
    """Return a line for each field that differs per member, in form order; without a query."""
    found: list[OwnLine] = []
    for rule in rules.KINDS:
        for field in rules.fields(rule):
            source = (given.get(rule) or {}).get(field.name)
            if isinstance(source, Mapping):
                label = problem.placed(rule, field.name, "").rpartition(":")[0]
                found.append(OwnLine(rule, label, _sentence(source)))
    return found


def _sentence(source: Mapping[str, Any]) -> str:
    words = {"source": source.get("expression") or source.get("attribute"), **source}
    text = _("each member's %(source)s") % words
    if "minimum" in source:
        text = _("each member's %(source)s, from %(minimum)s to %(maximum)s") % words
    if "default" in source:
        return _("%(text)s; otherwise %(default)s") % {"text": text, "default": source["default"]}
    return text
