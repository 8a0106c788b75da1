"""A member's own terms: what can be given, what is refused and where, and how they are said (S1-03, S1-07..16)."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest

from offers import rules
from offers.rules import personal_offer
from offers.rules.personal_offer import PersonalOffer
from tests.offers.rules import problems

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
COFFEE: dict[str, Any] = {"external_id": "COFFEE", "benefit": {"type": "percent", "size": 20}}
TEA: dict[str, Any] = {"id": 7, "benefit": {"type": "bonus_points", "size": 100}}
KNOWN = {("external_id", "COFFEE"): ("COFFEE", "Coffee"), ("id", 7): ("TEA", "Tea")}
LADDER: dict[str, Any] = {
    "benefit_type": "amount",
    "thresholds": [{"amount_minor": 5000, "size": 500}, {"amount_minor": 10000, "size": 1200}],
}


def read(value: Any, mechanic: str = "products") -> PersonalOffer:
    given, found = personal_offer.read(value, mechanic=mechanic)
    assert found == []
    assert given is not None
    return given


def refused(value: Any, mechanic: str = "products") -> list[tuple[str, str, Any]]:
    given, found = personal_offer.read(value, mechanic=mechanic)
    assert given is None
    assert all(one["message"] and "%(" not in one["message"] for one in found)
    return [(one["field"], one["code"], one["value"]) for one in found]


@pytest.mark.parametrize("mechanic", ["products", "categories", "groups"])
def test_items_have_an_id_of_either_kind_and_a_benefit_of_their_own_s1_05_s1_07_s1_09_s1_11(mechanic: str) -> None:
    given = read({"items": [COFFEE, TEA]}, mechanic)
    assert [item.key for item in given.items] == [("external_id", "COFFEE"), ("id", 7)]
    assert [(item.benefit.type, item.benefit.size) for item in given.items] == [("percent", 20), ("bonus_points", 100)]


def test_ids_are_told_apart_and_never_guessed_s1_07() -> None:
    benefit = COFFEE["benefit"]
    assert refused({"items": [{"benefit": benefit}, {"id": 7, "external_id": "TEA", "benefit": benefit}]}) == [
        ("items[0].external_id", "no_id", None),
        ("items[1].id", "two_ids", 7),
    ]
    assert refused({"items": [{"id": "7", "benefit": benefit}, {"external_id": 7, "benefit": benefit}]}) == [
        ("items[0].id", "not_a_whole_number", "7"),
        ("items[1].external_id", "not_text", 7),
    ]
    # An internal id 7 and an external id "7" are two different things.
    assert len(read({"items": [{"id": 7, "benefit": benefit}, {"external_id": "7", "benefit": benefit}]}).items) == 2


def test_the_same_product_by_two_ids_is_named_once_it_is_looked_up_s1_07() -> None:
    given = read({"items": [COFFEE, {"id": 9, "benefit": COFFEE["benefit"]}, {"id": 8, "benefit": COFFEE["benefit"]}]})
    found = personal_offer.missing_ids(
        personal_offer.readable({}, given), {**KNOWN, ("id", 9): ("COFFEE", "Coffee")}, mechanic="products"
    )
    assert [(one["field"], one["code"]) for one in found] == [
        ("items[1].id", "twice"),
        ("items[2].id", "unknown_product"),
    ]


def test_every_problem_is_named_at_once_with_its_place_b_02() -> None:
    assert refused(
        {
            "mechanic": "groups",
            "items": [
                {"external_id": " X", "benefit": {"type": "percent", "size": 101}},
                {"external_id": "A", "benefit": {"type": "gift", "size": 1}, "until": 3},
                {"external_id": "B", "benefit": {"type": "percent", "size": 5}, "ends_at": "31.12.2026"},
                {"external_id": "C", "benefit": {"type": "coupon", "size": 1}},
                {
                    "external_id": "D",
                    "benefit": {"type": "amount", "size": 5},
                    "starts_at": "2026-12-31",
                    "ends_at": "2026-12-01",
                },
            ],
            "acceptance_required": "yes",
            "channels": ["App"],
        }
    ) == [
        ("mechanic", "wrong_mechanic", "groups"),
        ("items[0].external_id", "not_an_id", " X"),
        ("items[0].benefit.size", "too_large", 101),
        ("items[1].benefit.type", "unknown_choice", "gift"),
        ("items[1].until", "unknown_field", 3),
        ("items[2].ends_at", "not_a_moment", "31.12.2026"),
        ("items[3].benefit.offer_reference", "missing", None),
        ("items[4].ends_at", "ends_before_start", "2026-12-01"),
        ("acceptance_required", "not_yes_or_no", "yes"),
        ("channels[0]", "not_a_code", "App"),
    ]


def test_validity_is_of_the_whole_or_of_each_item_s1_08_s1_10_s1_12() -> None:
    whole = read({"items": [COFFEE], "starts_at": "2026-12-01", "ends_at": "2026-12-31"})
    assert terms(whole)["validity"] == {"starts_at": "2026-12-01", "ends_at": "2026-12-31"}
    each = read(
        {"items": [{**COFFEE, "ends_at": "2026-11-30"}, {**TEA, "starts_at": "2026-12-01", "ends_at": "2027-01-31"}]}
    )
    made = terms(each)
    assert made["validity"] == {"ends_at": "2027-01-31"}
    assert [item.get("ends_at") for item in made["personal"]["items"]] == ["2026-11-30", "2027-01-31"]
    # An item without an end: how long it lasts is the offer's own word.
    assert "validity" not in terms(read({"items": [COFFEE, {**TEA, "ends_at": "2027-01-31"}]}))
    assert refused({"ends_at": "2026-12-31", "items": [{**COFFEE, "starts_at": "2026-12-01"}]}) == [
        ("items[0].starts_at", "two_periods", "2026-12-01")
    ]


def test_thresholds_are_of_one_type_distinct_and_ascending_s1_13_s1_14() -> None:
    given = read(LADDER, "receipt")
    assert [(one.amount_minor, one.size) for one in given.thresholds] == [(5000, 500), (10000, 1200)]
    same = {"benefit_type": "amount", "thresholds": [LADDER["thresholds"][0]] * 2}
    assert refused(same, "receipt") == [("thresholds[1].amount_minor", "not_ascending", 5000)]
    assert refused({"thresholds": LADDER["thresholds"]}, "receipt") == [("benefit_type", "missing", None)]
    mixed = {"benefit_type": "percent", "thresholds": [{"amount_minor": 1, "size": 5, "type": "amount"}]}
    assert refused(mixed, "receipt") == [("thresholds[0].type", "unknown_field", "amount")]
    assert refused({**LADDER, "benefit_type": "coupon"}, "receipt") == [("benefit_type", "unknown_choice", "coupon")]
    assert refused({"items": [COFFEE]}, "receipt") == [
        ("items", "not_on_receipts", repr([COFFEE])),
        ("thresholds", "empty_list", None),
    ]
    assert refused(LADDER)[0] == ("thresholds", "only_on_receipts", repr(LADDER["thresholds"]))


def test_the_type_and_size_of_a_benefit_may_be_a_coupon_of_an_offer_s1_03() -> None:
    given = read(
        {"items": [{"external_id": "COFFEE", "benefit": {"type": "coupon", "size": 2, "offer_reference": "c"}}]}
    )
    assert personal_offer.missing_coupons(personal_offer.readable({}, given), {"c": "Cake"}) == []
    [found] = personal_offer.missing_coupons(personal_offer.readable({}, given), {})
    assert (found["field"], found["code"]) == ("items[0].benefit.offer_reference", "unknown_offer")


def test_unknown_channels_are_named_with_those_there_are_s1_20() -> None:
    [found] = personal_offer.missing_channels(
        personal_offer.readable({}, read({"items": [COFFEE], "channels": ["app", "tv"]})), ["app", "push"]
    )
    assert found["field"] == "channels[1]"
    assert found["message"] == "there is no channel “tv”. Use one of: app, push."


def test_what_is_over_is_named_in_the_programmes_zone_d_09() -> None:
    given = read({"items": [{**COFFEE, "ends_at": "2026-11-21"}, {**TEA, "ends_at": "2026-11-22"}]})
    [found] = personal_offer.overdue(personal_offer.readable({}, given), now=NOW, zone=PARIS)
    assert (found["field"], found["code"], found["value"]) == ("items[0].ends_at", "over", "2026-11-21")


def terms(given: PersonalOffer) -> dict[str, Any]:
    made = personal_offer.terms(given, known=KNOWN, zone=PARIS)
    assert rules.parse(made).data() == made
    return made


def test_the_terms_carry_all_that_a_till_needs_s1_04() -> None:
    made = terms(
        read({"items": [COFFEE, TEA], "acceptance_required": True, "channels": ["app"], "ends_at": "2026-12-31"})
    )
    assert made == {
        "personal": {
            "mechanic": "products",
            "items": [
                {"external_id": "COFFEE", "name": "Coffee", "benefit": {"type": "percent", "size": 20}},
                {"external_id": "TEA", "name": "Tea", "benefit": {"type": "bonus_points", "size": 100}},
            ],
        },
        "validity": {"ends_at": "2026-12-31"},
        "channels": {"channels": ["app"]},
        "acceptance": {"required": True},
    }
    settled = rules.settle(made, issued_at=NOW, zone=PARIS)
    assert settled.acceptance_required
    assert settled.ends_at == datetime(2026, 12, 31, 23, tzinfo=UTC)


def test_each_item_and_all_thresholds_are_said_in_words_s1_19() -> None:
    made = terms(read({"items": [{**COFFEE, "ends_at": "2026-11-30"}, TEA]}))
    assert [str(line.text) for line in rules.explain(made, currency="EUR", zone=PARIS)] == [
        "20 % off Coffee until Nov. 30, 2026",
        "100 bonus points for Tea",
    ]
    made = terms(read(LADDER, "receipt"))
    assert [str(line.text) for line in rules.explain(made, currency="EUR", zone=PARIS)] == [
        "5.00 € off a purchase of 50.00 € or more; 12.00 € off a purchase of 100.00 € or more"
    ]
    capped = {"items": [{"external_id": "COFFEE", "benefit": {"type": "percent", "size": 20, "maximum_minor": 300}}]}
    assert str(rules.explain(terms(read(capped)), currency="EUR")[0].text) == "20 % off Coffee (at most 3.00 €)"


def test_the_worst_case_is_all_items_at_once_or_the_dearest_threshold() -> None:
    amounts = {
        "items": [
            {**COFFEE, "benefit": {"type": "amount", "size": 100}},
            {"id": 7, "benefit": {"type": "amount", "size": 50}},
        ]
    }
    both = {**terms(read(amounts)), "redemption_limit": {"limit": 3}}
    assert rules.settle(both, issued_at=NOW, zone=PARIS).exposure_minor == 450
    assert rules.settle(terms(read(LADDER, "receipt")), issued_at=NOW, zone=PARIS).exposure_minor == 1200
    assert rules.settle(terms(read({"items": [COFFEE]})), issued_at=NOW, zone=PARIS).exposure_minor == 0


def test_acceptance_survives_what_changes_neither_benefit_nor_products_nor_period_d_14() -> None:
    def core(value: dict[str, Any]) -> tuple[str, str]:
        given = read(value)
        return personal_offer.digests(terms(given), rank=given.rank)

    before = core({"items": [COFFEE, TEA]})
    assert core({"items": [TEA, COFFEE]}) == before
    for change in ({"channels": ["app"]}, {"acceptance_required": True}, {"rank": 5}):
        whole, kept = core({"items": [COFFEE, TEA], **change})
        assert (whole != before[0], kept == before[1]) == (True, True)
    for value in (
        {"items": [COFFEE]},
        {"items": [COFFEE, TEA], "ends_at": "2026-12-31"},
        {"items": [{**COFFEE, "benefit": {"type": "percent", "size": 21}}, TEA]},
    ):
        assert core(value)[1] != before[1]


def test_the_offer_says_on_what_and_neither_benefit_nor_products_beside_it_s1_01() -> None:
    own = {"personal": {"mechanic": "groups"}}
    assert [str(line.text) for line in rules.explain(own, currency="EUR")] == [
        "On product groups that are chosen for each member"
    ]
    with pytest.raises(rules.InvalidTerms) as refusal:
        rules.settle({**own, "benefit": {"type": "percent", "size": 5}}, issued_at=NOW, zone=PARIS)
    assert [(one["rule"], one["code"]) for one in refusal.value.problems] == [("benefit", "not_beside_personal")]
    found = problems.of({"personal": {"mechanic": "products", "items": [{**COFFEE, "id": 7}]}})
    assert [one[:3] for one in found] == [("personal", "items[0].id", "unknown_field")]


def test_the_schema_takes_what_reading_takes_and_tells_ids_apart_s1_07() -> None:
    schema = personal_offer.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    valid = jsonschema.Draft202012Validator(schema)
    valid.validate({"items": [COFFEE, TEA], "channels": ["app"], "acceptance_required": True})
    valid.validate({"mechanic": "receipt", **LADDER})
    for wrong in (
        {"items": [{"benefit": COFFEE["benefit"]}]},
        {"items": [{**COFFEE, "id": 7}]},
        {"items": [{"external_id": "A", "benefit": {"type": "gift", "size": 1}}]},
        {"thresholds": [{"amount_minor": 0, "size": 1}]},
    ):
        assert not valid.is_valid(wrong)
