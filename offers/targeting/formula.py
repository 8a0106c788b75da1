"""A small closed language for numbers that follow from a member's attributes (S1-01, S1-05).

    min(30, max(5, loyalty_score / 10))

Numbers, names of numeric attributes, + - * /, brackets, `min`, `max` and `round`; read to a tree of these few nodes and
compiled to SQL with parameters. Nothing is evaluated as code anywhere. A value that is missing, or a division by zero,
makes the whole formula unknown.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.utils.translation import gettext as _

LONGEST = 200
# Deeper brackets than anybody reads; the reader calls itself for each.
DEEPEST = 20
MOST_DECIMALS = 6

TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[a-z][a-z0-9_.]*)|(?P<sign>[-+*/(),]))", re.ASCII)


class InvalidFormula(ValueError):
    """A text that is no formula: what is wrong, at which character, counted from 1, and what to do."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message, self.position = message, position


@dataclass(frozen=True)
class Number:
    value: Decimal


@dataclass(frozen=True)
class Name:
    """A numeric attribute."""

    name: str


@dataclass(frozen=True)
class Operation:
    """`sign` is one of + - * /, between two; a leading minus is 0 - x."""

    sign: str
    left: "Formula"
    right: "Formula"


@dataclass(frozen=True)
class Call:
    """`function` is `min` or `max` of one or more, or `round` of one to `decimals`."""

    function: str
    arguments: tuple["Formula", ...]
    decimals: int = 0


Formula = Number | Name | Operation | Call


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


def parse(text: str, names: Mapping[str, Any]) -> Formula:
    """Return the formula that a text is; `names` are the attributes it may speak of. Raises InvalidFormula."""
    if len(text) > LONGEST:
        message = _("The formula is too long. Use at most %(most)d characters.") % {"most": LONGEST}
        raise InvalidFormula(message, LONGEST + 1)
    reader = _Reader(list(_tokens(text)), names)
    found = reader.sum(0)
    reader.end()
    return found


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while text[place:].strip():
        match = TOKEN.match(text, place)
        if match is None:
            at = place + len(text[place:]) - len(text[place:].lstrip())
            message = _("“%(text)s” at character %(position)d is not understood. Use numbers, attributes, + - * /, ")
            message += _("brackets, min, max and round.")
            raise InvalidFormula(message % {"text": text[at], "position": at + 1}, at + 1)
        kind = str(match.lastgroup)
        yield _Token(kind, match[kind], match.start(kind) + 1)
        place = match.end()
    yield _Token("end", "", len(text) + 1)


class _Reader:
    """Reads tokens from left to right: sums of products of factors."""

    def __init__(self, tokens: list[_Token], names: Mapping[str, Any]) -> None:
        self.tokens, self.names, self.place = tokens, names, 0

    @property
    def next(self) -> _Token:
        return self.tokens[self.place]

    def take(self) -> _Token:
        self.place += 1
        return self.tokens[self.place - 1]

    def expect(self, sign: str) -> None:
        if self.next.text != sign:
            self.refuse(_("“%(sign)s” is missing") % {"sign": sign})
        self.take()

    def end(self) -> None:
        if self.next.kind != "end":
            self.refuse(_("“%(text)s” is one too many") % {"text": self.next.text})

    def refuse(self, message: str) -> None:
        where = _("%(message)s at character %(position)d.") % {"message": message, "position": self.next.position}
        raise InvalidFormula(where, self.next.position)

    def sum(self, depth: int) -> Formula:
        found = self.product(depth)
        while self.next.text in ("+", "-"):
            found = Operation(self.take().text, found, self.product(depth))
        return found

    def product(self, depth: int) -> Formula:
        found = self.factor(depth)
        while self.next.text in ("*", "/"):
            found = Operation(self.take().text, found, self.factor(depth))
        return found

    def factor(self, depth: int) -> Formula:
        if depth > DEEPEST:
            self.refuse(_("there are too many brackets within brackets"))
        token = self.next
        if token.text == "-":
            self.take()
            return Operation("-", Number(Decimal(0)), self.factor(depth + 1))
        if token.text == "(":
            self.take()
            found = self.sum(depth + 1)
            self.expect(")")
            return found
        if token.kind == "number":
            return Number(Decimal(self.take().text))
        if token.kind == "name":
            return self.named(depth)
        self.refuse(_("a number, an attribute or a bracket is missing"))
        raise AssertionError("unreachable")

    def named(self, depth: int) -> Formula:
        token = self.next
        if self.tokens[self.place + 1].text == "(":
            return self.call(depth)
        name = token.text.removeprefix("attribute.")
        if name not in self.names:
            known = ", ".join(sorted(self.names)[:10]) or _("none is defined")
            message = _("there is no numeric attribute “%(name)s” (there are: %(known)s)")
            self.refuse(message % {"name": token.text, "known": known})
        self.take()
        return Name(name)

    def call(self, depth: int) -> Formula:
        if self.next.text not in ("min", "max", "round"):
            self.refuse(_("“%(name)s” is not a function; use min, max or round") % {"name": self.next.text})
        function = self.take().text
        self.expect("(")
        arguments = [self.sum(depth + 1)]
        while self.next.text == ",":
            self.take()
            if function == "round":
                decimals = self.decimals()
                self.expect(")")
                return Call(function, tuple(arguments), decimals)
            arguments.append(self.sum(depth + 1))
        self.expect(")")
        return Call(function, tuple(arguments))

    def decimals(self) -> int:
        token = self.next
        if not (token.kind == "number" and token.text.isdigit() and int(token.text) <= MOST_DECIMALS):
            self.refuse(_("a number of decimals from 0 to %(most)d is missing") % {"most": MOST_DECIMALS})
        return int(self.take().text)


def names(formula: Formula) -> set[str]:
    """Return the attributes that a formula speaks of."""
    match formula:
        case Name(name):
            return {name}
        case Operation(_sign, left, right):
            return names(left) | names(right)
        case Call(_function, arguments):
            return set().union(*(names(one) for one in arguments))
    return set()


def sql(formula: Formula, *, column: Callable[[str], str], parameter: Callable[[Any, str], str]) -> str:
    """Return the formula as an SQL expression of type numeric, null where it is unknown.

    `column` gives an attribute's expression, `parameter` keeps a value and gives its placeholder.
    """
    written = _Writer(column, parameter)
    body = written.write(formula)
    # LEAST and GREATEST pass over what is unknown; the formula must not.
    needed = [f"{column(name)} IS NOT NULL" for name in sorted(names(formula))]
    needed += [f"({one}) <> 0" for one in written.divisors]
    return f"CASE WHEN {' AND '.join(needed)} THEN {body} END" if needed else body


class _Writer:
    def __init__(self, column: Callable[[str], str], parameter: Callable[[Any, str], str]) -> None:
        self.column, self.parameter = column, parameter
        self.divisors: list[str] = []

    def write(self, formula: Formula) -> str:
        match formula:
            case Number(value):
                return self.parameter(str(value), "numeric")
            case Name(name):
                return self.column(name)
            case Operation(sign, left, right):
                first, second = self.write(left), self.write(right)
                if sign == "/":
                    self.divisors.append(second)
                    second = f"nullif({second}, 0)"
                return f"({first} {sign} {second})"
            case Call("round", (argument,), decimals):
                return f"round({self.write(argument)}, {decimals:d})"
            case Call(function, arguments):
                word = {"min": "least", "max": "greatest"}[function]
                return f"{word}({', '.join(self.write(one) for one in arguments)})"
        raise AssertionError("unreachable")


def evaluate(formula: Formula, values: Mapping[str, Decimal | None]) -> Decimal | None:
    """Return the formula's value for one member, or None where it is unknown: what the SQL says, in plain Python."""
    match formula:
        case Number(value):
            return value
        case Name(name):
            return values.get(name)
        case Operation(sign, left, right):
            first, second = evaluate(left, values), evaluate(right, values)
            if first is None or second is None or (sign == "/" and second == 0):
                return None
            return {"+": first + second, "-": first - second, "*": first * second}.get(sign) or (
                first / second if sign == "/" else Decimal(0)
            )
        case Call(function, arguments, decimals):
            found = [evaluate(one, values) for one in arguments]
            known = [one for one in found if one is not None]
            if len(known) < len(found):
                return None
            if function == "round":
                return known[0].quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
            return min(known) if function == "min" else max(known)
    raise AssertionError("unreachable")
