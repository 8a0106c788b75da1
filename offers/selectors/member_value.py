"""Values per member as a run keeps them, in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from loyalty.models import Programme
from offers import rules
from offers.models import MassAssignment
from offers.rules import problem
from offers.selectors import member_list


@dataclass(frozen=True)
class OwnLine:
    """One field that differs per member: which one, and where her value comes from."""

    rule: str
    label: str
    text: str


def lines(*, programme: Programme, given: Mapping[str, Any]) -> list[OwnLine]:
    """Return a line for each field that differs per member, in form order; one query where lists are named."""
    named = {source["list"] for _rule, _field, source in _sources(given) if "list" in source}
    names = member_list.names(programme, named) if named else {}
    found: list[OwnLine] = []
    for rule, field, source in _sources(given):
        label = problem.placed(rule, field.name, "").rpartition(":")[0]
        found.append(OwnLine(rule, label, _sentence(source, names)))
    return found


def fields(*, run: MassAssignment) -> list[tuple[str, str]]:
    """Return the rule and the field of each value that differs per member, in form order: words of our own."""
    return [(rule, field.name) for rule, field, _source in _sources(run.member_values)]


def _sources(given: Mapping[str, Any]) -> Iterator[tuple[str, rules.Field, Mapping[str, Any]]]:
    for rule in rules.KINDS:
        for field in rules.fields(rule):
            source = (given.get(rule) or {}).get(field.name)
            if isinstance(source, Mapping):
                yield rule, field, source


def _sentence(source: Mapping[str, Any], names: Mapping[int, str]) -> str:
    words = {"source": source.get("expression") or source.get("attribute"), **source}
    text = _("each member's %(source)s") % words
    if "list" in source:
        words = {**source, "list": names.get(source["list"], source["list"])}
        text = _("each member's “%(column)s” in the list “%(list)s”") % words
    if "minimum" in source:
        text = _("%(text)s, from %(minimum)s to %(maximum)s") % {**source, "text": text}
    if "default" in source:
        return _("%(text)s; otherwise %(default)s") % {"text": text, "default": source["default"]}
    return text
