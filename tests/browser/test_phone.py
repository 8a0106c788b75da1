"""Tables on a phone, 390 px wide: nothing that must be read or pressed stands beyond the edge (issue 4)."""

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Locator, Page, expect

from loyalty import clock
from offers.services import run_schedule
from offers.services.mass_assignment import LaunchPlan
from offers.services.run_schedule import When
from tests.browser.test_member_import import check
from tests.factories import ConfigOfferFactory, MemberFactory, TargetingFactory, launch_run

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def phone(open_context, person, sign_in) -> Page:
    page = open_context(viewport=PHONE).new_page()
    sign_in(page, person("superuser"))
    return page


def _is_within(page: Page, *places: Locator) -> None:
    """Nothing scrolls sideways, neither the page nor a frame in it, and each of these stands on the screen."""
    frames = "[document.documentElement, ...document.querySelectorAll('.table-scroll')]"
    too_wide = f"{frames}.filter((one) => one.scrollWidth > one.clientWidth).length"
    assert page.evaluate(too_wide) == 0
    for place in places:
        expect(place).to_be_visible()
        box = place.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]


def test_what_is_wrong_with_a_file_of_members_is_read_on_a_phone(phone, programme, assert_accessible, shoot):
    """Issue 4, per-line report: each problem with its column's names, in a row no higher than it has to be."""
    check(phone, b"external_id,first_name,email,birth_date\nm1,Ada,nonsense,1990-02-31\nm1,Ada,,\n" + b"x" * 30)
    expect(phone.get_by_text("so nothing was written")).to_be_visible()
    row = phone.get_by_role("row").filter(has_text="nonsense")
    wrong = row.get_by_role("cell").filter(has_text="This is no e-mail address.")
    _is_within(phone, row, wrong)
    assert row.bounding_box()["height"] < 160
    assert wrong.evaluate("(one) => getComputedStyle(one, '::before').content") == '"What is wrong"'
    assert_accessible(phone)
    shoot(phone, "phone-member-import", whole=True)


def test_two_runs_are_compared_on_a_phone(phone, programme, assert_accessible, shoot):
    """Issue 4: both runs' numbers stand beside each other, however long their names."""
    MemberFactory.create_batch(3, programme=programme)
    offer = ConfigOfferFactory(
        programme=programme, name="Ten percent off everything for the skin", terms={"validity": {"days": 30}}
    )
    one, other = (
        launch_run(offer, name=f"Ten percent off skin care → {name}") for name in ("Listed nine", "Everybody else")
    )
    phone.goto(f"/offers/runs/{one.pk}/compare?with={other.pk}")
    row = phone.get_by_role("row", name="Usable until")
    _is_within(phone, phone.get_by_role("columnheader", name="Everybody else"), *row.get_by_role("cell").all())
    assert_accessible(phone)
    shoot(phone, "phone-compare", whole=True)


def test_a_schedule_is_paused_on_a_phone(phone, programme, assert_accessible, shoot):
    """Issue 4, recurring runs: what can be done with a schedule is on the screen, and is done."""
    offer = ConfigOfferFactory(programme=programme, name="Coffee")
    everyone = TargetingFactory(programme=programme, name="Everyone")
    first = clock.now().date() + timedelta(days=3)
    run_schedule.create(
        programme=programme, reference=uuid.uuid4(), template=offer.templates.get(),
        targeting_version=everyone.current_version, name="Coffee of the week", campaign=None, terms={},
        member_values={}, rank=None, hold_out_percent=Decimal(0), plan=LaunchPlan(),
        when=When("weekly", clock.now().time().replace(microsecond=0), first), actor=None, now=clock.now(),
    )  # fmt: skip
    phone.goto("/offers/runs/schedules")
    row = phone.get_by_role("row", name="Coffee of the week")
    pause = row.get_by_role("button", name="Pause")
    _is_within(phone, *row.get_by_role("cell").all(), pause, row.get_by_role("button", name="End"))
    assert_accessible(phone)
    shoot(phone, "phone-schedules", whole=True)
    pause.click()
    expect(phone.get_by_role("button", name="Resume")).to_be_visible()


def test_s4_24_the_name_of_an_audience_stands_apart_from_its_description(phone, programme, shoot):
    """S4-24: the label of the field below does not stick to the field above."""
    phone.goto("/offers/audiences/new")
    name, label = phone.locator("#name").bounding_box(), phone.locator("label[for=description]").bounding_box()
    assert label["y"] - (name["y"] + name["height"]) >= 12
    shoot(phone, "phone-audience", whole=True)
