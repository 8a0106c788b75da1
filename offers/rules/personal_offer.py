"""A member's personal offer attribute: the parameters of one offer for her, as they are given (S1-03, S1-07..16).

Ids are told apart and never guessed: `external_id` is the shop's own, `id` this system's. `read` checks all that can be
said of one value alone; what needs the programme (products, channels, the clock) is checked against what was looked up.
What comes out are the terms of an assignment, keyed by rule.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, TypeVar
from zoneinfo import ZoneInfo

from annotated_types import Ge, Le
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic import Field as Constraints

from offers.rules import moment, problem
from offers.rules.channels import Code
from offers.rules.external_id import UNIQUE, ExternalId
from offers.rules.personal import (
    MECHANICS,
    MOST_ITEMS,
    MOST_THRESHOLDS,
    Dated,
    ItemBenefit,
    Mechanic,
    Threshold,
    contents,
)
from offers.rules.problem import Problem

Model = TypeVar("Model", bound=BaseModel)
# By mechanic: what an unknown id is called.
UNKNOWN = {"products": "unknown_product", "groups": "unknown_group", "categories": "unknown_category"}
LARGEST_ID = 2**63 - 1
# What stands in for the rest of an item of which a part is read.
SOME_BENEFIT: dict[str, Any] = {"benefit": {"type": "percent", "size": 1}}
SOME_COUPON: dict[str, Any] = {"type": "coupon", "size": 1}
LARGEST_RANK = 2**31 - 1


class GivenItem(Dated):
    """A product, group or category by one of its two ids, with its benefit and perhaps a period of its own."""

    id: Annotated[int, Ge(1), Le(LARGEST_ID)] | None = None
    external_id: ExternalId | None = None
    benefit: ItemBenefit

    def misfits(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Exactly one id is given."""
        yield from super().misfits()
        if self.id is None and self.external_id is None:
            yield "external_id", "no_id", {}
        elif self.id is not None and self.external_id is not None:
            yield "id", "two_ids", {}

    @property
    def key(self) -> tuple[str, int | str]:
        """Return which id it is, and the id."""
        return ("id", self.id) if self.id is not None else ("external_id", self.external_id or "")


class PersonalOffer(Dated):
    """One member's parameters: items or thresholds, the period, acceptance, channels, rank."""

    mechanic: Mechanic | None = None
    items: Annotated[tuple[GivenItem, ...], Constraints(strict=False, max_length=MOST_ITEMS)] = ()
    benefit_type: Literal["percent", "amount", "bonus_points"] | None = None
    thresholds: Annotated[tuple[Threshold, ...], Constraints(strict=False, max_length=MOST_THRESHOLDS)] = ()
    # Whether she has to accept it (S1-15); without: as the offer says.
    acceptance_required: bool | None = None
    # Where she is told of it (S1-20); without: as the offer says.
    channels: Annotated[tuple[Code, ...], Constraints(max_length=50), *UNIQUE] = ()
    # Lower stands first (D-16); without: as the offer says.
    rank: Annotated[int, Ge(-LARGEST_RANK), Le(LARGEST_RANK)] | None = None

    # What a member's lines of a table say together, once.
    WHOLE: ClassVar[tuple[str, ...]] = (
        "starts_at",
        "ends_at",
        "acceptance_required",
        "channels",
        "rank",
        "benefit_type",
    )

    def misfits(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """The parts fit the mechanic, no id comes twice, and either the whole or its items have a period."""
        yield from super().misfits()
        yield from contents(self.mechanic, self.items, self.benefit_type, self.thresholds, is_given=True)
        seen: set[tuple[str, int | str]] = set()
        for n, item in enumerate(self.items):
            if item.key in seen:
                yield f"items[{n}].{item.key[0]}", "twice", {}
            seen.add(item.key)
            if self.is_dated and item.is_dated:
                field = "starts_at" if item.starts_at else "ends_at"
                yield f"items[{n}].{field}", "two_periods", {}

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON value; what is not given is left out."""
        value = self.model_dump(mode="json", exclude_none=True)
        return {name: one for name, one in value.items() if one != []}


_ADAPTER = TypeAdapter(PersonalOffer)
_FIELDS = {
    "items": GivenItem,
    "benefit": ItemBenefit,
    "thresholds": Threshold,
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the attribute, with what its checks say as far as a schema can."""
    value = _ADAPTER.json_schema()
    item = value["$defs"]["GivenItem"]
    item["oneOf"] = [
        {"required": [one], "properties": {one: {"not": {"type": "null"}}, other: {"type": "null"}}}
        for one, other in (("id", "external_id"), ("external_id", "id"))
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **value}


def read(value: Any, *, mechanic: str) -> tuple[PersonalOffer | None, list[Problem]]:
    """Return the checked attribute, or None and every problem: code, field (`items[3].benefit.size`), value, message.

    `mechanic` is the offer's; the value may repeat it, and may not say another one.
    """
    if not isinstance(value, Mapping):
        return None, [_problem("", "not_an_object", value, fields=_named(PersonalOffer))]
    said = value.get("mechanic")
    problems: list[Problem] = []
    if said is not None and said != mechanic:
        problems.append(_problem("mechanic", "wrong_mechanic", said, mechanic=_label(mechanic)))
    try:
        given = _ADAPTER.validate_python({**value, "mechanic": mechanic})
    except ValidationError as error:
        return None, problems + list(_translated(error))
    return (None, problems) if problems else (given, [])


def _translated(error: ValidationError) -> Iterator[Problem]:
    for found in error.errors(include_url=False):
        context = found.get("ctx", {})
        location = found["loc"]
        if found["type"] == "misfits":
            for field, code, parameters in context["misfits"]:
                yield _problem(problem.below(location, field), code, problem.at(found["input"], field), **parameters)
            continue
        code = problem.CODES.get(found["type"], found["type"])
        parameters = {}
        limit = context.get("ge", context.get("le", context.get("max_length")))
        if limit is not None:
            parameters["limit"] = limit
        if found["type"] not in problem.CODES:
            parameters["text"] = found["msg"]
        if code == "unknown_choice":
            parameters["choices"] = context["expected"].replace("'", "").replace(" or ", ", ")
        if code in ("unknown_field", "not_an_object"):
            above = location[:-1] if code == "unknown_field" else location
            names = [step for step in above if isinstance(step, str)]
            parameters["fields"] = _named(_FIELDS.get(names[-1], PersonalOffer) if names else PersonalOffer)
        yield _problem(problem.place(location), code, None if code == "missing" else found["input"], **parameters)


def _named(model: Any) -> str:
    return ", ".join(model.model_fields)


def _label(mechanic: str) -> str:
    return str(dict(MECHANICS)[mechanic])


def _problem(field: str, code: str, value: Any = None, **parameters: Any) -> Problem:
    seen = problem.shown(value)
    message = problem.sentence(code, "", "", seen, parameters)
    return {"code": code, "field": field, "value": seen, "message": message, "parameters": parameters}


def unknown_column(name: str, known: Sequence[str]) -> str:
    """Say that a table's header has a column that means nothing here."""
    return str(problem.SENTENCES["unknown_column"]) % {"value": problem.shown_text(name), "fields": ", ".join(known)}


def missing_column(name: str) -> str:
    """Say that a table's header lacks a column."""
    return str(problem.SENTENCES["missing_column"]) % {"value": problem.shown_text(name)}


def wrong_kind(kind: str, mechanic: str, kinds: Mapping[str, str]) -> Problem:
    """Return the problem of a line for something else than the offer is on."""
    named = next(one for one, on in kinds.items() if on == mechanic)
    return _problem("kind", "wrong_kind", kind, kind=named)


def differs(value: Any, first: int) -> Problem:
    """Return the problem of a line that says something else of the whole than the member's first line."""
    return _problem("", "differs", value, first=first)


def not_text(value: Any) -> Problem:
    """Return the problem of a member who is not named by a text."""
    return _problem("member", "not_text", value)


def unknown_member(external_id: str) -> Problem:
    """Return the problem of a member whom the programme does not have."""
    return _problem("member", "unknown_member", external_id)


def no_member() -> Problem:
    """Return the problem of a line that names nobody."""
    return _problem("member", "missing")


def unreadable_beside() -> Problem:
    """Return the problem of lines beside one that cannot be read, and may be the same member's."""
    return _problem("", "unreadable_beside")


def again(found: Mapping[str, Any]) -> str:
    """Say a problem that was kept, in the active language."""
    return problem.sentence(found["code"], "", "", found.get("value"), found.get("parameters") or {})


@dataclass(frozen=True)
class Readable:
    """What can be read of a value, whatever else is wrong with it: so that every problem is named at once.

    Of an item that is faulty that is what is right in it: its id, its coupon's offer, its period.
    """

    keys: Sequence[tuple[int, tuple[str, int | str]]]
    coupons: Sequence[tuple[int, str]]
    periods: Sequence[tuple[int, Dated]]
    channels: Sequence[tuple[int, str]]
    whole: Dated | None


def readable(value: Any, given: PersonalOffer | None) -> Readable:
    """Return what can be looked up of a value: of a checked one all, of another what is right in itself."""
    if given is not None:
        items = list(enumerate(given.items))
        return Readable(
            [(n, item.key) for n, item in items],
            [(n, one) for n, item in items if (one := item.benefit.offer_reference) is not None],
            list(items),
            list(enumerate(given.channels)),
            given,
        )
    value = value if isinstance(value, Mapping) else {}
    listed, channels = value.get("items"), value.get("channels")
    parts = [(n, one) for n, one in enumerate(listed if isinstance(listed, list) else ()) if isinstance(one, Mapping)]
    benefits = [(n, one["benefit"]) for n, one in parts if isinstance(one.get("benefit"), Mapping)]
    return Readable(
        [(n, item.key) for n, one in parts if (item := _part(GivenItem, one, "id", "external_id", **SOME_BENEFIT))],
        [
            (n, coupon.offer_reference)
            for n, one in benefits
            if (coupon := _part(ItemBenefit, one, "offer_reference", **SOME_COUPON)) and coupon.offer_reference
        ],
        [(n, dated) for n, one in parts if (dated := _part(Dated, one, "starts_at", "ends_at"))],
        [(n, code) for n, code in enumerate(channels if isinstance(channels, list) else ()) if isinstance(code, str)],
        _part(Dated, value, "starts_at", "ends_at"),
    )


def _part(model: type[Model], value: Mapping[Any, Any], *names: str, **beside: Any) -> Model | None:
    """Read some fields of a value, with something right beside them; None where these fields themselves are wrong."""
    return _read_or_none(model, {name: value[name] for name in names if value.get(name) is not None} | beside)


def _read_or_none(model: type[Model], value: Any) -> Model | None:
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


def missing_ids(
    found: Readable, known: Mapping[tuple[str, int | str], tuple[str, str]], *, mechanic: str
) -> list[Problem]:
    """Return a problem for each id that is not among the known ones, and for two ids of the same thing."""
    problems = []
    seen: dict[str, tuple[str, int | str]] = {}
    for n, key in found.keys if mechanic in UNKNOWN else ():
        thing = known.get(key)
        place = f"items[{n}].{key[0]}"
        if thing is None:
            problems.append(_problem(place, UNKNOWN[mechanic], key[1]))
        elif seen.setdefault(thing[0], key) != key:
            # By its other id; the same id twice shows in the value alone.
            problems.append(_problem(place, "twice", key[1]))
    return problems


def missing_coupons(found: Readable, known: Mapping[str, str]) -> list[Problem]:
    """Return a problem for each coupon of an offer that is not among the known ones."""
    return [
        _problem(f"items[{n}].benefit.offer_reference", "unknown_offer", reference)
        for n, reference in found.coupons
        if reference not in known
    ]


def missing_channels(found: Readable, known: Sequence[str]) -> list[Problem]:
    """Return a problem for each channel that is not among the known ones."""
    return [
        _problem(f"channels[{n}]", "unknown_channel", code, choices=", ".join(known))
        for n, code in found.channels
        if code not in known
    ]


def overdue(found: Readable, *, now: datetime, zone: ZoneInfo) -> list[Problem]:
    """Return a problem for each end that is over, and each period that the zone shows to be backwards."""
    problems = []
    for place, one in [("", found.whole), *((f"items[{n}].", item) for n, item in found.periods)]:
        if one is None or one.ends_at is None:
            continue
        ends_at = moment.end(one.ends_at, zone)
        if ends_at <= now:
            problems.append(_problem(f"{place}ends_at", "over", one.ends_at.isoformat()))
        elif one.starts_at is not None and ends_at <= moment.begin(one.starts_at, zone):
            problems.append(_problem(f"{place}ends_at", "ends_before_start", one.ends_at.isoformat()))
    return problems


def terms(
    given: PersonalOffer, *, known: Mapping[tuple[str, int | str], tuple[str, str]], zone: ZoneInfo
) -> dict[str, Any]:
    """Return the rules that an assignment carries for the attribute, canonical; `known` says external id and name."""
    personal: dict[str, Any] = {"mechanic": given.mechanic}
    if given.thresholds:
        personal["benefit_type"] = given.benefit_type
        personal["thresholds"] = [one.model_dump(mode="json", exclude_none=True) for one in given.thresholds]
    else:
        personal["items"] = [_item(item, *known[item.key]) for item in given.items]
    made: dict[str, Any] = {"personal": personal}
    if period := _period(given, zone):
        made["validity"] = period
    if given.channels:
        made["channels"] = {"channels": list(given.channels)}
    if given.acceptance_required is not None:
        made["acceptance"] = {"required": given.acceptance_required}
    return made


def _item(item: GivenItem, external_id: str, name: str) -> dict[str, Any]:
    value = item.model_dump(mode="json", exclude_none=True, exclude={"id", "external_id"})
    return {"external_id": external_id, **({"name": name[:200]} if name else {}), **value}


def _period(given: PersonalOffer, zone: ZoneInfo) -> dict[str, str]:
    """Return the period of the whole, or what the items' own periods span where each of them ends."""
    if given.is_dated:
        ends = {"starts_at": given.starts_at, "ends_at": given.ends_at}
    elif given.items and all(item.ends_at for item in given.items):
        last = max((item.ends_at for item in given.items if item.ends_at), key=lambda end: moment.end(end, zone))
        starts = [item.starts_at for item in given.items if item.starts_at]
        is_begun = len(starts) < len(given.items)
        first = None if is_begun else min(starts, key=lambda start: moment.begin(start, zone))
        ends = {"starts_at": first, "ends_at": last}
    else:
        return {}
    return {name: one.isoformat() for name, one in ends.items() if one is not None}


def digests(made: Mapping[str, Any], *, rank: int | None) -> tuple[str, str]:
    """Return what tells one set of terms from another: of all of it, and of benefit, products and period (D-14).

    Names do not count, nor the order of the items.
    """
    personal = dict(made["personal"])
    if "items" in personal:
        items = [{name: one for name, one in item.items() if name != "name"} for item in personal["items"]]
        personal["items"] = sorted(items, key=lambda item: item["external_id"])
    core = {"personal": personal, "validity": made.get("validity")}
    return _digest([{**made, **core}, rank]), _digest(core)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
