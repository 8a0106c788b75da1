"""Hypothesis strategies for valid terms."""

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

ids = st.lists(
    st.text(st.characters(categories=("L", "N")), min_size=1, max_size=12),
    min_size=1,
    max_size=4,
    unique=True,
)
money = st.integers(1, 10**12)


def _spans(day: date, length: int) -> dict[str, Any]:
    return {"starts_at": day.isoformat(), "ends_at": (day + timedelta(days=length)).isoformat()}


def _counted(days: int, later: int) -> dict[str, Any]:
    return {"days": days, "start_in_days": min(days, later)}


RULES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "validity": st.one_of(
        st.builds(_spans, st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 900)),
        st.builds(_counted, st.integers(1, 3650), st.integers(0, 3650)),
        st.datetimes().filter(lambda moment: 1900 <= moment.year <= 2999).map(lambda at: {"ends_at": at.isoformat()}),
    ),
    "benefit": st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("percent"), "size": st.integers(1, 100)}, optional={"maximum_minor": money}
        ),
        st.fixed_dictionaries({"type": st.sampled_from(["amount", "bonus_points"]), "size": money}),
        st.fixed_dictionaries({"type": st.just("fixed_price"), "size": st.integers(0, 10**12)}),
    ),
    # As forms and files of terms have it: the members' own comes by an import alone.
    "personal": st.fixed_dictionaries({"mechanic": st.sampled_from(["products", "groups", "categories", "receipt"])}),
    "products": st.one_of(
        st.fixed_dictionaries({"products": ids}, optional={"groups": ids, "categories": ids}),
        st.fixed_dictionaries({"categories": ids}),
    ),
    "minimum_spend": st.fixed_dictionaries({"amount_minor": money}),
    "redemption_limit": st.fixed_dictionaries({"limit": st.integers(1, 10**6)}),
    "channels": st.fixed_dictionaries(
        {"channels": st.lists(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,9}", fullmatch=True), min_size=1, unique=True)}
    ),
    "acceptance": st.fixed_dictionaries({"required": st.booleans()}),
}
terms = st.fixed_dictionaries({}, optional=RULES)
