"""Making good for many in a browser: paste, look, grant, read what became of each, undo (B-05, issue 5)."""

from django.urls import reverse
from playwright.sync_api import expect

from offers.models import Assignment
from support.models import Allowance
from tests.factories import ConfigOfferFactory, MemberFactory, OfferTemplateFactory


def test_b_05_a_pasted_list_is_made_good_and_undone(page, programme, person, sign_in, look):
    offer = ConfigOfferFactory(programme=programme, name="Voucher 5 €", repeat_policy="one_open")
    OfferTemplateFactory(config_offer=offer, name="Make good: till was down")
    members = MemberFactory.create_batch(4, programme=programme)
    agent = person("support agent")
    sign_in(page, agent)
    page.goto(reverse("support:home"))
    page.get_by_role("link", name="Make good for many").first.click()
    look(page, "make-good")
    page.get_by_role("link", name="Make good: till was down").click()
    names = [*(one.external_id for one in members), "NOBODY", members[0].external_id]
    page.get_by_label("Members", exact=True).fill("\n".join(names))
    page.get_by_label("Reason").select_option(label="Poor service")
    page.get_by_label("Ticket", exact=True).fill("#48213")
    page.get_by_role("button", name="Look at what it would do").click()
    expect(page.get_by_role("button", name="Grant to 4 members")).to_be_visible()
    page.get_by_text("2 lines are given nothing").click()
    expect(page.get_by_role("cell", name="nobody is called this")).to_be_visible()
    look(page, "make-good-preview")
    page.get_by_role("button", name="Grant to 4 members").click()
    expect(page.get_by_role("button", name="Undo 4 grants")).to_be_visible()
    look(page, "make-good-done")
    page.get_by_role("button", name="Undo 4 grants").click()
    expect(page.get_by_role("cell", name="undone", exact=True)).to_have_count(4)
    assert Assignment.objects.filter(revoked_at=None).count() == 0


def test_b_05_beyond_a_limit_a_second_person_decides_in_place(page, programme, person, sign_in, look):
    offer = ConfigOfferFactory(programme=programme, name="Voucher 5 €", repeat_policy="one_open")
    members = MemberFactory.create_batch(3, programme=programme)
    Allowance.objects.create(programme=programme, per_day=2)
    sign_in(page, person("support agent"))
    page.goto(f"{reverse('support:make_good')}?template={offer.templates.get().pk}")
    page.get_by_label("Members", exact=True).fill(", ".join(one.external_id for one in members))
    page.get_by_label("Reason").select_option(label="Poor service")
    page.get_by_role("button", name="Look at what it would do").click()
    expect(page.get_by_text("All of it waits for a second person")).to_be_visible()
    look(page, "make-good-beyond")
    page.get_by_role("button", name="Ask for approval of 3 grants").click()
    expect(page.get_by_text("Nothing is granted yet")).to_be_visible()
    address = page.url
    sign_in(page, person("support lead"))
    page.goto(address)
    look(page, "make-good-waiting")
    page.get_by_role("button", name="Approve and grant the set").click()
    expect(page.get_by_text("Approved and granted.")).to_be_visible()
    assert Assignment.objects.count() == 3
