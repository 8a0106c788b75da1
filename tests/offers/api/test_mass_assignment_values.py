"""Values per member over the API: dry run, draft, outcomes (S1-01, S1-05)."""

import pytest

from loyalty import clock
from offers.models import Assignment, MassAssignment
from offers.services import execution, mass_assignment
from tests.factories import (
    ApiClientFactory,
    AttributeDefinitionFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    TargetingFactory,
)

pytestmark = pytest.mark.django_db
SIZE = {"expression": "min(30, max(5, loyalty_score / 10))", "minimum": 5, "maximum": 30}


@pytest.fixture
def programme():
    programme = ProgrammeFactory()
    AttributeDefinitionFactory(programme=programme, name="loyalty_score", type="number")
    ConfigOfferFactory(programme=programme, offer_reference="coffee")
    for number, score in enumerate((60, 120, 400, None)):
        attributes = {} if score is None else {"loyalty_score": score}
        MemberFactory(programme=programme, external_id=f"m-{number}", attributes=attributes)
    return programme


@pytest.fixture
def api(programme, client):
    _client, key = ApiClientFactory(programme=programme, scopes=["targetings"])

    def call(method, path, data=None):
        return getattr(client, method)(
            f"/api/v1/{path}", data=data, content_type="application/json", headers={"Authorization": f"Api-Key {key}"}
        )

    return call


def wanted(programme, size):
    targeting = TargetingFactory(programme=programme)
    return {
        "config_offer": "coffee",
        "targeting": targeting.pk,
        "member_values": {"benefit": {"type": "percent", "size": size}},
    }


def test_s1_05_a_dry_run_a_draft_and_the_outcomes_speak_of_values_per_member(api, programme):
    """S1-01, S1-05: the same numbers before, and each member's own afterwards."""
    given = wanted(programme, SIZE)
    seen = api("post", "mass-assignments/dry-run", given).json()
    assert (seen["matched"], seen["eligible"], seen["excluded"]) == (4, 3, {"missing_rule": 1})
    assert seen["reasons"] == {"benefit.size": 1}
    assert seen["spreads"] == [{"field": "benefit.size", "minimum": 6, "median": 12, "maximum": 30}]
    assert {each["member"]: each["terms"]["benefit"]["size"] for each in seen["samples"]} == {
        "m-0": 6, "m-1": 12, "m-2": 30
    }  # fmt: skip
    assert any("6 % off" in each["sentences"] for each in seen["samples"])

    made = api("post", "mass-assignments", given)
    assert (made.status_code, made.json()["member_values"]) == (201, given["member_values"])
    run = mass_assignment.launch(run=MassAssignment.objects.get(), actor=None, now=clock.now())
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    found = api("get", f"mass-assignments/{run.pk}/outcomes").json()["results"]
    assert [(each["member"], each["outcome"], each["reason"]) for each in found] == [
        ("m-0", "assigned", ""), ("m-1", "assigned", ""), ("m-2", "assigned", ""),
        ("m-3", "missing_rule", "benefit.size"),
    ]  # fmt: skip
    sizes = Assignment.objects.order_by("member_id").values_list("terms__benefit__size", flat=True)
    assert list(sizes) == [6, 12, 30]


def test_s1_05_a_faulty_formula_is_one_clear_problem_at_every_way_in(api, programme):
    """S1-05, B-02: rule, field, and the character; nothing is made."""
    given = wanted(programme, {"expression": "min(30, score", "minimum": 5, "maximum": 30})
    for path in ("mass-assignments/dry-run", "mass-assignments"):
        refused = api("post", path, given)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_value")
        [problem] = refused.json()["problems"]
        assert (problem["rule"], problem["field"], problem["code"]) == ("benefit", "size", "not_a_formula")
        assert "there is no numeric attribute “score” (there are: loyalty_score) at character 9." in problem["message"]
    assert not MassAssignment.objects.exists()
