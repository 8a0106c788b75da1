"""Values per member in the launch form: from a list, an attribute, a formula, in a real browser (S1-01, S1-05)."""

import io
import re
import uuid

import pytest
from playwright.sync_api import Locator, Page, expect

from loyalty.models import AttributeDefinition
from offers.models import Assignment, MassAssignment
from offers.services import member_list
from tests.factories import (
    AttributeDefinitionFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    TargetingFactory,
    work,
)


def _own(page: Page, field: str) -> Locator:
    """Return the inputs for a member's own value of a rule's field, unfolded."""
    own = page.locator(".run-field", has=page.locator(f"#id_{field}")).locator("details")
    if own.get_attribute("open") is None:
        own.get_by_text("Different for each member").click()
    return own


@pytest.fixture
def template(programme):
    AttributeDefinitionFactory(programme=programme, name="loyalty_score", type="number", label="Loyalty score")
    AttributeDefinitionFactory(programme=programme, name="usual", type="list", label="Usual products")
    for number in range(4):
        attributes = {"loyalty_score": 100 + number, "usual": ["COFFEE", f"TEA-{number}"]}
        MemberFactory(programme=programme, external_id=f"M-{number}", attributes=attributes)
    file = io.BytesIO(b'member,Discount,Town\nM-0,12.5,a\nM-1,"7,4",b\nM-2,40,c\n')
    member_list.upload(programme=programme, name="Spring", file=file, file_name="spring.csv", actor=None)
    offer = ConfigOfferFactory(programme=programme, name="Coffee", terms={"validity": {"days": 30}})
    return OfferTemplateFactory(config_offer=offer, name="Win-back", required_rules=["benefit", "products", "validity"])


def test_s1_01_values_come_from_a_list_an_attribute_and_a_formula(page, person, sign_in, programme, template, look):
    """S1-01, S1-05: refused in place without bounds, said in words, spread in the dry run, launched, and cloned."""
    everyone = TargetingFactory(programme=programme, name="Everyone")
    sign_in(page, person("marketer"))
    page.set_default_navigation_timeout(60_000)
    page.goto(f"/offers/runs/new?reference={uuid.uuid4()}&template={template.pk}&targeting={everyone.pk}&step=terms")
    page.get_by_label("Type").first.select_option("percent")
    size = _own(page, "benefit__size")
    size.get_by_label("Or from a list").select_option(label="Discount")
    # The offer's own 30 days are filled in: one value for all, until it is emptied.
    page.locator("#id_validity__days").fill("")
    days = _own(page, "validity__days")
    days.get_by_label("From", exact=True).fill("loyalty_score - 90")
    days.get_by_label("At least").fill("7")
    days.get_by_label("At most").fill("90")
    products = _own(page, "products__products")
    products.get_by_label("From", exact=True).select_option(label="Usual products")
    page.get_by_role("button", name=re.compile("^Continue")).click()
    expect(size).to_contain_text("give the least and the most that a member may get")
    expect(size.get_by_label("Or from a list")).to_have_value(re.compile(":Discount$"))
    look(page, "own-1-refused")
    size.get_by_label("At least").fill("5")
    size.get_by_label("At most").fill("30")
    page.get_by_role("button", name=re.compile("^Continue")).click()
    terms = page.get_by_role("region", name="Terms")
    expect(terms).to_contain_text("each member's “Discount” in the list “Spring”, from 5 to 30")
    expect(terms).to_contain_text("each member's loyalty_score - 90, from 7 to 90")
    expect(terms).to_contain_text("each member's usual")
    # One stands not in the list; one has 40 there, beyond the most.
    dry_run = page.locator("#dry-run")
    expect(dry_run).to_contain_text("2 to assign")
    expect(dry_run).to_contain_text("from 7 % to 13 %")
    expect(dry_run.locator(".run-values li")).to_have_count(2)
    # 90 days would be longer than the offer's 30, but nobody gets more than 11.
    expect(dry_run.get_by_text("Look at the period once more.")).to_have_count(0)
    look(page, "own-2-dry-run")
    page.get_by_role("button", name="Launch 2 assignments").click()
    expect(page.get_by_text("each member's “Discount” in the list “Spring”, from 5 to 30")).to_be_visible()
    run = work(MassAssignment.objects.get())
    given = Assignment.objects.filter(run=run).order_by("member__external_id").values_list("terms", flat=True)
    assert [(one["benefit"]["size"], one["validity"]["days"], one["products"]["products"]) for one in given] == [
        (13, 10, ["COFFEE", "TEA-0"]),
        (7, 11, ["COFFEE", "TEA-1"]),
    ]
    page.reload()
    look(page, "own-3-run")

    # A clone is filled in with all of it, but for what is gone since: that is said.
    AttributeDefinition.objects.filter(name="usual").delete()
    page.get_by_role("link", name="Clone").click()
    expect(page.get_by_text("Not copied. Products:")).to_be_visible()
    expect(_own(page, "benefit__size").get_by_label("Or from a list")).to_have_value(re.compile(":Discount$"))
    expect(_own(page, "validity__days").get_by_label("From", exact=True)).to_have_value("loyalty_score - 90")
    expect(page.locator("#id_validity__days")).to_have_value("")
    look(page, "own-4-clone")
