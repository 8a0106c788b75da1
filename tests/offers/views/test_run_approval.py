"""Approving a large run on its page, on Home and over the API (issue 4, approval)."""

import pytest
from django.urls import reverse

from offers.models import Assignment, MassAssignment, RunApproval
from tests.factories import ApiClientFactory, MemberFactory, work
from tests.offers.views.marketer import a_run, done, filled_in, sign_in, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def large(programme):
    programme.approval_members = 2
    programme.save()
    return programme


def test_a_large_run_waits_in_view_and_another_marketer_approves_it_in_place(
    large, coffee, everyone, rung, django_capture_on_commit_callbacks
):
    """Issue 4, approval: numbers of then and of now; her own Home and page ask nothing of who launched it."""
    ann, bob = sign_in(large), sign_in(large)
    ann.post(reverse("offers:run_new"), filled_in(coffee.templates.get(), everyone))
    run = MassAssignment.objects.get()
    page = reverse("offers:run", args=[run.pk])
    assert run.state == "awaiting_approval"
    assert "it waits until somebody else approves it" in words(ann.get(page))
    assert "You launched it, so somebody else decides." in words(ann.get(page))
    assert "1 run awaits approval" not in words(ann.get("/"))
    assert "1 run awaits approval" in words(bob.get("/"))
    MemberFactory(programme=large)
    seen = words(bob.get(page))
    assert "Approve 3 assignments" in seen
    assert "4 to assign" in words(bob.get(reverse("offers:run_approval", args=[run.pk])))

    ann.post(reverse("offers:run_approve", args=[run.pk]))
    run.refresh_from_db()
    assert run.state == "awaiting_approval"
    rung.clear()
    with django_capture_on_commit_callbacks(execute=True):
        bob.post(reverse("offers:run_approve", args=[run.pk]))
    assert rung == [run.pk]
    run = work(run)
    # Four of three approved are more than a tenth: it waits again, and says so.
    assert run.state == "awaiting_approval"
    seen = words(bob.get(page))
    assert "its audience grew since it was approved" in seen
    assert "Approved before" in seen
    bob.post(reverse("offers:run_approve", args=[run.pk]))
    assert work(run).state == "finished"
    assert Assignment.objects.count() == 4


def test_the_dry_run_and_the_drafts_dialog_say_before_the_click_that_somebody_else_approves_it(large, coffee, everyone):
    """Issue 4, approval: the button asks for what the launch does; a smaller run is launched as ever."""
    ann, values = sign_in(large), filled_in(coffee.templates.get(), everyone)
    asked = "Nobody is assigned before somebody else approves it."
    ann.post(reverse("offers:run_new"), values | {"do": "keep"})
    draft = reverse("offers:run_preview", args=[MassAssignment.objects.get().pk])
    for shown in (words(ann.get(reverse("offers:run_dry_run"), values)), words(ann.get(draft))):
        assert asked in shown
        assert "Ask for approval of 3 assignments" in shown
        assert "Launch 3 assignments" not in shown
    again = values | {"when": "daily", "first_day": "2027-01-01", "at": "09:00"}
    later = words(ann.get(reverse("offers:run_dry_run"), again))
    assert "Each run of this size waits until somebody else approves it." in later
    assert "Schedule runs that come again" in later
    large.approval_members = 3
    large.save()
    for shown in (words(ann.get(reverse("offers:run_dry_run"), values)), words(ann.get(draft))):
        assert asked not in shown
        assert "Launch 3 assignments" in shown


def test_going_on_to_new_members_says_it_too(large, coffee, everyone, rung):
    """Issue 4, approval; B-03: the dialog that assigns to new members."""
    large.approval_members = 3
    large.save()
    run = done(a_run(coffee.templates.get(), everyone))
    MemberFactory.create_batch(4, programme=large)
    shown = words(sign_in(large).get(reverse("offers:run_diff_preview", args=[run.pk])))
    assert "Nobody is assigned before somebody else approves it." in shown
    assert "Ask for approval of 4 assignments" in shown


def test_a_declined_run_says_why_to_whoever_launched_it(large, coffee, everyone, rung):
    """Issue 4, approval: the reason is asked for and shown."""
    ann, bob = sign_in(large), sign_in(large)
    ann.post(reverse("offers:run_new"), filled_in(coffee.templates.get(), everyone))
    run = MassAssignment.objects.get()
    bob.post(reverse("offers:run_decline", args=[run.pk]), {"reason": ""})
    assert RunApproval.objects.get().decision == ""
    bob.post(reverse("offers:run_decline", args=[run.pk]), {"reason": "Not in sale week"})
    assert "Declined: “Not in sale week”." in words(ann.get(reverse("offers:run", args=[run.pk])))


def test_who_may_not_approve_is_refused(large, coffee, everyone, rung):
    """Issue 4, approval: a permission of its own."""
    sign_in(large).post(reverse("offers:run_new"), filled_in(coffee.templates.get(), everyone))
    run = MassAssignment.objects.get()
    agent = sign_in(large, role="support agent")
    for name in ("run_approve", "run_decline"):
        assert agent.post(reverse(f"offers:{name}", args=[run.pk])).status_code == 403
    run.refresh_from_db()
    assert run.state == "awaiting_approval"


def test_another_key_approves_over_the_api_and_the_launching_one_does_not(large, coffee, everyone, rung, client):
    """Issue 4, approval; API: 409 with what is the matter, and a scope of its own."""
    _one, launching = ApiClientFactory(programme=large, scopes=["targetings", "runs:approve"])
    _two, other = ApiClientFactory(programme=large, scopes=["runs:approve"])
    _three, without = ApiClientFactory(programme=large, scopes=["targetings"])

    def post(key, path, data=None):
        return client.post(
            f"/api/v1/{path}", data or {}, content_type="application/json", headers={"Authorization": f"Api-Key {key}"}
        )

    made = post(launching, "mass-assignments", {"template": str(coffee.templates.get().pk), "targeting": everyone.pk})
    path = f"mass-assignments/{made.json()['id']}"
    assert post(launching, f"{path}/launch").json()["state"] == "awaiting_approval"
    refused = post(launching, f"{path}/approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_approvable")
    assert post(without, f"{path}/approve").status_code == 403
    assert post(other, f"{path}/decline", {"reason": " "}).status_code == 422
    approved = post(other, f"{path}/approve")
    assert (approved.status_code, approved.json()["state"]) == (200, "scheduled")
    assert post(other, f"{path}/decline", {"reason": "Too late"}).json()["code"] == "not_approvable"
