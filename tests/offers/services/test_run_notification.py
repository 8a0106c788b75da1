"""The summary by e-mail when a run is done (issue 4, "Running": "summary and e-mail when done"; S4-27)."""

import smtplib

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import IntegrityError, connection, transaction

from loyalty import clock
from loyalty import mail as mails
from offers.models import MassAssignment, MassAssignmentChunk, RunNotification
from offers.services import execution, mass_assignment, mass_assignment_undo, run_approval, run_notification
from offers.tasks import run_notification as tasks
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    UserFactory,
    draft_run,
    import_codes,
    work,
)
from tests.integrity import whole_at_the_end

__all__ = ["whole_at_the_end"]

pytestmark = pytest.mark.django_db
State = MassAssignment.State


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def offer(programme):
    return ConfigOfferFactory(programme=programme, name="Coffee", terms={"benefit": {"type": "amount", "size": 100}})


@pytest.fixture
def ann(programme):
    return UserFactory(role="marketer", programmes=[programme], first_name="Ann")


@pytest.fixture
def bob(programme):
    return UserFactory(role="marketer", programmes=[programme], first_name="Bob")


@pytest.fixture
def sent(monkeypatch):
    """Have tasks run at once, as a worker would."""
    monkeypatch.setattr(tasks.send, "apply_async", lambda arguments, **_: tasks.send(*arguments))
    return mail.outbox


def launch(offer, actor, **values):
    return mass_assignment.launch(run=draft_run(offer, actor=actor, **values), actor=actor, now=clock.now())


def told(**filters):
    return list(RunNotification.objects.filter(**filters).order_by("id").values_list("kind", "recipient__first_name"))


def html_of(message) -> str:
    return message.alternatives[0].content


def fail_with(monkeypatch, error):
    def send_messages(self, messages):
        raise error

    monkeypatch.setattr(EmailBackend, "send_messages", send_messages)


def test_a_finished_run_mails_its_summary_to_who_launched_and_who_follows_it(offer, programme, ann, bob, sent):
    """Issue 4, S4-27: matched, left out by reason, assigned, cost, duration, what to do next, and a link; once each."""
    UserFactory(role="marketer", programmes=[programme], first_name="Cleo")
    MemberFactory.create_batch(3, programme=programme, email="member@example.org", last_name="Secret")
    MemberFactory(programme=programme, status="inactive")
    run = launch(offer, ann, name="Autumn")
    for _ in range(2):
        run_notification.follow(run=run, user=bob, is_following=True, now=clock.now())
    work(run)
    assert told() == [("finished", "Ann"), ("finished", "Bob")]
    assert not sent
    tasks.sweep()
    tasks.sweep()
    assert sorted(one.to for one in sent) == sorted([[ann.email], [bob.email]])
    first = sent[0]
    assert first.subject == "Finished: Autumn"
    for words in (
        "Hello Ann,",
        "Mass assignment is now finished!",
        "Matched: 4",
        "Left out: not active: 1",
        "Assigned: 3",
        "Costs at most: 3.00 €",
        "Took: ",
        "See who got it, go on to new members, or undo it:",
        f"http://127.0.0.1:8000/offers/runs/{run.pk}/",
        "/offers/notifications",
    ):
        assert words in first.body
    assert f'href="http://127.0.0.1:8000/offers/runs/{run.pk}/"' in html_of(first)
    assert "member@example.org" not in first.message().as_string()
    assert "Secret" not in first.message().as_string()
    assert RunNotification.objects.filter(sent_at__isnull=False, attempts=1).count() == 2


def test_a_repeat_of_the_end_writes_no_second_row(offer, programme, ann):
    """Issue 4, S4-27: unique per run, person, kind and occasion; the database says so too."""
    MemberFactory(programme=programme)
    run = work(launch(offer, ann))
    assert execution.finish(run_id=run.pk, now=clock.now()) is False
    run_notification.tell_end(run_id=run.pk, now=clock.now())
    [row] = RunNotification.objects.all()
    row.pk = None
    with pytest.raises(IntegrityError, match="a_person_is_told_once_of_each_occasion"), transaction.atomic():
        row.save(force_insert=True)


def test_the_row_goes_with_the_transaction_that_ends_the_run(offer, programme, ann, monkeypatch):
    """Issue 4: where ending the run fails, nobody is told that it ended."""
    MemberFactory(programme=programme)
    run = launch(offer, ann)
    execution.plan(run_id=run.pk, now=clock.now())
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    tell = run_notification.tell_end

    def tell_and_die(**values):
        tell(**values)
        raise RuntimeError("lost")

    monkeypatch.setattr(run_notification, "tell_end", tell_and_die)
    with pytest.raises(RuntimeError):
        execution.finish(run_id=run.pk, now=clock.now())
    run.refresh_from_db()
    assert (run.state, told()) == (State.RUNNING, [])


def test_each_failed_launch_tells_why_and_what_is_missing(programme, ann, sent):
    """Issue 4, S4-27, S4-28: two launches that fail are two occasions; codes needed and missing are named."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["A", "B"])
    MemberFactory.create_batch(3, programme=programme)
    run = work(launch(offer, ann, name="Short"))
    run = work(mass_assignment.launch(run=run, actor=ann, now=clock.now()))
    assert (run.state, told()) == (State.FAILED, [("troubled", "Ann")] * 2)
    tasks.ring(run.pk)
    assert [one.subject for one in sent] == ["Failed: Short"] * 2
    assert "It needs 3 codes, and 1 of them are missing." in sent[0].body
    import_codes(offer, ["C"])
    run = work(mass_assignment.launch(run=run, actor=ann, now=clock.now()))
    tasks.ring(run.pk)
    assert "Codes given out: 3" in sent[2].body


def test_a_run_finished_with_errors_says_how_many_got_nothing_and_a_retry_is_told_again(offer, programme, ann, sent):
    """Issue 4, S4-27: finished with errors, then finished after a retry."""
    MemberFactory.create_batch(2, programme=programme)
    run = launch(offer, ann)
    execution.plan(run_id=run.pk, now=clock.now())
    MassAssignmentChunk.objects.filter(run=run).update(attempts=3, failed_at=clock.now())
    run = work(run)
    assert run.state == State.FINISHED_WITH_ERRORS
    tasks.ring()
    assert "Not assigned, because of errors: 2" in sent[0].body
    assert "Retry" in sent[0].body
    work(mass_assignment.retry(run=run, actor=ann, now=clock.now()))
    assert told() == [("troubled", "Ann"), ("finished", "Ann")]


def test_an_undone_run_tells_who_launched_it_and_who_took_it_back(offer, programme, ann, bob, sent):
    """Issue 4, S4-27, B-04: how many were taken back and how many stay."""
    MemberFactory.create_batch(2, programme=programme)
    run = work(launch(offer, ann))
    mass_assignment_undo.start(run=run, actor=bob, now=clock.now(), reason="Wrong offer")
    mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)
    assert told(kind="undone") == [("undone", "Ann"), ("undone", "Bob")]
    tasks.ring()
    assert "Taken back: 2" in sent[-1].body


def test_a_large_run_asks_those_who_may_approve_it_and_a_decline_is_told_to_its_launcher(
    offer, programme, ann, bob, sent
):
    """Issue 4, approval, S4-27: not who launched it, not an agent, nobody of another programme."""
    programme.approval_members = 1
    programme.save()
    UserFactory(role="support agent", programmes=[programme])
    UserFactory(role="marketer", programmes=[ProgrammeFactory()])
    UserFactory(role="marketer", programmes=[programme], is_active=False)
    UserFactory(role="marketer", programmes=[programme], email="")
    MemberFactory.create_batch(2, programme=programme)
    run = launch(offer, ann, name="Big")
    assert told() == [("approval", "Bob")]
    tasks.ring()
    assert sent[0].subject == "Waits for your approval: Big"
    assert "To assign: 2" in sent[0].body
    run_approval.decline(run=run, reason="Not in sale week.", actor=bob, now=clock.now())
    tasks.ring()
    assert (sent[1].to, sent[1].subject) == ([ann.email], "Declined: Big")
    assert "Why: Not in sale week." in sent[1].body


def test_names_break_neither_header_nor_body(offer, programme, ann, sent):
    """Issue 4: `<b>` is text, and a newline in a name is no new header and no new line."""
    MemberFactory(programme=programme)
    offer.name = "<b>Bold</b>\r\nBcc: x@example.com"
    offer.save()
    run = launch(offer, ann, name="Hi")
    MassAssignment.objects.filter(pk=run.pk).update(name="<b>Run</b>\nBcc: y@example.com\u202e")
    work(run)
    tasks.ring()
    [one] = sent
    assert one.subject == "Finished: <b>Run</b> Bcc: y@example.com"
    assert one.message()["Bcc"] is None
    assert "<b>" not in html_of(one)
    assert "&lt;b&gt;Bold&lt;/b&gt; Bcc: x@example.com" in html_of(one)
    assert "Offer: <b>Bold</b> Bcc: x@example.com\n" in one.body


def test_a_mail_is_written_in_its_recipients_language(offer, programme, ann, sent):
    """Issue 4: hers, else the programme's first; numbers as that language writes them."""
    programme.languages = ["de", "en"]
    programme.save()
    assert mails.language_of(ann, programme) == "de"
    run_notification.prefer(user=ann, wanted=["finished"], language="fr")
    assert mails.language_of(ann, programme) == "fr"
    run_notification.prefer(user=ann, wanted=["finished"], language="xx")
    MemberFactory(programme=programme)
    work(launch(offer, ann))
    tasks.ring()
    assert "1,00 €" in sent[0].body
    assert '<html lang="de">' in html_of(sent[0])


def test_who_does_not_want_a_kind_of_mail_gets_none(offer, programme, ann, sent):
    """Issue 4: the choice holds when the row is written, and when it is sent."""
    MemberFactory(programme=programme)
    run_notification.prefer(user=ann, wanted=["troubled"], language="")
    work(launch(offer, ann))
    assert told() == []
    run_notification.prefer(user=ann, wanted=["finished"], language="")
    MemberFactory(programme=programme)
    work(launch(offer, ann))
    run_notification.prefer(user=ann, wanted=[], language="")
    tasks.ring()
    [row] = RunNotification.objects.all()
    assert (sent, row.failure, row.sent_at) == ([], "unwanted", None)
    assert row.given_up_at


def test_who_left_the_programme_meanwhile_is_not_written_to(offer, programme, ann, sent):
    """Issue 4, D-21: nothing of a programme goes to somebody who works there no more."""
    MemberFactory(programme=programme)
    work(launch(offer, ann))
    ann.programmes.clear()
    tasks.ring()
    assert sent == []


def test_a_mail_server_that_refuses_is_tried_five_times_and_then_shown(offer, programme, ann, monkeypatch):
    """Issue 4, C-04: attempts are counted, later each time, then given up with the cause."""
    MemberFactory(programme=programme)
    work(launch(offer, ann))
    [row] = RunNotification.objects.all()
    fail_with(monkeypatch, smtplib.SMTPServerDisconnected("gone\naway"))
    now = clock.now()
    waits = []
    for attempt in range(1, 6):
        assert run_notification.waiting(now=now) == [row.pk]
        assert run_notification.send(notification_id=row.pk, now=now) is False
        row.refresh_from_db()
        assert row.attempts == attempt
        if row.leased_until:
            waits.append((row.leased_until - now).total_seconds())
            assert run_notification.waiting(now=now) == []
            now = row.leased_until + run_notification.BACK_OFF
    assert waits == [60, 120, 240, 480]
    assert row.given_up_at
    assert row.failure == "SMTPServerDisconnected: gone away"
    assert run_notification.waiting(now=now) == []


def test_what_was_sent_or_is_being_sent_is_not_sent_again(offer, programme, ann, sent):
    """Issue 4, C-04: a message that comes twice, or while another worker is at it."""
    MemberFactory(programme=programme)
    work(launch(offer, ann))
    [row] = RunNotification.objects.all()
    now = clock.now()
    RunNotification.objects.update(attempts=1, leased_until=now + run_notification.LEASE)
    assert run_notification.send(notification_id=row.pk, now=now) is False
    RunNotification.objects.update(attempts=0, leased_until=None)
    assert run_notification.send(notification_id=row.pk, now=now) is True
    assert run_notification.send(notification_id=row.pk, now=now) is False
    assert len(sent) == 1


def test_a_worker_killed_between_sending_and_noting_sends_twice_with_one_message_id(
    offer, programme, ann, sent, monkeypatch
):
    """Issue 4, C-04: at least once, then: the sweeper repairs it, and a mailbox can tell the second one."""
    MemberFactory(programme=programme)
    work(launch(offer, ann))
    [row] = RunNotification.objects.all()
    original = mails.send

    class Killed(BaseException):
        """As a process that ends here: nothing catches it."""

    def send_and_die(**values):
        original(**values)
        raise Killed

    monkeypatch.setattr(mails, "send", send_and_die)
    now = clock.now()
    with pytest.raises(Killed):
        run_notification.send(notification_id=row.pk, now=now)
    monkeypatch.setattr(mails, "send", original)
    assert run_notification.waiting(now=now) == []
    later = now + run_notification.LEASE * 2
    assert run_notification.waiting(now=later) == [row.pk]
    assert run_notification.send(notification_id=row.pk, now=later) is True
    row.refresh_from_db()
    assert row.attempts == 2
    assert len({one.message()["Message-ID"] for one in sent}) == 1
    assert len(sent) == 2


def test_a_mail_that_killed_its_worker_five_times_is_given_up(offer, programme, ann, sent):
    """Issue 4, C-04: attempts are counted before the work."""
    MemberFactory(programme=programme)
    work(launch(offer, ann))
    RunNotification.objects.update(attempts=5, leased_until=clock.now() - run_notification.LEASE)
    tasks.sweep()
    assert sent == []
    assert RunNotification.objects.get().given_up_at


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_mail_server_is_asked(offer, programme, ann, monkeypatch):
    """Issue 4: a server that hangs holds no lock; the lease is committed before."""
    MemberFactory(programme=programme)
    work(launch(offer, ann))
    [row] = RunNotification.objects.all()
    seen = []

    def send_messages(self, messages):
        seen.append((connection.in_atomic_block, RunNotification.objects.get().attempts))
        return 1

    monkeypatch.setattr(EmailBackend, "send_messages", send_messages)
    assert run_notification.send(notification_id=row.pk, now=clock.now()) is True
    assert seen == [(False, 1)]
