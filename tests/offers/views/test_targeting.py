"""The pages of saved targetings."""

import json

import pytest
from django.urls import reverse

from offers.models import Targeting
from tests.factories import MemberFactory, ProgrammeFactory, TargetingFactory, UserFactory

pytestmark = pytest.mark.django_db
IN_LYON = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Lyon"}]}


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def marketer(client, programme):
    client.force_login(UserFactory(role="marketer", programmes=[programme]))
    return client


def test_an_audience_is_built_counted_and_saved(marketer, programme):
    """S4-24, S4-26: in words, counted, some of them shown, saved for the next time."""
    MemberFactory.create_batch(3, programme=programme, city="Lyon")
    MemberFactory(programme=programme, city="Paris")
    MemberFactory(city="Lyon")  # another programme's
    criteria = json.dumps(IN_LYON)
    shown = marketer.post(reverse("offers:targeting-preview"), {"criteria": criteria}).content.decode()
    assert "City is Lyon" in shown
    counted = marketer.post(reverse("offers:targeting-count"), {"criteria": criteria})
    assert counted.context["count"] == 3
    assert len(counted.context["sample"]) == 3
    answer = marketer.post(reverse("offers:targeting-create"), {"name": "In Lyon", "criteria": criteria})
    saved = Targeting.objects.get()
    assert answer.url == reverse("offers:targeting", args=[saved.pk])
    assert saved.current_version.criteria == IN_LYON


def test_what_is_wrong_is_said_at_once_and_what_was_typed_is_kept(marketer):
    """B-02: every problem, and nothing saved."""
    tree = {
        "op": "and",
        "items": [
            {"field": "member.shoe_size", "is": "equals", "value": "1"},
            {"purchases": "count", "is": "equals", "value": "x"},
        ],
    }
    given = {"name": "Odd", "description": "kept", "criteria": json.dumps(tree)}
    answer = marketer.post(reverse("offers:targeting-create"), given)
    assert answer.status_code == 422
    assert len(answer.context["problems"]) == 2
    assert "shoe_size" in answer.content.decode()
    assert 'value="kept"' in answer.content.decode()
    assert not Targeting.objects.exists()


@pytest.mark.parametrize(("criteria", "word"), [("{", "not JSON"), ('{"op": "and", "items": []}', "Everyone")])
def test_nothing_chosen_and_broken_json_say_what_to_do(marketer, criteria, word):
    answer = marketer.post(reverse("offers:targeting-create"), {"name": "x", "criteria": criteria})
    assert answer.status_code == 422
    assert word in answer.content.decode()


def test_other_criteria_make_a_new_version_and_it_leads_back_to_where_it_was_wanted(marketer, programme):
    """S4-26, B-03."""
    saved = TargetingFactory(programme=programme)
    answer = marketer.post(
        reverse("offers:targeting", args=[saved.pk]),
        {"name": "Lyon", "criteria": json.dumps(IN_LYON), "next": "/offers/runs/new?offer=3"},
    )
    assert answer.url == f"/offers/runs/new?offer=3&targeting={saved.pk}"
    saved.refresh_from_db()
    assert (saved.name, saved.current_version.number) == ("Lyon", 2)
    away = {"name": "Lyon", "criteria": json.dumps(IN_LYON), "next": "https://elsewhere.example/"}
    assert marketer.post(reverse("offers:targeting", args=[saved.pk]), away).url.startswith("/offers/audiences/")


def test_the_list_says_in_words_who_is_meant(marketer, programme):
    TargetingFactory(programme=programme, name="Everybody")
    TargetingFactory(programme=programme, name="Lyon", criteria=IN_LYON)
    TargetingFactory(name="Of others")
    text = marketer.get(reverse("offers:targetings")).content.decode()
    assert "All members" in text
    assert "City is Lyon" in text
    assert "Of others" not in text


def test_another_programmes_audience_is_not_found(marketer):
    """D-21."""
    assert marketer.get(reverse("offers:targeting", args=[TargetingFactory().pk])).status_code == 404
    assert marketer.post(reverse("offers:targeting-archive", args=[TargetingFactory().pk])).status_code == 404


def test_values_are_suggested_from_real_data_of_the_own_programme_only(marketer, programme):
    MemberFactory.create_batch(2, programme=programme, city="Lyon")
    MemberFactory(programme=programme, city="Lille")
    MemberFactory(city="Limoges")
    answer = marketer.get(reverse("offers:targeting-values"), {"key": "member.city", "q": "l"})
    assert [value["id"] for value in answer.json()["results"]] == ["Lyon", "Lille"]


def test_an_archived_audience_leaves_the_list(marketer, programme):
    saved = TargetingFactory(programme=programme, name="Old")
    marketer.post(reverse("offers:targeting-archive", args=[saved.pk]))
    assert not marketer.get(reverse("offers:targetings")).context["listing"].count


def test_s4_26_an_audience_that_another_names_stays_and_its_page_says_where(marketer, programme):
    """S4-26: the builder opens with the audience that is named as it is now, and saves it so."""
    inner = TargetingFactory(programme=programme, name="Inner", criteria=IN_LYON)
    tree = {"op": "or", "items": [{"targeting": inner.pk}]}
    assert marketer.post(reverse("offers:targeting-create"), {"name": "Outer", "criteria": json.dumps(tree)}).url
    outer = Targeting.objects.get(name="Outer")
    page = reverse("offers:targeting", args=[outer.pk])
    assert outer.current_version.criteria == {"op": "or", "items": [{"targeting": inner.pk, "version": 1}]}
    assert marketer.get(page).context["given"]["criteria"] == tree
    marketer.post(page, {"name": "Outer", "criteria": json.dumps(tree)})
    assert outer.versions.count() == 1
    assert f"is in “{inner.name}”" in marketer.get(reverse("offers:targetings")).content.decode()

    answer = marketer.post(reverse("offers:targeting-archive", args=[inner.pk]), follow=True)
    assert "“Inner” is named by the audiences “Outer”. Choose another audience there" in answer.content.decode()
    assert answer.redirect_chain == [(reverse("offers:targeting", args=[inner.pk]), 302)]
    inner.refresh_from_db()
    assert inner.archived_at is None
    circle = {"name": "Inner", "criteria": json.dumps({"targeting": outer.pk})}
    refused = marketer.post(reverse("offers:targeting", args=[inner.pk]), circle)
    assert refused.status_code == 422
    assert "“Inner” means itself in the end" in refused.content.decode()


def test_an_agent_has_no_audiences(client, programme):
    """Nobody sees what the role does not need."""
    client.force_login(UserFactory(role="support agent", programmes=[programme]))
    assert client.get(reverse("offers:targetings")).status_code == 403
