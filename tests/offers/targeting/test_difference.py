"""What two trees differ in, in words (S4-26)."""

import pytest

from offers.targeting import difference, parse
from tests.offers.targeting.catalogue import CATALOGUE

LONDON = {"field": "member.city", "is": "equals", "value": "London"}
PARIS = {"field": "member.city", "is": "equals", "value": "Paris"}
SPENT = {"purchases": "count", "where": {"stores": ["10"]}, "is": "greater", "value": 2}


def group(*items, **more):
    return {"op": "and", "items": list(items)} | more


@pytest.mark.parametrize(
    ("before", "after", "added", "removed"),
    [
        (group(LONDON), group(LONDON, SPENT), ("Purchases (Stores: Dairy) is more than 2",), ()),
        (group(LONDON, SPENT), group(PARIS, SPENT), ("City is Paris",), ("City is London",)),
        (group(LONDON, LONDON), group(LONDON), (), ("City is London",)),
        (group(all_members=True), group(LONDON), ("City is London",), ("All members",)),
        (LONDON, group(LONDON, {"op": "or", "items": [PARIS, SPENT]}), ("City is Paris",), None),
    ],
)
def test_s4_26_what_came_and_went_is_said(before, after, added, removed) -> None:
    found = difference.between(parse(before, CATALOGUE), parse(after, CATALOGUE))
    assert found.added[: len(added)] == added
    assert found.removed == (removed or ())
    assert (found.is_same, found.is_regrouped) == (False, False)


@pytest.mark.parametrize(
    "after", [group(LONDON, SPENT, op="or"), group(LONDON, SPENT, **{"not": True}), group(SPENT, LONDON)]
)
def test_s4_26_the_same_conditions_in_other_groups_are_no_other_conditions(after) -> None:
    found = difference.between(parse(group(LONDON, SPENT), CATALOGUE), parse(after, CATALOGUE))
    assert (found.added, found.removed, found.is_same, found.is_regrouped) == ((), (), False, True)


def test_s4_26_the_same_is_the_same() -> None:
    found = difference.between(parse(group(LONDON), CATALOGUE), parse(group(LONDON), CATALOGUE))
    assert (found.is_same, found.is_regrouped) == (True, False)
