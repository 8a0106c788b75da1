"""Runs later and again, and their approval, in a real browser (issue 4; D-09, B-01)."""

import re
import uuid
from datetime import timedelta
from decimal import Decimal

from playwright.sync_api import expect

from loyalty import clock
from offers.models import MassAssignment, RunSchedule
from offers.services import mass_assignment, run_schedule
from offers.services.mass_assignment import LaunchPlan
from offers.services.run_schedule import When
from tests.factories import ConfigOfferFactory, MemberFactory, UserFactory, draft_run, import_codes


def test_a_run_later_is_scheduled_cut_and_moved_and_one_that_comes_again_is_paused_and_ended(
    page, person, sign_in, coffee, everyone, programme, look
):
    """Issue 4, "now, later or recurring"; B-01: the launch form, the run's page, and the list of schedules."""
    import_codes(coffee, 4)
    sign_in(page, person("marketer"))
    page.set_default_navigation_timeout(60_000)
    template = coffee.templates.get()
    later = (clock.now().astimezone(programme.zone) + timedelta(days=5)).date()
    flow = f"/offers/runs/new?reference={uuid.uuid4()}&template={template.pk}&terms=set&targeting={everyone.pk}"
    page.goto(f"{flow}&step=options")
    page.get_by_label("When").select_option("later")
    page.get_by_label("On, or from").fill(later.isoformat())
    page.get_by_label("At", exact=True).fill("09:00")
    look(page, "options-later")
    page.get_by_role("button", name=re.compile("^Continue|^Done|^Use")).click()
    dry_run = page.locator("#dry-run")
    expect(dry_run.get_by_role("button", name="Schedule about 6 assignments")).to_be_enabled()
    expect(dry_run).to_contain_text("These are the numbers of now.")
    expect(dry_run.get_by_role("button", name="Schedule, and wait then until there is enough")).to_be_visible()
    expect(dry_run.get_by_role("button", name=re.compile("Launch"))).to_have_count(0)
    look(page, "dry-run-short")
    dry_run.get_by_role("button", name="Schedule, cut to what is there then").click()
    expect(page.get_by_text("with the audience of then")).to_be_visible()
    expect(page.locator("#run-live")).to_contain_text("it is cut to the first ones that there is enough for")
    look(page, "run-later")
    page.get_by_label(re.compile("Begin at")).fill(f"{later.isoformat()}T10:30")
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_text("10:30")).to_be_visible()
    assert MassAssignment.objects.get().on_shortfall == "cut"

    run_schedule.create(
        programme=programme, reference=uuid.uuid4(), template=template, targeting_version=everyone.current_version,
        name="Every Tuesday", campaign=None, terms={}, member_values={}, rank=None, hold_out_percent=Decimal(0),
        plan=LaunchPlan(), when=When("weekly", clock.now().time().replace(microsecond=0), later), actor=None,
        now=clock.now(),
    )  # fmt: skip
    page.goto("/offers/runs/schedules")
    look(page, "schedules")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    # The one that cannot be taken back asks first, and says what ends.
    page.get_by_role("button", name="End…", exact=True).click()
    dialog = page.get_by_role("dialog", name="End “Every Tuesday”")
    expect(dialog).to_contain_text("It makes no more runs. It made none yet. An ended schedule cannot be resumed.")
    look(page, "schedule-end")
    dialog.get_by_role("button", name="Leave it paused").click()
    expect(dialog).to_be_hidden()
    assert RunSchedule.objects.get().ended_at is None
    page.get_by_role("button", name="End…", exact=True).click()
    dialog.get_by_role("button", name="End it for good").click()
    expect(page.get_by_text("Ended. The runs that it made stay.")).to_be_visible()
    assert RunSchedule.objects.get().ended_at is not None


def test_runs_that_come_again_are_made_from_the_launch_form(
    page, person, sign_in, coffee, everyone, programme, assert_accessible, look
):
    """Issue 4, "recurring"; D-09, B-01: every week from a day on, cut where there is too little; and its first run."""
    import_codes(coffee, 10)
    sign_in(page, person("marketer"))
    page.set_default_navigation_timeout(60_000)
    first = (clock.now().astimezone(programme.zone) + timedelta(days=3)).date()
    page.goto("/offers/runs/schedules")
    expect(page.get_by_text("Nothing comes again yet")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Assign an offer").first.click()
    page.get_by_role("link", name=re.compile("COFFEE")).click()
    page.get_by_role("link", name=re.compile("Everyone")).click()
    page.get_by_role("link", name="Change the options").click()
    page.get_by_label("Name").fill("Coffee of the week")
    page.get_by_label("When").select_option("weekly")
    page.get_by_role("button", name=re.compile("^Continue")).click()
    # What is missing stands beside its field, and nothing typed is lost.
    expect(page.get_by_text("Give the day.")).to_be_visible()
    expect(page.get_by_text("Give the time.")).to_be_visible()
    look(page, "again-1-missing")
    page.get_by_label("On, or from").fill(first.isoformat())
    page.get_by_label("At", exact=True).fill("09:00")
    page.get_by_label("Until").fill((first + timedelta(days=30)).isoformat())
    page.get_by_role("button", name=re.compile("^Continue")).click()
    dry_run = page.locator("#dry-run")
    expect(dry_run).to_contain_text(f"Every week at 09:00 (Europe/Paris), from {first:%-d %b}")
    expect(dry_run).to_contain_text(re.compile(r", from \d+ \w+( \d{4})? until \d+ \w+( \d{4})?\b"))
    expect(dry_run.get_by_role("button", name="Schedule runs that come again")).to_be_enabled()
    # A draft is one run: it cannot come again.
    expect(dry_run.get_by_role("button", name="Keep as a draft")).to_have_count(0)
    look(page, "again-2-dry-run")
    dry_run.get_by_role("button", name="Schedule, cut to what is there then").click()
    row = page.get_by_role("row", name=re.compile("Coffee of the week"))
    expect(row).to_contain_text("every week, 09:00")
    expect(row).to_contain_text("With too little: cut to what is there")
    look(page, "again-3-schedules")
    schedule = RunSchedule.objects.get()
    assert (schedule.frequency, schedule.on_shortfall, schedule.starts_on) == ("weekly", "cut", first)

    [run_id] = run_schedule.make_due(now=schedule.next_at)
    page.reload()
    expect(row.get_by_role("cell", name="1", exact=True)).to_be_visible()
    page.goto(f"/offers/runs/{run_id}/")
    expect(page.get_by_role("heading", name=f"Coffee of the week, {first.isoformat()}")).to_be_visible()
    look(page, "again-4-run")


def test_a_large_run_is_approved_in_place(page, person, sign_in, coffee, everyone, programme, look):
    """Issue 4, approval: what was asked, what it would do now, and both decisions on one page."""
    programme.approval_members = 2
    programme.save()
    import_codes(coffee, 10)
    other = UserFactory(role="marketer", programmes=[programme])
    run = mass_assignment.launch(run=draft_run(coffee, targeting=everyone), actor=other, now=clock.now())
    sign_in(page, person("marketer"))
    page.goto(f"/offers/runs/new?template={coffee.templates.get().pk}&terms=set&targeting={everyone.pk}")
    expect(page.get_by_role("button", name="Ask for approval of 6 assignments")).to_be_enabled()
    look(page, "approval-before")
    page.goto(f"/offers/runs/{run.pk}/")
    expect(page.get_by_text("6 to assign")).to_be_visible()
    look(page, "approval")
    page.get_by_role("button", name=re.compile("^Approve 6 assignments")).click()
    expect(page.get_by_text("Approved. The audience is being planned.")).to_be_visible()
    run.refresh_from_db()
    assert run.state != "awaiting_approval"


def test_s0_08_a_period_beyond_the_offers_own_is_shown_before_the_launch(
    page, person, sign_in, everyone, programme, look
):
    """S0-08, D-09: a warning by field, which goes with the slip; the button is not taken away."""
    MemberFactory(programme=programme)
    today = clock.now().astimezone(programme.zone).date()
    ends = {"validity": {"ends_at": (today + timedelta(days=10)).isoformat()}}
    tea = ConfigOfferFactory(programme=programme, name="Tea", terms=ends)
    sign_in(page, person("marketer"))
    page.set_default_navigation_timeout(60_000)
    template = tea.templates.get()
    page.goto(f"/offers/runs/new?template={template.pk}&targeting={everyone.pk}&step=terms")
    page.get_by_text("Other than the offer says").click()
    page.locator("#id_validity__ends_at").fill((today + timedelta(days=20)).isoformat())
    page.get_by_role("button", name=re.compile("^Continue")).click()
    warning = page.locator("#dry-run").get_by_role("status")
    expect(warning).to_contain_text("Validity, Ends: it ends after the offer's own period.")
    expect(page.get_by_role("button", name="Launch 1 assignment")).to_be_enabled()
    look(page, "period-beyond")
    page.get_by_role("link", name="Change the terms").click()
    page.locator("#id_validity__ends_at").fill((today + timedelta(days=9)).isoformat())
    page.get_by_role("button", name=re.compile("^Continue")).click()
    expect(page.get_by_role("button", name="Launch 1 assignment")).to_be_enabled()
    expect(warning).to_have_count(0)
