"""A list of members, from a file to an audience."""

import os

from django.urls import reverse
from playwright.sync_api import expect

from offers.models import MemberList, Targeting
from tests.factories import MemberFactory


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
