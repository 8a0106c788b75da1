"""Criteria against real PostgreSQL: the SQL means what plain Python means (S4-24, S4-26)."""

from typing import Any

import pytest
from django.db import connection
from django.utils import translation
from hypothesis import HealthCheck, example, given, settings

from loyalty.database import execute, rows
from offers import targeting
from offers.models import Targeting, TargetingVersion
from offers.selectors import targeting as selector
from offers.services import revocation
from tests.factories import (
    AttributeDefinitionFactory,
    CategoryFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProductFactory,
    ProductGroupFactory,
    ProgrammeFactory,
    PurchaseFactory,
    PurchaseLineFactory,
    TargetingFactory,
    give,
)
from tests.offers.targeting import strategies, world

pytestmark = pytest.mark.django_db

EVERYONE = {"op": "and", "items": [], "all_members": True}


def bought(operator: str, value: Any, **where: Any) -> dict[str, Any]:
    return {"purchases": "count", "where": where, "is": operator, "value": value}


@pytest.fixture
def planted():
    return world.plant()


def matched(programme, tree: dict[str, Any], **options: Any) -> set[int]:
    predicate = selector.where(programme=programme, criteria=tree, now=world.NOW, **options)
    with_all = "WITH everyone AS (SELECT * FROM loyalty_member) " if options else ""
    sql = f"{with_all}SELECT member.id FROM loyalty_member AS member WHERE {predicate.sql}"
    return {row["id"] for row in rows(sql, predicate.params)}


def refusals(programme, tree: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        selector.read(tree, programme=programme)
    except targeting.InvalidCriteria as refusal:
        return refusal.problems
    return []


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=strategies.trees)
@example(tree=bought("less", 1))
@example(tree={"op": "and", "not": True, "items": [bought("less", 2), bought("greater_or_equal", 1)]})
@example(tree={"field": "member.city", "is": "contains", "value": "a_b"})
@example(tree={"field": "member.city", "is": "contains", "value": "100%"})
@example(tree={"field": "member.city", "is": "starts_with", "value": "a\\b"})
@example(tree={"field": "attribute.children", "is": "less", "value": 2})
def test_random_criteria_find_exactly_whom_plain_python_finds(planted, tree: dict[str, Any]) -> None:
    programme, people = planted
    named, tree = tree, world.resolved(tree, programme)
    refused = refusals(programme, tree)
    if refused:
        # What is refused as contradictory must find nobody; below a negation or an `or` there is nobody to judge.
        assert {problem["code"] for problem in refused} == {"contradiction"}
        if not tree.get("not") and [problem["path"] for problem in refused] == [""]:
            assert not any(world.JUDGE.holds(named, person) for person in people.values())
        return
    expected = {pk for pk, person in people.items() if world.JUDGE.holds(named, person)}
    assert matched(programme, tree) == expected
    assert matched(programme, tree, within="everyone") == expected


def test_everyone_is_the_programmes_members_but_not_the_erased(planted) -> None:
    programme, people = planted
    assert matched(programme, EVERYONE) == set(people)
    assert selector.count(EVERYONE, programme=programme, now=world.NOW) == len(people)


def test_every_value_is_a_parameter_whatever_it_says() -> None:
    programme = ProgrammeFactory()
    hostile = "'; DROP TABLE loyalty_member; -- %(x)s %s {0} \\"
    definition = AttributeDefinitionFactory(programme=programme, name="note")
    member = MemberFactory(programme=programme, city=hostile, attributes={definition.name: hostile})
    MemberFactory(programme=programme)
    for key in ("member.city", "attribute.note"):
        for operator, value in (
            ("equals", hostile),
            ("in", [hostile]),
            ("contains", hostile[1:]),
            ("starts_with", hostile),
        ):
            tree = {"field": key, "is": operator, "value": value}
            predicate = selector.where(programme=programme, criteria=tree, now=world.NOW)
            assert "DROP" not in predicate.sql
            assert matched(programme, tree) == {member.pk}


def test_a_member_without_purchases_counts_as_none_and_has_no_last_one() -> None:
    programme = ProgrammeFactory()
    product = ProductFactory(programme=programme)
    regular, newcomer = MemberFactory(programme=programme), MemberFactory(programme=programme)
    PurchaseLineFactory(purchase=PurchaseFactory(member=regular, purchased_at=world.NOW), product=product)
    assert matched(programme, bought("less", 3)) == {regular.pk, newcomer.pk}
    assert matched(programme, bought("equals", 0, products=[product.external_id])) == {newcomer.pk}
    assert matched(programme, bought("greater", 0)) == {regular.pk}
    recent = {"purchases": "recency_days", "is": "greater_or_equal", "value": 0}
    assert matched(programme, recent) == {regular.pk}
    assert matched(programme, {"purchases": "last", "is": "not_in_last_days", "value": 7}) == {newcomer.pk}


def test_purchases_are_receipts_not_lines_and_a_group_is_its_products() -> None:
    programme = ProgrammeFactory()
    member = MemberFactory(programme=programme)
    purchase = PurchaseFactory(member=member)
    products = [ProductFactory(programme=programme) for _ in range(2)]
    for product in products:
        PurchaseLineFactory(purchase=purchase, product=product)
    group = ProductGroupFactory(programme=programme, products=products[:1])
    other = ProductGroupFactory(programme=programme)
    assert matched(programme, bought("equals", 1)) == {member.pk}
    assert matched(programme, bought("equals", 1, groups=[group.external_id])) == {member.pk}
    assert matched(programme, bought("equals", 1, groups=[other.external_id])) == set()


def test_the_catalogue_has_the_programmes_own_attributes_and_ids_only() -> None:
    programme, other = ProgrammeFactory(), ProgrammeFactory()
    AttributeDefinitionFactory(programme=programme, name="tier", label="Tier", choices=["gold", "silver"])
    AttributeDefinitionFactory(programme=other, name="secret")
    theirs = CategoryFactory(programme=other)
    catalogue = selector.catalogue(programme)
    assert catalogue.fields["attribute.tier"].type == "choice"
    assert "attribute.secret" not in catalogue.fields
    with pytest.raises(targeting.InvalidCriteria) as refusal:
        targeting.parse(bought("equals", 1, categories=[theirs.external_id]), catalogue)
    assert [problem["code"] for problem in refusal.value.problems] == ["unknown_id"]


def test_every_field_and_operator_of_the_catalogue_is_sql_that_runs_and_says_itself(planted) -> None:
    programme, _people = planted
    catalogue = selector.catalogue(programme)
    values = {
        "text": "x",
        "choice": "active",
        "number": 1,
        "boolean": True,
        "date": "2026-01-01",
        "moment": "2026-01-01",
        "list": "x",
    }
    for field in catalogue.fields.values():
        for operator in targeting.operators.BY_TYPE[field.type]:
            value = field.choices[0][0] if field.choices else values[field.type]
            given_value = {"between": [value, value], "in": [value], "not_in": [value]}.get(operator, value)
            tree = {"field": field.key, "is": operator, "value": given_value}
            if operator.endswith("last_days"):
                tree["value"] = 7
            elif operator.endswith("exists"):
                del tree["value"]
            assert selector.count(tree, programme=programme, now=world.NOW) >= 0
            with translation.override("en"):
                assert str(field.label) in targeting.sentence(selector.read(tree, programme=programme))


def test_a_sample_is_stable_bounded_and_of_those_meant_s4_25(planted) -> None:
    programme, _people = planted
    tree = {"field": "member.status", "is": "equals", "value": "active"}
    first = selector.sample(tree, programme=programme, now=world.NOW, size=5)
    again = selector.sample(tree, programme=programme, now=world.NOW, size=5)
    assert first == again
    assert len(first) == 5
    assert {member.pk for member in first} <= matched(programme, tree)


def test_an_estimate_is_exact_where_the_table_is_small(planted) -> None:
    programme, people = planted
    assert selector.estimate(EVERYONE, programme=programme, now=world.NOW) == selector.Estimate(len(people), True)


def test_an_estimate_of_a_large_table_is_near_and_says_that_it_is_about(monkeypatch) -> None:
    programme, other = ProgrammeFactory(), ProgrammeFactory()
    execute(
        """
        INSERT INTO loyalty_member (programme_id, external_id, first_name, last_name, email, phone, email_key,
               phone_key, gender, language, timezone, city, country, tier, status, attributes, created_at, updated_at)
        SELECT CASE WHEN number % 2 = 0 THEN %(one)s ELSE %(other)s END, number, '', '', '', '', '', '', '', '', '',
               CASE WHEN number % 5 = 0 THEN 'London' ELSE 'Paris' END, '', '', 'active',
               jsonb_build_object('n', number), now(), now()
          FROM generate_series(1, 60000) AS number
        """.replace("% 2", "%% 2").replace("% 5", "%% 5"),
        {"one": programme.pk, "other": other.pk},
    )
    execute("ANALYZE loyalty_member")
    tree = {
        "op": "and",
        "items": [{"field": "member.city", "is": "equals", "value": "London"}, bought("less", 1)],
    }
    found = selector.estimate(tree, programme=programme, now=world.NOW)
    assert not found.is_exact
    # A tenth of 60,000, from about 1,000 rows: more than five standard errors.
    assert 3_000 <= found.count <= 9_000
    nobody = {"field": "member.city", "is": "equals", "value": "Rome"}
    assert selector.estimate(nobody, programme=programme, now=world.NOW) == selector.Estimate(0, False)


def test_the_saved_ones_are_the_programmes_in_use(planted) -> None:
    programme, _people = planted
    mine = TargetingFactory(programme=programme)
    TargetingFactory()
    TargetingFactory(programme=programme, archived_at=world.NOW)
    assert set(selector.saved(programme)) == {mine, *Targeting.objects.filter(name__in=world.SAVED)}


def test_purchase_conditions_are_joins_not_a_lookup_a_member() -> None:
    programme = ProgrammeFactory()
    some, few = bought("greater", 2), bought("less", 3)
    city = {"field": "member.city", "is": "equals", "value": "London"}
    for tree in (
        some,
        few,
        {"op": "or", "items": [city, some, few]},
        {"op": "and", "not": True, "items": [city, some, {"op": "or", "items": [few, city]}]},
    ):
        predicate = selector.where(programme=programme, criteria=tree, now=world.NOW)
        with connection.cursor() as cursor:
            cursor.execute(
                f"EXPLAIN SELECT count(*) FROM loyalty_member AS member WHERE {predicate.sql}", predicate.params
            )
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "SubPlan" not in plan


def test_reading_purchases_in_bulk_leaves_the_transaction_as_it_was() -> None:
    programme = ProgrammeFactory()
    names = ", ".join(f"current_setting('{name}') AS {name}" for name in selector.FOR_HISTORY)
    before = rows(f"SELECT {names}")
    with selector.planned(selector.read(bought("less", 1), programme=programme)):
        assert rows(f"SELECT {names}") == [selector.FOR_HISTORY]
    assert rows(f"SELECT {names}") == before
    with selector.planned(selector.read(EVERYONE, programme=programme)):
        assert rows(f"SELECT {names}") == before


def test_a_random_share_is_the_same_for_the_same_key_and_another_one_for_another() -> None:
    """B-13, D-19, issue 4: stable per campaign, nested by size, and spread evenly."""
    programme = ProgrammeFactory()
    everyone = {member.pk for member in MemberFactory.create_batch(1_000, programme=programme)}
    tenth = matched(programme, {"random_percent": 10, "key": "spring"})
    assert tenth == matched(programme, {"random_percent": 10, "key": "spring"})
    assert 60 <= len(tenth) <= 140
    assert tenth < matched(programme, {"random_percent": 30, "key": "spring"})
    other = matched(programme, {"random_percent": 10, "key": "summer"})
    assert len(tenth & other) < 40
    rest = {"op": "and", "not": True, "items": [{"random_percent": 10, "key": "spring"}]}
    assert matched(programme, rest) == everyone - tenth


def test_an_assignment_that_was_taken_back_was_never_had() -> None:
    """B-04, issue 4: who lost an offer by mistake can be targeted again."""
    member = MemberFactory()
    programme = member.programme
    offer = ConfigOfferFactory(programme=programme, offer_reference="coffee")
    never_had = {"assignments": "count", "where": {"offers": ["coffee"]}, "is": "equals", "value": 0}
    assert matched(programme, never_had) == {member.pk}
    held = give(member, offer)
    assert matched(programme, never_had) == set()
    revocation.revoke(programme=programme, assignment_id=held.pk, reason="mistake", now=world.NOW)
    assert matched(programme, never_had) == {member.pk}


def test_a_targeting_may_name_another_but_not_itself() -> None:
    """Issue 4: named by what it means now; a circle, an unknown one and a broken one are refused by path."""
    programme = ProgrammeFactory()
    london = MemberFactory(programme=programme, city="London")
    MemberFactory(programme=programme, city="Paris")
    inner = TargetingFactory(programme=programme, criteria={"field": "member.city", "is": "equals", "value": "London"})
    outer = TargetingFactory(programme=programme, criteria={"targeting": inner.pk})
    assert matched(programme, {"targeting": outer.pk}) == {london.pk}
    catalogue = selector.catalogue(programme)
    assert targeting.sentence(targeting.parse({"targeting": outer.pk}, catalogue)) == f"is in “{outer.name}”"

    foreign, archived = TargetingFactory(), TargetingFactory(programme=programme, archived_at=world.NOW)
    for unknown in (foreign.pk, archived.pk, 0, 10**30, "1", True):
        assert [one["code"] for one in refusals(programme, {"targeting": unknown})] == ["unknown_targeting"]
    for key in ("targeting", "list"):
        assert [one["code"] for one in refusals(programme, {key: None})] == ["missing_value"]
    version = TargetingVersion.objects.filter(targeting=inner)
    version.update(criteria={"targeting": outer.pk})
    [found] = refusals(programme, {"op": "and", "items": [{"targeting": outer.pk}]})
    assert (found["path"], found["code"]) == ("items[0].targeting", "targeting_of_itself")
    TargetingVersion.objects.filter(pk=inner.current_version.pk).update(
        criteria={"field": "attribute.gone", "is": "exists"}
    )
    [found] = refusals(programme, {"targeting": outer.pk})
    assert (found["path"], found["code"]) == ("targeting", "targeting_broken")
    assert "attribute.gone" in found["message"]


@pytest.mark.parametrize(
    ("tree", "path", "code"),
    [
        ({"random_percent": 0, "key": "a"}, "random_percent", "not_a_share"),
        ({"random_percent": 100, "key": "a"}, "random_percent", "not_a_share"),
        ({"random_percent": 1.005, "key": "a"}, "random_percent", "not_a_share"),
        ({"random_percent": "ten", "key": "a"}, "random_percent", "not_a_number"),
        ({"random_percent": 10}, "key", "missing_value"),
        ({"random_percent": 10, "key": " "}, "key", "empty_text"),
        ({"assignments": "amount", "is": "equals", "value": 1}, "assignments", "unknown_measure"),
        ({"assignments": "count", "is": "less", "value": 0}, "value", "too_small"),
        (
            {"redemptions": "count", "where": {"products": ["1"]}, "is": "equals", "value": 1},
            "where.products",
            "unknown_key",
        ),
        (
            {"redemptions": "count", "where": {"offers": ["nothing"]}, "is": "equals", "value": 1},
            "where.offers",
            "unknown_id",
        ),
    ],
)
def test_what_cannot_be_asked_of_shares_and_offers_is_refused_by_path(
    tree: dict[str, Any], path: str, code: str
) -> None:
    assert [(one["path"], one["code"]) for one in refusals(ProgrammeFactory(), tree)] == [(path, code)]


def test_typed_columns_are_counted_from_an_index_alone() -> None:
    """Issue 4, goal J: whichever of the promoted columns is compared, the table itself is not read."""
    programme = ProgrammeFactory()
    execute(
        "INSERT INTO loyalty_member (programme_id, external_id, first_name, last_name, email, phone, email_key,"
        " phone_key, gender, language, timezone, city, country, tier, status, attributes, created_at, updated_at)"
        " SELECT %s, 'M' || n, '', '', '', '', '', '', '', 'en', '', 'City ' || n %% 97, 'US',"
        " (ARRAY['basic', 'silver', 'gold'])[1 + n %% 3], 'active', '{}', now(), now()"
        "   FROM generate_series(1, 5000) AS n",
        [programme.pk],
    )
    execute("ANALYZE loyalty_member")
    # As after a vacuum, which no transaction can do: freshly written pages are not yet known to be visible to all, and
    # then the index that holds everything costs as much as one that holds half.
    execute("UPDATE pg_class SET relallvisible = relpages WHERE oid = 'loyalty_member'::regclass")
    for key, value in (("city", "City 5"), ("tier", "gold")):
        tree = {"field": f"member.{key}", "is": "equals", "value": value}
        predicate = selector.where(programme=programme, criteria=tree, now=world.NOW)
        execute("SET LOCAL enable_seqscan = off")
        execute("SET LOCAL enable_bitmapscan = off")
        plan = rows(
            f"EXPLAIN SELECT count(*), max(member.id) FROM loyalty_member AS member WHERE {predicate.sql}",
            predicate.params,
        )
        text = "\n".join(line["QUERY PLAN"] for line in plan)
        assert "Index Only Scan using member_for_targeting" in text, text
