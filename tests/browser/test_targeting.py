"""The builder of criteria, by hand."""

import os

from django.urls import reverse
from playwright.sync_api import expect

from loyalty.models import AttributeDefinition
from offers.models import Targeting
from tests.factories import CategoryFactory, ConfigOfferFactory, MemberFactory, TargetingFactory, give


def test_a_marketer_builds_an_audience_of_nested_conditions(page, programme, person, sign_in, assert_accessible):
    """S4-24, S4-26: fields, operators, values, a group, purchases of a category; counted, saved, opened again."""
    sign_in(page, person("marketer"))
    AttributeDefinition.objects.create(programme=programme, name="income", type="text", label="Income")
    CategoryFactory(programme=programme, external_id="SOFT DRINKS", name="Soft drinks")
    MemberFactory.create_batch(2, programme=programme, city="Lyon", attributes={"income": "high"})
    MemberFactory(programme=programme, city="Lyon")
    page.goto(reverse("offers:targeting-create"))
    builder = page.locator("#builder")
    expect(builder.get_by_text("No condition yet")).to_be_visible()
    builder.get_by_role("button", name="+ Condition").click()
    builder.get_by_label("What").select_option("member.city")
    builder.get_by_label("How it compares").select_option("equals")
    builder.get_by_label("Value").fill("Lyon")
    builder.get_by_label("Value").blur()
    preview = page.locator("#preview")
    expect(preview.get_by_text("City is Lyon")).to_be_visible()
    expect(preview.locator(".criteria-count")).to_contain_text("3 members")
    builder.get_by_role("button", name="+ Group").click()
    inner = builder.locator(".criteria-group .criteria-group")
    inner.get_by_label("What").select_option("attribute.income")
    inner.get_by_label("Value").fill("high")
    inner.get_by_label("Value").blur()
    inner.get_by_role("button", name="+ Purchases").click()
    row = inner.get_by_role("group", name="Condition 2")
    row.get_by_label("Value (").fill("30")
    row.get_by_label("Only of").select_option("categories")
    row = inner.get_by_role("group", name="Condition 2")
    row.get_by_label("several, with commas between").fill("SOFT DRINKS")
    row.get_by_label("several, with commas between").blur()
    expect(preview.get_by_text("Soft drinks")).to_be_visible()
    expect(preview.locator(".criteria-count")).to_contain_text("2 members")
    page.get_by_label("By", exact=True).select_option("attribute.income")
    expect(page.locator("#breakdown").get_by_role("row", name="high 2 100 %")).to_be_visible()
    assert_accessible(page)
    if folder := os.environ.get("LAUREL_SHOTS"):
        page.screenshot(path=f"{folder}/audience.png", full_page=True)
    page.get_by_label("Name", exact=True).fill("Lyon, high or thirsty")
    page.get_by_role("button", name="Save audience").click()
    expect(page.get_by_role("heading", name="Lyon, high or thirsty")).to_be_visible()
    saved = Targeting.objects.get()
    assert saved.current_version.criteria["items"][1]["items"][1]["where"] == {
        "last_days": 90,
        "categories": ["SOFT DRINKS"],
    }
    expect(page.locator("#builder").get_by_text("Soft drinks")).to_be_visible()


def test_a_marketer_asks_why_a_member_is_in_or_out(page, programme, person, sign_in, assert_accessible):
    """B-02, issue 4: each clause with her value, again after each change; offers given, a share, another audience."""
    sign_in(page, person("marketer"))
    member = MemberFactory(programme=programme, external_id="M-1", first_name="Ann", last_name="Smith", city="Lyon")
    offer = ConfigOfferFactory(programme=programme, offer_reference="coffee", name="Free coffee")
    give(member, offer)
    londoners = TargetingFactory(
        programme=programme, name="Londoners", criteria={"field": "member.city", "is": "equals", "value": "London"}
    )
    page.goto(reverse("offers:targeting-create"))
    builder, answer = page.locator("#builder"), page.locator("#explanation")
    builder.get_by_role("button", name="+ Offers given").click()
    row = builder.get_by_role("group", name="Condition 1")
    row.get_by_label("How it compares").select_option("equals")
    row.get_by_label("Value").fill("0")
    row.get_by_label("Value").blur()
    row.get_by_label("Only of").select_option("offers")
    row = builder.get_by_role("group", name="Condition 1")
    row.get_by_label("several, with commas between").fill("coffee")
    row.get_by_label("several, with commas between").blur()
    page.get_by_label("Member id").fill("M-1")
    expect(answer.get_by_text("M-1")).to_be_visible()
    # Her name is for those who may see members.
    expect(answer.get_by_text("Ann Smith")).to_have_count(0)
    expect(answer.get_by_text("out", exact=True)).to_be_visible()
    expect(answer.locator(".fails", has_text="Offers given (Offers: Free coffee) is 0")).to_contain_text("hers: 1")

    builder.get_by_role("button", name="+ Condition").click()
    row = builder.get_by_role("group", name="Condition 2")
    row.get_by_label("What").select_option("targeting")
    row.get_by_label("In another targeting").fill(str(londoners.pk))
    row.get_by_label("In another targeting").blur()
    expect(answer.get_by_text("is in “Londoners”", exact=True)).to_be_visible()
    expect(answer.locator("li", has_text="City is London")).to_contain_text("hers: Lyon")
    builder.get_by_role("button", name="+ Condition").click()
    row = builder.get_by_role("group", name="Condition 3")
    row.get_by_label("What").select_option("random_percent")
    row.get_by_label("the same members for the same campaign").fill("spring")
    row.get_by_label("the same members for the same campaign").blur()
    expect(answer.locator("li", has_text="a random 10 % (key “spring”)")).to_contain_text("come before her")
    expect(page.locator("#preview .criteria-count")).to_contain_text("0 members")
    assert_accessible(page)
    if folder := os.environ.get("LAUREL_SHOTS"):
        page.screenshot(path=f"{folder}/audience-why.png", full_page=True)
    page.get_by_label("Member id").fill("nobody")
    expect(answer.get_by_text("No member of this programme has the id “nobody”.")).to_be_visible()
