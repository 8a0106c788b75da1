"""Imports of personal offers: what is read, what is refused and where, what a new one changes (S1-03..16, D-14)."""

import io
from datetime import timedelta
from typing import Any

import pytest
import xlsxwriter

from loyalty import clock, tables
from loyalty.errors import DomainError
from loyalty.models import Category, Product, ProductGroup
from offers.models import (
    Assignment,
    PersonalOfferImport,
    PersonalOfferPart,
    PersonalOfferRow,
    PersonalOfferValue,
    Source,
)
from offers.services import personal_offer
from tests.factories import ConfigOfferFactory, ProgrammeFactory
from tests.offers.personal_offers import (
    committed,
    held,
    imported,
    item,
    jsonl,
    members_of,
    offer_of,
    packed,
    problems,
    received,
    rows,
    table,
)

pytestmark = pytest.mark.django_db


LINES: list[dict[str, Any]] = [
    {"member": "M-1", "external_id": "COFFEE", "benefit_type": "percent", "size": 20, "acceptance_required": "yes"},
    {"member": "M-1", "id": 0, "benefit_type": "bonus_points", "size": 100},
    {"member": "M-2", "external_id": "TEA", "benefit_type": "amount", "size": 150, "channels": "app;push"},
]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "flat parquet", "flat jsonl"])
@pytest.mark.parametrize("mechanic", ["products", "categories", "groups"])
def test_every_format_gives_the_same_offers_by_either_id_s1_03_s1_07_s1_09_s1_11(form: str, mechanic: str) -> None:
    offer = offer_of(mechanic)
    one, other = members_of(offer, "M-1", "M-2")
    model = {"products": Product, "categories": Category, "groups": ProductGroup}[mechanic]
    tea = model.objects.get(programme=offer.programme, external_id="TEA")
    flat = [{**line, **({"id": tea.pk} if "id" in line else {})} for line in LINES]
    nested: list[dict[str, Any]] = [
        {
            "member": "M-1",
            "items": [item(), {"id": tea.pk, "benefit": {"type": "bonus_points", "size": 100}}],
            "acceptance_required": True,
        },
        {"member": "M-2", "items": [item("TEA", 150, "amount")], "channels": ["app", "push"]},
    ]
    content, name = {
        "csv": lambda: (table(*flat), "offers.csv"),
        "jsonl": lambda: (jsonl(*nested), "offers.jsonl"),
        "parquet": lambda: (packed(*nested), "offers.parquet"),
        "flat parquet": lambda: (packed(*flat), "offers.parquet"),
        "flat jsonl": lambda: (jsonl(*flat), "offers.jsonl"),
    }[form]()
    upload = received(offer, content, name)
    assert list(problems(upload)) == []
    assert upload.preview == {"new": 2, "exposure_minor": 150}
    upload = committed(upload)
    assert upload.counts == {"new": 2}
    [of_one], [of_other] = held(one), held(other)
    assert of_one.terms == {
        "personal": {
            "mechanic": mechanic,
            "items": [
                {"external_id": "COFFEE", "name": "Coffee", "benefit": {"type": "percent", "size": 20}},
                {"external_id": "TEA", "name": "Tea", "benefit": {"type": "bonus_points", "size": 100}},
            ],
        },
        "acceptance": {"required": True},
    }
    assert (of_one.source, of_one.acceptance_required, of_one.exposure_minor) == (Source.ATTRIBUTE, True, 0)
    assert of_other.terms is not None
    assert of_other.terms["channels"] == {"channels": ["app", "push"]}
    assert (of_other.acceptance_required, of_other.exposure_minor) == (False, 150)
    assert PersonalOfferPart.objects.count() == 0


def test_thresholds_come_a_line_each_s1_13_s1_14() -> None:
    offer = offer_of("receipt")
    [member] = members_of(offer, "M-1")
    line = {"member": "M-1", "kind": "threshold", "benefit_type": "amount"}
    upload = received(
        offer,
        table({**line, "amount_minor": 5000, "size": 500}, {**line, "amount_minor": 10000, "size": 1200}),
        "ladder.csv",
    )
    committed(upload)
    [given] = held(member)
    assert given.terms == {
        "personal": {
            "mechanic": "receipt",
            "benefit_type": "amount",
            "thresholds": [{"amount_minor": 5000, "size": 500}, {"amount_minor": 10000, "size": 1200}],
        }
    }
    assert given.exposure_minor == 1200


def test_one_offer_gives_each_member_her_own_terms_period_and_place_s1_01_s1_05_s1_08_d_16() -> None:
    offer = offer_of(terms={"validity": {"days": 30}})
    one, other = members_of(offer, "M-1", "M-2")
    imported(
        offer,
        {"member": "M-1", "items": [item(size=10)], "ends_at": "2099-12-31", "rank": 3},
        {"member": "M-2", "items": [item(size=30), item("TEA", ends_at="2098-12-31")]},
    )
    [of_one], [of_other] = held(one), held(other)
    assert (of_one.rank, of_one.ends_at.year) == (3, 2100)
    assert of_other.rank == offer.rank
    # One item has no end of its own: the offer's thirty days hold.
    assert of_other.ends_at < clock.now() + timedelta(days=32)


def test_a_dry_run_names_every_problem_by_line_field_and_value_and_writes_nothing_b_02() -> None:
    offer = offer_of()
    members_of(offer, "M-1", "M-2", "M-3", "M-4")
    line = {"external_id": "COFFEE", "benefit_type": "percent", "size": 20}
    upload = received(
        offer,
        table(
            {"member": "M-1", **line, "kind": "category", "starts_at": "2099-02-01", "ends_at": "2099-01-01"},
            {"member": "M-1", **line, "external_id": "TEA", "ends_at": "2099-03-01"},
            {"member": "M-9", **line},
            {"member": "M-2", **line, "external_id": "MILK"},
            {"member": "M-2", **line, "external_id": "", "id": "x"},
            {"member": "M-3", **line, "size": "ten"},
            {"member": "M-4", **line, "item_ends_at": "2001-01-01"},
            {"member": "M-3", **line},
            {"member": "", **line},
        ),
        "offers.csv",
    )
    assert upload.state == "faulty"
    assert list(problems(upload)) == [
        (2, "kind", "wrong_kind", "category"),
        (2, "ends_at", "ends_before_start", "2099-01-01"),
        (3, "ends_at", "differs", "2099-03-01"),
        (4, "member", "unknown_member", "M-9"),
        (5, "external_id", "unknown_product", "MILK"),
        (6, "id", "not_a_whole_number", "x"),
        (7, "size", "not_a_whole_number", "ten"),
        (7, "member", "member_twice", "M-3"),
        (8, "item_ends_at", "over", "2001-01-01"),
        (9, "member", "member_twice", "M-3"),
        (10, "member", "missing", None),
    ]
    assert (Assignment.objects.count(), PersonalOfferValue.objects.count()) == (0, 0)
    with pytest.raises(personal_offer.HasProblems, match="7 of its rows have problems"):
        personal_offer.commit(upload=upload, leaves_out_faulty=False, actor=None, now=clock.now())
    assert Assignment.objects.count() == 0


def test_a_faulty_item_names_what_else_is_wrong_with_it_at_once_b_02() -> None:
    """B-02, S1-03: a wrong size beside an unknown product, coupon and an end that is over; both ids wrong, no more."""
    offer = offer_of()
    members_of(offer, "M-1", "M-2", "M-3")
    upload = received(
        offer,
        jsonl(
            {"member": "M-1", "items": [item("NONE", size=200), item(size="x"), item("NOR-THIS")]},
            {
                "member": "M-2",
                "items": [
                    {"external_id": "NONE", "ends_at": "2001-01-01", "colour": "red",
                     "benefit": {"type": "coupon", "size": 0, "offer_reference": "nowhere"}},
                ],
            },
            {"member": "M-3", "items": [{**item("NONE"), "id": 5}]},
        ),
    )  # fmt: skip
    found = {}
    for line, field, code, _value in problems(upload):
        found.setdefault(line, set()).add((field, code))
    assert found[1] == {
        ("items[0].benefit.size", "too_large"),
        ("items[0].external_id", "unknown_product"),
        ("items[1].benefit.size", "not_a_whole_number"),
        ("items[2].external_id", "unknown_product"),
    }
    assert found[2] == {
        ("items[0].colour", "unknown_field"),
        ("items[0].benefit.size", "too_small"),
        ("items[0].external_id", "unknown_product"),
        ("items[0].benefit.offer_reference", "unknown_offer"),
        ("items[0].ends_at", "over"),
    }
    assert found[3] == {("items[0].id", "two_ids")}


def test_faulty_members_are_left_out_when_asked_for_and_reported_b_02() -> None:
    offer = offer_of()
    members_of(offer, "M-1")
    upload = received(offer, jsonl({"member": "M-1", "items": [item()]}, {"member": "M-2", "items": [item()]}))
    upload = committed(upload, leaves_out_faulty=True)
    assert upload.counts == {"new": 1, "faulty": 1}
    assert rows(upload) == [("M-1", "new", "", False), ("M-2", "faulty", "", False)]


def test_lines_of_nobody_hinder_a_full_import_and_neighbours_of_unreadable_ones_are_faulty() -> None:
    offer = offer_of()
    members_of(offer, "M-1", "M-2", "M-3")
    content = (
        b"member,external_id,benefit_type,size\nM-1,COFFEE,percent,20\nM-1,TEA\nM-2,TEA,percent,5\nM-3,TEA,percent,5\n"
    )
    upload = received(offer, content, "offers.csv", is_full=True)
    assert [one[:3] for one in problems(upload)] == [
        (2, "", "unreadable_beside"),
        (3, "", "ragged_row"),
        (4, "", "unreadable_beside"),
    ]
    with pytest.raises(personal_offer.ImportState, match="name nobody"):
        personal_offer.commit(upload=upload, leaves_out_faulty=True, actor=None, now=clock.now())
    partial = committed(received(offer, content, "offers.csv"), leaves_out_faulty=True)
    assert partial.counts == {"new": 1, "faulty": 3}


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"member,size,colour\nM-1,2,red\n", "a.csv", "invalid_header"),
        (b"external_id,size\nA,2\n", "a.csv", "invalid_header"),
        (b"member,external_id,benefit_type,size\n", "a.csv", "invalid_table"),
    ],
)
def test_what_makes_no_table_of_offers_fails_with_its_cause(content: bytes, name: str, code: str) -> None:
    upload = received(offer_of(), content, name)
    assert upload.state == "failed"
    assert upload.failure["code"] == code
    assert (PersonalOfferRow.objects.count(), PersonalOfferPart.objects.count()) == (0, 0)


def test_what_is_no_table_at_all_is_refused_at_the_door() -> None:
    with pytest.raises(tables.InvalidTable):
        received(offer_of(), b"PK\x03\x04 zip", "offers.csv")
    assert PersonalOfferImport.objects.count() == 0


def test_only_an_offer_of_personal_terms_takes_an_import_s1_01() -> None:
    with pytest.raises(personal_offer.NotPersonal):
        received(ConfigOfferFactory(), jsonl({"member": "M-1"}))


def test_other_programmes_members_and_products_are_unknown_d_21() -> None:
    offer, other = offer_of(), offer_of(programme=ProgrammeFactory(slug="other"), things=("MILK",))
    members_of(offer, "M-1")
    members_of(other, "M-2")
    milk = Product.objects.get(external_id="MILK")
    upload = received(
        offer,
        jsonl(
            {"member": "M-1", "items": [{"id": milk.pk, "benefit": {"type": "percent", "size": 5}}]},
            {"member": "M-2", "items": [item()]},
        ),
    )
    assert [one[:3] for one in problems(upload)] == [
        (1, "items[0].id", "unknown_product"),
        (2, "member", "unknown_member"),
    ]


def test_a_machine_sets_up_to_a_thousand_each_answered_for_itself_s1_03() -> None:
    offer = offer_of()
    one, other = members_of(offer, "M-1", "M-2")
    values = [
        {"member": "M-1", "items": [item()]},
        {"member": "M-2", "items": [item(size=900)]},
        {"member": 3, "items": [item()]},
        "nonsense",
    ]
    upload = personal_offer.put(programme=offer.programme, offer=offer, values=values, now=clock.now(), api_client=None)
    assert (upload.state, upload.counts) == ("finished", {"new": 1, "faulty": 3})
    assert list(problems(upload)) == [
        (2, "items[0].benefit.size", "too_large", 900),
        (3, "member", "not_text", 3),
        (4, "", "not_an_object", "nonsense"),
        (4, "member", "missing", None),
    ]
    assert (len(held(one)), len(held(other))) == (1, 0)
    with pytest.raises(DomainError, match="1 to 1000"):
        personal_offer.put(programme=offer.programme, offer=offer, values=[], now=clock.now(), api_client=None)


def test_what_nothing_can_keep_is_named_and_its_neighbours_are_done() -> None:
    offer = offer_of()
    members_of(offer, "M-1")
    values = [{"member": "M-1", "items": [item()]}, {"member": "M-2\0", "items": [item("A\0")]}]
    upload = personal_offer.put(programme=offer.programme, offer=offer, values=values, now=clock.now(), api_client=None)
    assert upload.counts == {"new": 1, "faulty": 1}
    assert [one[:3] for one in problems(upload)] == [
        (2, "member", "unstorable_character"),
        (2, "items[0].external_id", "unstorable_character"),
        (2, "member", "unknown_member"),
    ]


def test_a_workbook_gives_the_same_offers_s1_03() -> None:
    offer = offer_of()
    [member] = members_of(offer, "M-1")
    into = io.BytesIO()
    book = xlsxwriter.Workbook(into)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["member", "external_id", "benefit_type", "size"])
    sheet.write_row(1, 0, ["M-1", "COFFEE", "percent", 20])
    book.close()
    committed(received(offer, into.getvalue(), "offers.xlsx"))
    assert held(member)[0].terms["personal"]["items"][0]["benefit"] == {"type": "percent", "size": 20}
