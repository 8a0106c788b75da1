"""The Loyalty tab of the member's page, and what an agent does there (S2-11)."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty.models import AuditEvent
from offers.models import PromotionEnrolment, PromotionEvent, Source
from offers.services import promotion as promotions
from offers.services.verb import By
from support import member_sections
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    PromotionFactory,
    UserFactory,
    choose,
    enlist,
    give,
    product_list,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "promotions"}


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def ann(programme):
    return MemberFactory(programme=programme, first_name="Ann", last_name="Lee", kind="employee")


@pytest.fixture
def promotion(programme):
    return PromotionFactory(programme=programme, name="Your three", maximum_distinct_products=2)


@pytest.fixture
def held(promotion, ann):
    return enlist(product_list(promotion, name="Favourites"), ann)


@pytest.fixture
def agent(user):
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(client, member, **query):
    answer = client.get(reverse("support:member", args=[member.pk]), query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def act(name, held):
    return reverse(f"support:promotion_{name}", args=[held.member_id, held.promotion_id])


def test_s2_11_the_loyalty_tab_shows_her_promotions_with_list_choice_maximum_and_lock(agent, ann, held):
    before = page(agent, ann, tab="loyalty")
    for text in ("Your three", "at most 2 of the 3 products of “Favourites”", "the choice may change",
                 "not chosen yet", "nothing counts for her", 'aria-current="page">Loyalty'):  # fmt: skip
        assert text in before
    choose(held, "tea", "cake")
    promotions.update(promotion=held.promotion, values={"lock_after_first_apply": True}, by=By(), now=held.assigned_at)
    after = page(agent, ann, tab="loyalty")
    assert "She chose <strong>Tea</strong>, <strong>Cake</strong>" in after
    assert "the first choice stays" in after
    assert ">locked<" in re.sub(r"\s*<svg.*?</svg>\s*", "", after)
    assert "Choose for her" not in after


def test_s2_19_a_default_that_counts_until_she_chooses_is_said(agent, ann, promotion):
    enlist(product_list(promotion, default_product="cake"), ann)
    assert "She has not chosen: Cake counts for her until she does." in page(agent, ann, tab="loyalty")


def test_s2_11_a_tab_has_an_address_and_only_the_one_that_is_shown_is_read(agent, ann, held):
    """S2-11: the overview asks nothing for Loyalty, nor the other way round; an unknown tab is the first one."""
    give(ann, ConfigOfferFactory(programme=ann.programme, name="Pasta"))
    agent.get("/")

    def asked(**query):
        with CaptureQueriesContext(connection) as queries:
            text = page(agent, ann, **query)
        return text, [one["sql"] for one in queries]

    overview, of_overview = asked()
    loyalty, of_loyalty = asked(tab="loyalty")
    assert not [sql for sql in of_overview if "offers_promotionlistitem" in sql or "offers_promotionchoice" in sql]
    assert not [sql for sql in of_loyalty if "offers_assignment" in sql or "loyalty_purchase" in sql]
    assert "Pasta" in overview
    assert "Pasta" not in loyalty
    assert "Pasta" in asked(tab="nothing")[0]
    assert len(of_loyalty) < len(of_overview)
    address = reverse("support:member", args=[ann.pk])
    assert f'href="{address}"' in loyalty
    assert f'href="{address}?tab=loyalty"' in overview


def test_s2_11_however_many_promotions_she_holds_the_tab_asks_as_often(agent, ann, programme, held):
    agent.get("/")

    def asked():
        with CaptureQueriesContext(connection) as queries:
            page(agent, ann, tab="loyalty")
        return len(queries)

    one = asked()
    for _ in range(5):
        choose(enlist(product_list(PromotionFactory(programme=programme)), ann), "tea")
    assert asked() == one


def test_s2_11_another_tab_comes_as_a_part_and_is_no_second_look(agent, ann, held):
    address = reverse("support:member", args=[ann.pk])
    page(agent, ann)
    looks = AuditEvent.objects.filter(action="member.opened")
    assert looks.count() == 1
    part = agent.get(f"{address}?tab=loyalty", headers={"HX-Request": "true", "HX-Target": "member-tabs"})
    assert part.content.decode().lstrip().startswith('<div id="member-tabs">')
    assert "HX-Request" in part["Vary"]
    assert looks.count() == 1
    whole = agent.get(
        f"{address}?tab=loyalty",
        headers={"HX-Request": "true", "HX-Target": "member-tabs", "HX-History-Restore-Request": "true"},
    )
    assert "<html" in whole.content.decode()


def test_s2_03_who_may_not_see_promotions_has_no_loyalty_tab(programme, ann, held):
    person = UserFactory(programmes=[programme])
    person.user_permissions.add(Permission.objects.get(codename="view_member"))
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    text = page(client, ann, tab="loyalty")
    assert "Your three" not in text.split("Timeline")[0]
    assert "?tab=loyalty" not in text
    assert client.post(act("choose", held), {"product": "tea"}).status_code == 403
    person.user_permissions.add(Permission.objects.get(codename="view_promotionenrolment"))
    text = page(client, ann, tab="loyalty")
    assert "Your three" in text
    assert "Choose for her" not in text
    assert "Withdraw" not in text
    for name in ("choose", "withdraw", "restore"):
        assert client.post(act(name, held), {"product": "tea"}).status_code == 403
    assert not held.choices.exists()


def test_s4_41_without_the_offers_module_there_is_no_loyalty_tab(agent, ann, held):
    ann.programme.offers_enabled = False
    ann.programme.save()
    assert "?tab=loyalty" not in page(agent, ann)


def test_s2_11_an_agent_chooses_for_her_by_phone_and_the_event_and_the_audit_say_who(agent, user, ann, held):
    answer = agent.post(act("choose", held), {"product": ["cake", "tea"], "revision": "0"}, headers=HTMX)
    assert answer.status_code == 200
    assert "Chosen for Ann Lee." in answer["HX-Trigger"]
    assert "She chose" in answer.content.decode()
    event = PromotionEvent.objects.get(verb="chosen")
    assert (event.actor, event.source, event.data["products"]) == (user, Source.SUPPORT, ["tea", "cake"])
    assert AuditEvent.objects.get(action="promotion.chosen_for_member").user == user
    timeline = page(agent, ann)
    assert "chosen: tea, cake" in timeline
    assert f"by {user}" in timeline


def test_s2_11_what_cannot_be_chosen_is_said_in_place_and_nothing_changes(agent, held):
    too_many = agent.post(act("choose", held), {"product": ["tea", "cake", "coffee"]}, headers=HTMX)
    assert too_many.status_code == 422
    assert "At most 2 products may be chosen, not 3." in too_many.content.decode()
    choose(held, "tea")
    stale = agent.post(act("choose", held), {"product": "cake", "revision": "0"}, headers=HTMX)
    assert "Another choice was made meanwhile." in stale.content.decode()
    promotions.update(promotion=held.promotion, values={"lock_after_first_apply": True}, by=By(), now=held.assigned_at)
    locked = agent.post(act("choose", held), {"product": "cake"})
    assert locked["Location"] == f"{reverse('support:member', args=[held.member_id])}?tab=loyalty"
    assert "The choice was made and stays" in page(agent, held.member, tab="loyalty")
    assert [one.item.product.external_id for one in held.choices.all()] == ["tea"]


def test_s2_11_withdrawn_by_an_agent_and_undone_with_her_choice(agent, user, ann, held):
    choose(held, "tea")
    answer = agent.post(act("withdraw", held), follow=True)
    text = " ".join(answer.content.decode().split())
    assert "Withdrew “Your three” from Ann Lee." in text
    assert "She holds no promotion" in text
    [undo] = re.findall(r'action="(/support/members/\d+/promotions/\d+/restore\?at=[^"]+)"', text)
    assert PromotionEvent.objects.get(verb="withdrawn").actor == user
    done = agent.post(undo.replace("&amp;", "&"), follow=True)
    text = " ".join(done.content.decode().split())
    assert "Undone: she has “Your three” again." in text
    assert "She chose <strong>Tea</strong>" in text
    assert PromotionEnrolment.objects.get().withdrawn_at is None
    for wrong in ("", "?at=", "?at=yesterday", "?at=2026-13-41T00:00:00Z", "?at=2026-11-22T12:00:00"):
        assert agent.post(act("restore", held) + wrong).status_code == 404


def test_d_21_another_programmes_member_and_promotion_are_not_there(agent, ann):
    other = PromotionFactory()
    theirs = enlist(product_list(other), MemberFactory(programme=other.programme))
    mine = reverse("support:promotion_choose", args=[ann.pk, other.pk])
    for address in (act("choose", theirs), act("withdraw", theirs), mine):
        assert agent.post(address, {"product": "tea"}).status_code == 404
    theirs.refresh_from_db()
    assert (theirs.withdrawn_at, theirs.choices.count()) == (None, 0)


def test_s2_11_a_section_joins_the_page_by_one_entry(agent, ann, held, monkeypatch):
    """S2-11: favourites, challenges and points come the same way: a selector, a template, a permission."""
    joined = member_sections.Section(
        "favourites", "Favourites", "loyalty.view_member", lambda member, now: {"held": []},
        "support/_member_promotions.html", lambda data: 0,
    )  # fmt: skip
    first, loyalty = member_sections.TABS
    more = member_sections.Tab(loyalty.key, loyalty.label, loyalty.template, sections=(*loyalty.sections, joined))
    monkeypatch.setattr(member_sections, "TABS", (first, more))
    text = page(agent, ann, tab="loyalty")
    assert 'id="favourites"' in text
    assert text.index('id="promotions"') < text.index('id="favourites"')


def test_s2_01_an_employee_is_told_apart_on_her_page_and_in_the_list(agent, ann, programme):
    MemberFactory(programme=programme, last_name="Consumer")
    assert '<span class="tag">employee</span>' in page(agent, ann)
    listing = agent.get(f"{reverse('support:members')}?kind=employee").context["listing"]
    assert [one.pk for one in listing.page.object_list] == [ann.pk]
