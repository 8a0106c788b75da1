"""Aggregates of the members' history as SQL: one grouped read of its lines, joined to the members or kept from them.

A member without any matching purchase has count, amount and units of 0: `less than 3` finds her. Her first and last
purchase, and the days since, are not known: no comparison of them finds her, and `not in the last 30 days` does.
Assignments and redemptions are counted the same way; an assignment that was taken back, or a use that was
given back, does not count.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from offers.targeting import compiler, operators
from offers.targeting.compiler import Compiler
from offers.targeting.criteria import History


@dataclass(frozen=True)
class Subject:
    """A part of the history: its table as `line`, when a line happened, and what is measured of it.

    `only` is what a measure asks of a line besides; `always` what every measure does.
    """

    table: str
    at: str
    measures: Mapping[str, str]
    only: Mapping[str, str] = field(default_factory=dict)
    always: str = ""


def _moments(at: str) -> dict[str, str]:
    return {"first": f"min({at})", "last": f"max({at})"}


SUBJECTS = {
    "purchases": Subject(
        table="loyalty_purchaseline",
        at="line.purchased_at",
        measures={
            "count": "count(DISTINCT line.purchase_id)",
            "amount": "sum(line.amount_minor)",
            "units": "sum(line.quantity)",
            "recency_days": "max(line.purchased_at)",
            **_moments("line.purchased_at"),
        },
    ),
    "assignments": Subject(
        table="offers_assignment",
        at="line.issued_at",
        measures={"count": "count(*)", "open": "count(*)", "accepted": "count(*)", **_moments("line.issued_at")},
        only={
            "open": (
                "line.used_up_at IS NULL AND line.closed_at IS NULL AND (line.ends_at IS NULL OR line.ends_at > {now})"
            ),
            "accepted": "line.accepted_at IS NOT NULL",
        },
        always="line.revoked_at IS NULL",
    ),
    "redemptions": Subject(
        table="offers_redemption",
        at="line.redeemed_at",
        measures={
            "count": "count(*)",
            "benefit": "coalesce(sum(line.benefit_minor), 0)",
            **_moments("line.redeemed_at"),
        },
        always="line.returned_at IS NULL",
    ),
}
OWN = "FROM loyalty_{table} WHERE programme_id = {programme} AND external_id = ANY({ids})"
# What a dimension asks of a product. Each inner query runs once: as an array it adds nothing to the joins that
# PostgreSQL must order, and there are few categories.
PRODUCT_DIMENSIONS = {
    "products": "product.external_id = ANY({ids})",
    "groups": (
        "product.id IN (SELECT entry.product_id FROM loyalty_productgroup_products AS entry"
        " WHERE entry.productgroup_id = ANY(ARRAY(SELECT id " + OWN.replace("{table}", "productgroup") + ")))"
    ),
    # A category counts with everything below it (S1-09).
    "categories": (
        "product.category_id = ANY(ARRAY(WITH RECURSIVE tree AS (SELECT id "
        + OWN.replace("{table}", "category")
        + " UNION SELECT below.id FROM loyalty_category AS below JOIN tree ON below.parent_id = tree.id)"
        " SELECT id FROM tree))"
    ),
    "departments": "product.department_id = ANY(ARRAY(SELECT id " + OWN.replace("{table}", "category") + "))",
}
_OF = "line.{column} = ANY(ARRAY(SELECT id FROM {table} WHERE programme_id = {programme} AND {key} = ANY({ids})))"
_OF_ASSIGNMENT = "line.assignment_id IN (SELECT id FROM offers_assignment AS line WHERE {condition})"


def _of(column: str, table: str, key: str = "external_id") -> str:
    return _OF.replace("{column}", column).replace("{table}", table).replace("{key}", key)


# What a dimension asks of a line itself.
LINE_DIMENSIONS = {
    "stores": _of("store_id", "loyalty_store"),
    "offers": _of("config_offer_id", "offers_configoffer", "offer_reference"),
    "templates": _of("template_id", "offers_offertemplate"),
    "campaigns": _of("campaign_id", "offers_campaign"),
}
# A redemption knows its offer; template and campaign are its assignment's.
OF_ASSIGNMENT = ("templates", "campaigns")


def condition(leaf: History, state: Compiler, *, negated: bool) -> str:
    """Return the expression over `member` that the leaf, or its complement, is.

    A condition that 0 satisfies is asked the other way round: nobody's lines are needed to keep her, only the lines
    of those who do not satisfy it to leave them out.
    """
    operator = operators.COMPLEMENTS.get(leaf.operator, leaf.operator)
    negated ^= operator != leaf.operator
    zero_satisfies = leaf.measure in operators.ZERO and _holds(0, operator, leaf.value)
    having = "" if _is_any(leaf, operator) else " AND ".join(_having(leaf, operator, state))
    if zero_satisfies:
        having = f"({having}) IS NOT TRUE"
    grouped = _grouped(leaf, state, having)
    if zero_satisfies != negated:
        return f"NOT EXISTS (SELECT FROM ({grouped}) AS buyer WHERE buyer.member_id = member.id)"
    return f"member.id IN ({grouped})"


def measured(leaf: History, state: Compiler) -> str:
    """Return the expression that is the measure of `member` alone."""
    subject = SUBJECTS[leaf.subject]
    conditions = " AND ".join(["line.member_id = member.id", *_window(leaf, state)])
    measure = subject.measures[leaf.measure]
    if leaf.measure in operators.ZERO:
        measure = f"coalesce({measure}, 0)"
    return f"(SELECT {measure} FROM {subject.table} AS line WHERE {conditions})"


def _grouped(leaf: History, state: Compiler, having: str) -> str:
    """Return the members of the lines that count, found once.

    Materialized, because a planner who expects one member would aggregate all lines again for each of the million.
    """
    conditions = list(_window(leaf, state))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    tail = f" HAVING {having}" if having else ""
    table = SUBJECTS[leaf.subject].table
    found = f"SELECT line.member_id FROM {table} AS line{where} GROUP BY line.member_id{tail}"
    return f"WITH found AS MATERIALIZED ({found}) SELECT found.member_id FROM found"


def _is_any(leaf: History, operator: str) -> bool:
    """Say whether any matching line will do, so that nothing needs to be counted."""
    return leaf.measure in operators.COUNTS and (operator, leaf.value) in (("greater", 0), ("greater_or_equal", 1))


def _holds(value: int, operator: str, bound: Any) -> bool:
    """Say whether the number satisfies the comparison."""
    if operator == "between":
        return bool(bound[0] <= value <= bound[1])
    return bool(
        {
            "equals": value == bound,
            "less": value < bound,
            "less_or_equal": value <= bound,
            "greater": value > bound,
            "greater_or_equal": value >= bound,
        }[operator]
    )


def _having(leaf: History, operator: str, state: Compiler) -> Iterator[str]:
    measure, value = SUBJECTS[leaf.subject].measures[leaf.measure], leaf.value
    if leaf.measure in operators.DAYS:
        yield from compiler.moments(measure, operator, value, state)
    elif leaf.measure == "recency_days":
        yield from _recency(measure, operator, value, state)
    else:
        # Sums of bigint are numeric; counts and sums of integers are not, and stay cheap to compare.
        cast = "numeric" if leaf.measure in operators.MONEY else "bigint"
        if isinstance(value, tuple):
            low, high = (state.parameter(one, cast) for one in value)
            yield f"{measure} BETWEEN {low} AND {high}"
        else:
            yield f"{measure} {compiler.SYMBOLS[operator]} {state.parameter(value, cast)}"


def _recency(measure: str, operator: str, value: Any, state: Compiler) -> Iterator[str]:
    """Yield the days since the last purchase as bounds on its moment; yesterday is one day ago, whatever the hour."""
    fewest, most = {
        "equals": lambda: (value, value),
        "between": lambda: value,
        "less": lambda: (None, value - 1),
        "less_or_equal": lambda: (None, value),
        "greater": lambda: (value + 1, None),
        "greater_or_equal": lambda: (value, None),
    }[operator]()
    if most is not None:
        yield f"{measure} >= {state.first_of(state.today - timedelta(days=most))}"
    if fewest is not None:
        yield f"{measure} < {state.after(state.today - timedelta(days=fewest))}"


def _window(leaf: History, state: Compiler) -> Iterator[str]:
    subject = SUBJECTS[leaf.subject]
    if subject.always:
        yield subject.always
    if only := subject.only.get(leaf.measure):
        yield only.format(now=state.parameter(state.now, "timestamptz"))
    if state.within:
        yield _bounded(leaf.subject, state)
    yield from _narrowed(leaf, state)
    if leaf.where.last_days is not None:
        yield from compiler.moments(subject.at, "in_last_days", leaf.where.last_days, state)
    if leaf.where.first_day is not None:
        yield f"{subject.at} >= {state.first_of(leaf.where.first_day)}"
    if leaf.where.last_day is not None:
        yield f"{subject.at} < {state.after(leaf.where.last_day)}"


def _bounded(subject: str, state: Compiler) -> str:
    if subject == "purchases":
        # By receipt: the lines have an index by receipt, the receipts one by member.
        return (
            "line.purchase_id = ANY(ARRAY(SELECT receipt.id FROM loyalty_purchase AS receipt"
            f" WHERE receipt.member_id IN (SELECT id FROM {state.within})))"
        )
    return f"line.member_id = ANY(ARRAY(SELECT id FROM {state.within}))"


def _narrowed(leaf: History, state: Compiler) -> Iterator[str]:
    programme = state.parameter(state.programme_id, "bigint")
    of_product = []
    of_assignment = []
    for key, ids in leaf.where.dimensions:
        if key in LINE_DIMENSIONS:
            found = LINE_DIMENSIONS[key].format(programme=programme, ids=state.parameter(list(ids), "text[]"))
            if leaf.subject == "redemptions" and key in OF_ASSIGNMENT:
                of_assignment.append(found)
            else:
                yield found
        else:
            found = PRODUCT_DIMENSIONS[key].format(programme=programme, ids=state.parameter(list(ids), "text[]"))
            of_product.append(found)
    if of_assignment:
        yield _OF_ASSIGNMENT.format(condition=" AND ".join(of_assignment))
    if of_product:
        narrowed = " AND ".join([f"product.programme_id = {programme}", *of_product])
        products = f"SELECT product.id FROM loyalty_product AS product WHERE {narrowed}"
        # As an array it drives the index by product, which has all that is aggregated; the lines of a few receipts
        # are rather looked up in a hash of the products.
        yield f"line.product_id IN ({products})" if state.within else f"line.product_id = ANY(ARRAY({products}))"
