"""The small language of values per member: read, refused with the place, and the same in SQL and in Python."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty.database import rows
from offers.targeting import formula
from offers.targeting.formula import Call, InvalidFormula, Name, Number, Operation

NAMES = {"score": None, "visits": None}


def value(text, **values):
    return formula.evaluate(formula.parse(text, NAMES), {name: Decimal(str(one)) for name, one in values.items()})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("min(30, max(5, score / 10))", Decimal(12)),
        ("2 + 3 * 4", Decimal(14)),
        ("(2 + 3) * 4", Decimal(20)),
        ("10 - 2 - 3", Decimal(5)),
        ("-score + 130", Decimal(10)),
        ("2 * -3", Decimal(-6)),
        ("round(score / 7)", Decimal(17)),
        ("round(score / 7, 2)", Decimal("17.14")),
        ("attribute.score / visits", Decimal(30)),
        ("score - score", Decimal(0)),
        ("max(1, 2, 3)", Decimal(3)),
    ],
)
def test_s1_05_a_formula_means_what_it_says(text, expected):
    assert value(text, score=120, visits=4) == expected


def test_s1_05_what_is_missing_or_divided_by_nothing_makes_all_unknown():
    assert formula.evaluate(formula.parse("max(5, score)", NAMES), {"score": None}) is None
    assert value("max(5, 10 / visits)", visits=0) is None


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("min(30, ", 9, "a number, an attribute or a bracket is missing"),
        ("min(30", 7, "“)” is missing"),
        ("1 + + 2", 5, "a number, an attribute or a bracket is missing"),
        ("scores / 10", 1, "there is no numeric attribute “scores” (there are: score, visits)"),
        ("pow(2, 3)", 1, "“pow” is not a function; use min, max or round"),
        ("__import__('os')", 1, "“_” at character 1 is not understood"),
        ("score; DROP TABLE members", 6, "“;” at character 6 is not understood"),
        ("score 10", 7, "“10” is one too many"),
        ("round(score, 7)", 14, "a number of decimals from 0 to 6 is missing"),
        ("round(score, visits)", 14, "a number of decimals"),
        ("", 1, "is missing at character 1"),
        ("(" * 30 + "1" + ")" * 30, 22, "too many brackets"),
        ("1" * 201, 201, "at most 200 characters"),
        ("1.e5", 2, "“.” at character 2"),
    ],
)
def test_s1_01_what_is_no_formula_is_refused_with_its_place(text, position, words):
    with pytest.raises(InvalidFormula) as refused:
        formula.parse(text, NAMES)
    assert words in refused.value.message
    assert refused.value.position == position


def test_s1_05_the_tree_has_these_nodes_only():
    assert formula.parse("round(max(score, 2) / 3, 1)", NAMES) == Call(
        "round", (Operation("/", Call("max", (Name("score"), Number(Decimal(2)))), Number(Decimal(3))),), 1
    )
    assert formula.names(formula.parse("min(score, 2 * visits)", NAMES)) == {"score", "visits"}


numbers = st.decimals(min_value=0, max_value=1000, places=2).map(lambda one: Number(one))
trees = st.recursive(
    numbers | st.sampled_from([Name("score"), Name("visits")]),
    lambda inner: (
        st.builds(Operation, st.sampled_from("+-*"), inner, inner)
        # Dividing by these is exact in both; what thirds become depends on how many digits are kept.
        | st.builds(Operation, st.just("/"), inner, st.sampled_from([2, 5, 10]).map(lambda n: Number(Decimal(n))))
        | st.builds(Call, st.sampled_from(["min", "max"]), st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(lambda one, decimals: Call("round", (one,), decimals), inner, st.integers(0, 2))
    ),
    max_leaves=8,
)


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True)
@given(tree=trees, score=st.none() | st.integers(-100, 1000), visits=st.none() | st.integers(0, 20))
def test_s1_05_the_sql_says_what_plain_python_says(tree, score, visits):
    params = {}

    def parameter(one, cast):
        params[f"p{len(params)}"] = one
        return f"%(p{len(params) - 1})s::{cast}"

    columns = {"score": parameter(score, "numeric"), "visits": parameter(visits, "numeric")}
    expression = formula.sql(tree, column=columns.__getitem__, parameter=parameter)
    found = rows(f"SELECT {expression} AS value", params)[0]["value"]
    expected = formula.evaluate(
        tree, {name: None if one is None else Decimal(one) for name, one in (("score", score), ("visits", visits))}
    )
    assert (found is None) == (expected is None)
    if expected is not None:
        assert abs(Decimal(found) - expected) <= abs(expected) * Decimal("1e-12")


@pytest.mark.django_db
@pytest.mark.parametrize(("visits", "expected"), [(4, Decimal(30)), (0, None), (None, None)])
def test_s1_05_dividing_by_nothing_is_unknown_in_sql_too(visits, expected):
    columns = {"score": "120::numeric", "visits": "NULL::numeric" if visits is None else f"{visits}::numeric"}
    expression = formula.sql(
        formula.parse("max(1, score / visits)", NAMES), column=columns.__getitem__, parameter=lambda one, cast: one
    )
    assert rows(f"SELECT {expression} AS value")[0]["value"] == expected
