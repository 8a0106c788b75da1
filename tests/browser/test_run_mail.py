"""Following a run, the mail that its end sends, and which mails one wants, in a real browser (issue 4; S4-27)."""

import pytest
from django.core import mail
from playwright.sync_api import expect

from loyalty import clock
from offers.models import RunFollower, RunNotification
from offers.services import mass_assignment, run_notification
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    TargetingFactory,
    UserFactory,
    draft_run,
    import_codes,
    work,
)


@pytest.fixture
def run(programme):
    """A run that somebody else launched, to four members of whom one is not active."""
    MemberFactory.create_batch(3, programme=programme)
    MemberFactory(programme=programme, status="inactive")
    coffee = ConfigOfferFactory(
        programme=programme, name="Coffee", require_vouchers=True, terms={"benefit": {"type": "amount", "size": 150}}
    )
    import_codes(coffee, 10)
    bob = UserFactory(role="marketer", programmes=[programme], first_name="Bob")
    everyone = TargetingFactory(programme=programme, name="Everyone")
    made = draft_run(coffee, targeting=everyone, name="Autumn, first wave", actor=bob)
    return mass_assignment.launch(run=made, actor=bob, now=clock.now())


def _send_what_waits() -> None:
    for waiting in run_notification.waiting(now=clock.now()):
        run_notification.send(notification_id=waiting, now=clock.now())


def test_s4_27_a_marketer_follows_a_run_reads_its_mail_and_chooses_which_mails_she_wants(
    page, person, sign_in, programme, run, look
):
    """Issue 4, "summary and e-mail when done"; S4-27: the run's page, the mail itself, "My notifications"."""
    ann = person("marketer")
    sign_in(page, ann)
    page.set_default_navigation_timeout(60_000)
    page.goto("/offers/notifications")
    expect(page.get_by_text("No mail yet")).to_be_visible()
    page.goto(f"/offers/runs/{run.pk}/")
    mails = page.get_by_role("region", name="E-mail")
    mails.get_by_role("button", name="Follow").click()
    expect(page.get_by_text("You get a mail when this run ends.").first).to_be_visible()
    expect(mails).to_contain_text("You follow it: you get a mail with the summary when it ends.")
    assert RunFollower.objects.get().user == ann
    look(page, "follow-1-following")

    work(run)
    _send_what_waits()
    page.reload()
    expect(mails.get_by_role("listitem")).to_have_count(2)
    expect(mails).to_contain_text("sent")
    look(page, "follow-2-sent")
    mine = next(message for message in mail.outbox if message.to == [ann.email])
    assert mine.subject == "Finished: Autumn, first wave"

    page.get_by_role("link", name="Which mails I get").click()
    expect(page.get_by_role("heading", name="My notifications")).to_be_visible()
    expect(page.get_by_role("row", name="Autumn, first wave")).to_contain_text("sent")
    assert page.get_by_role("checkbox", checked=True).count() == 4
    page.get_by_label("A run that I launched or follow is finished").uncheck()
    page.get_by_label("Language of the mails").select_option("de")
    page.get_by_role("button", name="Save what I want").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("A run that I launched or follow is finished")).not_to_be_checked()
    look(page, "follow-3-notifications")
    ann.refresh_from_db()
    assert (ann.muted_mails, ann.language) == ([RunNotification.Kind.FINISHED], "de")

    # The same mail as a mailbox shows it: no style of its own, so the reader's holds.
    [html] = [part.content for part in mine.alternatives]
    page.goto("about:blank")
    page.set_content(html)
    expect(page.get_by_text("Mass assignment is now finished! “Autumn, first wave” gave out “Coffee”.")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Left out: not active")).to_have_text("Left out: not active: 1")
    expect(page.get_by_role("link", name="Open the run")).to_have_attribute(
        "href", f"http://127.0.0.1:8000/offers/runs/{run.pk}/"
    )
    look(page, "follow-4-mail")


def test_s4_27_who_follows_no_more_gets_no_mail(page, person, sign_in, programme, run, assert_accessible):
    """S4-27: stopping is one click; who launched a run has no such button, because she is told anyway."""
    ann = person("marketer")
    sign_in(page, ann)
    page.set_default_navigation_timeout(60_000)
    page.goto(f"/offers/runs/{run.pk}/")
    page.get_by_role("button", name="Follow").click()
    page.get_by_role("button", name="Stop following").click()
    expect(page.get_by_text("You follow this run no more.").first).to_be_visible()
    work(run)
    _send_what_waits()
    assert [message.to for message in mail.outbox] == [[run.launched_by.email]]
    sign_in(page, run.launched_by)
    page.reload()
    expect(page.get_by_role("region", name="E-mail")).to_contain_text("sent")
    expect(page.get_by_role("button", name="Follow")).to_have_count(0)
    assert_accessible(page)
