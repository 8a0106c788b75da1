"""Undoing a whole run over the API (B-04)."""

import json

import pytest

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import Assignment, AssignmentEvent, Source
from offers.services import assignment_verbs, mass_assignment_undo
from offers.tasks import mass_assignment_undo as tasks
from tests.factories import (
    ApiClientFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    import_codes,
    plan_run,
    redeem,
    work,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def run(programme):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 6)
    MemberFactory.create_batch(6, programme=programme)
    run = work(plan_run(offer))
    held = list(Assignment.objects.order_by("member"))
    redeem(held[0])
    redeem(held[1], is_used_up=True)
    assignment_verbs.expose(member_id=held[2].member_id, assignment_id=held[2].pk, now=clock.now())
    return run


@pytest.fixture
def rung(monkeypatch):
    told: list[int] = []
    monkeypatch.setattr(tasks, "ring", lambda run_id, **_: told.append(run_id))
    return told


@pytest.fixture
def api(programme, client):
    api_client, key = ApiClientFactory(programme=programme, scopes=["targetings"])

    def call(method, path, data=None, **headers):
        return client.generic(
            method,
            f"/api/v1/mass-assignments/{path}",
            data=json.dumps(data) if data is not None else b"",
            content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"} | headers,
        )

    call.client = api_client
    return call


COUNTS = {
    "revoked": 4, "redeemed": 1, "used_up": 1, "closed": 0, "expired": 0, "revoked_before": 0, "returned": 3,
    "burned": 1, "other": 0,
}  # fmt: skip


def test_b_04_what_it_would_do_the_undo_and_what_it_did(api, run, rung, django_capture_on_commit_callbacks):
    before = api("GET", f"{run.pk}/undo").json()
    assert (before["state"], before["counts"], before["started_at"]) == ("foreseen", COUNTS, None)
    with django_capture_on_commit_callbacks(execute=True):
        answer = api("POST", f"{run.pk}/undo", {"reason": "wrong audience"})
    assert (answer.status_code, answer.json()["state"], rung) == (200, "undoing", [run.pk])
    assert api("GET", f"{run.pk}/undo").json()["percent"] == 0

    mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)
    after = api("GET", f"{run.pk}/undo").json()
    assert (after["state"], after["counts"], after["percent"], after["reason"]) == (
        "undone", COUNTS, 100, "wrong audience",
    )  # fmt: skip
    kept = list(Assignment.objects.filter(revoked_at=None).order_by("member").values_list("member__external_id", "pk"))
    assert api("GET", f"{run.pk}/undo/kept").json() == {
        "next": None,
        "results": [
            {"member": kept[0][0], "assignment_id": str(kept[0][1]), "reason": "redeemed"},
            {"member": kept[1][0], "assignment_id": str(kept[1][1]), "reason": "used_up"},
        ],
    }
    event = AssignmentEvent.objects.filter(verb="undone").first()
    assert (event.source, event.api_client) == (Source.API, api.client)
    audited = AuditEvent.objects.filter(action__startswith="mass_assignment.und").order_by("id")
    assert list(audited.values_list("action", "api_client")) == [
        ("mass_assignment.undo_started", api.client.pk),
        ("mass_assignment.undone", api.client.pk),
    ]


def test_b_04_who_keeps_hers_comes_by_cursor(api, run):
    mass_assignment_undo.start(run=run, actor=None, now=clock.now())
    mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)
    first = api("GET", f"{run.pk}/undo/kept?limit=1").json()
    second = api("GET", f"{run.pk}/undo/kept?limit=1&cursor={first['next']}").json()
    assert [each["reason"] for page in (first, second) for each in page["results"]] == ["redeemed", "used_up"]
    assert second["next"] is None
    assert api("GET", f"{run.pk}/undo/kept?limit=0").status_code == 422


def test_b_04_a_second_undo_is_refused_and_the_same_key_answers_the_same(api, run, rung):
    """B-04: without a body too; a repeated Idempotency-Key answers as the first time."""
    first = api("POST", f"{run.pk}/undo", **{"Idempotency-Key": "u-1"})
    again = api("POST", f"{run.pk}/undo", **{"Idempotency-Key": "u-1"})
    other = api("POST", f"{run.pk}/undo")
    assert (first.status_code, again.json() == first.json()) == (200, True)
    assert (other.status_code, other.json()["code"]) == (409, "mass_assignment_state")


@pytest.mark.parametrize("body", [{"reason": "x" * 201}, {"reason": "a\0"}, {"reason": 7.5e300}, {"reason": None}, []])
def test_b_04_a_reason_that_cannot_be_kept_is_named(api, run, body):
    answer = api("POST", f"{run.pk}/undo", body)
    if body == {"reason": 7.5e300}:
        # A number is written as text, as everywhere.
        assert answer.status_code == 200
        return
    assert answer.status_code == 422
    run.refresh_from_db()
    assert run.state == "finished"


def test_b_04_another_programmes_run_is_not_found_and_one_of_nobody_has_nothing_to_undo(api, programme):
    there = work(plan_run(ConfigOfferFactory()))
    assert api("POST", f"{there.pk}/undo").status_code == 404
    empty = work(plan_run(ConfigOfferFactory(programme=ProgrammeFactory())))
    assert api("GET", f"{empty.pk}/undo").status_code == 404
    own = plan_run(ConfigOfferFactory(programme=programme), targeting=None)
    own = work(own)
    answer = api("POST", f"{own.pk}/undo")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_undo")
