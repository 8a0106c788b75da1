"""Of whom an audience is made, against slow plain Python over the planted world (issue 4, S4-26)."""

from collections import Counter
from datetime import datetime

import pytest

from loyalty.errors import InvalidInput
from offers.selectors import targeting_breakdown
from tests.factories import AttributeDefinitionFactory, MemberFactory, ProgrammeFactory
from tests.offers.targeting import world

pytestmark = pytest.mark.django_db

EVERYONE = {"op": "and", "items": [], "all_members": True}
KINDS = {"text": str, "boolean": bool, "list": list}


def by(programme, key, criteria=EVERYONE):
    return targeting_breakdown.breakdown(criteria, programme=programme, key=key, now=world.NOW)


def counts(found):
    return {part.label: part.count for part in found.parts if part.kind == "value"}


def unknown(found):
    return sum(part.count for part in found.parts if part.kind == "unknown")


@pytest.mark.parametrize("name", ["tier", "owner", "likes"])
def test_each_value_of_an_attribute_is_counted_as_plain_python_counts_it(name):
    """Issue 4: a breakdown by an attribute; what is not of its type is as if it were not there."""
    programme, people = world.plant()
    criteria = {"field": "member.city", "is": "contains", "value": "on"}
    meant = [person for person in people.values() if "on" in person.columns["city"].lower()]
    assert meant
    expected, without = Counter(), 0
    for person in meant:
        given = person.attributes.get(name)
        if not isinstance(given, KINDS[world.ATTRIBUTES[name]]) or given in ("", []):
            without += 1
        elif isinstance(given, list):
            expected.update(given)
        else:
            expected[{True: "yes", False: "no"}.get(given, given) if isinstance(given, bool) else given] += 1
    found = by(programme, f"attribute.{name}", criteria)
    assert found.count == len(meant)
    assert counts(found) == dict(expected)
    assert unknown(found) == without


@pytest.mark.parametrize(("key", "is_moment"), [("member.birth_date", False), ("member.joined_at", True)])
def test_days_fall_into_steps_that_hold_everybody_once(key, is_moment):
    """Issue 4, D-09: days of the programme's zone, in order, none lost, none twice."""
    programme, people = world.plant()
    column = key.removeprefix("member.")
    known = [person.columns[column] for person in people.values() if person.columns[column]]
    days = sorted(day.astimezone(world.ZONE).date() if isinstance(day, datetime) else day for day in known)
    found = by(programme, key)
    assert sum(counts(found).values()) == len(days)
    assert unknown(found) == len(people) - len(days)
    assert len(counts(found)) <= targeting_breakdown.MOST_PARTS
    first = next(part.label for part in found.parts if part.kind == "value")
    assert first.startswith(f"{days[0]:%b}".replace("Mar", "March")[:3])
    assert is_moment == (len(set(days)) > targeting_breakdown.MOST_PARTS)


def test_numbers_fall_into_equal_steps_and_few_numbers_stand_for_themselves():
    programme = ProgrammeFactory()
    AttributeDefinitionFactory(programme=programme, name="score", type="number")
    for number in range(40):
        MemberFactory(programme=programme, attributes={"score": number})
    MemberFactory(programme=programme, attributes={"score": "many"})
    found = by(programme, "attribute.score")
    assert [part.count for part in found.parts] == [5] * 8 + [1]
    assert [part.label for part in found.parts][:2] == ["0 to 4", "5 to 9"]
    assert found.parts[-1].kind == "unknown"
    few = by(programme, "attribute.score", {"field": "attribute.score", "is": "between", "value": [3, 6]})
    assert counts(few) == {"3": 1, "4": 1, "5": 1, "6": 1}


def test_many_values_are_put_together_and_the_parts_make_the_whole():
    programme = ProgrammeFactory()
    for number in range(20):
        MemberFactory.create_batch(2 if number < 3 else 1, programme=programme, city=f"Town {number:02}")
    MemberFactory(programme=programme, city="")
    found = by(programme, "member.city")
    assert [part.label for part in found.parts[:3]] == ["Town 00", "Town 01", "Town 02"]
    assert [part.kind for part in found.parts[-2:]] == ["others", "unknown"]
    assert found.parts[-2].label == "8 others"
    assert sum(part.count for part in found.parts) == found.count == 24


def test_conditions_on_the_history_are_broken_down_too(django_assert_max_num_queries):
    programme, people = world.plant()
    criteria = {"purchases": "count", "is": "greater", "value": 0}
    with django_assert_max_num_queries(14):
        found = by(programme, "member.status", criteria)
    expected = Counter(person.columns["status"] for person in people.values() if person.lines)
    assert counts(found) == dict(expected)


@pytest.mark.parametrize("key", ["member.email", "member.external_id", "attribute.unheard", ""])
def test_what_names_one_member_or_nothing_is_refused(key):
    with pytest.raises(InvalidInput) as refused:
        by(ProgrammeFactory(), key)
    assert refused.value.problems[0]["code"] == "unknown_field"


def test_nobody_is_nothing():
    programme = ProgrammeFactory()
    found = by(programme, "member.joined_at")
    assert (found.count, found.parts) == (0, [])
