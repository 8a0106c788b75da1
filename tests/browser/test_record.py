"""What we know of a member, in a real browser: read out, and taken out as one file (B-18; issue 5)."""

import json
import re

from playwright.sync_api import expect

from tests.factories import ConfigOfferFactory, MemberFactory, PurchaseFactory, PurchaseLineFactory, give


def test_b_18_what_we_know_of_a_member_is_read_and_downloaded(page, person, sign_in, programme, look):
    """Two clicks from her page to all of it, one more for the file."""
    ann = MemberFactory(programme=programme, external_id="M-1029", first_name="Ann", last_name="Lee")
    give(ann, ConfigOfferFactory(programme=programme, name="Coffee"))
    PurchaseLineFactory(purchase=PurchaseFactory(member=ann, external_id="R-77", total_minor=8420))
    sign_in(page, person("administrator"))
    page.goto(f"/support/members/{ann.pk}")
    page.get_by_role("link", name="What we know of her").click()
    expect(page.get_by_role("heading", name="What we know of her")).to_be_visible()
    expect(page.locator("#part-purchases")).to_contain_text("R-77")
    look(page, "record")
    page.get_by_role("button", name=re.compile("^Download everything")).click()
    dialog = page.get_by_role("dialog", name=re.compile("Download everything we know of Ann Lee"))
    expect(dialog).to_be_visible()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download the file").click()
    expect(dialog).to_be_hidden()
    record = json.loads(download.value.path().read_text())
    assert record["about"]["email"] == ann.email
    assert [row["offer"] for row in record["offers"]] == ["Coffee"]
