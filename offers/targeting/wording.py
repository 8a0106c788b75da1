"""Criteria in plain words, in the active language."""

from datetime import date
from typing import Any, cast

from django.utils import formats
from django.utils.functional import Promise
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty import money
from offers.targeting import operators
from offers.targeting.criteria import Comparison, Criteria, History, Listed, Node, Saved, Share, Window

# More values than this are counted, not named.
MOST_NAMED = 5


def sentence(criteria: Criteria) -> str:
    """Say who is meant."""
    if criteria.is_everyone:
        return _("All members")
    return _node(criteria, criteria.root, is_outermost=True)


def condition(criteria: Criteria, node: Node) -> str:
    """Say one condition."""
    return _node(criteria, node, is_outermost=True)


def _node(criteria: Criteria, node: Node, *, is_outermost: bool = False) -> str:
    if isinstance(node, Comparison):
        return _compared(str(node.field.label), node.operator, _values(node.value, dict(node.field.choices)))
    if isinstance(node, History):
        return _history(criteria, node)
    if isinstance(node, Share):
        words = {"percent": formats.number_format(node.percent), "key": node.key}
        return _("a random %(percent)s %% (key “%(key)s”)") % words
    if isinstance(node, Listed):
        return _("is in the list “%(name)s”") % {"name": node.name}
    if isinstance(node, Saved):
        return _("is in “%(name)s”") % {"name": node.name}
    parts = [_node(criteria, item) for item in node.items]
    text = (_(" and ") if node.op == "and" else _(" or ")).join(parts)
    if node.negated:
        return _("not (%(conditions)s)") % {"conditions": text}
    return text if is_outermost or len(parts) == 1 else _("(%(conditions)s)") % {"conditions": text}


def _compared(label: str, operator: str, values: list[str]) -> str:
    """Say one comparison: label, operator, value."""
    if operator in operators.WITH_DAYS:
        days = int(values[0])
        text = (
            ngettext("%(label)s is in the last %(days)d day", "%(label)s is in the last %(days)d days", days)
            if operator == "in_last_days"
            else ngettext(
                "%(label)s is not in the last %(days)d day", "%(label)s is not in the last %(days)d days", days
            )
        )
        return text % {"label": label, "days": days}
    words = {"label": label, "operator": operators.LABELS[operator], "value": ""}
    if not values:
        return _("%(label)s %(operator)s") % words
    words["value"] = get_text_list(values, _("and") if operator == "between" else _("or"))
    return _("%(label)s %(operator)s %(value)s") % words


def _history(criteria: Criteria, node: History) -> str:
    label = str(operators.MEASURES[node.subject][node.measure])
    if where := _window(criteria, node.where):
        label = _("%(measure)s (%(where)s)") % {"measure": label, "where": where}
    if node.measure in operators.MONEY:
        given = node.value if isinstance(node.value, tuple) else (node.value,)
        # Read as whole minor units.
        values = [money.display(cast(int, one), criteria.catalogue.currency) for one in given]
    else:
        values = _values(node.value, {})
    return _compared(label, node.operator, values)


def _window(criteria: Criteria, where: Window) -> str:
    parts = []
    for key, ids in where.dimensions:
        dimension = criteria.catalogue.dimensions[key]
        names = dimension.names(ids[:MOST_NAMED])
        named = [names.get(one, one) for one in ids[:MOST_NAMED]]
        if more := len(ids) - MOST_NAMED:
            named += [ngettext("%(count)d more", "%(count)d more", more) % {"count": more}] if more > 0 else []
        parts.append(_("%(dimension)s: %(names)s") % {"dimension": dimension.label, "names": ", ".join(named)})
    if where.last_days is not None:
        days = where.last_days
        parts.append(ngettext("in the last %(days)d day", "in the last %(days)d days", days) % {"days": days})
    if where.first_day is not None:
        parts.append(_("from %(day)s") % {"day": _said(where.first_day, {})})
    if where.last_day is not None:
        parts.append(_("until %(day)s") % {"day": _said(where.last_day, {})})
    return ", ".join(parts)


def _values(value: Any, choices: dict[str, str | Promise]) -> list[str]:
    if value is None:
        return []
    given = value if isinstance(value, tuple) else (value,)
    said = [_said(one, choices) for one in given[:MOST_NAMED]]
    if (more := len(given) - MOST_NAMED) > 0:
        said.append(ngettext("%(count)d more", "%(count)d more", more) % {"count": more})
    return said


def _said(value: Any, choices: dict[str, str | Promise]) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, date):
        return formats.date_format(value, "DATE_FORMAT")
    if isinstance(value, str):
        return str(choices.get(value, value))
    return str(value)
