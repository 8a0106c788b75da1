"""A list of members, from a file to an audience."""

import io
import os

from django.urls import reverse
from playwright.sync_api import expect

from offers.models import MemberList, Targeting
from offers.services import member_list
from tests.factories import ConfigOfferFactory, MemberFactory, TargetingFactory, draft_run, launch_run, work


def test_a_marketer_uploads_a_list_and_makes_an_audience_of_it(page, programme, person, sign_in, assert_accessible):
    """Issue 4: check, keep, see what was left out, choose it as a condition, count it."""
    sign_in(page, person("marketer"))
    for number in range(3):
        MemberFactory(programme=programme, external_id=f"M-{number}")
    page.goto(reverse("offers:member_lists"))
    content = b"member,points\nM-0,5\nnobody,1\nM-0,7\nM-2,9\n"
    page.set_input_files("input[type=file]", {"name": "spring.csv", "mimeType": "text/csv", "buffer": content})
    page.get_by_role("button", name="Check the file").click()
    expect(page.get_by_text("2 members are found in 4 lines.")).to_be_visible()
    expect(page.get_by_text("Line 3: nobody has the id nobody.")).to_be_visible()
    assert_accessible(page)
    if folder := os.environ.get("LAUREL_SHOTS"):
        page.screenshot(path=f"{folder}/member-lists.png", full_page=True)
    page.locator("#import-form").get_by_label("Name of the list").fill("Spring guests")
    page.get_by_role("button", name="Keep 2 members").click()
    expect(page.get_by_text("“Spring guests” is kept: 2 members.")).to_be_visible()
    # The page's list says so too, at once: nobody uploads it again for want of seeing it.
    expect(page.locator("#list").get_by_role("link", name="Spring guests")).to_be_visible()
    expect(page.get_by_text("No lists yet")).to_have_count(0)
    page.get_by_role("link", name="See each line").click()
    expect(page.get_by_role("row", name="4 M-0 the id is there before (line 2)")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Make an audience of it").click()
    expect(page.locator("#preview").get_by_text("is in the list “Spring guests”")).to_be_visible()
    expect(page.locator("#preview .criteria-count")).to_contain_text("2 members")
    if folder := os.environ.get("LAUREL_SHOTS"):
        page.screenshot(path=f"{folder}/member-list-audience.png", full_page=True)
    page.get_by_label("Name", exact=True).fill("Guests")
    page.get_by_role("button", name="Save audience").click()
    expect(page.get_by_role("heading", name="Guests")).to_be_visible()
    assert Targeting.objects.get().current_version.criteria["items"] == [{"list": MemberList.objects.get().pk}]


def test_s1_01_a_list_shows_where_it_is_used_and_leads_there(page, programme, person, sign_in, assert_accessible):
    """S1-01, S4-26: audiences that name it, runs that reach its members, runs that take values from its columns."""
    for number in range(3):
        MemberFactory(programme=programme, external_id=f"M-{number}")
    file = io.BytesIO(b"member,Days\nM-0,10\nM-1,20\n")
    made = member_list.upload(programme=programme, name="Spring", file=file, file_name="spring.csv", actor=None)
    guests = TargetingFactory(programme=programme, name="Spring guests", criteria={"list": made.pk})
    offer = ConfigOfferFactory(programme=programme, name="Coffee")
    own = {"validity": {"days": {"list": made.pk, "column": "Days", "minimum": 7, "maximum": 90}}}
    everyone = TargetingFactory(programme=programme, name="Everyone")
    draft_run(offer, targeting=everyone, name="Days of their own", member_values=own)
    work(launch_run(offer, targeting=guests, name="Coffee for the guests"))
    sign_in(page, person("marketer"))
    page.set_default_navigation_timeout(60_000)
    page.goto(reverse("offers:member_list", args=[made.pk]))
    used = page.get_by_role("region", name="Where it is used")
    expect(used.get_by_role("listitem")).to_have_count(3)
    expect(used.get_by_role("listitem").filter(has_text="Days of their own")).to_contain_text(
        "takes rule values from it"
    )
    expect(used.get_by_role("listitem").filter(has_text="Coffee for the guests")).to_contain_text("finished")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert_accessible(page)
        if folder := os.environ.get("LAUREL_SHOTS"):
            page.screenshot(path=f"{folder}/member-list-use-{width}.png", full_page=True)
    used.get_by_role("link", name="Spring guests").click()
    expect(page.get_by_role("heading", name="Spring guests")).to_be_visible()
