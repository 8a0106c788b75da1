"""Accounts and keys in the admin: who sees, changes and makes which (C-03, D-21)."""

import re

import pytest
from django.urls import reverse

from loyalty.admin.user import UserAdmin
from loyalty.models import ApiClient, AuditEvent, User
from tests.factories import ProgrammeFactory, UserFactory
from tests.flows.admin import address

pytestmark = pytest.mark.django_db


def test_an_administrator_sees_colleagues_only_and_never_a_superusers_account(administrator, programme):
    UserFactory(username="colleague", programmes=[programme])
    UserFactory(username="stranger", programmes=[ProgrammeFactory()])
    root = UserFactory(username="root", programmes=[programme], is_superuser=True)

    names = {user.username for user in administrator.get(address("loyalty.user", "changelist")).context["cl"].queryset}

    assert "colleague" in names
    assert not {"stranger", "root"} & names
    assert administrator.get(reverse("admin:auth_user_password_change", args=[root.pk])).status_code in {302, 404}


def _form_of(user, **changes):
    """What the change page of a person sends."""
    return {
        "username": user.username,
        "first_name": "Changed",
        "last_name": user.last_name,
        "email": user.email,
        "is_active": "on",
        "is_staff": "on",
        "programmes": [programme.pk for programme in user.programmes.all()],
    } | changes


def test_d_21_who_also_works_elsewhere_is_not_changed_from_here(administrator, programme):
    """A new password would open the other programme."""
    elsewhere = ProgrammeFactory(name="There")
    shared = UserFactory(programmes=[programme, elsewhere])
    before = shared.password
    change, password = (
        address("loyalty.user", "change", shared.pk),
        reverse("admin:auth_user_password_change", args=[shared.pk]),
    )

    assert administrator.get(change).status_code == 200
    assert administrator.post(change, _form_of(shared, programmes=[programme.pk])).status_code == 403
    assert administrator.get(password).status_code == 403
    new = {"password1": "an other long one", "password2": "an other long one", "usable_password": "true"}
    assert administrator.post(password, new).status_code == 403

    shared.refresh_from_db()
    assert (shared.password, shared.first_name) == (before, "Robin")
    assert set(shared.programmes.all()) == {programme, elsewhere}


def test_a_colleague_of_here_only_is_changed_and_given_a_password(administrator, programme):
    colleague = UserFactory(programmes=[programme])
    before = colleague.password

    administrator.post(address("loyalty.user", "change", colleague.pk), _form_of(colleague))
    new = {"password1": "an other long one", "password2": "an other long one", "usable_password": "true"}
    administrator.post(reverse("admin:auth_user_password_change", args=[colleague.pk]), new)

    colleague.refresh_from_db()
    assert colleague.first_name == "Changed"
    assert colleague.password != before


def test_d_21_a_programme_that_came_meanwhile_survives_the_saving(administrator, programme, monkeypatch):
    elsewhere = ProgrammeFactory(name="There")
    shared = UserFactory(programmes=[programme, elsewhere])
    monkeypatch.setattr(UserAdmin, "has_change_permission", lambda *_given: True)

    administrator.post(address("loyalty.user", "change", shared.pk), _form_of(shared, programmes=[programme.pk]))

    shared.refresh_from_db()
    assert shared.first_name == "Changed"
    assert set(shared.programmes.all()) == {programme, elsewhere}


def test_an_administrator_cannot_raise_herself(administrator):
    herself = User.objects.get(groups__name="administrator")
    administrator.post(
        address("loyalty.user", "change", herself.pk),
        {"username": herself.username, "is_active": "on", "is_staff": "on", "is_superuser": "on"},
    )

    herself.refresh_from_db()
    assert herself.is_superuser is False


def test_a_key_is_shown_once(administrator, client, programme):
    response = administrator.post(address("loyalty.apiclient", "add"), {"name": "Till", "scopes": ["assign"]})

    text = response.content.decode()
    key = re.search(r"Api-Key ([\w.]+)", text)[1]
    made = ApiClient.objects.get_from_key(key)
    assert (made.name, made.programme, made.scopes) == ("Till", programme, ["assign"])
    assert "no-store" in response["Cache-Control"]
    again = administrator.get(address("loyalty.apiclient", "change", made.pk)).content.decode()
    assert key not in again
    assert key not in administrator.get(address("loyalty.apiclient", "changelist")).content.decode()
    assert not any(key in str(event.data) for event in AuditEvent.objects.all())
