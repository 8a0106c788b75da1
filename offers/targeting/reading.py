"""From JSON to a checked criteria tree: strict, bounded, and with every problem named at once.

An empty root is refused, because it would silently mean everybody: all members are asked for by
`{"op": "and", "items": [], "all_members": true}`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty import money
from offers.rules.problem import shown_text
from offers.targeting import contradiction, operators, problem, values
from offers.targeting.catalogue import Catalogue, Field
from offers.targeting.criteria import (
    Comparison,
    Criteria,
    Group,
    History,
    Listed,
    Node,
    Saved,
    Share,
    Value,
    Window,
    child,
)
from offers.targeting.problem import InvalidCriteria, Problem
from offers.targeting.values import Refused

MOST_LEVELS = 8
MOST_CONDITIONS = 200
# Each one reads the purchases, assignments or redemptions once more.
MOST_HISTORY_CONDITIONS = 20
# What a part of a condition is called in sentences.
PARTS = {
    "last_days": gettext_lazy("Days of the period"),
    "from": gettext_lazy("First day of the period"),
    "to": gettext_lazy("Last day of the period"),
    "random_percent": gettext_lazy("Random share in percent"),
    "key": gettext_lazy("Key of the random share"),
}


def parse(tree: Any, catalogue: Catalogue, *, saving: int | None = None) -> Criteria:
    """Return the criteria in the tree. `saving` is the id of the targeting whose criteria they shall become, if any.

    Raises InvalidCriteria with all problems; nothing beyond the limits of depth and size is looked at.
    """
    reader = _Reader(catalogue, saving)
    root = reader.node(tree, "", 1)
    if reader.conditions > MOST_CONDITIONS:
        message = _("There are more than %(limit)s conditions. Use fewer, or a list of values.")
        reader.problems.insert(0, problem.at("", "too_many_conditions", message % {"limit": MOST_CONDITIONS}))
    elif reader.history_conditions > MOST_HISTORY_CONDITIONS:
        message = _("There are more than %(limit)s conditions on purchases and offers. Use fewer, or longer lists.")
        reader.problems.append(problem.at("", "too_many_of_history", message % {"limit": MOST_HISTORY_CONDITIONS}))
    if root is not None and not reader.problems:
        reader.problems += contradiction.problems(root)
    if reader.problems or root is None:
        raise InvalidCriteria(reader.problems)
    return Criteria(root=root, catalogue=catalogue)


class _Reader:
    """Collects the problems of one tree while reading it."""

    def __init__(self, catalogue: Catalogue, saving: int | None) -> None:
        self.catalogue = catalogue
        self.problems: list[Problem] = []
        self.conditions = 0
        self.history_conditions = 0
        # The saved targetings that are being read, outermost first. What it was until now does not matter to the one
        # that is being saved: it may not be named by what it will mean.
        self.within: list[int] = [] if saving is None else [saving]

    def refuse(self, path: str, code: str, message: str, value: Any = None) -> None:
        self.problems.append(problem.at(path, code, message, value))

    def node(self, tree: Any, path: str, level: int) -> Node | None:
        """Read a group or a leaf; None when it has a problem."""
        if not isinstance(tree, Mapping):
            message = _("%(value)s is not an object. Give a group or a condition.") % {"value": shown_text(tree)}
            self.refuse(path, "not_an_object", message, tree)
            return None
        if "op" in tree or "items" in tree:
            return self.group(tree, path, level)
        self.conditions += 1
        if self.conditions > MOST_CONDITIONS:
            return None
        if "field" in tree:
            return self.comparison(tree, path)
        if subject := next((one for one in operators.MEASURES if one in tree), None):
            self.history_conditions += 1
            return self.history(tree, path, subject)
        if "random_percent" in tree:
            return self.share(tree, path)
        if "list" in tree:
            return self.listed(tree, path)
        if "targeting" in tree:
            return self.saved(tree, path, level)
        message = _(
            "This is neither a group nor a condition. Give “op” and “items”, or one of: field, purchases, assignments, "
            "redemptions, random_percent, list, targeting."
        )
        self.refuse(path, "unknown_node", message)
        return None

    def known_keys(self, tree: Mapping[str, Any], path: str, keys: tuple[str, ...]) -> None:
        for key in tree:
            if key not in keys:
                words = {"key": shown_text(str(key)), "keys": ", ".join(keys)}
                self.refuse(
                    _under(path, str(key)), "unknown_key", _("%(key)s is not known here. Use: %(keys)s.") % words, key
                )

    def group(self, tree: Mapping[str, Any], path: str, level: int) -> Group | None:
        keys = ("op", "not", "items") if path else ("op", "not", "items", "all_members")
        self.known_keys(tree, path, keys)
        if level > MOST_LEVELS:
            message = _("Groups are nested too deep. Use at most %(limit)s levels.") % {"limit": MOST_LEVELS}
            self.refuse(path, "too_deep", message)
            return None
        op, negated, items = tree.get("op"), tree.get("not", False), tree.get("items")
        if op not in ("and", "or"):
            message = _("%(value)s does not join conditions. Use “and” or “or”.") % {"value": shown_text(op)}
            self.refuse(_under(path, "op"), "unknown_op", message, op)
        if not isinstance(negated, bool):
            message = _("“not” is %(value)s. Give true or false.") % {"value": shown_text(negated)}
            self.refuse(_under(path, "not"), "not_yes_or_no", message, negated)
        if not isinstance(items, list):
            message = _("The group's “items” is %(value)s. Give a list of conditions.") % {"value": shown_text(items)}
            self.refuse(_under(path, "items"), "not_a_list", message, items)
            return None
        everyone = tree.get("all_members", False)
        if everyone is not False and (everyone is not True or items or op != "and" or negated):
            message = _("“all_members” is true only for an “and” without conditions and without “not”. Leave it out.")
            self.refuse(_under(path, "all_members"), "not_all_members", message, everyone)
        elif not items and everyone is not True:
            self.refuse(path, "empty_group", _empty(path), None)
        found = []
        for place, item in enumerate(items):
            if self.conditions > MOST_CONDITIONS:
                break
            found.append(self.node(item, child(path, place), level + 1))
        if any(item is None for item in found) or op not in ("and", "or") or not isinstance(negated, bool):
            return None
        return Group(op=op, items=tuple(item for item in found if item is not None), negated=negated)

    def comparison(self, tree: Mapping[str, Any], path: str) -> Comparison | None:
        self.known_keys(tree, path, ("field", "is", "value"))
        key = tree["field"]
        field = self.catalogue.fields.get(key) if isinstance(key, str) else None
        if key in (None, ""):
            message = _("What is this condition about? Choose a field, or remove the condition.")
            self.refuse(_under(path, "field"), "missing_field", message, key)
            return None
        if field is None:
            message = _("There is no field %(value)s. Choose one of the catalogue.") % {"value": shown_text(key)}
            self.refuse(_under(path, "field"), "unknown_field", message, key)
            return None
        operator = self.operator(tree, path, str(field.label), operators.BY_TYPE[field.type])
        if operator is None:
            return None
        value = self.value(tree, path, str(field.label), operator, _reader_of(field))
        return Comparison(field, operator, value) if value is not _BAD else None

    def history(self, tree: Mapping[str, Any], path: str, subject: str) -> History | None:
        self.known_keys(tree, path, (subject, "where", "is", "value"))
        measure, measures = tree[subject], operators.MEASURES[subject]
        if not isinstance(measure, str) or measure not in measures:
            words = {"value": shown_text(measure), "measures": ", ".join(measures)}
            message = _("%(value)s is not measured. Use one of: %(measures)s.") % words
            self.refuse(_under(path, subject), "unknown_measure", message, measure)
            return None
        where = self.window(tree.get("where", {}), _under(path, "where"), subject)
        label = str(measures[measure])
        operator = self.operator(tree, path, label, operators.by_measure(measure))
        if operator is None:
            return None
        value = self.value(tree, path, label, operator, _measure_reader(measure, operator, self.catalogue.currency))
        return History(subject, measure, where, operator, value) if where is not None and value is not _BAD else None

    def share(self, tree: Mapping[str, Any], path: str) -> Share | None:
        self.known_keys(tree, path, ("random_percent", "key"))
        percent = self.part(tree, path, "random_percent", values.percent)
        key = self.part(tree, path, "key", values.text)
        if tree.get("key") is None:
            message = _("The random share has no “key”. Give the campaign's id: the same key means the same members.")
            self.refuse(_under(path, "key"), "missing_value", message)
        return Share(percent, key) if percent is not None and key is not None else None

    def listed(self, tree: Mapping[str, Any], path: str) -> Listed | None:
        self.known_keys(tree, path, ("list",))
        list_id = tree["list"]
        if list_id is None:
            message = _("Which list is meant? Choose one, or remove the condition.")
            self.refuse(_under(path, "list"), "missing_value", message)
            return None
        name = self.catalogue.member_list(list_id) if _is_id(list_id, 2**63) else None
        if name is None:
            message = _("There is no list %(value)s. Choose another one, or upload it.")
            self.refuse(_under(path, "list"), "unknown_list", message % {"value": shown_text(list_id)}, list_id)
            return None
        return Listed(list_id, name)

    def saved(self, tree: Mapping[str, Any], path: str, level: int) -> Saved | None:
        self.known_keys(tree, path, ("targeting", "version"))
        targeting_id, version = tree["targeting"], tree.get("version")
        if targeting_id is None:
            message = _("Which audience is meant? Choose one, or remove the condition.")
            self.refuse(_under(path, "targeting"), "missing_value", message, None)
            return None
        known = _is_id(targeting_id, 2**63) and (version is None or _is_id(version, 2**31))
        found = self.catalogue.targeting(targeting_id, version) if known else None
        path = _under(path, "targeting")
        if found is None:
            message = _("There is no audience %(value)s in use. Choose another one.")
            self.refuse(path, "unknown_targeting", message % {"value": shown_text(targeting_id)}, targeting_id)
            return None
        name = found.name
        if targeting_id in self.within:
            message = _("“%(name)s” means itself in the end. Leave it out here, or there.") % {"name": name}
            self.refuse(path, "targeting_of_itself", message, targeting_id)
            return None
        self.within.append(targeting_id)
        before = len(self.problems)
        # It counts with its conditions and levels, as if it were written here.
        node = self.node(found.tree, "", level + 1)
        self.within.pop()
        if len(self.problems) > before:
            inner = self.problems[before:]
            del self.problems[before:]
            codes = {one["code"] for one in inner}
            code = (
                codes.pop() if codes <= {"targeting_of_itself", "too_deep"} and len(codes) == 1 else "targeting_broken"
            )
            message = _("“%(name)s” cannot be used: %(message)s") % {"name": name, "message": inner[0]["message"]}
            self.refuse(path, code, message, targeting_id)
            return None
        return Saved(targeting_id, found.version, name, node) if node is not None else None

    def operator(self, tree: Mapping[str, Any], path: str, label: str, allowed: tuple[str, ...]) -> str | None:
        operator = tree.get("is")
        if isinstance(operator, str) and operator in allowed:
            return operator
        words = {"label": label, "value": shown_text(operator), "operators": ", ".join(allowed)}
        message = _("%(label)s: %(value)s does not compare it. Use one of: %(operators)s.") % words
        self.refuse(_under(path, "is"), "unknown_operator", message, operator)
        return None

    def value(
        self, tree: Mapping[str, Any], path: str, label: str, operator: str, read: Callable[[Any], Any]
    ) -> Value | Any:
        """Read the value that the operator takes; `_BAD` when it has a problem."""
        path = _under(path, "value")
        if operator in operators.WITHOUT_VALUE:
            if tree.get("value") is not None:
                message = _("%(label)s: this comparison takes no value. Leave it out.") % {"label": label}
                self.refuse(path, "unexpected_value", message, tree["value"])
                return _BAD
            return None
        if tree.get("value") is None:
            self.refuse(path, "missing_value", _("%(label)s: a value is missing. Give one.") % {"label": label})
            return _BAD
        given = tree["value"]
        try:
            if operator in operators.WITH_LIST:
                return values.several(given, read)
            if operator == "between":
                return values.pair(given, read)
            if operator in operators.WITH_DAYS:
                return values.whole(minimum=0, maximum=values.MOST_DAYS)(given)
            return read(given)
        except Refused as refused:
            self.refused(refused, path, label)
            return _BAD

    def refused(self, refused: Refused, path: str, label: str) -> None:
        place = "" if refused.place is None else f"[{refused.place}]"
        message = _("%(label)s: %(text)s") % {"label": label, "text": refused.text}
        self.refuse(path + place, refused.code, message, refused.value)

    def window(self, tree: Any, path: str, subject: str) -> Window | None:
        """Read what of the history counts."""
        before = len(self.problems)
        if not isinstance(tree, Mapping):
            message = _("%(value)s does not narrow what counts. Give an object.") % {"value": shown_text(tree)}
            self.refuse(path, "not_an_object", message, tree)
            return None
        known = self.catalogue.dimensions_of(subject)
        self.known_keys(tree, path, (*known, "last_days", "from", "to"))
        dimensions = []
        for key, dimension in known.items():
            if key not in tree:
                continue
            try:
                ids = values.several(tree[key], values.text)
            except Refused as refused:
                self.refused(refused, _under(path, key), str(dimension.label))
                continue
            dimensions.append((key, ids))
            names = dimension.names(ids)
            if unknown := [one for one in ids if one not in names]:
                words = {"label": dimension.label, "ids": ", ".join(unknown[:5])}
                message = _("%(label)s: nothing here has this external id: %(ids)s. Check it, or import it first.")
                self.refuse(_under(path, key), "unknown_id", message % words, unknown[0])
        days = self.part(tree, path, "last_days", values.whole(minimum=0, maximum=values.MOST_DAYS))
        first, last = (self.part(tree, path, key, values.day) for key in ("from", "to"))
        if days is not None and (first is not None or last is not None):
            message = _("The period is given by days and by dates. Give either “last_days” or “from” and “to”.")
            self.refuse(_under(path, "last_days"), "two_periods", message, days)
        if first is not None and last is not None and first > last:
            message = _("The period ends before it starts. Turn “from” and “to” round.")
            self.refuse(_under(path, "to"), "ends_reversed", message, tree["to"])
        if len(self.problems) > before:
            return None
        return Window(dimensions=tuple(dimensions), last_days=days, first_day=first, last_day=last)

    def part(self, tree: Mapping[str, Any], path: str, key: str, read: Callable[[Any], Any]) -> Any:
        if tree.get(key) is None:
            return None
        try:
            return read(tree[key])
        except Refused as refused:
            self.refused(refused, _under(path, key), str(PARTS[key]))
            return None


_BAD: Any = object()


def _is_id(value: Any, beyond: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < beyond


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _empty(path: str) -> str:
    if path:
        return _("This group has no conditions. Add one, or remove the group.")
    return _("There are no conditions. Add one, or say “all_members”: true to mean everybody.")


def _reader_of(field: Field) -> Callable[[Any], Any]:
    if field.type == "choice":
        return values.choice(field)
    return {
        "text": values.text,
        "list": values.text,
        "number": values.number,
        "boolean": values.boolean,
        "date": values.day,
        "moment": values.day,
    }[field.type]


def _measure_reader(measure: str, operator: str, currency: str) -> Callable[[Any], Any]:
    if measure in operators.DAYS:
        return values.day
    least = operators.smallest(measure, operator)
    least = -values.LARGEST if least is None else least
    if measure not in operators.MONEY:
        return values.whole(minimum=least)

    def said(bound: int) -> str:
        # A machine gives minor units; a page shows the money.
        words = {"minor": bound, "amount": money.display(bound, currency)}
        return _("%(minor)s, which is %(amount)s") % words

    whole = values.whole(minimum=least, said=said)

    def read(value: Any) -> int:
        # The builder sends as it was typed what it could not turn into minor units.
        if isinstance(value, str):
            try:
                money.read(value, currency)
            except money.Unreadable as error:
                raise Refused(error.code, str(error), value) from error
        return whole(value)

    return read
