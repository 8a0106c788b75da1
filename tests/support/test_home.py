"""Home: each role its own, one navigation (SCREENS; S0-20)."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from loyalty.models import Programme, User

pytestmark = pytest.mark.django_db


def staff(role: str | None, programme: Programme | None, **options) -> User:
    user = User.objects.create_user(f"one {role}", password="correct horse battery", is_staff=True, **options)
    if role:
        user.groups.add(Group.objects.get(name=role))
    if programme:
        user.programmes.add(programme)
    return user


@pytest.fixture
def programme() -> Programme:
    return Programme.objects.create(slug="laurel", name="Laurel Markets", timezone="Europe/Paris")


def test_strangers_are_sent_to_sign_in(client):
    answer = client.get("/")
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


def test_a_person_without_a_programme_is_told_what_to_do(client):
    client.force_login(staff("marketer", None))
    assert "Ask an administrator to add you" in client.get("/").text


def test_a_marketer_sees_runs_and_an_agent_her_desk(client, programme):
    client.force_login(staff("marketer", programme))
    marketer = client.get("/")
    client.force_login(staff("support agent", programme))
    agent = client.get("/")
    assert "home/figures" in marketer.text
    assert "My grants today" not in marketer.text
    assert "home/figures" not in agent.text
    assert "My grants today" in agent.text


def test_figures_are_for_those_who_may_see_runs(client, programme):
    client.force_login(staff("support agent", programme))
    assert "Open assignments" not in client.get(reverse("support:home_figures")).text
    client.force_login(staff("marketer", programme))
    assert "Open assignments" in client.get(reverse("support:home_figures")).text
    assert client.get(reverse("support:home_runs")).status_code == 200


def test_a_person_chooses_only_among_her_own_programmes(client, programme):
    second = Programme.objects.create(slug="second", name="Second")
    foreign = Programme.objects.create(slug="foreign", name="Foreign")
    user = staff("marketer", programme)
    user.programmes.add(second)
    client.force_login(user)
    choose = reverse("support:choose_programme")
    assert client.post(choose, {"programme": foreign.pk}).status_code == 404
    assert client.post(choose, {"programme": second.pk, "next": "https://evil.example/"})["Location"] == "/"
    assert client.get("/").wsgi_request.programme == second
    user.programmes.remove(second)
    assert client.get("/").wsgi_request.programme == programme
