"""A marketer makes an offer and fills its bank, in a real browser (S4-05..07, S4-17..22, S0-05, S0-06)."""

import pytest
from playwright.sync_api import expect

from offers.models import ConfigOffer, OfferTemplate, VoucherCode
from tests.factories import CategoryFactory, ConfigOfferFactory, ProductFactory


@pytest.fixture
def marketer_page(page, person, sign_in):
    sign_in(page, person("marketer"))
    return page


def test_an_offer_is_made_previewed_published_and_its_codes_imported(
    marketer_page, programme, assert_accessible, complaints, tmp_path
):
    page = marketer_page
    ProductFactory(programme=programme, name="Ground coffee 500 g", external_id="P-100")
    CategoryFactory(programme=programme, name="Coffee", external_id="COFFEE")

    page.goto("/offers/")
    assert_accessible(page)
    page.get_by_role("link", name="New offer").first.click()
    page.get_by_label("Name").first.fill("Coffee 20 % off")
    page.get_by_label("Offer reference").fill("coffee-20")
    page.get_by_label("Description").first.fill("All coffee, once, this autumn.")
    page.locator("[data-rule=validity] .rule-switch input").check()
    page.get_by_label("Days from issue").fill("14")
    page.locator("[data-rule=benefit] .rule-switch input").check()
    page.locator("[name=benefit__type]").select_option("percent")
    page.locator("[name=benefit__size]").fill("20")
    expect(page.locator("[data-rule=benefit] .unit").first).to_have_text("%")
    page.locator("[data-rule=products] .rule-switch input").check()
    picker = page.locator("[data-picker=products]")
    picker.get_by_role("searchbox").fill("ground")
    picker.get_by_role("button", name="Ground coffee").click()
    expect(picker.locator("[data-chips]")).to_contain_text("Ground coffee 500 g")
    page.get_by_label("Require vouchers").check()
    preview = page.locator("#preview")
    expect(preview).to_contain_text("Coffee 20 % off")
    expect(preview).to_contain_text("Show code")
    expect(preview).to_contain_text("14 days")
    assert_accessible(page)

    # A slip first: the problem stands at its field, and nothing typed is lost.
    page.locator("[name=benefit__size]").fill("200")
    page.get_by_role("button", name="Save as a draft").first.click()
    expect(page.locator("[data-rule=benefit] .errorlist")).to_contain_text("too large")
    expect(picker.locator("[data-chips]")).to_contain_text("Ground coffee 500 g")
    page.locator("[name=benefit__size]").fill("20")
    page.get_by_role("button", name="Save as a draft").first.click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Coffee 20 % off")
    offer = ConfigOffer.objects.get()
    assert offer.terms["products"] == {"products": ["P-100"]}
    assert_accessible(page)
    page.get_by_role("button", name="Publish…").click()
    page.get_by_role("button", name="Publish revision 1").click()
    expect(page.locator("h1 .state")).to_have_text("published")

    page.get_by_role("link", name="Import unique voucher codes").first.click()
    assert_accessible(page)
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"1\n2\n3\n4\n5\n6\n\n8\n")
    page.set_input_files("input[type=file]", bad)
    page.get_by_role("button", name="Import the codes").click()
    expect(page.locator("#import-result")).to_contain_text("Line 7 is blank. Remove it and import the file again.")
    assert not VoucherCode.objects.exists()
    good = tmp_path / "codes.txt"
    good.write_bytes(b"".join(b"CODE-%05d\n" % number for number in range(1200)) + b"CODE-00001\n")
    page.set_input_files("input[type=file]", good)
    page.get_by_role("button", name="Import the codes").click()
    expect(page.locator("#import-result")).to_contain_text("1,200 codes imported.")
    expect(page.locator("#stock-part")).to_contain_text("1,200")
    expect(page.locator("#batches-part")).to_contain_text("codes.txt")
    assert VoucherCode.objects.count() == 1200
    # Chromium notes the two refusals, which were meant.
    assert len([text for text in complaints if "422" in text]) == len(complaints) == 2
    complaints.clear()


def test_a_template_is_made_beside_the_form_that_others_will_get(marketer_page, programme, assert_accessible):
    page = marketer_page
    ConfigOfferFactory(programme=programme, name="Coffee")

    page.goto("/offers/templates/new")
    page.get_by_label("Config offer").select_option(label="Coffee")
    page.get_by_label("Name").fill("Win back")
    page.locator("[name=required_rules][value=benefit]").check()
    page.locator("[name=required_rules][value=validity]").check()
    expect(page.locator("#preview [name=benefit__size]")).to_be_visible()
    expect(page.locator("#preview [name=validity__days]")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert_accessible(page)
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Win back")
    assert OfferTemplate.objects.get(is_default=False).required_rules == ["validity", "benefit"]
