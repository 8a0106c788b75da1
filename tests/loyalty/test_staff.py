"""A role that must have a second factor opens nothing without one."""

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse

from tests.factories import ProgrammeFactory, UserFactory

pytestmark = pytest.mark.django_db
PAGES = ("support:home", "admin:index", "admin:loyalty_user_changelist")


@pytest.fixture
def sign_in(client, settings):
    settings.MFA_REQUIRED_ROLES = ["administrator"]

    def go(role):
        user = UserFactory(role=role, programmes=[ProgrammeFactory()])
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return user

    return go


@pytest.mark.parametrize("page", PAGES)
def test_without_a_second_factor_she_is_led_to_set_one_up_and_told_why(client, sign_in, page):
    sign_in("administrator")
    answer = client.get(reverse(page), follow=True)
    assert answer.redirect_chain[-1][0] == reverse("mfa_index")
    assert answer.status_code == 200
    assert "Your role needs a second factor" in answer.text


def test_a_part_of_a_page_makes_the_whole_page_load_again(client, sign_in):
    sign_in("administrator")
    assert client.get(reverse("support:home_runs"), headers={"HX-Request": "true"}).status_code == 401


@pytest.mark.parametrize("page", PAGES)
def test_with_one_she_is_let_in(client, sign_in, page):
    user = sign_in("administrator")
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    assert client.get(reverse(page)).status_code == 200


def test_other_roles_need_none(client, sign_in):
    sign_in("marketer")
    assert client.get(reverse("support:home")).status_code == 200
    assert client.get(reverse("admin:index")).status_code == 200


def _plain_pages():
    """Every staff page without an argument in its address."""
    from offers import urls as offers_urls
    from support import urls as support_urls

    for namespace, urls in (("offers", offers_urls), ("support", support_urls)):
        for pattern in urls.urlpatterns:
            if "<" not in str(pattern.pattern):
                yield f"{namespace}:{pattern.name}"


@pytest.mark.parametrize("page", sorted(set(_plain_pages())))
def test_s0_07_what_postgresql_cannot_look_for_is_no_fault_of_ours(client, page):
    """A NUL in whatever a page reads from its address is left alone or refused, never an unexpected error (S0-07)."""
    user = UserFactory(role="administrator", programmes=[ProgrammeFactory()])
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    names = ("q", "text", "name", "search", "key", "by", "status", "state", "id", "offer", "member", "audience", "list")
    answer = client.get(reverse(page), dict.fromkeys(names, "a\0b"), headers={"Accept": "text/html"})
    assert answer.status_code < 500


def test_s0_07_an_address_with_a_nul_is_refused_in_words(client):
    user = UserFactory(role="marketer", programmes=[ProgrammeFactory()])
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get(reverse("offers:run_audiences"), {"text": "a\0b"})
    assert (answer.status_code, "A character in the address cannot be looked for." in answer.text) == (400, True)
