"""The voucher bank's page in a browser: check, import, undo, find, void, make, export, warnings (S4-17..22, B-17)."""

import datetime
import re

import pytest
from playwright.sync_api import Page, expect

from loyalty import clock
from offers.models import ConfigOffer, VoucherBatch, VoucherCode
from tests.factories import ConfigOfferFactory, MemberFactory, give, import_codes
from tests.voucher_files import EVERY_FAULT, HELD, HELD_BY_TEA


@pytest.fixture
def offer(programme) -> ConfigOffer:
    return ConfigOfferFactory(programme=programme, name="Coffee", offer_reference="coffee", require_vouchers=True)


@pytest.fixture
def desk(page, person, sign_in) -> Page:
    sign_in(page, person("marketer"))
    return page


def go(page: Page, offer: ConfigOffer) -> None:
    page.goto(f"/offers/vouchers/{offer.voucher_bank.pk}")
    expect(page.get_by_role("heading", name=re.compile("Codes of Coffee"), level=1)).to_be_visible()


def choose(page: Page, content: bytes, name: str = "codes.txt") -> None:
    page.get_by_label(re.compile("Drop a .txt or .csv file here")).set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": content}
    )
    expect(page.locator("#import-form").get_by_text(name)).to_be_visible()


def test_b_17_a_file_is_checked_imported_and_undone_without_a_reload(desk, offer, assert_accessible, shoot):
    """S4-20, S4-21, B-17: the preview's numbers are the import's, and the undo's dialog stands there at once."""
    import_codes(offer, ["OLD-1"])
    go(desk, offer)
    shoot(desk, "bank")
    assert_accessible(desk)
    desk.evaluate("window.isStillThere = true")
    choose(desk, b"OLD-1\nNEW-1\nNEW-2\nNEW-2\nNEW-0\nNEW-O\n")
    desk.get_by_role("button", name="Check the file").click()
    result = desk.locator("#import-result")
    expect(result).to_contain_text("4 codes of 6 lines would be imported.")
    expect(result).to_contain_text("1 repeated in the file, 1 already in the bank.")
    assert VoucherCode.objects.count() == 1
    shoot(desk, "bank-checked", whole=True)
    assert_accessible(desk)

    result.get_by_role("button", name="Import 4 codes").click()
    expect(result).to_contain_text("4 codes imported.")
    expect(desk.locator("#stock-part")).to_contain_text("5 unassigned codes")
    shoot(desk, "bank-imported", whole=True)
    assert_accessible(desk)

    batch = VoucherBatch.objects.latest("id")
    row = desk.locator("#batches-part tr").filter(has_text="codes.txt").first
    undo = row.get_by_role("button", name="Undo…")
    undo.focus()
    desk.keyboard.press("Enter")
    dialog = desk.get_by_role("dialog", name=re.compile("Undo the import “codes.txt”"))
    expect(dialog).to_contain_text("4 codes that nobody was given leave the bank")
    shoot(desk, "bank-undo")
    assert_accessible(desk)
    desk.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(undo).to_be_focused()
    assert desk.evaluate("window.isStillThere") is True
    undo.click()
    dialog.get_by_role("button", name="Take 4 codes out").click()
    expect(desk.locator(".toast-line")).to_contain_text("4 codes taken out.")
    batch.refresh_from_db()
    assert (batch.removed, VoucherCode.objects.count()) == (4, 1)


def test_b_17_a_file_with_every_fault_is_told_line_by_line_and_refused(
    desk, offer, assert_accessible, shoot, complaints
):
    import_codes(offer, HELD)
    import_codes(ConfigOfferFactory(programme=offer.programme, require_vouchers=True, name="Tea"), HELD_BY_TEA)
    go(desk, offer)
    choose(desk, EVERY_FAULT, "every_fault.csv")
    desk.get_by_role("button", name="Check the file").click()
    result = desk.locator("#import-result")
    expect(result).to_contain_text("The file would be refused: 14 problems in 24 lines.")
    for line in ("Line 3 is blank.", "Line 8 contains a carriage return", "Line 20: “31.12.2199” is no date."):
        expect(result.get_by_text(line)).to_be_visible()
    result.locator("summary", has_text="repeated in the file").click()
    expect(result.get_by_text("Line 11 repeats line 2.")).to_be_visible()
    shoot(desk, "doctor", whole=True)
    assert_accessible(desk)
    desk.get_by_role("button", name="Import the codes").click()
    expect(result).to_contain_text("The file has 14 problems. No code was imported.")
    assert VoucherBatch.objects.filter(file_name="every_fault.csv").count() == 0
    complaints[:] = [text for text in complaints if "422" not in text]


def test_a_file_with_expiries_shows_them_before_and_warns_after(desk, offer, shoot, assert_accessible):
    """S4-22, "expiry per code": the preview says what expires when; what expires soon is warned of on three pages."""
    soon = (clock.now() + datetime.timedelta(days=3)).date()
    go(desk, offer)
    choose(desk, f"code,expires_at\nA,{soon}\nB,{soon}\nC,2199-12-31\nD,\n".encode(), "codes.csv")
    desk.get_by_role("button", name="Check the file").click()
    result = desk.locator("#import-result")
    expect(result).to_contain_text("3 different expiries")
    expect(result).to_contain_text(re.compile(r"1 code until\s+the end of Tue 31 Dec 2199"))
    expect(result).to_contain_text("1 code never expires")
    shoot(desk, "bank-expiries", whole=True)
    assert_accessible(desk)
    result.get_by_role("button", name="Import 4 codes").click()
    expect(desk.locator("#stock-part")).to_contain_text("2 of them within 14 days")
    expect(desk.locator("#batches-part")).to_contain_text("some never")
    shoot(desk, "bank-expiring", whole=True)
    desk.goto("/offers/vouchers")
    expect(desk.get_by_role("row", name=re.compile("Coffee"))).to_contain_text("2 expire soon")
    shoot(desk, "banks")
    desk.goto("/")
    expect(desk.get_by_role("main")).to_contain_text("2 expire soon")


def test_s4_22_a_code_is_found_by_its_whole_text_and_voided_with_a_reason(
    desk, offer, shoot, assert_accessible, complaints
):
    import_codes(offer, ["A-1", "A-2"])
    give(MemberFactory(programme=offer.programme), offer)
    go(desk, offer)
    desk.get_by_label("Code", exact=False).and_(desk.locator("[name=code]")).fill("A-2")
    desk.keyboard.press("Enter")
    expect(desk.get_by_text("unassigned", exact=True)).to_be_visible()
    shoot(desk, "bank-code-found", whole=True)
    assert_accessible(desk)
    desk.get_by_label("Reason").fill("printed twice")
    desk.get_by_role("button", name="Make this code void").click()
    expect(desk.locator(".toast-line")).to_contain_text("The code is void.")
    expect(desk.locator("#stock-part")).to_contain_text("Voided")
    assert VoucherCode.objects.get(code="A-2").voided_at
    desk.locator("[name=code]").fill("A-")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("alert")).to_contain_text("This bank has no such code.")
    complaints[:] = [text for text in complaints if "404" not in text]


def test_d_07_codes_are_allowed_made_exported_and_then_drawn(page, person, sign_in, offer, shoot, assert_accessible):
    sign_in(page, person("superuser"))
    go(page, offer)
    page.get_by_role("button", name="Allow making codes here").click()
    page.get_by_label("How many").fill("3")
    shoot(page, "bank-make", whole=True)
    assert_accessible(page)
    page.get_by_role("button", name="Make these codes").click()
    expect(page.locator(".toast-line")).to_contain_text("3 codes made.")
    expect(page.locator("#batches-part")).to_contain_text("waits for its export")
    expect(page.locator("#stock-part")).to_contain_text("0 unassigned codes")
    shoot(page, "bank-held", whole=True)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export for the till").click()
    lines = download.value.path().read_text().splitlines()
    assert lines == sorted(VoucherCode.objects.values_list("code", flat=True))
    go(page, offer)
    expect(page.locator("#stock-part")).to_contain_text("3 unassigned codes")


def test_s4_22_a_bank_that_runs_low_says_so_until_its_mark_is_lower(desk, offer, shoot):
    import_codes(offer, 3)
    go(desk, offer)
    expect(desk.locator("#stock-part")).to_contain_text("low on codes")
    desk.get_by_label("Warn below").fill("2")
    desk.get_by_label("Warn below").press("Enter")
    expect(desk.locator(".toast-line")).to_contain_text("Saved.")
    expect(desk.locator("#stock-part")).not_to_contain_text("low on codes")


@pytest.mark.parametrize("width", [1280, 768, 390])
def test_the_banks_page_scrolls_only_inside_its_table(open_context, person, sign_in, offer, width):
    import_codes(offer, 3, expires_at=clock.now() + datetime.timedelta(days=9))
    page = open_context(viewport={"width": width, "height": 900}).new_page()
    sign_in(page, person("administrator"))
    go(page, offer)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
