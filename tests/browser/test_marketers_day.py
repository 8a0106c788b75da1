"""A marketer's day on the demo: from a question about real receipts to a run that is taken back (issue 4's Show list).

Each number that a page shows is counted again here by SQL of its own, written from the sentence and not from the code.
"""

import hashlib
import re
import time
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection
from playwright.sync_api import Page, expect

from loyalty import clock
from loyalty.models import Programme, User
from loyalty.services.demo.source import Cut, Source
from offers.models import MassAssignment
from tests import workers
from tests.browser.test_targeting import condition, options
from tests.factories import CampaignFactory, ConfigOfferFactory, import_codes
from tests.flows.test_demo import load_demo
from tests.integrity import assert_whole

SPENT = """
    SELECT line.member_id
      FROM loyalty_purchaseline AS line
           JOIN loyalty_product AS product ON product.id = line.product_id
           JOIN loyalty_category AS category ON category.id = product.category_id
     WHERE category.external_id = 'grocery.soft-drinks'
       AND line.purchased_at >= date_trunc('day', now() AT TIME ZONE 'America/New_York' - interval '90 days')
                                AT TIME ZONE 'America/New_York'
     GROUP BY line.member_id HAVING sum(line.amount_minor) > 3000
"""
NOT_GIVEN = """
    SELECT DISTINCT given.member_id FROM offers_assignment AS given
           JOIN offers_campaign AS campaign ON campaign.id = given.campaign_id
     WHERE campaign.external_id = '13' AND given.revoked_at IS NULL
"""
MEANT = f"""
    SELECT id FROM loyalty_member
     WHERE status <> 'erased' AND id IN ({SPENT}) AND id NOT IN ({NOT_GIVEN})
"""
HELD_OUT = f"""
    SELECT count(*) FROM ({MEANT}) AS meant
     WHERE (hashint8extended(meant.id, %s) & 9223372036854775807) %% 10000 < 1000
"""
GIVEN_BY_RUN = "SELECT count(*) FROM offers_assignment WHERE run_id = %s"
CODES_OF_RUN = """
    SELECT count(DISTINCT code.id) FROM offers_assignment AS given
           JOIN offers_vouchercode AS code ON code.id = given.voucher_code_id
     WHERE given.run_id = %s
"""


def one(sql: str, parameters: object = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.fetchone()[0])


@contextmanager
def last_chunk_taken(run: MassAssignment):
    """Hold the last chunk as another worker would, so that the run cannot end before it is let go."""
    parameters = connection.get_connection_params()
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    with psycopg.connect(**parameters) as other:
        other.execute(
            "SELECT id FROM offers_massassignmentchunk WHERE run_id = %s ORDER BY number DESC LIMIT 1 FOR UPDATE",
            [run.pk],
        )
        yield


def _build(page: Page) -> None:
    """Build the audience by hand: what was bought, and what was not given."""
    page.goto("/offers/audiences/new")
    built = page.locator("#builder")
    built.get_by_role("button", name="+ Purchases").click()
    row = condition(built, "1")
    row.get_by_label("How it compares").select_option(label="is more than")
    row.get_by_label("Value (USD)").fill("30")
    row.get_by_label("+ Only of…").select_option(label="Categories")
    row.get_by_role("combobox", name="Only of Categories").fill("soft drinks")
    options(row).filter(has_text="soft-drinks").first.click()
    built.get_by_role("button", name="+ Offers given").click()
    row = condition(built, "2")
    row.get_by_label("How it compares").select_option(label="is")
    row.get_by_label("Value").fill("0")
    row.get_by_label("+ Only of…").select_option(label="Campaigns")
    row.get_by_role("combobox", name="Only of Campaigns").fill("13")
    options(row).filter(has_text="Campaign 13").first.click()


@pytest.mark.timeout(600)
def test_from_a_question_about_receipts_to_a_run_that_is_taken_back(
    page, sign_in, settings, tmp_path, assert_accessible, shoot
):
    """Issue 4, S4-24..28, B-03, B-04, B-13, C-04: every count agrees with SQL of its own, and integrity holds."""
    load_demo(Source(Cut(households=800, coupons_per_campaign=3, products_per_coupon=40)), now=clock.now())
    programme = Programme.objects.get()
    offer = ConfigOfferFactory(
        programme=programme, name="Soda, a dollar off", offer_reference="SODA-1", require_vouchers=True
    )
    CampaignFactory(programme=programme, name="Thirsty autumn", external_id="thirsty")
    import_codes(offer, 400)
    meant = one(f"SELECT count(*) FROM ({MEANT}) AS meant")
    assert one(f"SELECT count(*) FROM loyalty_member WHERE status <> 'active' AND id IN ({MEANT})") == 0
    seed = int.from_bytes(hashlib.sha256(b"hold-out campaign thirsty").digest()[:8], "big", signed=True)
    held_out = one(HELD_OUT, [seed])
    eligible = meant - held_out
    # The question tells members apart, and the run has work for several chunks.
    assert eligible > 10
    assert held_out > 0
    assert one(f"SELECT count(*) FROM ({NOT_GIVEN}) AS given") > 0

    sign_in(page, User.objects.get(username="marketer"))
    page.set_default_navigation_timeout(60_000)
    _build(page)
    preview = page.locator("#preview")
    expect(preview).to_contain_text("Amount spent (Categories: Soft drinks, in the last 90 days) is more than")
    expect(preview.locator(".criteria-count")).to_contain_text(f"{meant} members")
    page.get_by_label("Name", exact=True).fill("Thirsty, not in 13")
    shoot(page, "day-1-audience", whole=True)
    assert_accessible(page)
    page.get_by_role("button", name="Save audience").click()
    expect(page.get_by_role("heading", name="Thirsty, not in 13")).to_be_visible()

    page.get_by_role("link", name="Assign an offer").click()
    page.get_by_label("Offer or template").fill("soda")
    page.get_by_role("link", name=re.compile("SODA-1")).click()
    page.get_by_role("link", name="Change the options").click()
    page.get_by_label("Campaign").select_option(label="Thirsty autumn")
    page.get_by_label("Hold out").fill("10")
    page.get_by_label("Name").fill("Soda for the thirsty")
    shoot(page, "day-2-options", whole=True)
    page.get_by_role("button", name=re.compile("^Continue")).click()
    dry_run = page.locator("#dry-run")
    expect(dry_run).to_contain_text(f"{meant} matched")
    expect(dry_run).to_contain_text(f"{held_out} held out")
    expect(dry_run).to_contain_text(f"= {eligible} to assign")
    expect(dry_run).to_contain_text(f"{eligible} needed of 400 left")
    assert_accessible(page)
    shoot(page, "day-3-dry-run", whole=True)

    with workers.worker(tmp_path, MASS_ASSIGNMENT_CHUNK=1):
        page.get_by_role("button", name=f"Launch {eligible} assignments").click()
        expect(page.get_by_role("heading", name="Soda for the thirsty")).to_be_visible()
        run = MassAssignment.objects.get(name="Soda for the thirsty")
        workers.wait(lambda: run.chunks.exists(), what="the plan")
        live = page.locator("#run-live")
        with last_chunk_taken(run):
            workers.wait(lambda: run.chunks.filter(done_at=None).count() == 1, what="all chunks but the last")
            page.reload()
            page.get_by_role("button", name="Pause").click()
            expect(page.get_by_role("button", name=re.compile("^Resume"))).to_be_visible()
        paused = one(GIVEN_BY_RUN, [run.pk])
        assert 0 < paused < eligible
        expect(live).to_contain_text(f"{paused} of {eligible}")
        shoot(page, "day-4-paused", whole=True)
        # Let go, the last chunk stays where it is: a paused run gives nobody anything.
        time.sleep(1.5)
        assert one(GIVEN_BY_RUN, [run.pk]) == paused
        page.get_by_role("button", name=re.compile(f"^Resume: {eligible - paused} to go")).click()
        expect(live.get_by_text("Mass assignment is now finished!")).to_be_visible(timeout=60_000)
        assert one(GIVEN_BY_RUN, [run.pk]) == eligible
        assert one(f"SELECT count(*) FROM ({MEANT}) AS meant") == meant
        assert one(f"{GIVEN_BY_RUN} AND member_id NOT IN ({MEANT})", [run.pk]) == 0
        assert one(CODES_OF_RUN, [run.pk]) == eligible
        shoot(page, "day-5-finished", whole=True)
        assert_accessible(page)

        page.get_by_role("button", name="Undo run…").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(f"Revokes {eligible} offers")
        assert_accessible(page)
        shoot(page, "day-6-undo")
        dialog.get_by_role("button", name=f"Undo {eligible} assignments").click()
        expect(page.get_by_text(f"{eligible} offers were taken back.")).to_be_visible(timeout=60_000)
    shoot(page, "day-7-undone", whole=True)
    assert one(f"{GIVEN_BY_RUN} AND revoked_at IS NULL", [run.pk]) == 0
    expect(page.locator(".run-undo-report")).to_contain_text(str(eligible))
    assert_whole()
