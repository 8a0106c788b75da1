"""The read-only auditor, and what the roles are made of (issue 5, C-03)."""

import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.architecture import addresses
from tests.architecture.callers import text_of
from tests.architecture.test_permission_matrix import of_matrix
from tests.architecture.world import plant
from tests.factories import UserFactory

WRITE = re.compile(r'^\s*(?:WITH\b.*)?(INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE | re.DOTALL)
# What anybody leaves behind by looking, and what is her own: her session, her account, whether mails reach her.
OWN = {"loyalty_auditevent", "django_session", "loyalty_user", "offers_runfollower", "account_emailaddress"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return plant("Arctic")


@pytest.fixture
def auditor(world):
    client = Client(raise_request_exception=False)
    client.force_login(UserFactory(role="auditor", programmes=[world.programme]))
    return client


def test_an_auditor_may_look_at_everything_that_there_is_and_do_nothing_else():
    """Something new to look at is given to auditors by the migration that gives it to others (issue 5)."""
    looks = {
        one.codename
        for one in Permission.objects.filter(content_type__app_label__in=["loyalty", "offers", "support"])
        if one.codename == f"view_{one.content_type.model}"
    }
    has = set(Group.objects.get(name="auditor").permissions.values_list("codename", flat=True))
    # To supervise is to look as well: at everybody's grants, with figures.
    assert has == looks | {"view_group", "supervise"}


def test_an_auditor_changes_nothing_at_any_address(world, auditor, settings):
    """Whatever she sends wherever, only the audit and what is her own is written (issue 5)."""
    settings.RATES = dict.fromkeys(settings.RATES, (10**9, 60))
    written = {}
    for address in of_matrix():
        # Her own account is hers; machines come with keys.
        if address.startswith(("/api/", "/accounts/", "/rewards/")):
            continue
        for ask in (auditor.get, auditor.post):
            with transaction.atomic():
                with CaptureQueriesContext(connection) as captured:
                    text_of(ask(addresses.filled(address, world.values())))
                transaction.set_rollback(True)
            found = {match[2] for one in captured if (match := WRITE.match(one["sql"] or ""))} - OWN
            if found:
                written[address] = found
    assert written == {}


def test_an_auditor_sees_no_contact_data_and_no_code(world, auditor):
    """Neither in a page nor in what she may take away as a file (issue 5, D-10)."""
    for address in of_matrix():
        if address.startswith(("/api/", "/accounts/")):
            continue
        text = text_of(auditor.get(addresses.filled(address, world.values())))
        for secret in (world["member"].email, world["member"].phone, "Arctic-CODE-"):
            assert secret not in text, f"{secret} in {address}"


def test_an_auditor_reveals_and_grants_nothing(world, auditor):
    member, held = world["member"], world["assignment"]
    for name, key in (
        ("member_reveal", member.pk),
        ("as_member", member.pk),
        ("grant", member.pk),
        ("show_code", held.pk),
        ("revoke", held.pk),
        ("reissue", held.pk),
        ("extend", held.pk),
        ("close", held.pk),
    ):
        assert auditor.post(reverse(f"support:{name}", args=[key])).status_code == 403, name
    assert auditor.get(reverse("support:member", args=[member.pk])).status_code == 200
    assert auditor.get(reverse("support:assignment", args=[held.pk])).status_code == 200
    assert auditor.get(reverse("admin:loyalty_auditevent_changelist")).status_code == 200
