"""Why is she in or out: every clause judged for one member, as plain Python judges it (B-02)."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from loyalty.models import Member
from offers import targeting
from offers.selectors import targeting as selector
from offers.selectors.targeting_explanation import explain
from tests.factories import (
    AttributeDefinitionFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    PurchaseFactory,
    PurchaseLineFactory,
    give,
)
from tests.offers.targeting import strategies, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def planted():
    return world.plant()


def judged_by_hand(tree: dict[str, Any], person: Any) -> list[bool]:
    """Return whether each clause holds, parents first, as the explanation lists them."""
    inner = tree.get("items", [])
    if "targeting" in tree:
        inner = [world.SAVED[tree["targeting"]]]
    return [world.JUDGE.holds(tree, person), *(one for item in inner for one in judged_by_hand(item, person))]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=strategies.trees)
def test_every_clause_is_judged_as_plain_python_judges_it(planted, tree: dict[str, Any]) -> None:
    """B-02, issue 4: for random criteria, three members each."""
    programme, people = planted
    named, tree = tree, world.resolved(tree, programme)
    try:
        checked = selector.read(tree, programme=programme)
    except targeting.InvalidCriteria:
        return
    for pk in list(people)[::20]:
        found = explain(checked, programme=programme, member=Member.objects.get(pk=pk), now=world.NOW)
        assert [clause.holds for clause in found.clauses] == judged_by_hand(named, people[pk])
        assert found.is_meant == world.JUDGE.holds(named, people[pk])


def test_a_member_is_told_clause_by_clause_what_keeps_her_out_with_her_values() -> None:
    """B-02: the failing clause, her value; money and days as people write them."""
    programme = ProgrammeFactory(currency="EUR", timezone="Europe/Riga")
    AttributeDefinitionFactory(programme=programme, name="children", label="Children", type="number")
    member = MemberFactory(programme=programme, city="London", birth_date=None, attributes={"children": 1})
    PurchaseLineFactory(purchase=PurchaseFactory(member=member, purchased_at=world.NOW), amount_minor=1250, quantity=1)
    offer = ConfigOfferFactory(programme=programme, offer_reference="coffee", name="Coffee")
    give(member, offer)
    tree = {
        "op": "and",
        "items": [
            {"field": "member.city", "is": "equals", "value": "London"},
            {"field": "member.birth_date", "is": "exists"},
            {
                "op": "or",
                "items": [
                    {"field": "attribute.children", "is": "greater", "value": 2},
                    {"purchases": "amount", "is": "greater", "value": 3000},
                ],
            },
            {"assignments": "count", "where": {"offers": ["coffee"]}, "is": "equals", "value": 0},
        ],
    }
    found = explain(tree, programme=programme, member=member, now=world.NOW)
    assert [(clause.depth, clause.text, clause.holds, clause.value) for clause in found.clauses] == [
        (0, "All of these", False, ""),
        (1, "City is London", True, "London"),
        (1, "Birth date is known", False, "not known"),
        (1, "Any of these", False, ""),
        (2, "Children is more than 2", False, "1"),
        (2, "Amount spent is more than 30.00 €", False, "12.50 €"),
        (1, "Offers given (Offers: Coffee) is 0", False, "1"),
    ]
    assert not found.is_meant
    assert found.sentence == (
        "She is not meant, because this does not hold: Birth date is known; Children is more than 2 or "
        "Amount spent is more than 30.00 €; Offers given (Offers: Coffee) is 0."
    )


def test_who_is_meant_is_told_so_and_everyone_means_everyone() -> None:
    member = MemberFactory(city="London")
    tree = {"op": "and", "not": True, "items": [{"field": "member.city", "is": "equals", "value": "Paris"}]}
    found = explain(tree, programme=member.programme, member=member, now=world.NOW)
    assert (found.is_meant, found.sentence) == (True, "She is meant.")
    assert found.clauses[0].text == "Not all of these"
    everyone = {"op": "and", "items": [], "all_members": True}
    found = explain(everyone, programme=member.programme, member=member, now=world.NOW)
    assert (found.is_meant, found.sentence) == (True, "All members are meant, so she is too.")
