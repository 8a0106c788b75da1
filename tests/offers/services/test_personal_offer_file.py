"""Cells of personal offers that are not what they should be: a problem by its line, never a worker that stops."""

import pytest

from offers.models import PersonalOfferImport
from offers.services import personal_offer_report
from tests.offers.personal_offers import jsonl, members_of, offer_of, problems, received, table

pytestmark = pytest.mark.django_db
GOOD = {"external_id": "COFFEE", "benefit_type": "percent", "size": 20}


@pytest.mark.parametrize("kind", [["product"], {"is": "product"}])
def test_a_kind_that_is_a_list_or_an_object_is_a_problem_of_its_line_s1_03(kind):
    """It stopped the worker five times, and the import stood at "received" for ten minutes, without a cause."""
    offer = offer_of()
    members_of(offer, "M-1", "M-2")
    upload = received(offer, jsonl({"member": "M-1", "kind": kind, **GOOD}, {"member": "M-2", **GOOD}))
    assert upload.state == PersonalOfferImport.State.FAULTY
    assert [(line, field, code) for line, field, code, _value in problems(upload)] == [(1, "kind", "wrong_kind")]
    assert upload.preview["new"] == 1


@pytest.mark.parametrize("digits", [20, 25, 29, 30, 121, 5_000])
@pytest.mark.parametrize("name", ["id", "size", "maximum_minor", "rank"])
def test_a_whole_number_beyond_64_bit_is_a_problem_of_its_line_d_14(name, digits):
    """D-14, B-02: it stopped the worker at every attempt; the other lines are told of as well."""
    offer = offer_of()
    members_of(offer, "M-1", "M-2", "M-3")
    wrong = {"member": "M-2", **GOOD, name: "9" * digits}
    if name == "id":
        del wrong["external_id"]
    other = {"member": "M-3", **GOOD, "size": "ten"}
    upload = received(offer, table({"member": "M-1", **GOOD}, wrong, other), "offers.csv")
    assert upload.state == PersonalOfferImport.State.FAULTY
    shown = "9" * digits if digits <= 100 else "9" * 99 + "…"
    assert list(problems(upload)) == [(3, name, "too_large", shown), (4, "size", "not_a_whole_number", "ten")]
    assert upload.preview["new"] == 1
    said = personal_offer_report.problems(upload=upload)[0]
    assert said["message"].startswith(f"“{shown}” is too large. Give at most ")


def test_an_amount_beyond_64_bit_is_a_problem_of_its_line_d_14():
    """D-14, B-02: thresholds of receipts too; and below the least as well as above the most."""
    offer = offer_of("receipt")
    members_of(offer, "M-1", "M-2")
    rows = [
        {"member": f"M-{n}", "kind": "threshold", "benefit_type": "amount", "size": 5, "amount_minor": amount}
        for n, amount in ((1, "1" + "0" * 20), (2, "-1" + "0" * 20))
    ]
    upload = received(offer, table(*rows), "offers.csv")
    found = [(line, field, code) for line, field, code, _value in problems(upload)]
    assert found == [(2, "amount_minor", "too_large"), (3, "amount_minor", "too_small")]


def test_leading_zeros_do_not_make_a_number_large_d_14():
    """D-14: only what a number is worth counts, however long it is written."""
    offer = offer_of()
    members_of(offer, "M-1", "M-2")
    rows = [{"member": "M-1", **GOOD, "size": "0" * 200 + "20"}, {"member": "M-2", **GOOD, "rank": "-000"}]
    upload = received(offer, table(*rows), "offers.csv")
    assert (upload.state, upload.preview["new"]) == ("checked", 2)
