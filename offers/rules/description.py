"""What the rules look like from outside: JSON Schema and file columns, read from the models (B-15)."""

from collections.abc import Iterable, Mapping
from typing import Any

from offers.rules.field import Field
from offers.rules.rule import KINDS, Rule

# Between the entries of a list in one cell of a file.
SEPARATOR = ";"
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def ordered(kinds: Iterable[str]) -> list[str]:
    """Return the kinds in form order, each once; a kind that does not exist is a KeyError."""
    wanted = set(kinds)
    if unknown := wanted - KINDS.keys():
        raise KeyError(f"no such rule kinds: {', '.join(sorted(unknown))}")
    return [kind for kind in KINDS if kind in wanted]


def fields(kind: str) -> list[Field]:
    """Return the descriptions of a kind's parameters."""
    return KINDS[kind].fields()


def schema(kinds: Iterable[str], *, optional: Iterable[str] = ()) -> dict[str, Any]:
    """Return the JSON Schema of an object keyed by rule kind; `kinds` are required."""
    required = ordered(kinds)
    properties = {kind: _schema_of(KINDS[kind]) for kind in ordered({*required, *optional})}
    # What a rule refers to is looked for at the root.
    named = {name: part for value in properties.values() for name, part in value.pop("$defs", {}).items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **({"$defs": named} if named else {}),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _schema_of(rule: type[Rule]) -> dict[str, Any]:
    value = rule.model_json_schema()
    value["title"], value["description"] = str(rule.label), str(rule.help)
    for field in rule.fields():
        value["properties"][field.name]["title"] = str(field.label)
        if field.help:
            value["properties"][field.name]["description"] = str(field.help)
    return {**value, **rule.schema_extra}


def columns(kinds: Iterable[str]) -> list[str]:
    """Return the header of a file that gives these rules: `benefit.type`, `benefit.size`, …"""
    return [f"{kind}.{field.name}" for kind in ordered(kinds) for field in fields(kind)]


def from_row(row: Mapping[str, str | None], kinds: Iterable[str]) -> dict[str, Any]:
    """Return the terms in a file's row, to be parsed; units are those of the JSON value (money in minor units).

    An empty cell is not given, and a rule whose cells are all empty is not given either. Lists are separated
    by semicolons. What is not of its type stays text, so that `parse` names it.
    """
    terms: dict[str, Any] = {}
    for kind in ordered(kinds):
        cells = {field.name: _cell(field, row.get(f"{kind}.{field.name}") or "") for field in fields(kind)}
        if given := {name: value for name, value in cells.items() if value is not None}:
            terms[kind] = given
    return terms


def _cell(field: Field, text: str) -> Any:
    text = text.strip()
    if not text:
        return None
    if field.type == "list":
        return [entry.strip() for entry in text.split(SEPARATOR) if entry.strip()]
    if field.type == "boolean":
        return WORDS.get(text.lower(), text)
    if field.type == "integer" and text.lstrip("-").isdecimal() and text.isascii() and len(text) < 30:
        try:
            return int(text)
        except ValueError:
            return text
    return text
