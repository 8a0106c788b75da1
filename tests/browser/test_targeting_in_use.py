"""An audience that is edited and archived while a draft and a schedule use it, in a real browser (B-03, S4-26)."""

import re
import uuid
from datetime import time, timedelta
from decimal import Decimal

from playwright.sync_api import expect

from loyalty import clock
from offers.services import run_schedule, targeting
from offers.services.mass_assignment import LaunchPlan
from offers.services.run_schedule import When
from tests.factories import ConfigOfferFactory, MemberFactory, draft_run

LONDON = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "London"}]}
PARIS = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Paris"}]}


def test_b_03_a_marketer_sees_who_keeps_which_version_and_what_hinders_archiving(
    page, person, sign_in, programme, look, complaints
):
    """B-03, S4-26: on the audience's page, the draft's and the list of schedules; one button takes the newer."""
    MemberFactory(programme=programme, city="London")
    offer = ConfigOfferFactory(programme=programme, name="Coffee")
    saved = targeting.create(programme=programme, name="Locals", criteria=LONDON, actor=None)
    draft = draft_run(offer, targeting=saved, name="Autumn coffee")
    run_schedule.create(
        programme=programme, reference=uuid.uuid4(), template=offer.templates.get(), name="Every morning",
        targeting_version=saved.current_version, campaign=None, terms={}, member_values={}, rank=None,
        hold_out_percent=Decimal(0), plan=LaunchPlan(), actor=None, now=clock.now(),
        when=When("daily", time(9), (clock.now() + timedelta(days=2)).date()),
    )  # fmt: skip
    targeting.update(targeting=saved, criteria=PARIS, actor=None)
    sign_in(page, person("marketer"))
    page.set_default_navigation_timeout(60_000)
    page.goto(f"/offers/runs/{draft.pk}/")
    expect(page.get_by_text("This run keeps version 1, which it was made with.")).to_be_visible()
    look(page, "in-use-draft")
    page.get_by_role("button", name="Use version 2").click()
    expect(page.get_by_text("It reaches the audience as it is saved now.")).to_be_visible()
    expect(page.get_by_text("keeps version 1")).to_have_count(0)

    page.goto("/offers/runs/schedules")
    expect(page.get_by_text("these runs keep version 1")).to_be_visible()
    look(page, "in-use-schedules")

    page.goto(f"/offers/audiences/{saved.pk}/")
    expect(page.locator("section", has=page.get_by_role("heading", name="Where it is used"))).to_contain_text(
        "keeps v1"
    )
    page.get_by_label("More", exact=True).click()
    page.get_by_role("button", name="Archive", exact=True).click()
    refusal = page.get_by_role("alert").filter(has_text="“Locals” is named by")
    expect(refusal).to_contain_text("the schedules “Every morning” and the runs “Autumn coffee”")
    look(page, "in-use-refused")
    refusal.get_by_role("link", name="Every morning").click()
    expect(page).to_have_url(re.compile(r"/offers/runs/schedules#schedule-\d+$"))
    complaints[:] = [text for text in complaints if "409" not in text]
