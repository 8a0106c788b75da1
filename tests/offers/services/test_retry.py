"""A run that ended with errors is taken up again: the chunks that were given up, with codes reserved anew (C-04)."""

import pytest
from django.urls import reverse

from loyalty import clock
from loyalty.models import AuditEvent, Scope
from offers.models import Assignment, MassAssignment, VoucherCode, VoucherSegment
from offers.selectors import voucher as voucher_selector
from offers.services import execution, mass_assignment
from offers.tasks import mass_assignment as tasks
from tests.factories import (
    ApiClientFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    UserFactory,
    import_codes,
    plan_run,
)
from tests.integrity import assert_whole

pytestmark = pytest.mark.django_db
State = MassAssignment.State


@pytest.fixture(autouse=True)
def _small_chunks(settings):
    settings.MASS_ASSIGNMENT_CHUNK = 4


@pytest.fixture
def rung(monkeypatch):
    calls = []
    monkeypatch.setattr(tasks, "ring", lambda run_id, **_: calls.append(run_id))
    return calls


def with_errors(*, codes=0, ruined=(1,)):
    """Return a run of ten members in three chunks, some of which were given up."""
    programme = ProgrammeFactory()
    MemberFactory.create_batch(10, programme=programme)
    offer = ConfigOfferFactory(programme=programme, require_vouchers=bool(codes))
    if codes:
        import_codes(offer, codes)
    run = plan_run(offer)
    # As if their worker had died each time.
    run.chunks.filter(number__in=ruined).update(attempts=3, failure="killed")
    run = execution.run_to_end(run_id=run.pk, clock=clock.now)
    assert run.state == State.FINISHED_WITH_ERRORS
    return run


def left(run):
    return voucher_selector.codes_left(bank=run.config_offer.voucher_bank, now=clock.now())


def test_c_04_the_chunks_that_were_given_up_are_done_and_nothing_twice():
    run = with_errors()
    before = set(Assignment.objects.values_list("pk", flat=True))
    assert len(before) == 6
    mass_assignment.retry(run=run, actor=None, now=clock.now())
    assert (run.state, run.finished_at) == (State.RUNNING, None)
    run = execution.run_to_end(run_id=run.pk, clock=clock.now)
    assert run.state == State.FINISHED
    assert before < set(Assignment.objects.values_list("pk", flat=True))
    assert Assignment.objects.values("member").distinct().count() == Assignment.objects.count() == 10
    assert AuditEvent.objects.filter(action="mass_assignment.retried").count() == 1


def test_s4_28_their_codes_are_reserved_again_and_none_is_lost_or_given_twice():
    run = with_errors(codes=12)
    assert left(run) == 6
    mass_assignment.retry(run=run, actor=None, now=clock.now())
    assert left(run) == 2
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    given = set(Assignment.objects.values_list("voucher_code", flat=True))
    assert (len(given), left(run), VoucherCode.objects.count()) == (10, 2, 12)
    assert_whole()


def test_a_retry_that_fails_again_gives_its_codes_back_and_may_be_tried_once_more():
    run = with_errors(codes=10, ruined=(0, 2))
    for _ in range(2):
        mass_assignment.retry(run=run, actor=None, now=clock.now())
        assert left(run) == 0
        run.chunks.filter(number=2).update(attempts=3)
        run = execution.run_to_end(run_id=run.pk, clock=clock.now)
        assert run.state == State.FINISHED_WITH_ERRORS
        # Chunk 2 is of two members.
        assert (Assignment.objects.count(), left(run)) == (8, 2)
    mass_assignment.retry(run=run, actor=None, now=clock.now())
    assert execution.run_to_end(run_id=run.pk, clock=clock.now).state == State.FINISHED
    assert len(set(Assignment.objects.values_list("voucher_code", flat=True))) == 10
    assert_whole()


def test_s4_28_with_too_few_codes_a_retry_changes_nothing():
    run = with_errors(codes=10)
    # Somebody else drew of those that went back.
    segment = VoucherSegment.objects.filter(cursor=0).latest("pk")
    segment.cursor = 1
    segment.save()
    before = list(run.chunks.order_by("number").values())
    with pytest.raises(mass_assignment.OutOfCodes) as refusal:
        mass_assignment.retry(run=run, actor=None, now=clock.now())
    assert (refusal.value.code, refusal.value.details) == ("out_of_codes", {"needed": 4, "short": 1})
    run.refresh_from_db()
    assert (run.state, list(run.chunks.order_by("number").values())) == (State.FINISHED_WITH_ERRORS, before)


def test_only_a_run_that_ended_with_errors_is_retried():
    run = with_errors()
    mass_assignment.retry(run=run, actor=None, now=clock.now())
    with pytest.raises(mass_assignment.NotLaunchable):
        mass_assignment.retry(run=run, actor=None, now=clock.now())


def test_the_page_and_the_api_retry_and_ring_the_workers(client, rung, django_capture_on_commit_callbacks):
    run = with_errors()
    client.force_login(UserFactory(role="marketer", programmes=[run.programme]))
    page = reverse("offers:run", args=[run.pk])
    assert "Retry 1 failed chunk" in client.get(page).text
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("offers:run_act", args=[run.pk, "retry"]))
    assert rung == [run.pk]
    assert "Retry 1 failed chunk" not in client.get(page).text

    other = with_errors()
    _, key = ApiClientFactory(programme=other.programme, scopes=[Scope.TARGETINGS])
    headers = {"Authorization": f"Api-Key {key}"}
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(f"/api/v1/mass-assignments/{other.pk}/retry", headers=headers)
    assert (answer.status_code, answer.json()["state"], rung) == (200, "running", [run.pk, other.pk])
    again = client.post(f"/api/v1/mass-assignments/{other.pk}/retry", headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "mass_assignment_state")


@pytest.mark.parametrize("door", ["page", "api"])
def test_cancelling_a_large_run_rings_the_workers_who_give_its_codes_back(
    client, rung, monkeypatch, django_capture_on_commit_callbacks, door
):
    """DESIGN 4: otherwise they would wait for the sweeper."""
    run = with_errors(codes=10)
    mass_assignment.retry(run=run, actor=None, now=clock.now())
    monkeypatch.setattr(mass_assignment, "AT_ONCE", 1)
    with django_capture_on_commit_callbacks(execute=True):
        if door == "page":
            client.force_login(UserFactory(role="marketer", programmes=[run.programme]))
            client.post(reverse("offers:run_act", args=[run.pk, "cancel"]))
        else:
            _, key = ApiClientFactory(programme=run.programme, scopes=[Scope.TARGETINGS])
            client.post(f"/api/v1/mass-assignments/{run.pk}/cancel", headers={"Authorization": f"Api-Key {key}"})
    assert (rung, left(run)) == ([run.pk], 0)
    tasks.work(run.pk)
    assert left(run) == 4
