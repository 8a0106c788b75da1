"""A member on her phone chooses from the list of a promotion that is hers alone (S2-01, S2-02, S2-06..08, S2-19)."""

import pytest

from loyalty import clock
from loyalty.services import member_session, member_token
from offers.models import PromotionEvent
from offers.services import promotion_enrolment
from offers.services.verb import By
from tests.factories import MemberFactory, ProgrammeFactory, PromotionFactory, UserFactory, choose, enlist, product_list
from tests.flows.test_member_sees_her_offers import sign_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "promotion"}


@pytest.fixture
def member():
    return MemberFactory(programme=ProgrammeFactory(), first_name="Amélie")


def enlisted(member, *, products=("tea", "coffee", "cake"), default_product=None, **values):
    promotion = PromotionFactory(programme=member.programme, name="Your three", **values)
    return enlist(product_list(promotion, products, default_product=default_product), member)


def address(held, act=""):
    return f"/rewards/promotions/{held.promotion.public_id}{act}"


def words(answer):
    return " ".join(answer.content.decode().split())


def test_s2_02_she_sees_what_is_hers_and_chooses_and_changes(member):
    held = enlisted(member, maximum_distinct_products=2)
    client = sign_in(member)
    listed = words(client.get("/rewards/offers"))
    assert "Your three" in listed
    assert "Choose up to 2 of 3" in listed
    assert "No offers right now" not in listed
    page = words(client.get(address(held)))
    assert page.index("Tea") < page.index("Coffee") < page.index("Cake")
    assert 'type="checkbox"' in page
    part = client.post(address(held, "/choose"), {"product": ["tea", "cake"], "revision": "0"}, headers=HTMX)
    assert part.content.decode().startswith('<article id="promotion">')
    assert "You have chosen. You may change it at any time." in words(part)
    event = PromotionEvent.objects.get(verb="chosen")
    assert (event.data["products"], event.actor, event.source) == (["tea", "cake"], None, None)
    plain = client.post(address(held, "/choose"), {"product": "coffee", "revision": "1"})
    assert (plain.status_code, plain["Location"]) == (302, address(held))
    assert "Coffee" in words(client.get("/rewards/offers"))


def test_s2_06_one_too_many_is_refused_in_her_words_and_nothing_changes(member):
    held = enlisted(member, maximum_distinct_products=1)
    client = sign_in(member)
    assert 'type="radio"' in words(client.get(address(held)))
    refused = client.post(address(held, "/choose"), {"product": ["tea", "cake"]}, headers=HTMX)
    assert "Choose at most 1 product. Nothing was changed." in words(refused)
    outside = client.post(address(held, "/choose"), {"product": ["milk"]})
    assert "Something on your list changed meanwhile." in words(outside)
    assert not held.choices.exists()


def test_s2_08_the_first_choice_stays_and_the_page_says_so_before_and_after(member):
    held = enlisted(member, lock_after_first_apply=True)
    client = sign_in(member)
    assert "Choose with care: your first choice stays." in words(client.get(address(held)))
    client.post(address(held, "/choose"), {"product": "tea", "revision": "0"})
    page = words(client.get(address(held)))
    assert "You have chosen. This choice stays." in page
    assert '<form method="post" action="' + address(held, "/choose") not in page
    refused = client.post(address(held, "/choose"), {"product": "cake"}, headers=HTMX)
    assert "You have chosen already, and that choice stays." in words(refused)
    assert [one.item.product.external_id for one in held.choices.all()] == ["tea"]


def test_s2_08_another_window_that_chose_first_is_told(member):
    held = enlisted(member)
    client = sign_in(member)
    choose(held, "tea")
    late = client.post(address(held, "/choose"), {"product": "cake", "revision": "0"}, headers=HTMX)
    assert "You chose something else meanwhile" in words(late)
    assert [one.item.product.external_id for one in held.choices.all()] == ["tea"]


def test_s2_19_the_default_is_named_until_she_chooses(member):
    held = enlisted(member, default_product="cake")
    client = sign_in(member)
    assert "Until you choose, Cake counts." in words(client.get(address(held)))


def test_s2_01_nobody_elses_promotion_opens_and_none_that_was_withdrawn(member):
    held = enlisted(member)
    other = sign_in(MemberFactory(programme=member.programme))
    assert other.get(address(held)).status_code == 404
    assert other.post(address(held, "/choose"), {"product": "tea"}).status_code == 404
    promotion_enrolment.withdraw(promotion=held.promotion, members=[member.external_id], by=By(), now=clock.now())
    client = sign_in(member)
    assert client.get(address(held)).status_code == 404
    assert "Your three" not in words(client.get("/rewards/offers"))


def test_s2_11_staff_who_look_on_change_nothing(member):
    held = enlisted(member)
    user = UserFactory(role="support agent", programmes=[member.programme])
    client = sign_in(member, actor=user)
    assert member_session.read(session=client.session, now=clock.now()).actor_id == user.pk
    answer = client.post(address(held, "/choose"), {"product": "tea"}, headers=HTMX)
    assert "You only look on: nothing was changed." in words(answer)
    assert not held.choices.exists()
    token = member_token.mint(member=member, now=clock.now(), actor=user)
    api = client.put(
        f"/api/v1/me{address(held)[8:]}/products", {"products": ["tea"]}, content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    assert api.status_code == 403


def test_s4_41_without_the_offers_module_there_is_nothing_to_choose(member):
    held = enlisted(member)
    member.programme.offers_enabled = False
    member.programme.save()
    assert sign_in(member).get(address(held)).status_code == 404
