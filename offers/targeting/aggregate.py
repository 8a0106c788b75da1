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
STORES = "line.store_id = ANY(ARRAY(SELECT id " + OWN.replace("{table}", "store") + "))"


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
    """Return the members of the lines that count, found once.

    Materialized, because a planner who expects one member would aggregate all lines again for each of the million.
    """
    conditions = list(_window(leaf, state))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    tail = f" HAVING {having}" if having else ""
    found = f"SELECT line.member_id FROM loyalty_purchaseline AS line{where} GROUP BY line.member_id{tail}"
    return f"WITH found AS MATERIALIZED ({found}) SELECT found.member_id FROM found"


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
            "line.purchase_id = ANY(ARRAY(SELECT receipt.id FROM loyalty_purchase AS receipt"
            f" WHERE receipt.member_id IN (SELECT id FROM {state.within})))"
        )
    programme = state.parameter(state.programme_id, "bigint")
    of_product = []
    for key, ids in leaf.where.dimensions:
        condition = STORES if key == "stores" else PRODUCT_DIMENSIONS[key]
        found = condition.format(programme=programme, ids=state.parameter(list(ids), "text[]"))
        if key == "stores":
            yield found
        else:
            of_product.append(found)
    if of_product:
        narrowed = " AND ".join([f"product.programme_id = {programme}", *of_product])
        products = f"SELECT product.id FROM loyalty_product AS product WHERE {narrowed}"
        # As an array it drives the index by product, which has all that is aggregated; the lines of a few receipts
        # are rather looked up in a hash of the products.
        yield f"line.product_id IN ({products})" if state.within else f"line.product_id = ANY(ARRAY({products}))"
    if leaf.where.last_days is not None:
        yield from compiler.moments("line.purchased_at", "in_last_days", leaf.where.last_days, state)
    if leaf.where.first_day is not None:
        yield f"line.purchased_at >= {state.first_of(leaf.where.first_day)}"
    if leaf.where.last_day is not None:
        yield f"line.purchased_at < {state.after(leaf.where.last_day)}"
