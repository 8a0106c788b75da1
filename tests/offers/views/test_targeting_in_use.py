"""A targeting edited or archived while drafts, runs, schedules, audiences and offers use it (issue 4; B-03, S4-26)."""

import json
import uuid
from datetime import date, time, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from loyalty import clock
from loyalty.models import ApiClient, AuditEvent, Scope
from offers.models import Assignment, AudienceMember, MassAssignment, RunSchedule
from offers.services import eligibility_settings, execution, mass_assignment, run_schedule, run_targeting, targeting
from offers.services.mass_assignment import LaunchPlan
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, draft_run
from tests.offers.views.marketer import sign_in, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
LONDON = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "London"}]}
PARIS = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Paris"}]}


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def offer(programme):
    return ConfigOfferFactory(programme=programme, name="Coffee")


@pytest.fixture
def locals_(programme):
    """An audience of one Londoner, with a Parisian beside her."""
    MemberFactory(programme=programme, external_id="ann", city="London")
    MemberFactory(programme=programme, external_id="bea", city="Paris")
    return targeting.create(programme=programme, name="Locals", criteria=LONDON, actor=None)


@pytest.fixture
def call(client, programme):
    """Call the API with a key that may target: `call("post", "targetings/7/archive")`."""
    _row, key = ApiClient.objects.create_key(
        programme=programme, name="machine", scopes=[Scope.TARGETINGS, Scope.MEMBERS]
    )

    def ask(method, address, body=None):
        return getattr(client, method)(
            f"/api/v1/{address}", body, content_type="application/json", headers={"Authorization": f"Api-Key {key}"}
        )

    return ask


def edited(saved, criteria=PARIS):
    return targeting.update(targeting=saved, criteria=criteria, actor=None)


def daily(offer, saved, now):
    return run_schedule.create(
        programme=offer.programme, reference=uuid.uuid4(), template=offer.templates.get(),
        targeting_version=saved.current_version, name="Every day", campaign=None, terms={}, member_values={}, rank=None,
        hold_out_percent=Decimal(0), plan=LaunchPlan(), when=run_schedule.When("daily", time(9), date(2026, 1, 1)),
        actor=None, now=now,
    )  # fmt: skip


def given(run):
    return list(Assignment.objects.filter(run=run).values_list("member__external_id", flat=True))


def shown(marketer, run):
    return words(marketer.get(reverse("offers:run", args=[run.pk])))


def test_b_03_a_draft_keeps_its_version_until_somebody_takes_the_newer_one(programme, offer, locals_):
    """B-03, issue 4 (a): its page says so, with one button; who it reaches follows that choice alone."""
    marketer = sign_in(programme)
    kept, moved = draft_run(offer, targeting=locals_), draft_run(offer, targeting=locals_)
    assert "keeps version" not in shown(marketer, kept)
    edited(locals_)
    assert "The audience is version 2 since. This run keeps version 1, which it was made with." in shown(marketer, kept)
    answer = marketer.post(reverse("offers:run_audience", args=[moved.pk]), follow=True)
    assert "It reaches the audience as it is saved now." in words(answer)
    assert "keeps version" not in shown(marketer, moved)
    assert "went over to the audience as it was saved then" in shown(marketer, moved)
    for run in (kept, moved):
        mass_assignment.launch(run=run, actor=None, now=clock.now())
        execution.run_to_end(run_id=run.pk, clock=clock.now)
    assert (given(kept), given(moved)) == (["ann"], ["bea"])


def test_b_03_a_run_for_later_keeps_its_version_or_takes_the_newer_one_until_it_begins(programme, offer, locals_):
    """B-03, issue 4 (b): twice is once in its history; it stays at its moment."""
    now = clock.now()
    later = now + timedelta(hours=3)
    kept, moved = (draft_run(offer, targeting=locals_, plan=LaunchPlan(launch_at=later)) for _ in range(2))
    for run in (kept, moved):
        mass_assignment.launch(run=run, actor=None, now=now)
    edited(locals_)
    for _ in range(2):
        run_targeting.take_current(run=moved, actor=None, now=now)
    assert AuditEvent.objects.filter(action="mass_assignment.audience_taken").count() == 1
    assert (moved.state, moved.launch_at) == ("scheduled", later)
    for run in (kept, moved):
        execution.run_to_end(run_id=run.pk, clock=lambda: later)
    assert (given(kept), given(moved)) == (["ann"], ["bea"])
    with pytest.raises(run_targeting.AudienceFixed, match="is finished, so its audience stays as it is"):
        run_targeting.take_current(run=moved, actor=None, now=now)


def test_b_03_a_schedule_keeps_its_version_for_each_run_until_somebody_takes_the_newer_one(programme, offer, locals_):
    """B-03, issue 4 (c): said in the list beside the button; the runs made before stay as they are."""
    marketer, now = sign_in(programme), clock.now()
    made = daily(offer, locals_, now)
    edited(locals_)
    page = words(marketer.get(reverse("offers:run_schedules")))
    assert "The audience is version 2 since; these runs keep version 1." in page
    assert "Use version 2" in page
    first = MassAssignment.objects.get(pk=run_schedule.make_due(now=made.next_at)[0])
    answer = marketer.post(reverse("offers:run_schedule_audience", args=[made.pk]), follow=True)
    assert "Its next runs reach the audience as it is saved now." in words(answer)
    made.refresh_from_db()
    second = MassAssignment.objects.get(pk=run_schedule.make_due(now=made.next_at)[0])
    assert [run.targeting_version.number for run in (first, second)] == [1, 2]
    run_schedule.end(schedule=made, actor=None, now=now)
    answer = marketer.post(reverse("offers:run_schedule_audience", args=[made.pk]), follow=True)
    assert "has ended, so it reaches nobody any more." in words(answer)


@pytest.mark.parametrize("state", ["running", "paused"])
def test_b_03_a_run_at_work_keeps_its_frozen_members_whatever_is_saved(programme, offer, locals_, state):
    """B-03, issue 4 (d): edited and then archived in the middle; its page says that its members were frozen."""
    marketer = sign_in(programme)
    run = draft_run(offer, targeting=locals_)
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    assert execution.plan(run_id=run.pk, now=clock.now())
    run.refresh_from_db()
    if state == "paused":
        mass_assignment.pause(run=run, actor=None, now=clock.now())
    frozen = list(AudienceMember.objects.filter(run=run).values_list("member", "ordinal", "outcome"))
    saved = edited(locals_)
    assert "members were frozen by version 1, and stay as they are" in shown(marketer, run).replace("&#x27;", "'")
    marketer.post(reverse("offers:run_audience", args=[run.pk]))
    run.refresh_from_db()
    assert run.targeting_version.number == 1
    assert targeting.archive(targeting=saved, actor=None, now=clock.now())
    assert "The audience is archived since. This run keeps its version 1." in shown(marketer, run)
    assert list(AudienceMember.objects.filter(run=run).values_list("member", "ordinal", "outcome")) == frozen
    if state == "paused":
        mass_assignment.resume(run=run, actor=None, now=clock.now())
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    assert given(run) == ["ann"]


def test_b_03_audiences_go_on_with_what_they_name_and_offers_and_runs_of_them_do_not(programme, offer, locals_):
    """B-03, S4-26, issue 4 (e): an exclusion too; the toast counts who keeps an older version, the page names them."""
    marketer, now = sign_in(programme), clock.now()
    everyone_else = targeting.create(
        programme=programme,
        name="Others",
        criteria={"op": "and", "not": True, "items": [{"targeting": locals_.pk}]},
        actor=None,
    )
    eligibility_settings.put(offer=offer, targeting=locals_, actor=None)
    offer.refresh_from_db()
    asked = offer.eligibility_id
    run, through, again = (
        draft_run(offer, targeting=locals_, name="Draft"),
        draft_run(offer, targeting=everyone_else, name="Through"),
        daily(offer, locals_, now),
    )
    form = {
        "name": "Locals", "description": "", "criteria": json.dumps(PARIS), "version": 1,
    }  # fmt: skip
    answer = marketer.post(reverse("offers:targeting", args=[locals_.pk]), form, follow=True)
    assert "2 runs and schedules keep the version that they were made with" in words(answer)
    assert words(answer).count("keeps v1") == 2
    assert "through “Others”" in words(answer)
    everyone_else.refresh_from_db()
    assert everyone_else.current_version.number == 2
    offer.refresh_from_db()
    assert offer.eligibility_id == asked == locals_.current_version_id
    for kept in (run, through, again):
        kept.refresh_from_db()
        assert kept.targeting_version.number == 1


def test_s4_26_whatever_uses_an_audience_is_named_with_links_where_it_cannot_be_archived(programme, offer, locals_):
    """S4-26, issue 4: audiences, offers, schedules and runs; nothing is changed, and each is a link on the page."""
    marketer, now = sign_in(programme), clock.now()
    outer = targeting.create(programme=programme, name="Outer", criteria={"targeting": locals_.pk}, actor=None)
    eligibility_settings.put(offer=offer, targeting=locals_, actor=None)
    run, again = draft_run(offer, targeting=locals_, name="Draft"), daily(offer, locals_, now)
    answer = marketer.post(reverse("offers:targeting-archive", args=[locals_.pk]))
    assert answer.status_code == 409
    assert (
        "“Locals” is named by the audiences “Outer”, the offers “Coffee”, the schedules “Every day” and the runs "
        "“Draft”. To archive it, first take it out of those audiences, change who may be given those offers, end those "
        "schedules and cancel those runs."
    ) in words(answer)
    notice = words(answer).partition('role="alert"')[2].partition("<form")[0]
    for link in (
        reverse("offers:targeting", args=[outer.pk]),
        reverse("offers:offer", args=[offer.pk]),
        f"{reverse('offers:run_schedules')}#schedule-{again.pk}",
        reverse("offers:run", args=[run.pk]),
    ):
        assert f'href="{link}"' in notice
    locals_.refresh_from_db()
    assert locals_.archived_at is None
    run_schedule.end(schedule=again, actor=None, now=now)
    mass_assignment.cancel(run=run, actor=None, now=now)
    answer = words(marketer.post(reverse("offers:targeting-archive", args=[locals_.pk])))
    assert "“Locals” is named by the audiences “Outer” and the offers “Coffee”. To archive it, first" in answer


def test_s4_26_the_api_names_who_uses_a_targeting_before_and_where_it_is_refused(offer, locals_, call):
    """S4-26, B-03: `used_by` with the version that each keeps; the refusal has each as a problem; take-audience."""
    run, again = draft_run(offer, targeting=locals_, name="Draft"), daily(offer, locals_, clock.now())
    answer = call("patch", f"targetings/{locals_.pk}", {"criteria": PARIS})
    assert answer.json()["version"] == 2
    assert answer.json()["used_by"] == [
        {"kind": "schedule", "id": again.pk, "name": "Every day", "version": 1},
        {"kind": "run", "id": run.pk, "name": "Draft", "version": 1},
    ]
    refused = call("post", f"targetings/{locals_.pk}/archive")
    assert (refused.status_code, refused.json()["code"]) == (409, "targeting_in_use")
    assert [(one["code"], one["id"], one["message"]) for one in refused.json()["problems"]] == [
        ("used_by_schedule", again.pk, "The schedule “Every day” makes runs of it."),
        ("used_by_run", run.pk, "The run “Draft” has not begun."),
    ]
    for address in (f"mass-assignments/{run.pk}", f"run-schedules/{again.pk}"):
        found = call("get", address).json()
        assert (found["targeting_version"], found["targeting_current_version"]) == (1, 2)
        for _ in range(2):
            assert call("post", f"{address}/take-audience").json()["targeting_version"] == 2
    call("post", f"mass-assignments/{run.pk}/cancel")
    refused = call("post", f"mass-assignments/{run.pk}/take-audience")
    assert (refused.status_code, refused.json()["code"]) == (409, "audience_fixed")
    call("post", f"run-schedules/{again.pk}/end")
    assert call("post", f"targetings/{locals_.pk}/archive").status_code == 200


def test_s4_26_nothing_is_made_of_an_archived_audience(offer, locals_, call):
    """S4-26, issue 4: neither a run nor a schedule, on whichever way its version is still at hand."""
    now, version = clock.now(), locals_.current_version
    targeting.archive(targeting=locals_, actor=None, now=now)
    for make in (lambda: draft_run(offer, targeting=locals_), lambda: daily(offer, locals_, now)):
        with pytest.raises(targeting.Archived, match="“Locals” is archived"):
            make()
    refused = call(
        "post",
        "mass-assignments",
        {"template": offer.templates.get().pk, "targeting": locals_.pk, "name": "x"},
    )
    assert refused.status_code == 422
    assert not MassAssignment.objects.exists()
    assert not RunSchedule.objects.exists()
    assert version.mass_assignments.count() == 0


def test_b_03_another_programmes_run_and_schedule_are_not_there(offer, locals_):
    """B-03, D-21."""
    run, again = draft_run(offer, targeting=locals_), daily(offer, locals_, clock.now())
    edited(locals_)
    stranger = sign_in(ProgrammeFactory())
    assert stranger.post(reverse("offers:run_audience", args=[run.pk])).status_code == 404
    assert stranger.post(reverse("offers:run_schedule_audience", args=[again.pk])).status_code == 404
    run.refresh_from_db()
    assert run.targeting_version.number == 1
