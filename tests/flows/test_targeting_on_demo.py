"""Thirty criteria drawn by lot over the demo: count, sample and explanation agree with slow plain Python (issue 4)."""

import random

import pytest

from loyalty.models import Member, Programme
from loyalty.services.demo.source import Cut, Source
from offers import targeting
from offers.selectors import targeting as selector
from offers.selectors import targeting_explanation
from tests.flows.test_demo import NOW, load_demo
from tests.offers.targeting import demo_world

pytestmark = pytest.mark.django_db
TREES = 30


@pytest.mark.timeout(600)
def test_thirty_random_trees_agree_with_plain_python_over_the_demo(settings):
    """Issue 4's Show list, S4-24, S4-26, B-02: over real receipts, coupons and redemptions."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    programme = load_demo(Source(Cut(households=150, coupons_per_campaign=3, products_per_coupon=40)))
    world = demo_world.read(programme, NOW)
    assert all(world.ids.values())
    chance = random.Random(20261122)
    telling = 0
    while telling < TREES:
        tree = demo_world.tree(world, chance)
        if _excludes_itself(tree, programme):
            continue
        meant = {pk for pk, person in world.people.items() if world.judge.holds(tree, person)}
        _agrees(world, tree, meant, chance)
        # Whoever means all or nobody is judged too, but not counted: thirty of these trees tell members apart.
        telling += 0 < len(meant) < len(world.people)


def _excludes_itself(tree: dict, programme: Programme) -> bool:
    """Say whether conditions that were drawn by lot exclude each other; nothing else may be wrong with them."""
    try:
        selector.read(tree, programme=programme)
    except targeting.InvalidCriteria as refused:
        if {one["code"] for one in refused.problems} != {"contradiction"}:
            raise
        return True
    return False


def _agrees(world: demo_world.World, tree: dict, meant: set[int], chance: random.Random) -> None:
    programme = world.programme
    assert selector.count(tree, programme=programme, now=NOW) == len(meant), tree
    assert selector.estimate(tree, programme=programme, now=NOW) == selector.Estimate(len(meant), is_exact=True)
    sample = [member.pk for member in selector.sample(tree, programme=programme, now=NOW, size=8)]
    assert len(set(sample)) == min(8, len(meant)), tree
    assert set(sample) <= meant, tree
    asked = chance.sample(sorted(meant), min(2, len(meant)))
    asked += chance.sample(sorted(world.people.keys() - meant), min(2, len(world.people) - len(meant)))
    for member in Member.objects.filter(pk__in=asked):
        told = targeting_explanation.explain(tree, programme=programme, member=member, now=NOW)
        assert told.is_meant == (member.pk in meant), (tree, member.external_id)
        for clause in told.clauses:
            assert clause.holds == world.judge.holds(_node(tree, clause.path), world.people[member.pk]), clause


def _node(tree: dict, path: str) -> dict:
    for place in path.split(".") if path else []:
        tree = tree["items"][int(place)]
    return tree
