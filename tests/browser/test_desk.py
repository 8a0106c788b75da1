"""The desk in a real browser: find, grant, undo; by mouse and by keyboard alone (S0-11, B-05, C-03; SCREENS)."""

import re

import pytest
from playwright.sync_api import expect

from offers.models import Assignment
from tests.factories import ConfigOfferFactory, MemberFactory, OfferTemplateFactory, PurchaseFactory, give, import_codes


@pytest.fixture
def ann(programme):
    return MemberFactory(
        programme=programme, external_id="M-001029", first_name="Ann", last_name="Lee", tier="gold", city="Lyon"
    )


@pytest.fixture
def template(programme):
    offer = ConfigOfferFactory(
        programme=programme,
        name="Voucher 5 €",
        require_vouchers=True,
        terms={"validity": {"days": 30}, "benefit": {"type": "amount", "size": 500}, "redemption_limit": {"limit": 1}},
    )
    import_codes(offer, ["ABCD-1234", "EFGH-5678"])
    return OfferTemplateFactory(config_offer=offer, name="Make good", required_rules=["benefit"])


@pytest.fixture
def desk(page, person, sign_in):
    sign_in(page, person("support agent"))
    return page


def open_panel(page, ann):
    page.goto(f"/support/members/{ann.pk}")
    page.keyboard.press("n")
    panel = page.get_by_role("dialog", name=re.compile("Grant an offer"))
    expect(panel).to_be_visible()
    panel.get_by_role("link", name=re.compile("Make good")).click()
    expect(panel.get_by_role("button", name=re.compile("Grant Voucher 5 €"))).to_be_enabled()
    return panel


def test_search_member_grant_undo(desk, ann, template, assert_accessible):
    desk.goto("/")
    desk.keyboard.press("/")
    desk.keyboard.type("ann l", delay=20)
    hit = desk.locator("#search-results").get_by_role("link", name=re.compile("Ann Lee"))
    expect(hit).to_be_visible()
    assert_accessible(desk)
    desk.keyboard.press("ArrowDown")
    expect(hit).to_be_focused()
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="Ann Lee", level=1)).to_be_visible()
    expect(desk.get_by_text("She holds no offers now")).to_be_visible()
    assert_accessible(desk)

    panel = open_panel(desk, ann)
    assert_accessible(desk)
    panel.get_by_label("Size").fill("4.50")
    expect(panel.get_by_text("4.50 €", exact=True)).to_be_visible()
    panel.get_by_label("Reason").select_option("code_refused")
    panel.get_by_label("Ticket").fill("#48213")
    panel.get_by_role("button", name=re.compile("Grant Voucher 5 €")).click()
    # It has a code: that is read out from here, or it is undone.
    expect(panel.get_by_text("Granted Voucher 5 € to Ann Lee.")).to_be_visible()
    expect(panel.get_by_role("button", name="Show the code")).to_be_visible()
    assert_accessible(desk)
    expect(desk.locator("#now").get_by_text("Voucher 5 €").first).to_be_attached()
    held = Assignment.objects.get()
    assert (held.terms, held.exposed_at) == ({"benefit": {"type": "amount", "size": 450}}, None)

    panel.get_by_role("button", name="Undo").click()
    expect(desk.locator(".toast-line")).to_contain_text("Undone")
    expect(desk.get_by_text("She holds no offers now")).to_be_visible()
    assert Assignment.objects.get().revoked_at is not None


def test_a_double_click_gives_one(desk, ann, template):
    panel = open_panel(desk, ann)
    panel.get_by_label("Reason").select_option("goodwill")
    panel.get_by_role("button", name=re.compile("Grant Voucher 5 €")).dblclick()
    expect(desk.locator(".toast-line").first).to_contain_text("Voucher 5 €")
    desk.wait_for_load_state("networkidle")
    assert Assignment.objects.count() == 1


def test_the_form_is_sent_by_keyboard_and_problems_stand_at_their_fields(desk, ann, template, complaints):
    panel = open_panel(desk, ann)
    panel.get_by_label("Size").focus()
    desk.keyboard.press("Control+Enter")
    expect(panel.locator(".errorlist").first).to_be_visible()
    expect(panel).to_be_visible()
    assert not Assignment.objects.exists()
    panel.get_by_label("Reason").select_option("goodwill")
    desk.keyboard.press("Control+Enter")
    expect(desk.locator(".toast-line").first).to_contain_text("Granted")
    assert Assignment.objects.count() == 1
    # The browser itself notes the refused attempt's status.
    complaints[:] = [text for text in complaints if "422" not in text]


def test_closing_the_panel_gives_the_keyboard_back_and_changes_nothing(desk, ann, template):
    open_panel(desk, ann)
    desk.keyboard.press("Escape")
    expect(desk.get_by_role("dialog")).to_have_count(0)
    desk.keyboard.press("n")
    expect(desk.get_by_role("dialog", name=re.compile("Grant an offer"))).to_be_visible()
    assert not Assignment.objects.exists()


def test_a_code_a_receipt_and_contact_data_open_where_they_stand(desk, programme, ann, template, assert_accessible):
    give(ann, template, terms={"benefit": {"type": "amount", "size": 500}})
    receipt = PurchaseFactory(member=ann, external_id="R-77", total_minor=8420)
    desk.goto(f"/support/members/{ann.pk}")
    expect(desk.get_by_text("ABCD-1234")).to_have_count(0)
    desk.get_by_role("button", name=re.compile("Show code")).click()
    expect(desk.get_by_text("ABCD-1234")).to_be_visible()
    desk.get_by_role("button", name="Show email").click()
    expect(desk.get_by_text(ann.email)).to_be_visible()
    desk.locator(".receipt summary").click()
    expect(desk.locator(".receipt-lines").get_by_text(receipt.external_id)).to_be_visible()
    desk.get_by_role("checkbox", name="Purchases").uncheck()
    expect(desk.locator(".timeline .entry.purchase")).to_have_count(0)
    expect(desk.locator(".timeline .entry.issued")).to_have_count(1)
    assert_accessible(desk)


@pytest.mark.parametrize("width", [1280, 768])
def test_no_page_of_the_desk_scrolls_sideways(open_context, person, sign_in, ann, template, width):
    held = give(ann, template, terms={"benefit": {"type": "amount", "size": 500}})
    page = open_context(viewport={"width": width, "height": 900}).new_page()
    sign_in(page, person("administrator"))
    for address in (
        f"/support/members/{ann.pk}",
        f"/support/members/{ann.pk}/grant?template={template.pk}",
        "/support/members",
        "/support/search?q=nobody",
        f"/support/assignments/{held.pk}",
    ):
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
