"""A member on her phone: signs in, sees her offers, opens one, activates it, shows its code (C-05)."""

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty.services import member_token
from offers.models import Assignment, AssignmentEvent, Source
from tests.factories import (
    CategoryFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProductFactory,
    ProgrammeFactory,
    UserFactory,
    give,
    import_codes,
)

pytestmark = pytest.mark.django_db
PERCENT = {"benefit": {"type": "percent", "size": 20}}


@pytest.fixture
def member():
    programme = ProgrammeFactory(timezone="Europe/Paris", languages=["en", "de"], accent="#ffcc00")
    return MemberFactory(programme=programme, first_name="Amélie")


def sign_in(member, *, client: Client | None = None, **options) -> Client:
    client = client or Client()
    token = member_token.mint(member=member, now=timezone.now(), **options)
    answer = client.post(reverse("rewards-session"), {"token": token})
    assert (answer.status_code, answer["Location"]) == (303, "/rewards/offers")
    return client


def test_a_marketers_and_an_agents_offer_and_one_for_everyone_stand_in_one_list(member):
    """S0-11, S0-12, S0-34, D-15."""
    programme = member.programme
    give(member, ConfigOfferFactory(programme=programme, name="From the run"), source=Source.MASS_ASSIGNMENT)
    give(member, ConfigOfferFactory(programme=programme, name="From the desk"), source=Source.SUPPORT)
    ConfigOfferFactory(programme=programme, name="For all", audience="everyone", terms=PERCENT)
    give(MemberFactory(programme=programme), ConfigOfferFactory(programme=programme, name="Somebody else's"))

    page = sign_in(member).get("/rewards/offers").content.decode()

    assert "Hello Amélie" in page
    order = [page.index(text) for text in ("For you", "From the run", "From the desk", "For everyone", "For all")]
    assert order == sorted(order)
    assert "Somebody else" not in page


def test_the_address_of_an_offer_is_hers_alone(member):
    """S0-01, S0-13: `/rewards/offers/{personalized offer id}`, and nobody else's opens."""
    offer = ConfigOfferFactory(programme=member.programme, name="Coffee")
    hers = give(member, offer)
    others = give(MemberFactory(programme=member.programme), offer)
    client = sign_in(member)

    assert hers.pk != others.pk
    assert client.get(f"/rewards/offers/{hers.pk}").status_code == 200
    for key in (others.pk, uuid.uuid4()):
        answer = client.get(f"/rewards/offers/{key}")
        assert answer.status_code == 404
        assert "There is no such offer for you" in answer.content.decode()
        assert "Coffee" not in answer.content.decode()
        assert client.post(f"/rewards/offers/{key}/accept").status_code == 404
    others.refresh_from_db()
    assert (others.seen_at, others.accepted_at) == (None, None)


def test_she_activates_an_offer_and_then_sees_its_code(member):
    """S1-16, S1-19, D-10: the code appears with the activation, in the same answer that htmx swaps in."""
    offer = ConfigOfferFactory(
        programme=member.programme, require_vouchers=True, terms=PERCENT | {"acceptance": {"required": True}}
    )
    import_codes(offer, ["ABCD-1234"])
    assignment = give(member, offer)
    client = sign_in(member)
    address = f"/rewards/offers/{assignment.pk}"

    before = client.get(address).content.decode()
    assert "ABCD-1234" not in before
    assert "Activate the offer to see your code" in before

    part = client.post(f"{address}/accept", headers={"HX-Request": "true", "HX-Target": "offer"}).content.decode()
    assert "<html" not in part
    assert "ABCD-1234" in part
    assert re.search(r'src="data:image/svg\+xml', part)
    assignment.refresh_from_db()
    assert assignment.accepted_at is not None
    assert assignment.exposed_at is not None


def test_activating_in_the_list_swaps_the_card_and_shows_no_code(member):
    """D-10: the list never carries codes."""
    offer = ConfigOfferFactory(
        programme=member.programme, require_vouchers=True, terms=PERCENT | {"acceptance": {"required": True}}
    )
    import_codes(offer, ["ABCD-1234"])
    assignment = give(member, offer)
    client = sign_in(member)

    card = client.post(f"/rewards/offers/{assignment.pk}/accept", headers={"HX-Request": "true"}).content.decode()

    assert card.lstrip().startswith("<li")
    assert "Active" in card
    assert "ABCD-1234" not in card + client.get("/rewards/offers").content.decode()


def test_without_script_activating_leads_back_to_the_offer(member):
    assignment = give(member, ConfigOfferFactory(programme=member.programme, terms={"acceptance": {"required": True}}))
    answer = sign_in(member).post(f"/rewards/offers/{assignment.pk}/accept")
    assert (answer.status_code, answer["Location"]) == (302, f"/rewards/offers/{assignment.pk}")


def test_she_declines_hers_alone_once_and_who_looks_on_changes_nothing(member):
    """D-01: closed by herself, the same answer again; nobody else's, and none that is for everyone."""
    offer = ConfigOfferFactory(programme=member.programme)
    hers, others = give(member, offer), give(MemberFactory(programme=member.programme), offer)
    script = {"HX-Request": "true"}
    looks_on = sign_in(member, actor=UserFactory(role="support agent"))
    said = looks_on.post(f"/rewards/offers/{hers.pk}/decline", headers=script).content.decode()
    hers.refresh_from_db()
    assert ("nothing was changed" in said, hers.closed_at) == (True, None)

    client = sign_in(member)
    assert client.post(f"/rewards/offers/{others.pk}/decline").status_code == 404
    public = ConfigOfferFactory(programme=member.programme, audience="everyone", terms={}).public_id
    assert "for everyone" in client.post(f"/rewards/offers/{public}/decline", headers=script).content.decode()
    for _n in range(2):
        part = client.post(f"/rewards/offers/{hers.pk}/decline", headers=script).content.decode()
        assert ("This offer is closed." in part, "<html" in part) == (True, False)
    answer = client.post(f"/rewards/offers/{hers.pk}/decline")
    assert (answer.status_code, answer["Location"]) == (302, f"/rewards/offers/{hers.pk}")
    [event] = AssignmentEvent.objects.filter(assignment=hers, verb="declined")
    assert (event.source, event.actor_id) == (None, None)
    others.refresh_from_db()
    assert others.closed_at is None


def test_terms_products_and_the_last_minute_in_her_own_zone(member):
    """S1-19, D-09: fixed by the programme's zone, shown in the member's."""
    coffee = CategoryFactory(programme=member.programme)
    ProductFactory.create_batch(3, programme=member.programme, category=coffee)
    terms = PERCENT | {
        "validity": {"ends_at": "2030-11-30"},
        "minimum_spend": {"amount_minor": 1500},
        "products": {"categories": [coffee.external_id]},
    }
    assignment = give(member, ConfigOfferFactory(programme=member.programme, terms=terms))
    member.timezone = "America/New_York"
    member.save()

    page = sign_in(member).get(f"/rewards/offers/{assignment.pk}").content.decode()

    assert "15.00 €" in page
    assert re.search(r'Products <span class="count">3</span>', page)
    # Paris midnight is 18:00 in New York: the last minute is 17:59.
    assert "Sat 30 Nov 2030, 17:59" in page
    assert "EST" in page


@pytest.mark.parametrize(
    ("moment", "words"),
    [("used_up_at", "You have used this offer"), ("closed_at", "This offer is closed"), ("ends_at", "ended on")],
)
def test_an_offer_that_is_over_says_so_and_shows_no_code(member, moment, words):
    offer = ConfigOfferFactory(programme=member.programme, require_vouchers=True)
    import_codes(offer, ["ABCD-1234"])
    assignment = give(member, offer)
    Assignment.objects.filter(pk=assignment.pk).update(**{moment: timezone.now() - timedelta(minutes=1)})
    page = sign_in(member).get(f"/rewards/offers/{assignment.pk}").content.decode()
    assert words in page
    assert "ABCD-1234" not in page


def test_a_member_without_offers_is_told_so(member):
    assert "No offers right now" in sign_in(member).get("/rewards/offers").content.decode()


def test_nobody_signed_in_is_told_how_and_a_session_ends(member, settings):
    stranger = Client().get("/rewards/offers")
    assert stranger.status_code == 401
    assert "Open them from the app or shop" in stranger.content.decode()

    settings.MEMBER_SESSION_SECONDS = 0
    ended = sign_in(member).get("/rewards/offers")
    assert ended.status_code == 401
    assert "You have been signed out" in ended.content.decode()


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
def test_a_wrong_token_opens_nothing(token):
    client = Client()
    answer = client.post("/rewards/session", {"token": token})
    assert answer.status_code == 401
    assert "This link does not work" in answer.content.decode()
    assert "member" not in client.session


def test_signing_in_leads_only_to_the_members_own_pages(member):
    token = member_token.mint(member=member, now=timezone.now())
    for target in ("https://evil.example/rewards/", "//evil.example", "/admin/", "/rewards/offers/../../admin/"):
        answer = Client().post("/rewards/session", {"token": token, "next": target})
        assert answer["Location"] == "/rewards/offers"
    card = f"/rewards/offers/{uuid.uuid4()}"
    assert Client().post("/rewards/session", {"token": token, "next": card})["Location"] == card


def test_posting_needs_the_sites_own_form(member):
    """A3: CSRF off each POST but the one whose token is the proof."""
    client = sign_in(member, client=Client(enforce_csrf_checks=True))
    assignment = give(member, ConfigOfferFactory(programme=member.programme, terms={"acceptance": {"required": True}}))
    assert client.post(f"/rewards/offers/{assignment.pk}/accept").status_code == 403
    assert client.post("/rewards/sign-out").status_code == 403
    assignment.refresh_from_db()
    assert assignment.accepted_at is None


def test_the_demos_members_exist_only_in_the_demo(member, settings):
    answer = Client().post("/rewards/session/demo", {"member": member.external_id})
    assert answer.status_code == 404
    settings.DEMO = True
    refused = Client().post("/rewards/session/demo", {"member": member.external_id})
    assert refused.status_code == 401, "a member of a programme that is no demo"
    member.programme.demo_shift_weeks = 1
    member.programme.save()
    assert "Demo: continue as" in Client().get("/rewards/offers").content.decode()
    client = Client()
    assert client.post("/rewards/session/demo", {"member": member.external_id}).status_code == 303
    assert client.get("/rewards/offers").status_code == 200


def test_staff_who_look_on_see_the_page_without_codes_and_change_nothing(member):
    """The page "as she sees it": exposes nothing, marks nothing as seen, activates nothing."""
    offer = ConfigOfferFactory(
        programme=member.programme, require_vouchers=True, terms=PERCENT | {"acceptance": {"required": True}}
    )
    import_codes(offer, ["ABCD-1234"])
    assignment = give(member, offer)
    client = sign_in(member, actor=UserFactory(role="support agent"))

    page = client.get(f"/rewards/offers/{assignment.pk}").content.decode()
    part = client.post(f"/rewards/offers/{assignment.pk}/accept", headers={"HX-Request": "true"}).content.decode()

    assert "This is what Amélie" in page
    assert "nothing was changed" in part
    assignment.refresh_from_db()
    assert (assignment.seen_at, assignment.exposed_at, assignment.accepted_at) == (None, None, None)


def test_the_programmes_colour_is_served_readable(member):
    """An accent of light yellow is darkened until white text on it meets AA."""
    answer = sign_in(member).get("/rewards/theme.css")
    assert answer["Content-Type"] == "text/css"
    colour = re.search(r"--brand: (#[0-9a-f]{6})", answer.content.decode())[1]
    assert colour != "#ffcc00"
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in (red, green, blue)]
    assert 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05) >= 4.5


def test_pages_take_the_same_few_queries_however_long_the_list(member, django_assert_max_num_queries):
    """P1."""
    client = sign_in(member)
    for count in (1, 10):
        for _ in range(count):
            give(member, ConfigOfferFactory(programme=member.programme))
        # Session, clock, member with programme, list.
        # One of them asks for her promotions, which stand above her offers.
        with django_assert_max_num_queries(5):
            client.get("/rewards/offers")


def test_pages_are_not_kept_by_browsers_or_proxies(member):
    answer = sign_in(member).get("/rewards/offers")
    assert "no-store" in answer["Cache-Control"]
    assert "private" in answer["Cache-Control"]
