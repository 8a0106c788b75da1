"""Reading criteria: strict, bounded, every problem by its path (S4-24, B-02)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers import targeting
from tests.offers.targeting.catalogue import CATALOGUE


def problems(tree: Any) -> list[tuple[str, str, str]]:
    """Return path, code and message of each problem."""
    with pytest.raises(targeting.InvalidCriteria) as refusal:
        targeting.parse(tree, CATALOGUE)
    assert refusal.value.code == "invalid_criteria"
    return [(one["path"], one["code"], one["message"]) for one in refusal.value.problems]


def leaf(field: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "is": operator} | ({"value": value[0]} if value else {})


LONDON = leaf("member.city", "equals", "London")
GOOD = [
    LONDON,
    leaf("member.city", "exists"),
    leaf("member.city", "starts_with", "100%"),
    leaf("member.gender", "in", ["f", "m"]),
    leaf("member.birth_date", "between", ["1980-01-01", "1989-12-31"]),
    leaf("member.joined_at", "not_in_last_days", 30),
    leaf("attribute.children", "greater", 1.5),
    leaf("attribute.owner", "not_equals", True),
    leaf("attribute.wedding", "before", "2020-01-01"),
    leaf("attribute.likes", "not_in", ["tea", "milk"]),
    {"purchases": "count", "is": "less", "value": 3},
    {"purchases": "amount", "where": {"categories": ["10"], "last_days": 30}, "is": "between", "value": [5, 10]},
    {"purchases": "last", "where": {"from": "2026-01-01", "to": "2026-01-31"}, "is": "in_last_days", "value": 7},
    {"purchases": "recency_days", "is": "greater", "value": 30},
    {"op": "and", "items": [LONDON, {"not": True, "op": "or", "items": [LONDON]}]},
    {"op": "and", "items": [], "all_members": True},
]


@pytest.mark.parametrize("tree", GOOD)
def test_good_criteria_come_back_as_they_were_given(tree: dict[str, Any]) -> None:
    assert targeting.parse(tree, CATALOGUE).data() == tree


def test_the_walk_names_every_node_by_its_path() -> None:
    tree = {"op": "and", "items": [LONDON, {"op": "or", "items": [LONDON, GOOD[1]]}]}
    assert [path for path, _node in targeting.parse(tree, CATALOGUE).walk()] == [
        "",
        "items[0]",
        "items[1]",
        "items[1].items[0]",
        "items[1].items[1]",
    ]


@pytest.mark.parametrize(
    ("tree", "found"),
    [
        (None, ("", "not_an_object", "null is not an object. Give a group or a condition.")),
        (
            {},
            (
                "",
                "unknown_node",
                "This is neither a group nor a condition. Give “op” and “items”, or one of: field, purchases, "
                "assignments, redemptions, random_percent, list, targeting.",
            ),
        ),
        (
            {"op": "and", "items": []},
            ("", "empty_group", "There are no conditions. Add one, or say “all_members”: true to mean everybody."),
        ),
        (
            {"op": "and", "items": [LONDON], "all_members": True},
            (
                "all_members",
                "not_all_members",
                "“all_members” is true only for an “and” without conditions and without “not”. Leave it out.",
            ),
        ),
        (
            {"op": "and", "items": [LONDON, {"op": "or", "items": []}]},
            ("items[1]", "empty_group", "This group has no conditions. Add one, or remove the group."),
        ),
        (
            {"op": "and", "items": [{"op": "and", "items": [], "all_members": True}]},
            ("items[0].all_members", "unknown_key", "“all_members” is not known here. Use: op, not, items."),
        ),
        (
            {"op": "xor", "items": [LONDON]},
            ("op", "unknown_op", "“xor” does not join conditions. Use “and” or “or”."),
        ),
        (
            {"op": "and", "not": "yes", "items": [LONDON]},
            ("not", "not_yes_or_no", "“not” is “yes”. Give true or false."),
        ),
        (
            {"op": "and", "items": "all"},
            ("items", "not_a_list", "The group's “items” is “all”. Give a list of conditions."),
        ),
        (
            leaf("member.password", "equals", "x"),
            ("field", "unknown_field", "There is no field “member.password”. Choose one of the catalogue."),
        ),
        (
            leaf("member.city", "greater", "x"),
            (
                "is",
                "unknown_operator",
                "City: “greater” does not compare it. Use one of: equals, not_equals, in, not_in, contains, "
                "not_contains, starts_with, exists, not_exists.",
            ),
        ),
        (leaf("member.city", "equals"), ("value", "missing_value", "City: a value is missing. Give one.")),
        (
            leaf("member.city", "exists", "x"),
            ("value", "unexpected_value", "City: this comparison takes no value. Leave it out."),
        ),
        (
            leaf("member.city", "equals", 5),
            ("value", "not_text", "City: “5” is not text. Write it in quotes."),
        ),
        (
            leaf("member.city", "equals", " "),
            ("value", "empty_text", "City: the text is empty. Give one, or use “is known”."),
        ),
        (
            leaf("member.city", "equals", "a\0"),
            ("value", "not_text", "City: the text has a character that cannot be stored. Leave it out."),
        ),
        (
            leaf("member.city", "in", "London"),
            ("value", "not_a_list", "City: “London” is not a list. Give one, as in [1, 5]."),
        ),
        (
            leaf("member.city", "in", []),
            ("value", "empty_list", "City: the list is empty. Name at least one value."),
        ),
        (
            leaf("member.city", "in", ["a", 5]),
            ("value[1]", "not_text", "City: “5” is not text. Write it in quotes."),
        ),
        (
            leaf("member.city", "in", [str(number) for number in range(1001)]),
            ("value", "list_too_long", "City: the list is too long. Name at most 1000."),
        ),
        (
            leaf("member.gender", "equals", "x"),
            ("value", "unknown_choice", "Gender: “x” is not a choice. Use one of: f, m."),
        ),
        (
            leaf("member.birth_date", "equals", "2026-02-30"),
            ("value", "not_a_date", "Birth date: “2026-02-30” is not a date. Write it as 2026-12-31."),
        ),
        (
            leaf("member.joined_at", "between", ["2026-02-01", "2026-01-01"]),
            ("value", "ends_reversed", "Joined: the lower end is above the upper one. Turn them round."),
        ),
        (
            leaf("member.joined_at", "in_last_days", 3651),
            ("value", "too_large", "Joined: “3651” is too large. Give at most 3650."),
        ),
        (
            leaf("attribute.children", "equals", True),
            ("value", "not_a_number", "Children: “True” is not a number. Give one, such as 10."),
        ),
        (
            leaf("attribute.children", "less", float("nan")),
            ("value", "not_a_number", "Children: “nan” is not a number. Give one, such as 10."),
        ),
        (
            leaf("attribute.owner", "equals", "yes"),
            ("value", "not_yes_or_no", "Home owner: “yes” is neither true nor false. Give one of them."),
        ),
        (
            leaf("attribute.children", "between", [1]),
            (
                "value",
                "not_a_pair",
                "Children: “[1]” is not a pair. Give the lower and the upper end, as in [1, 5].",
            ),
        ),
        (
            LONDON | {"and": 1},
            ("and", "unknown_key", "“and” is not known here. Use: field, is, value."),
        ),
        (
            {"purchases": "visits", "is": "equals", "value": 1},
            (
                "purchases",
                "unknown_measure",
                "“visits” is not measured. Use one of: count, amount, units, recency_days, first, last.",
            ),
        ),
        (
            {"purchases": "count", "is": "less", "value": 0},
            ("value", "too_small", "Purchases: “0” is too small. Give at least 1."),
        ),
        (
            {"purchases": "count", "is": "equals", "value": 1.5},
            (
                "value",
                "not_a_whole_number",
                "Purchases: “1.5” is not a whole number. Give one, such as 10.",
            ),
        ),
        (
            {"purchases": "count", "is": "equals", "value": "5"},
            (
                "value",
                "not_a_whole_number",
                "Purchases: “5” is not a whole number. Write one without quotes, such as 10.",
            ),
        ),
        (
            {"purchases": "count", "is": "equals", "value": 9.999999999999999e24},
            ("value", "too_large", "Purchases: “9.999999999999999e+24” is too large. Give at most 1000000000000000."),
        ),
        (
            {"purchases": "count", "is": "equals", "value": 10**30},
            ("value", "too_large", f"Purchases: “{10**30}” is too large. Give at most 1000000000000000."),
        ),
        (
            {"purchases": "count", "is": "equals", "value": float("-inf")},
            ("value", "too_small", "Purchases: “-inf” is too small. Give at least 0."),
        ),
        (
            {"purchases": "amount", "is": "greater", "value": 9.999999999999999e24},
            (
                "value",
                "too_large",
                "Amount spent: “9.999999999999999e+24” is too large. "
                "Give at most 1000000000000000, which is 10,000,000,000,000.00 €.",
            ),
        ),
        (
            {"purchases": "amount", "is": "greater", "value": "1.234"},
            (
                "value",
                "not_an_amount",
                "Amount spent: “1.234” has too many decimals. Give at most 2. If thousands are meant, write 1234.",
            ),
        ),
        (
            {"purchases": "amount", "is": "between", "value": [100, "0.505"]},
            ("value[1]", "not_an_amount", "Amount spent: “0.505” has too many decimals. Give at most 2."),
        ),
        (
            {"purchases": "amount", "is": "greater", "value": 123.4},
            (
                "value",
                "not_a_whole_number",
                "Amount spent: “123.4” is not a whole number. Give one, such as 10.",
            ),
        ),
        (
            {"purchases": "count", "where": {"last_days": 1.5}, "is": "equals", "value": 1},
            (
                "where.last_days",
                "not_a_whole_number",
                "Days of the period: “1.5” is not a whole number. Give one, such as 10.",
            ),
        ),
        (
            {"purchases": "count", "where": {"last_days": 1e25}, "is": "equals", "value": 1},
            ("where.last_days", "too_large", "Days of the period: “1e+25” is too large. Give at most 3650."),
        ),
        (
            {"purchases": "count", "where": {"from": "x"}, "is": "equals", "value": 1},
            (
                "where.from",
                "not_a_date",
                "First day of the period: “x” is not a date. Write it as 2026-12-31.",
            ),
        ),
        (
            {"purchases": "count", "where": {"to": "x"}, "is": "equals", "value": 1},
            ("where.to", "not_a_date", "Last day of the period: “x” is not a date. Write it as 2026-12-31."),
        ),
        (
            {"random_percent": "x", "key": "k"},
            (
                "random_percent",
                "not_a_number",
                "Random share in percent: “x” is not a number. Write one without quotes, such as 10.",
            ),
        ),
        (
            {"random_percent": 10, "key": 5},
            ("key", "not_text", "Key of the random share: “5” is not text. Write it in quotes."),
        ),
        (
            {"purchases": "count", "where": {"categories": ["10", "99"]}, "is": "equals", "value": 1},
            (
                "where.categories",
                "unknown_id",
                "Categories: nothing here has this external id: 99. Check it, or import it first.",
            ),
        ),
        (
            {"purchases": "count", "where": {"last_days": 3, "from": "2026-01-01"}, "is": "equals", "value": 1},
            (
                "where.last_days",
                "two_periods",
                "The period is given by days and by dates. Give either “last_days” or “from” and “to”.",
            ),
        ),
        (
            {"purchases": "count", "where": {"from": "2026-02-01", "to": "2026-01-01"}, "is": "equals", "value": 1},
            ("where.to", "ends_reversed", "The period ends before it starts. Turn “from” and “to” round."),
        ),
        (
            {"purchases": "count", "where": {"brand": ["x"]}, "is": "equals", "value": 1},
            (
                "where.brand",
                "unknown_key",
                "“brand” is not known here. Use: categories, stores, last_days, from, to.",
            ),
        ),
    ],
)
def test_bad_criteria_are_refused_by_path(tree: Any, found: tuple[str, str, str]) -> None:
    """S4-24, B-02: by path, with what it is called and what would be right."""
    assert problems(tree) == [found]


def test_every_problem_is_named_at_once_b_02() -> None:
    tree = {
        "op": "and",
        "items": [leaf("member.city", "equals", 5), {"op": "or", "items": [leaf("x", "equals", 1), {"op": "and"}]}],
    }
    assert [(path, code) for path, code, _message in problems(tree)] == [
        ("items[0].value", "not_text"),
        ("items[1].items[0].field", "unknown_field"),
        ("items[1].items[1].items", "not_a_list"),
    ]


def test_eight_levels_are_taken_and_nine_are_not() -> None:
    tree: dict[str, Any] = LONDON
    for _level in range(8):
        tree = {"op": "and", "items": [tree]}
    targeting.parse(tree, CATALOGUE)
    deeper = {"op": "and", "items": [tree]}
    assert problems(deeper) == [
        (".".join(["items[0]"] * 8), "too_deep", "Groups are nested too deep. Use at most 8 levels.")
    ]


def test_two_hundred_conditions_are_taken_and_one_more_is_not() -> None:
    targeting.parse({"op": "or", "items": [LONDON] * 200}, CATALOGUE)
    assert problems({"op": "or", "items": [LONDON] * 201}) == [
        ("", "too_many_conditions", "There are more than 200 conditions. Use fewer, or a list of values.")
    ]


def test_twenty_conditions_on_purchases_are_taken_and_one_more_is_not() -> None:
    bought = {"purchases": "count", "is": "greater", "value": 0}
    targeting.parse({"op": "or", "items": [bought] * 20}, CATALOGUE)
    assert problems({"op": "or", "items": [bought] * 21}) == [
        (
            "",
            "too_many_of_history",
            "There are more than 20 conditions on purchases and offers. Use fewer, or longer lists.",
        )
    ]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["op", "items", "not", "field", "is", "value", "purchases", "where"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(ANYTHING)
def test_any_json_is_taken_or_refused_by_code(tree: Any) -> None:
    found: list[dict[str, Any]] = []
    try:
        targeting.parse(tree, CATALOGUE)
    except targeting.InvalidCriteria as refusal:
        found = refusal.problems
        assert found
    assert all(one["code"] and one["message"] for one in found)
