"""Personalized promotions in a real browser: the chapter, a choice on the phone, the Loyalty tab (S2-02..11)."""

import os
import re
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from loyalty.services import member_token
from offers.models import PersonalizedPromotion, PromotionEnrolment
from tests.browser.late import hold_back
from tests.factories import MemberFactory, ProductFactory, PromotionFactory, choose, enlist, product_list

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
PRODUCTS = ("Earl Grey tea", "Colombia coffee", "Lemon cake", "Oat milk")


@pytest.fixture
def ann(programme):
    return MemberFactory(programme=programme, external_id="M-001029", first_name="Ann", last_name="Lee", city="Lyon")


@pytest.fixture
def products(programme):
    return [
        ProductFactory(programme=programme, external_id=f"P-{number}", name=name, package_size="250 g").external_id
        for number, name in enumerate(PRODUCTS, start=1)
    ]


def shot(page, name):
    if folder := os.environ.get("LAUREL_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_s2_04_s2_09_a_marketer_makes_a_promotion_a_list_and_enlists_members(
    page, person, sign_in, ann, products, look, complaints
):
    """S2-03..09: the whole chapter, from the empty list to the archive and back."""
    sign_in(page, person("marketer"))
    page.goto("/")
    page.get_by_role("link", name="Promotions", exact=True).click()
    expect(page.get_by_text("No promotions yet")).to_be_visible()
    look(page, "promotion-1-empty")
    page.keyboard.press("n")
    page.get_by_label("Name").fill("Your three favourites")
    page.get_by_label("Description").fill("Choose what you like best. It is 20 % off all winter.")
    page.get_by_label("BackendID").fill("FAV-2026")
    page.get_by_label("Maximum distinct products").fill("2")
    look(page, "promotion-2-form")
    page.get_by_role("button", name="Make the promotion").click()
    expect(page.get_by_role("heading", name="Your three favourites", level=1)).to_be_visible()
    page.keyboard.press("n")
    page.get_by_label("Name").fill("Hot and sweet")
    page.get_by_label("Products").fill("\n".join(products))
    page.get_by_role("button", name="Make the list").click()
    expect(page.get_by_role("heading", name="Hot and sweet", level=1)).to_be_visible()
    page.get_by_label("Member ids").fill("M-001029, nobody")
    page.get_by_role("button", name="Enlist these members").click()
    expect(page.get_by_text("Nobody has the id “nobody”.")).to_be_visible()
    look(page, "promotion-3-list")
    # The browser itself notes the refused attempt's status.
    complaints[:] = [text for text in complaints if "422" not in text]
    page.get_by_label("Member ids").fill("M-001029")
    page.get_by_role("button", name="Enlist these members").click()
    expect(page.locator(".toast-line")).to_contain_text("1 member enlisted.")
    choose(PromotionEnrolment.objects.get(), "P-1", "P-3")
    page.goto(f"/offers/promotions/{PersonalizedPromotion.objects.get().pk}/")
    expect(page.get_by_role("row", name=re.compile("M-001029"))).to_contain_text("Earl Grey tea, Lemon cake")
    look(page, "promotion-4-detail")
    page.get_by_role("button", name="Archive…").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 member keeps it, with her list and her choice.")
    page.get_by_role("button", name="Archive this promotion").click()
    expect(page.locator(".toast-line")).to_contain_text("Archived")
    page.keyboard.press("u")
    expect(page.locator(".toast-line").last).to_contain_text("In use again.")
    assert PersonalizedPromotion.objects.get().archived_at is None
    page.goto("/offers/promotions/?lock=no&use=yes")
    expect(page.get_by_role("row", name=re.compile("FAV-2026"))).to_be_visible()
    look(page, "promotion-5-chapter")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_s2_02_s2_08_a_member_chooses_on_her_phone(scheme, open_context, programme, ann, products, assert_accessible):
    """S2-02, S2-06, S2-08: at most two, in the order of her list; then her choice stays, and the page says so."""
    promotion = PromotionFactory(
        programme=programme, name="Your two favourites", maximum_distinct_products=2, lock_after_first_apply=True,
        description="Choose what you like best. It is 20 % off all winter.",
    )  # fmt: skip
    held = enlist(product_list(promotion, products), ann)
    context = open_context(**PHONE, color_scheme=scheme)
    page = context.new_page()
    token = member_token.mint(member=ann, now=timezone.now())
    context.request.post("/rewards/session", form={"token": token})
    page.goto("/rewards/offers")
    expect(page.get_by_text("Choose up to 2 of 4")).to_be_visible()
    assert_accessible(page)
    shot(page, f"promotion-phone-1-list-{scheme}")
    page.get_by_role("link", name="Your two favourites").click()
    expect(page.get_by_text("Choose with care: your first choice stays.")).to_be_visible()
    page.get_by_label("Lemon cake").check()
    page.get_by_label("Earl Grey tea").check()
    expect(page.get_by_label("Oat milk")).to_be_disabled()
    expect(page.locator("[data-count]")).to_have_text("2 / 2")
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390, "nothing sticks out sideways"
    shot(page, f"promotion-phone-2-choose-{scheme}")
    page.get_by_role("button", name="Choose for good").click()
    expect(page.get_by_text("You have chosen. This choice stays.")).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    assert_accessible(page)
    shot(page, f"promotion-phone-3-chosen-{scheme}")
    assert {one.item.product.external_id for one in held.choices.all()} == {"P-1", "P-3"}


def test_s2_11_an_agent_opens_loyalty_chooses_withdraws_and_undoes(
    page, person, sign_in, programme, ann, products, look
):
    """S2-11: a tab with an address of its own, by the keyboard too; what is done there changes that part alone."""
    promotion = PromotionFactory(programme=programme, name="Your favourites", maximum_distinct_products=2)
    held = enlist(product_list(promotion, products, name="Hot and sweet"), ann)
    sign_in(page, person("support agent"))
    page.goto(f"/support/members/{ann.pk}")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    look(page, "loyalty-1-overview")
    page.get_by_role("link", name="Loyalty").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Personalized promotions")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?tab=loyalty$"))
    expect(page.get_by_role("heading", name="Timeline")).to_have_count(0)
    expect(page.get_by_role("link", name="Loyalty")).to_be_focused()
    page.locator(".promotion-form summary").click()
    page.get_by_label("Earl Grey tea").check()
    look(page, "loyalty-2-choosing")
    page.get_by_role("button", name="Choose these for her").click()
    expect(page.locator(".toast-line")).to_contain_text("Chosen for Ann Lee.")
    expect(page.locator(".promotion-choice")).to_contain_text("She chose Earl Grey tea")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("She holds no promotion")).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator(".promotion-choice")).to_contain_text("She chose Earl Grey tea")
    look(page, "loyalty-3-chosen")
    held.refresh_from_db()
    assert held.withdrawn_at is None
    page.go_back()
    page.goto(f"/support/members/{ann.pk}")
    page.get_by_role("link", name="Loyalty").click()
    expect(page.get_by_role("heading", name="Personalized promotions")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.locator(".timeline .entry.promotion").first).to_be_visible()


def test_s2_11_a_tab_that_answers_late_does_not_replace_the_one_that_was_chosen_after_it(page, person, sign_in, ann):
    """S2-11: on a slow line the agent sees what she asked for last, and the address says the same."""
    PromotionFactory(programme=ann.programme)
    sign_in(page, person("support agent"))
    page.goto(reverse("support:member", args=[ann.pk]))
    tabs = page.get_by_role("navigation", name="Parts of the member's page")
    late = hold_back(page, f"**{reverse('support:member', args=[ann.pk])}*", part="tab=loyalty")
    tabs.get_by_role("link", name="Loyalty").click()
    tabs.get_by_role("link").first.click()
    for route in late:
        route.continue_()
    # An answer that still counted would be here by then.
    page.wait_for_timeout(1_000)
    assert len(late) == 1
    expect(page).not_to_have_url(re.compile("tab="))
    expect(tabs.get_by_role("link", name="Loyalty")).not_to_have_attribute("aria-current", "page")
