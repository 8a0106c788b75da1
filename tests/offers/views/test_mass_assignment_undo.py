"""Undoing a whole run on its page: numbers before, the undo, the report (B-04; SCREENS, "A run")."""

import csv
import io

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError
from django.urls import reverse

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import Assignment, MassAssignment
from offers.services import assignment_verbs, chunk, mass_assignment_undo, revocation
from offers.tasks import mass_assignment_undo as tasks
from tests.factories import ConfigOfferFactory, MemberFactory, TargetingFactory, import_codes, redeem
from tests.offers.views.marketer import a_run, done, sign_in, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


@pytest.fixture
def undo_rung(monkeypatch):
    told: list[int] = []
    monkeypatch.setattr(tasks, "ring", lambda run_id, **_: told.append(run_id))
    return told


@pytest.fixture
def run(programme):
    """Ten were given it; two saw their codes, one used hers, one was taken back before."""
    offer = ConfigOfferFactory(programme=programme, name="Coffee", require_vouchers=True)
    import_codes(offer, 10)
    MemberFactory.create_batch(10, programme=programme)
    run = done(a_run(offer.templates.get(), TargetingFactory(programme=programme, name="Everyone")))
    held = list(Assignment.objects.order_by("member"))
    for one in held[:2]:
        assignment_verbs.expose(member_id=one.member_id, assignment_id=one.pk, now=clock.now())
    redeem(held[2])
    revocation.revoke(programme=programme, assignment_id=held[3].pk, reason="slip", now=clock.now())
    return run


def address(run, name="run_undo"):
    return reverse(f"offers:{name}", args=[run.pk])


def test_b_04_the_dialog_says_what_it_would_do_and_the_button_repeats_it(programme, run):
    marketer = sign_in(programme)
    page = words(marketer.get(address(run, "run")))
    assert 'data-dialog="undo-dialog"' in page
    dialog = words(marketer.get(address(run, "run_undo_preview")))
    assert (
        "<strong>Revokes 8 offers</strong>, gives back 6 codes, 2 were seen and stay burned, 1 was used and stays."
        in (dialog)
    )
    assert "1 was over before (revoked, closed or expired) and is left as it is." in dialog
    assert "Undo 8 assignments</button>" in dialog
    assert AuditEvent.objects.filter(action__contains="undo").count() == 0


def test_b_04_one_click_undoes_it_and_the_page_reports(programme, run, undo_rung, django_capture_on_commit_callbacks):
    marketer = sign_in(programme)
    with django_capture_on_commit_callbacks(execute=True):
        answer = marketer.post(address(run), {"reason": "wrong <week>"}, follow=True)
    assert undo_rung == [run.pk]
    assert "It is being undone. You may close this window." in words(answer)
    assert "0 of 10 looked at" in words(answer)

    mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)
    page = words(marketer.get(address(run, "run")))
    assert "<strong>Undone.</strong> 8 offers were taken back." in page
    assert "wrong &lt;week&gt;" in page
    assert '<dt>Codes given back</dt><dd class="numbers">6</dd>' in page
    assert '<dt>Codes burned, because they were seen</dt><dd class="numbers">2</dd>' in page
    assert '<dt>Over before: revoked, closed, expired</dt><dd class="numbers">1, 0, 0</dd>' in page
    assert "undo-dialog" not in page
    assert [word for word in ("undo begun", "undone", "finished") if word in page] == [
        "undo begun",
        "undone",
        "finished",
    ]
    used = Assignment.objects.get(revoked_at__isnull=True)
    listed = words(marketer.get(address(run, "run_kept")))
    assert (used.member.external_id in listed, str(used.pk) in listed, listed.count("<tr>")) == (True, True, 2)


def test_b_04_the_page_moves_while_it_is_being_undone_and_says_when_it_is(programme, run):
    marketer = sign_in(programme)
    mass_assignment_undo.start(run=run, actor=None, now=clock.now())
    live = marketer.get(address(run, "run_live"), {"state": "undoing", "percent": "0"}, headers={"HX-Request": "true"})
    assert "every 1s" in words(live)
    mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)
    live = marketer.get(address(run, "run_live"), {"state": "undoing", "percent": "0"}, headers={"HX-Request": "true"})
    assert live.headers["HX-Retarget"] == "#run"
    assert "The run is undone." in live.headers["HX-Trigger"]


def test_b_04_a_second_click_says_so_and_changes_nothing(programme, run, undo_rung):
    marketer = sign_in(programme)
    marketer.post(address(run))
    answer = marketer.post(address(run), follow=True)
    assert "is being undone already." in words(answer)
    assert AuditEvent.objects.filter(action="mass_assignment.undo_started").count() == 1


def test_b_04_a_reason_that_cannot_be_kept_is_named_and_nothing_is_begun(programme, run):
    marketer = sign_in(programme)
    for reason, words_ in (("x" * 201, "at most 200 characters"), ("a\0b", "Null characters")):
        answer = marketer.post(address(run), {"reason": reason}, follow=True)
        assert words_ in words(answer)
    run.refresh_from_db()
    assert run.state == "finished"


@pytest.mark.parametrize("state", ["draft", "running", "paused", "failed"])
def test_b_04_no_button_where_there_is_nothing_to_undo(programme, run, state):
    MassAssignment.objects.filter(pk=run.pk).update(state=state)
    assert "undo-dialog" not in words(sign_in(programme).get(address(run, "run")))


def test_b_04_a_chunk_that_was_given_up_stands_with_its_cause_and_a_button(programme, run, monkeypatch):
    def broken(**_):
        raise DatabaseError("disk <full>")

    with monkeypatch.context() as patched:
        patched.setattr(mass_assignment_undo, "take_back_chunk", broken)
        patched.setattr(chunk, "BACK_OFF", clock.now() - clock.now())
        mass_assignment_undo.start(run=run, actor=None, now=clock.now())
        for _ in range(4):
            mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)
    marketer = sign_in(programme)
    page = words(marketer.get(address(run, "run")))
    assert "1 chunk could not be taken back after three attempts." in page
    assert "<code>disk &lt;full&gt;</code>" in page
    assert "Try 1 chunk again" in page
    marketer.post(address(run))
    assert mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now).state == "undone"


def test_b_04_only_who_may_undo_sees_the_button_and_is_let_in(programme, run):
    """B-04: a permission of its own; an agent has it not, and the other programme's marketer finds nothing."""
    allowed = Group.objects.get(name="marketer").permissions
    allowed.remove(allowed.get(codename="undo_massassignment"))
    marketer = sign_in(programme)
    assert "undo-dialog" not in words(marketer.get(address(run, "run")))
    assert marketer.post(address(run)).status_code == 403
    assert marketer.get(address(run, "run_undo_preview")).status_code == 403
    run.refresh_from_db()
    assert run.state == "finished"


def test_b_04_the_desk_sees_with_which_run_it_was_undone_and_why(programme, run):
    """B-04, B-18: on the assignment's page and in the member's timeline."""
    mass_assignment_undo.start(run=run, actor=None, now=clock.now(), reason="wrong audience")
    mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)
    held = Assignment.objects.filter(events__verb="undone").first()
    agent = sign_in(programme, "administrator")
    page = words(agent.get(reverse("support:assignment", args=[held.pk])))
    assert f"undone</span> with run “{run.name}”" in page
    assert "wrong audience" in page
    member = words(agent.get(reverse("support:member", args=[held.member_id])))
    assert f"undone with run “{run.name}”" in member


def test_b_04_after_the_undo_each_member_says_what_became_of_her_in_the_filter_and_the_file_too(programme, run):
    """B-04: taken back, used and so kept, or over before the undo; nobody is called assigned any more."""
    mass_assignment_undo.start(run=run, actor=None, now=clock.now())
    mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)
    held = list(Assignment.objects.order_by("member").select_related("member"))
    wanted = {one.member.external_id: "taken_back" for one in held}
    wanted |= {held[2].member.external_id: "kept", held[3].member.external_id: "over_before"}
    marketer = sign_in(programme)
    file = marketer.get(reverse("offers:run_outcomes_export", args=[run.pk, "csv"]))
    lines = csv.DictReader(io.StringIO(b"".join(file.streaming_content).decode("utf-8-sig")))
    assert {line["member"]: line["outcome"] for line in lines} == wanted
    for outcome, n in (("taken_back", 8), ("kept", 1), ("over_before", 1), ("assigned", 0)):
        shown = words(marketer.get(address(run, "run_members"), {"outcome": outcome}))
        assert shown.count('<th scope="row" class="numbers">') == n, outcome
