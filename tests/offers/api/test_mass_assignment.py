"""Mass assignments over the API (S4-22..28, B-01, D-05, S4-41)."""

import json

import pytest

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import Assignment, MassAssignment
from offers.services import execution
from offers.tasks import mass_assignment as tasks
from tests.factories import (
    ApiClientFactory,
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    TargetingFactory,
    give,
    import_codes,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def coffee(programme):
    return ConfigOfferFactory(programme=programme, offer_reference="coffee", require_vouchers=True)


@pytest.fixture
def everyone(programme):
    MemberFactory.create_batch(4, programme=programme)
    MemberFactory(programme=programme, status="inactive")
    return TargetingFactory(programme=programme)


@pytest.fixture
def rung(monkeypatch):
    """The runs that the workers were told of."""
    told: list[int] = []
    monkeypatch.setattr(tasks, "ring", lambda run_id, **_: told.append(run_id))
    return told


@pytest.fixture
def api(programme, client):
    _client, key = ApiClientFactory(programme=programme, scopes=["targetings"])

    def call(method, path, data=None, **headers):
        return client.generic(
            method,
            f"/api/v1/{path}",
            data=json.dumps(data) if data is not None else b"",
            content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"} | headers,
        )

    return call


def test_a_run_is_made_launched_and_read_to_its_end(api, coffee, everyone, rung, django_capture_on_commit_callbacks):
    """S4-24, S4-27: draft, launched, finished, with an outcome for each member."""
    import_codes(coffee, 4)
    made = api("POST", "mass-assignments", {"config_offer": "coffee", "targeting": everyone.pk})
    run = MassAssignment.objects.get()

    assert (made.status_code, made.json()["state"], made.json()["progress"]) == (201, "draft", None)
    with django_capture_on_commit_callbacks(execute=True):
        launched = api("POST", f"mass-assignments/{run.pk}/launch")
    assert (launched.status_code, launched.json()["state"], rung) == (200, "scheduled", [run.pk])
    assert AuditEvent.objects.get(action="mass_assignment.launched").api_client is not None
    execution.run_to_end(run_id=run.pk, clock=clock.now)

    read = api("GET", f"mass-assignments/{run.pk}").json()
    assert (read["state"], read["matched"], read["excluded"], read["eligible"]) == (
        "finished",
        5,
        {"member_inactive": 1},
        4,
    )
    assert (read["progress"]["done"], read["progress"]["assigned"], read["progress"]["percent"]) == (4, 4, 100)
    first = api("GET", f"mass-assignments/{run.pk}/outcomes?limit=3").json()
    rest = api("GET", f"mass-assignments/{run.pk}/outcomes?limit=3&cursor={first['next']}").json()
    outcomes = [each["outcome"] for each in first["results"] + rest["results"]]
    assert (sorted(outcomes), rest["next"]) == (["assigned"] * 4 + ["member_inactive"], None)
    refused = api("GET", f"mass-assignments/{run.pk}/outcomes?outcome=member_inactive").json()["results"]
    assert [each["assignment_id"] for each in refused] == [None]


def test_a_second_launch_is_a_conflict_and_a_repeated_one_is_the_same_answer(api, coffee, everyone, rung):
    """A double click launches once: 409 `mass_assignment_state`, or the kept answer under an Idempotency-Key."""
    import_codes(coffee, 4)
    api("POST", "mass-assignments", {"config_offer": "coffee", "targeting": everyone.pk})
    address = f"mass-assignments/{MassAssignment.objects.get().pk}/launch"

    first = api("POST", address, **{"Idempotency-Key": "one"})
    repeated = api("POST", address, **{"Idempotency-Key": "one"})
    second = api("POST", address)

    assert (first.status_code, repeated.status_code, second.status_code) == (200, 200, 409)
    assert first.json() == repeated.json()
    assert repeated.headers["Idempotency-Replayed"] == "true"
    assert second.json()["code"] == "mass_assignment_state"
    assert AuditEvent.objects.filter(action="mass_assignment.launched").count() == 1


def test_a_repeated_create_makes_one_run(api, coffee, everyone):
    body = {"config_offer": "coffee", "targeting": everyone.pk}
    first = api("POST", "mass-assignments", body, **{"Idempotency-Key": "make"})
    again = api("POST", "mass-assignments", body, **{"Idempotency-Key": "make"})

    assert first.json() == again.json()
    assert MassAssignment.objects.count() == 1


def test_the_dry_run_shows_the_shortfall_and_writes_nothing(api, coffee, everyone, programme):
    """B-01, D-05, S4-22: matched, left out by reason, codes left and short."""
    import_codes(coffee, 3)
    give(programme.members.first(), coffee, campaign_id=CampaignFactory(programme=programme, external_id="fall").pk)
    body = {"config_offer": "coffee", "targeting": everyone.pk, "campaign": "fall"}

    assert api("POST", "mass-assignments/dry-run", body).json() == {
        "matched": 5,
        "excluded": {"already_held": 1, "member_inactive": 1},
        "eligible": 3,
        "codes_left": 2,
        "codes_short": 1,
        "exposure_minor": 0,
        "reasons": {},
        "limits": [],
        "fits": 2,
        "spreads": [],
        "samples": [],
        "warnings": [],
        "needs_approval": False,
    }
    assert not MassAssignment.objects.exists()


def test_the_dry_run_says_before_the_launch_that_somebody_else_approves_it(api, coffee, everyone, programme):
    """Issue 4, approval: above the programme's size, as the launch then finds; what is cut to fit it needs none."""
    import_codes(coffee, 2)
    programme.approval_members = 2
    programme.save()
    body = {"config_offer": "coffee", "targeting": everyone.pk}
    found = api("POST", "mass-assignments/dry-run", body).json()
    assert (found["eligible"] > 2, found["fits"], found["needs_approval"]) == (True, 2, True)
    assert api("POST", "mass-assignments/dry-run", body | {"on_shortfall": "cut"}).json()["needs_approval"] is False


def test_a_failed_run_says_why_and_can_be_launched_again(api, coffee, everyone, rung):
    """S4-28."""
    import_codes(coffee, 1)
    run_id = api("POST", "mass-assignments", {"config_offer": "coffee", "targeting": everyone.pk}).json()["id"]
    api("POST", f"mass-assignments/{run_id}/launch")
    execution.run_to_end(run_id=run_id, clock=clock.now)

    failed = api("GET", f"mass-assignments/{run_id}").json()
    assert (failed["state"], failed["failure"]) == ("failed", {"code": "out_of_codes", "needed": 4, "short": 3})
    assert not Assignment.objects.exists()
    assert api("POST", f"mass-assignments/{run_id}/pause").json()["code"] == "mass_assignment_state"
    import_codes(coffee, 3)
    assert api("POST", f"mass-assignments/{run_id}/launch").status_code == 200


def test_everything_wrong_is_named_at_once(api, coffee, everyone):
    """S0-07: a missing rule value by its name; unknown things by their fields."""
    template = OfferTemplateFactory(config_offer=coffee, required_rules=["benefit", "validity"])
    unknown = api("POST", "mass-assignments", {"config_offer": "tea", "targeting": 0, "campaign": "never"})
    missing = api("POST", "mass-assignments", {"template": str(template.pk), "targeting": everyone.pk})

    assert unknown.status_code == missing.status_code == 422
    assert [problem["field"] for problem in unknown.json()["problems"]] == ["template", "targeting", "campaign"]
    assert missing.json()["code"] == "missing_rule"
    assert {problem["rule"] for problem in missing.json()["problems"]} == {"benefit", "validity"}
    assert not MassAssignment.objects.exists()


def test_what_is_paused_goes_on_and_what_is_cancelled_does_not(api, coffee, everyone, rung, settings):
    """S4-27: pause, resume, cancel; the codes of those who got nothing go back."""
    settings.MASS_ASSIGNMENT_CHUNK = 2
    import_codes(coffee, 4)
    run_id = api("POST", "mass-assignments", {"config_offer": "coffee", "targeting": everyone.pk}).json()["id"]
    api("POST", f"mass-assignments/{run_id}/launch")
    execution.plan(run_id=run_id, now=clock.now())
    execution.do_next_chunk(run_id=run_id, now=clock.now())

    states = [
        api("POST", f"mass-assignments/{run_id}/{verb}").json()["state"] for verb in ("pause", "resume", "cancel")
    ]
    assert states == ["paused", "running", "cancelled"]
    assert api("POST", f"mass-assignments/{run_id}/resume").status_code == 409
    assert Assignment.objects.count() == 2
    outcomes = api("GET", f"mass-assignments/{run_id}/outcomes?outcome=waiting").json()["results"]
    assert len(outcomes) == 2


def test_a_targeting_is_counted_saved_or_not(api, everyone):
    """S4-26."""
    saved = api("POST", "targetings/count", {"targeting": everyone.pk}).json()
    active = {"op": "and", "items": [{"field": "member.status", "is": "equals", "value": "active"}]}
    tree = api("POST", "targetings/count", {"criteria": active})
    wrong = api("POST", "targetings/count", {"criteria": {"op": "and", "items": [{"field": "member.shoe"}]}})

    assert (saved["count"], saved["is_exact"]) == (5, True)
    assert tree.json()["count"] == 4
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_criteria")
    assert api("POST", "targetings/count", {}).status_code == 422


def test_another_programmes_runs_and_targetings_do_not_exist(api, everyone):
    """B-20: nothing of another programme is seen or used."""
    other = TargetingFactory()
    offer = ConfigOfferFactory(programme=other.programme, offer_reference="theirs")
    run = MassAssignment.objects.create(
        programme=other.programme,
        name="Theirs",
        config_offer=offer,
        template=offer.templates.get(),
        targeting_version=other.current_version,
    )

    for method, path in (("GET", ""), ("POST", "/launch"), ("POST", "/cancel"), ("GET", "/outcomes")):
        answer = api(method, f"mass-assignments/{run.pk}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_mass_assignment")
    assert api("POST", "targetings/count", {"targeting": other.pk}).status_code == 404
    assert api("POST", "mass-assignments", {"config_offer": "theirs", "targeting": other.pk}).status_code == 422
    assert api("GET", "mass-assignments").json()["results"] == []


def test_without_the_scope_or_the_module_nothing_can_be_done(api, client, programme, coffee, everyone):
    """S4-41, C-04: the module off is a 409 that says so; a key without the scope is refused."""
    _client, key = ApiClientFactory(programme=programme, scopes=["assign"])
    assert client.get("/api/v1/mass-assignments", headers={"Authorization": f"Api-Key {key}"}).status_code == 403
    programme.offers_enabled = False
    programme.save()
    answer = api("POST", "mass-assignments", {"config_offer": "coffee", "targeting": everyone.pk})
    assert (answer.status_code, answer.json()["code"]) == (409, "offers_module_off")


def test_reading_a_run_costs_the_same_queries_whatever_its_size(api, coffee, everyone, django_assert_max_num_queries):
    import_codes(coffee, 4)
    run_id = api("POST", "mass-assignments", {"config_offer": "coffee", "targeting": everyone.pk}).json()["id"]
    api("POST", f"mass-assignments/{run_id}/launch")
    execution.run_to_end(run_id=run_id, clock=clock.now)
    with django_assert_max_num_queries(6):
        api("GET", f"mass-assignments/{run_id}")
    with django_assert_max_num_queries(4):
        api("GET", f"mass-assignments/{run_id}/outcomes")


@pytest.mark.parametrize("path", ["mass-assignments", "mass-assignments/dry-run"])
def test_s4_24_terms_that_nothing_can_keep_are_named_by_their_place(api, coffee, everyone, path):
    """S4-24, B-02: 422 and no run."""
    terms = {"benefit": {"type": "amount", "size": 10**30}, "x\u0000": ["\ud800"]}
    answer = api("POST", path, {"config_offer": "coffee", "targeting": everyone.pk, "terms": terms})
    assert answer.status_code == 422
    assert {(one["field"], one["code"]) for one in answer.json()["problems"]} == {
        ("terms.benefit.size", "number_too_large"),
        ("terms.x\ufffd", "unstorable_name"),
        ("terms.x\ufffd[0]", "unstorable_character"),
    }
    assert not MassAssignment.objects.exists()
