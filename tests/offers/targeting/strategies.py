"""Random criteria over the planted world of `world.py`."""

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from offers.targeting import operators
from tests.offers.targeting import world

DAYS = st.integers(-45, 5).map(lambda days: (world.TODAY + timedelta(days=days)).isoformat())
BIRTHDAYS = st.sampled_from([1970, 1985, 2000]).map(lambda year: date(year, 6, 15).isoformat())
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "member.city": st.sampled_from(["London", "lon", "Paris", "100%", "a_b", "a\\b", "%", "_", "'; --", "Ü"]),
    "member.status": st.sampled_from(["active", "inactive"]),
    "member.birth_date": BIRTHDAYS,
    "member.joined_at": DAYS,
    "attribute.tier": st.sampled_from(["gold", "silver", "5", "o", "true"]),
    "attribute.children": st.sampled_from([-1, 0, 1, 1.5, 2, 10]),
    "attribute.owner": st.booleans(),
    "attribute.wedding": DAYS,
    "attribute.likes": st.sampled_from(["tea", "milk", "beer"]),
} | {
    f"{kind}.{code}": st.sampled_from(["given", "refused"]) if kind == "consent" else st.booleans()
    for kind in ("consent", "reachable")
    for code in world.KINDS_OF_CONSENT
}


def _leaf(base: dict[str, Any], operator: str, one: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    if operator in operators.WITHOUT_VALUE:
        return st.just(base | {"is": operator})
    if operator in operators.WITH_DAYS:
        value: st.SearchStrategy[Any] = st.integers(0, 40)
    elif operator in operators.WITH_LIST:
        value = st.lists(one, min_size=1, max_size=3, unique=True)
    elif operator == "between":
        value = st.tuples(one, one).map(sorted)
    else:
        value = one
    return value.map(lambda given: base | {"is": operator, "value": given})


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, Any]:
    key = draw(st.sampled_from(sorted(VALUES)))
    kind = world.KINDS[key]
    return draw(_leaf({"field": key}, draw(st.sampled_from(operators.BY_TYPE[kind])), VALUES[key]))


WINDOWS = st.fixed_dictionaries(
    {},
    optional={
        "departments": st.lists(st.sampled_from(["food", "home"]), min_size=1, max_size=2, unique=True),
        "categories": st.lists(st.sampled_from(["food", "dairy", "cheese", "lamps"]), min_size=1, unique=True),
        "products": st.lists(st.sampled_from(["brie", "milk", "lamp"]), min_size=1, max_size=2, unique=True),
        "stores": st.just(["north"]),
    },
)
SPANS = st.one_of(
    st.just({}),
    st.integers(0, 40).map(lambda days: {"last_days": days}),
    DAYS.map(lambda day: {"from": day}),
    st.tuples(DAYS, DAYS).map(sorted).map(lambda days: {"from": days[0], "to": days[1]}),
)


OFFERS = st.fixed_dictionaries(
    {},
    optional={
        "offers": st.lists(st.sampled_from(["coffee", "tea"]), min_size=1, max_size=2, unique=True),
        "templates": st.just(["coffee-extra"]),
        "campaigns": st.lists(st.sampled_from(["spring", "summer"]), min_size=1, max_size=2, unique=True),
    },
)


@st.composite
def history(draw: st.DrawFn) -> dict[str, Any]:
    subject = draw(st.sampled_from(sorted(operators.MEASURES)))
    measure = draw(st.sampled_from(sorted(operators.MEASURES[subject])))
    operator = draw(st.sampled_from(operators.by_measure(measure)))
    where = draw(WINDOWS if subject == "purchases" else OFFERS) | draw(SPANS)
    least = operators.smallest(measure, operator)
    one: st.SearchStrategy[Any] = {
        "amount": st.sampled_from([-500, 0, 1, 500, 1000, 2500]),
        "benefit": st.sampled_from([0, 1, 100, 250, 500]),
        "units": st.sampled_from([-1, 0, 1, 2, 5]),
        "recency_days": st.integers(1, 40),
        "first": DAYS,
        "last": DAYS,
    }.get(measure, st.integers(least or 0, 4))
    return draw(_leaf({subject: measure} | ({"where": where} if where else {}), operator, one))


shares = st.builds(
    lambda percent, key: {"random_percent": percent, "key": key},
    st.sampled_from([0.5, 10, 33.33, 50, 99.99]),
    st.sampled_from(world.KEYS),
)
lists = st.sampled_from(world.LISTS).map(lambda name: {"list": name})
saved = st.sampled_from(sorted(world.SAVED)).map(lambda name: {"targeting": name})


def _groups(items: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"op": st.sampled_from(["and", "or"]), "items": st.lists(items, min_size=1, max_size=3)},
        optional={"not": st.just(True)},
    )


trees = st.recursive(st.one_of(comparisons(), history(), history(), shares, lists, saved), _groups, max_leaves=8)
