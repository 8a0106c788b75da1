"""Cells of personal offers that are not what they should be: a problem by its line, never a worker that stops."""

import pytest

from offers.models import PersonalOfferImport
from tests.offers.personal_offers import jsonl, members_of, offer_of, problems, received

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
