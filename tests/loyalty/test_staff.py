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
