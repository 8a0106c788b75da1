"""A marketer imports personal offers in a real browser, and a member sees hers (S1-03..06, S1-19, D-14, B-02)."""

import re

from django.test import Client
from playwright.sync_api import Page, expect

from loyalty import clock
from loyalty.services import member_token
from tests import workers
from tests.offers.personal_offers import imported, item, jsonl, members_of, offer_of

# A loaded machine is no bug.
expect.set_options(timeout=30_000)


def choose(page: Page, content: bytes) -> None:
    page.get_by_label("File of personal offers").set_input_files(
        {"name": "offers.jsonl", "mimeType": "application/x-ndjson", "buffer": content}
    )


def test_a_marketer_uploads_reads_the_problems_commits_and_a_member_sees_her_terms(
    page, person, sign_in, programme, tmp_path, assert_accessible, shoot, open_context, live_server
):
    offer = offer_of(programme=programme, name="Yours alone", terms={"acceptance": {"required": True}})
    member, _other, _third = members_of(offer, "M-1", "M-2", "M-3")
    imported(offer, *({"member": f"M-{n}", "items": [item()]} for n in (1, 2)))
    sign_in(page, person("marketer"))
    page.set_default_navigation_timeout(60_000)
    with workers.worker(tmp_path):
        page.goto(f"/offers/{offer.pk}/")
        page.get_by_role("link", name="Imports of personal offers").click()
        expect(page.get_by_role("heading", name="Personal offers")).to_be_visible()
        assert_accessible(page)
        shoot(page, "personal-offers", whole=True)
        choose(
            page,
            jsonl(
                {"member": "M-1", "items": [item(size=30, ends_at="2099-11-30"), item("TEA", 100, "bonus_points")]},
                {"member": "M-3", "items": [item("TEA", 150, "amount")]},
                {"member": "M-404", "items": [item("MILK", 500)]},
            ),
        )
        page.get_by_label("The file holds every member of this offer").check()
        page.get_by_role("button", name=re.compile("^Upload and check")).click()
        # It is checked by the worker, and the page follows.
        expect(page.get_by_text("Line 3, items[0].benefit.size: “500” is too large. Give at most 100.")).to_be_visible()
        expect(page.get_by_text("Line 3, member: there is no member “M-404”.")).to_be_visible()
        assert_accessible(page)
        shoot(page, "personal-import-faulty", whole=True)
        page.get_by_role("button", name="Leave out 1 and give 2 offers · take 1").click()
        expect(page.get_by_role("heading", name="What it did")).to_be_visible()
        expect(page.locator(".outcomes dt")).to_have_text(["New", "Changed", "Withdrawn", "Left out", "Accepted since"])
        expect(page.locator(".outcomes dd")).to_have_text(["1", "1", "1", "1", "0 of 2 that have to be accepted"])
        assert_accessible(page)
        shoot(page, "personal-import-done", whole=True)
    phone = open_context(viewport={"width": 390, "height": 844}).new_page()
    token = member_token.mint(member=member, now=clock.now())
    client = Client()
    client.post("/rewards/session", {"token": token})
    cookie = next(iter(client.cookies.values()))
    phone.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    phone.goto("/rewards/offers")
    expect(phone.get_by_text(re.compile("30 % off Coffee until .*2099"))).to_be_visible()
    shoot(phone, "personal-rewards", whole=True)
    phone.get_by_role("link", name="Yours alone").click()
    expect(phone.get_by_text("100 bonus points for Tea")).to_be_visible()
    shoot(phone, "personal-reward", whole=True)
    phone.get_by_role("button", name="Activate").click()
    expect(phone.get_by_text("Active. It counts at your next purchase.")).to_be_visible()
    assert_accessible(phone)
