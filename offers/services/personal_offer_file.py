"""Tables of personal offers, read into one value a member: a line an item, or a line a member with a list in it.

Which of the two it is says the header: `items` or `thresholds` with lists in them are the second. Of the first, a
member's lines stand one below the other.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from loyalty import storable, tables
from offers.rules import personal_offer
from offers.rules.description import SEPARATOR, WORDS
from offers.rules.personal import RECEIPT
from offers.rules.problem import Problem

KINDS = {"product": "products", "group": "groups", "category": "categories", "threshold": RECEIPT}
WHOLE = ("starts_at", "ends_at", "acceptance_required", "channels", "rank")
OF_ITEMS = (
    "kind",
    "id",
    "external_id",
    "benefit_type",
    "size",
    "maximum_minor",
    "offer_reference",
    "item_starts_at",
    "item_ends_at",
    "amount_minor",
)
# A line an item or threshold.
FLAT = ("member", *OF_ITEMS, *WHOLE)
# A line a member.
NESTED = ("member", "mechanic", "items", "benefit_type", "thresholds", *WHOLE)
# Where a field of a member's value stands in a line of an item.
COLUMNS = {
    "benefit.type": "benefit_type",
    "benefit.size": "size",
    "benefit.maximum_minor": "maximum_minor",
    "benefit.offer_reference": "offer_reference",
    "starts_at": "item_starts_at",
    "ends_at": "item_ends_at",
}
WHOLE_NUMBERS = {"id", "size", "maximum_minor", "amount_minor", "rank"}
# Digits that are looked at: beyond every number that is taken, and beyond what a problem repeats of it.
MOST_DIGITS = 120


@dataclass
class Given:
    """One member's value as a file, or a machine, gives it; `lines` are where its items stand."""

    member: str
    line: int | None
    value: Any
    last_line: int | None = None
    lines: list[int] | None = None
    problems: list[Problem] = field(default_factory=list)

    def placed(self, found: Mapping[str, Any]) -> Problem:
        """Return the problem with its line, and its column where each item has a line."""
        place = str(found["field"])
        line = self.line
        if self.lines is not None and "[" in place and place.startswith(("items", "thresholds")):
            number, _bracket, rest = place.partition("[")[2].partition("]")
            line = self.lines[int(number)]
            name = rest.removeprefix(".")
            place = COLUMNS.get(name, name)
        return {**found, "field": place, "line": line}


def read(table: tables.Table, *, mechanic: str) -> Iterator[list[Given]]:
    """Yield the table's members, batch by batch, in its order. Raises InvalidTable for columns that make no sense."""
    waiting: list[tuple[int, dict[str, Any]]] = []
    for batch in table.batches:
        names = {column.name for column in batch.columns}
        is_nested = any(column.is_json and column.name in ("items", "thresholds") for column in batch.columns)
        _check_header(table, names, NESTED if is_nested else FLAT)
        rows = _rows(batch)
        if is_nested:
            yield [_nested(line, row) for line, row in rows]
            continue
        found = []
        for line, row in rows:
            if waiting and row.get("member") != waiting[0][1].get("member"):
                found.append(_flat(waiting, mechanic))
                waiting = []
            waiting.append((line, row))
        yield found
    if waiting:
        yield [_flat(waiting, mechanic)]


def _check_header(table: tables.Table, names: set[str], known: Sequence[str]) -> None:
    problems = [
        {"line": 1, "field": name, "code": "unknown_column", "message": personal_offer.unknown_column(name, known)}
        for name in sorted(names - set(known))
    ]
    if "member" not in names:
        problems.append(
            {"line": 1, "field": "member", "code": "missing_column", "message": personal_offer.missing_column("member")}
        )
    if problems:
        message = " ".join(str(one["message"]) for one in problems[:5])
        raise tables.InvalidTable(message, code="invalid_header", problems=problems)


def _rows(batch: tables.Batch) -> Iterator[tuple[int, dict[str, Any]]]:
    columns = [
        (column.name, [_json(text) for text in values.to_pylist()] if column.is_json else values.to_pylist())
        for column, values in zip(batch.columns, batch.values, strict=True)
    ]
    for n, line in enumerate(batch.lines.to_pylist()):
        # An empty cell is not given. A name may be two columns: of texts and of lists.
        yield line, {name: values[n] for name, values in columns if values[n] not in (None, "")}


def _json(text: str | None) -> Any:
    return json.loads(text) if text else None


def _nested(line: int, row: Mapping[str, Any]) -> Given:
    value = {name: _cell(name, one) for name, one in row.items() if name != "member"}
    return Given(_member(row), line, value, last_line=line)


def _flat(rows: Sequence[tuple[int, Mapping[str, Any]]], mechanic: str) -> Given:
    """Make one value of a member's lines: what is of the whole stands in the first, or in all of them alike."""
    first, head = rows[0]
    is_receipt = mechanic == RECEIPT
    whole = (*WHOLE, "benefit_type") if is_receipt else WHOLE
    value: dict[str, Any] = {name: _cell(name, head[name]) for name in whole if name in head}
    given = Given(_member(head), first, value, last_line=rows[-1][0], lines=[line for line, _row in rows])
    parts = []
    for line, row in rows:
        kind = row.get("kind")
        # A list or an object, as JSONL may have it, is no key to look for.
        if kind is not None and (not isinstance(kind, str) or KINDS.get(kind) != mechanic):
            given.problems.append(personal_offer.wrong_kind(kind, mechanic, KINDS) | {"field": "kind", "line": line})
        given.problems += [
            personal_offer.differs(row[name], first) | {"field": name, "line": line}
            for name in whole
            if name in row and row[name] != head.get(name)
        ]
        parts.append(_threshold(row) if is_receipt else _item(row))
    value["thresholds" if is_receipt else "items"] = parts
    return given


def _member(row: Mapping[str, Any]) -> str:
    return str(row.get("member") or "")


def _threshold(row: Mapping[str, Any]) -> dict[str, Any]:
    # What belongs to items only is handed on, so that it is refused by its name.
    names = ("amount_minor", "size", "maximum_minor", "id", "external_id", "offer_reference")
    dated = {"item_starts_at", "item_ends_at"}
    return {name: _cell(name, row[name]) for name in row if name in names or name in dated}


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    item = {
        name.removeprefix("item_"): _cell(name, row[name])
        for name in ("id", "external_id", "amount_minor", "item_starts_at", "item_ends_at")
        if name in row
    }
    benefit = {
        "type" if name == "benefit_type" else name: _cell(name, row[name])
        for name in ("benefit_type", "size", "maximum_minor", "offer_reference")
        if name in row
    }
    return {**item, "benefit": benefit}


def _cell(name: str, given: Any) -> Any:
    """Return a cell as JSON has it; what is not of its type stays text, so that it is refused by its name."""
    if not isinstance(given, str):
        return given
    if name == "channels":
        return [entry.strip() for entry in given.split(SEPARATOR) if entry.strip()]
    if name == "acceptance_required":
        return WORDS.get(given.lower(), given)
    if name in WHOLE_NUMBERS and given.removeprefix("-").isdecimal() and given.isascii():
        return _whole(given)
    return given


def _whole(given: str) -> int:
    # Python reads no number of thousands of digits; one that long is too large by its first digits.
    size = int(given.removeprefix("-").lstrip("0")[:MOST_DIGITS] or "0")
    return -size if given.startswith("-") else size


def of_json(values: Sequence[Any]) -> list[Given]:
    """Return what a machine sent: objects with `member` and the fields of the attribute."""
    found = []
    for n, value in enumerate(values, start=1):
        if not isinstance(value, Mapping):
            found.append(Given("", n, value, last_line=n))
            continue
        member = value.get("member")
        rest = {name: one for name, one in value.items() if name != "member"}
        given = Given(member if isinstance(member, str) else "", n, rest, last_line=n)
        if unstorable := storable.problems(dict(value)):
            # What a file holds, its reader has looked at.
            given.member, given.value = storable.UNSTORABLE.sub("\ufffd", given.member), None
            given.problems += [{"field": place, "code": code, "line": n} for place, code, _message in unstorable]
        if member is not None and not isinstance(member, str):
            given.problems.append(personal_offer.not_text(member) | {"field": "member", "line": n})
        found.append(given)
    return found


def opened(file: IO[bytes], file_name: str) -> tuple[tables.Table, tables.Problems]:
    """Return the table in a file. Raises InvalidTable and TableTooLarge for what is none."""
    problems = tables.Problems()
    return tables.read(file=file, file_name=file_name, problems=problems), problems
