"""Purchase aggregates as SQL: one grouped read of the lines, joined to the members or kept from them.

A member without any matching purchase has count, amount and units of 0: `less than 3` finds her. Her first and last
purchase, and the days since, are not known: no comparison of them finds her, and `not in the last 30 days` does.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from offers.targeting import compiler, operators
from offers.targeting.compiler import Compiler
from offers.targeting.criteria import Purchases

MEASURES = {
    "count": "count(DISTINCT line.purchase_id)",
    "amount": "sum(line.amount_minor)",
    "units": "sum(line.quantity)",
    "first": "min(line.purchased_at)",
    "last": "max(line.purchased_at)",
    "recency_days": "max(line.purchased_at)",
}
# Relations that a dimension's external ids are looked up in, giving the values of the line's column.
DIMENSIONS = {
    "products": (
        "product_id",
        "SELECT id FROM loyalty_product WHERE programme_id = {programme} AND external_id = ANY({ids})",
    ),
    "groups": (
        "product_id",
        "SELECT entry.product_id FROM loyalty_productgroup_products AS entry"
        " JOIN loyalty_productgroup AS owner ON owner.id = entry.productgroup_id"
        " WHERE owner.programme_id = {programme} AND owner.external_id = ANY({ids})",
    ),
    # A category counts with everything below it (S1-09).
    "categories": (
        "product_id",
        "SELECT id FROM loyalty_product WHERE programme_id = {programme} AND category_id IN ("
        "WITH RECURSIVE tree AS (SELECT id FROM loyalty_category"
        " WHERE programme_id = {programme} AND external_id = ANY({ids})"
        " UNION SELECT below.id FROM loyalty_category AS below JOIN tree ON below.parent_id = tree.id)"
        " SELECT id FROM tree)",
    ),
    "departments": (
        "product_id",
        "SELECT id FROM loyalty_product WHERE programme_id = {programme} AND department_id IN ("
        "SELECT id FROM loyalty_category"
        " WHERE programme_id = {programme} AND external_id = ANY({ids}))",
    ),
    "stores": (
        "store_id",
        "SELECT id FROM loyalty_store WHERE programme_id = {programme} AND external_id = ANY({ids})",
    ),
}


def purchases(leaf: Purchases, state: Compiler, *, negated: bool) -> str:
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


def _grouped(leaf: Purchases, state: Compiler, having: str) -> str:
    conditions = list(_window(leaf, state))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    tail = f" GROUP BY line.member_id HAVING {having}" if having else ""
    return f"SELECT line.member_id FROM loyalty_purchaseline AS line{where}{tail}"


def _is_any(leaf: Purchases, operator: str) -> bool:
    """Say whether any matching line will do, so that nothing needs to be counted."""
    return leaf.measure == "count" and (operator, leaf.value) in (("greater", 0), ("greater_or_equal", 1))


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


def _having(leaf: Purchases, operator: str, state: Compiler) -> Iterator[str]:
    measure, value = MEASURES[leaf.measure], leaf.value
    if leaf.measure in ("first", "last"):
        yield from compiler.moments(measure, operator, value, state)
    elif leaf.measure == "recency_days":
        yield from _recency(measure, operator, value, state)
    else:
        # Sums of bigint are numeric; counts and sums of integers are not, and stay cheap to compare.
        cast = "numeric" if leaf.measure == "amount" else "bigint"
        if operator == "between":
            low, high = (state.parameter(one, cast) for one in value)  # type: ignore[union-attr]
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


def _window(leaf: Purchases, state: Compiler) -> Iterator[str]:
    if state.within:
        # By receipt: the lines have an index by receipt, the receipts one by member.
        yield (
            "line.purchase_id IN (SELECT receipt.id FROM loyalty_purchase AS receipt"
            f" WHERE receipt.member_id IN (SELECT id FROM {state.within}))"
        )
    for key, ids in leaf.where.dimensions:
        column, relation = DIMENSIONS[key]
        programme = state.parameter(state.programme_id, "bigint")
        found = relation.format(programme=programme, ids=state.parameter(list(ids), "text[]"))
        yield f"line.{column} IN ({found})"
    if leaf.where.last_days is not None:
        yield from compiler.moments("line.purchased_at", "in_last_days", leaf.where.last_days, state)
    if leaf.where.first_day is not None:
        yield f"line.purchased_at >= {state.first_of(leaf.where.first_day)}"
    if leaf.where.last_day is not None:
        yield f"line.purchased_at < {state.after(leaf.where.last_day)}"
