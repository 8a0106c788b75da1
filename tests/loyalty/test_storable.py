"""What JSON can carry and neither the database nor an answer can."""

import json

import pytest

from loyalty import storable


def nested(levels):
    value: list = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"size": 10**30}, [("terms.size", "number_too_large")]),
        ({"size": -(2**63) - 1}, [("terms.size", "number_too_large")]),
        (json.loads('{"size": 1e999}'), [("terms.size", "not_finite")]),
        ({"size": [float("nan")]}, [("terms.size[0]", "not_finite")]),
        ({"a": ["x", {"b": "ab\0"}]}, [("terms.a[1].b", "unstorable_character")]),
        (json.loads('{"a": "\\ud800", "b": "\\udc00"}'), [(f"terms.{x}", "unstorable_character") for x in "ab"]),
        ({"x\0": 1}, [("terms.x\ufffd", "unstorable_name")]),
        ({"x": nested(300)}, [("terms.x" + "[0]" * 19, "too_deep")]),
        ({"x": nested(storable.DEEPEST - 1), "y": [2**63 - 1, -(2**63), True, None, 1.5, "😀\t"]}, []),
    ],
)
def test_what_cannot_be_stored_is_named_by_its_place(value, found):
    """B-02: one problem each, with a code; ordinary values have none."""
    assert [(place, code) for place, code, _message in storable.problems(value, place="terms")] == found


def test_thousands_of_problems_are_not_all_named():
    """B-02: an answer stays readable."""
    assert len(storable.problems(["\0"] * 5_000)) == storable.MOST_NAMED
