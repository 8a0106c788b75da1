"""Limits, eligibility and what a dry run says of them, over the API (D-05, S0-02, S4-28)."""

import json

import pytest

from loyalty import clock
from loyalty.models import AuditEvent, Scope
from offers.models import Limit
from offers.services import execution, mass_assignment
from tests.factories import (
    ApiClientFactory,
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    TargetingFactory,
    give,
    limit_of,
)

pytestmark = pytest.mark.django_db
TWO_EUROS = {"benefit": {"type": "amount", "size": 200}}
LYON = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Lyon"}]}


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def coffee(programme):
    return ConfigOfferFactory(programme=programme, offer_reference="coffee", external_id="cms/coffee", terms=TWO_EUROS)


@pytest.fixture
def api(programme, client):
    """Call the API with a key that may set limits and run mass assignments."""
    own, key = ApiClientFactory(programme=programme, scopes=[Scope.LIMITS, Scope.TARGETINGS])

    def call(method, path, data=None, *, key=key):
        return client.generic(
            method,
            f"/api/v1/{path}",
            data=b"" if data is None else json.dumps(data),
            content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"},
        )

    call.client = own
    return call


def test_d_05_limits_of_an_offer_are_set_and_read_with_what_is_used(api, programme, coffee):
    """D-05, B-14: what is given changes, the rest stays, null takes away; the audit knows the key."""
    nothing = api("GET", "config-offers/coffee/limits").json()
    assert (nothing["cap"], nothing["usage"], nothing["day"]) == (None, [], None)
    for member in MemberFactory.create_batch(2, programme=programme):
        give(member, coffee)
    api("PUT", "config-offers/coffee/limits", {"cap": 5, "budget_minor": 300, "is_budget_hard": False})
    found = api("PUT", "config-offers/cms/coffee/limits?by=external_id", {"daily_cap": 9}).json()
    assert found == api("GET", "config-offers/coffee/limits").json()
    assert (found["cap"], found["daily_cap"], found["is_budget_hard"]) == (5, 9, False)
    assert found["overdrawn_at"] is not None
    assert found["usage"] == [
        {"limit": "cap", "most": 5, "used": 2, "left": 3},
        {"limit": "daily_cap", "most": 9, "used": 2, "left": 7},
        {"limit": "budget_minor", "most": 300, "used": 400, "left": 0},
    ]
    gone = api("PUT", "config-offers/coffee/limits", {"cap": None, "daily_cap": None, "budget_minor": None})
    assert (gone.status_code, gone.json()["usage"]) == (200, [])
    assert not Limit.objects.exists()
    events = AuditEvent.objects.filter(action="offer.limits_set")
    assert {event.api_client_id for event in events} == {api.client.pk}
    assert events.count() == 3


def test_d_05_limits_of_a_campaign_by_its_external_id(api, programme, coffee):
    """D-05, D-01: per member as well; a run's own campaign is not one."""
    autumn = CampaignFactory(programme=programme, external_id="2026/autumn")
    CampaignFactory(programme=programme, external_id="run-9", is_of_run=True)
    found = api("PUT", "campaigns/2026/autumn/limits", {"cap": 3, "per_member": 1})
    assert (found.status_code, found.json()["per_member"]) == (200, 1)
    give(MemberFactory(programme=programme), coffee, campaign_id=autumn.pk)
    assert api("GET", "campaigns/2026/autumn/limits").json()["usage"] == [
        {"limit": "cap", "most": 3, "used": 1, "left": 2}
    ]
    for unknown in ("run-9", "winter"):
        answer = api("PUT", f"campaigns/{unknown}/limits", {"cap": 3})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_campaign")


def test_d_05_every_problem_is_named_and_nothing_is_set(api, coffee):
    """D-05: problem details with each field."""
    answer = api("PUT", "config-offers/coffee/limits", {"cap": -1, "budget_minor": "x", "per_member": 1, "pace": 3})
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert {each["field"]: each["code"] for each in answer.json()["problems"]} == {
        "cap": "not_a_number", "budget_minor": "not_a_number", "per_member": "not_applicable", "pace": "unknown_field",
    }  # fmt: skip
    assert not Limit.objects.exists()
    answer = api("PUT", "config-offers/coffee/eligibility", {"targeting": "x", "city": "Lyon"})
    assert {each["field"] for each in answer.json()["problems"]} == {"targeting", "city"}
    answer = api("PUT", "config-offers/coffee/eligibility", {"targeting": 1, "criteria": LYON})
    assert [each["code"] for each in answer.json()["problems"]] == ["one_of_two"]
    assert api("PUT", "config-offers/coffee/eligibility", {}).status_code == 422
    answer = api("PUT", "config-offers/coffee/eligibility", {"targeting": 2**40})
    assert [each["code"] for each in answer.json()["problems"]] == ["unknown_targeting"]
    bad = {"op": "and", "items": [{"field": "member.shoe", "is": "equals", "value": 1}]}
    answer = api("PUT", "config-offers/coffee/eligibility", {"criteria": bad})
    assert (answer.status_code, len(answer.json()["problems"])) == (422, 1)
    coffee.refresh_from_db()
    assert coffee.eligibility_id is None


def test_s0_02_eligibility_is_set_by_targeting_or_criteria_and_taken_away(api, programme, coffee):
    """S0-02, S4-26: the same call again changes nothing."""
    assert api("GET", "config-offers/coffee/eligibility").json()["meaning"] == "Every active member."
    lyon = TargetingFactory(programme=programme, criteria=LYON)
    for _again in range(2):
        found = api("PUT", "config-offers/coffee/eligibility", {"targeting": lyon.pk}).json()
        assert found == {
            "targeting": lyon.pk, "criteria": None, "version": 1, "meaning": "City is Lyon", "is_readable": True,
        }  # fmt: skip
    found = api("PUT", "config-offers/coffee/eligibility", {"criteria": LYON}).json()
    assert (found["targeting"], found["criteria"], found["version"]) == (None, LYON, 1)
    assert api("PUT", "config-offers/coffee/eligibility", {"targeting": None}).json()["version"] is None
    events = AuditEvent.objects.filter(action="offer.eligibility_set")
    assert [event.api_client_id for event in events] == [api.client.pk] * 3


@pytest.mark.parametrize("path", ["config-offers/coffee/limits", "config-offers/coffee/eligibility"])
def test_d_05_limits_need_a_scope_of_their_own(api, programme, coffee, path):
    """D-05, A2: reading the catalogue or changing it is another thing; another programme has no such offer."""
    others = [scope for scope in Scope.values if scope != Scope.LIMITS]
    _, weak = ApiClientFactory(programme=programme, scopes=others)
    _, foreign = ApiClientFactory(scopes=[Scope.LIMITS])
    for method, data in (("GET", None), ("PUT", {"cap": 1})):
        assert api(method, path, data, key=weak).status_code == 403
        assert api(method, path, data, key=foreign).status_code == 404


def test_s4_28_the_dry_run_says_who_is_left_out_and_why_and_all_that_limits_lack(api, programme, coffee):
    """S4-28, D-05: reasons of the ineligible; every cap and budget with needed, left and short, and what to do."""
    autumn = CampaignFactory(programme=programme, external_id="autumn")
    members = MemberFactory.create_batch(5, programme=programme, city="Lyon")
    MemberFactory(programme=programme, city="Nice")
    api("PUT", "config-offers/coffee/eligibility", {"criteria": LYON})
    limit_of(coffee, cap=3, budget_minor=700)
    limit_of(autumn, per_member=1)
    give(members[0], ConfigOfferFactory(programme=programme), campaign_id=autumn.pk)
    everyone = TargetingFactory(programme=programme)
    values = {"config_offer": "coffee", "targeting": everyone.pk, "campaign": "autumn"}
    told = api("POST", "mass-assignments/dry-run", values).json()
    assert (told["matched"], told["excluded"], told["eligible"]) == (6, {"ineligible": 2}, 4)
    assert told["reasons"] == {"conditions_not_met": 1, "campaign_per_member": 1}
    shorts = [(s["code"], s["reason"], s["needed"], s["left"], s["short"]) for s in told["limits"]]
    assert shorts == [("cap_reached", "offer_cap", 4, 3, 1), ("budget_reached", "offer_budget", 800, 700, 100)]
    assert told["limits"][0]["message"] == ("The run needs 4 assignments, and the offer's limit leaves 3: 1 too many.")
    assert told["limits"][1]["message"] == (
        "The run may cost 8.00 €, and the offer's budget has 7.00 € left: 1.00 € are missing."
    )
    assert told["limits"][0]["advice"] == "Raise the limit, or choose a smaller audience."
    # Launched all the same, it fails with the same words, for every cause.
    api("POST", "mass-assignments", values)
    run = coffee.mass_assignments.get()
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    failure = api("GET", f"mass-assignments/{run.pk}").json()["failure"]
    assert (failure["code"], failure["reason"], failure["needed"], failure["short"]) == (
        "cap_reached", "offer_cap", 4, 1,
    )  # fmt: skip
    assert failure["message"] == " ".join(f"{one['message']} {one['advice']}" for one in told["limits"])
    assert [one["reason"] for one in failure["problems"]] == ["offer_cap", "offer_budget"]


def test_b_03_outcomes_of_a_run_say_why_somebody_was_not_eligible(api, programme, coffee):
    """B-03, S0-02: the reason's code beside the outcome."""
    MemberFactory(programme=programme, city="Nice")
    MemberFactory(programme=programme, city="Lyon")
    api("PUT", "config-offers/coffee/eligibility", {"criteria": LYON})
    everyone = TargetingFactory(programme=programme)
    api("POST", "mass-assignments", {"config_offer": "coffee", "targeting": everyone.pk})
    run = coffee.mass_assignments.get()
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    found = api("GET", f"mass-assignments/{run.pk}/outcomes").json()["results"]
    assert [(each["outcome"], each["reason"]) for each in found] == [
        ("ineligible", "conditions_not_met"),
        ("assigned", ""),
    ]
