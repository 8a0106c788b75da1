"""The thresholds of approval in the administration: money as people write it (issue 4, approval; D-08)."""

import re
from decimal import Decimal

import pytest
from django.urls import reverse

from tests.factories import ProgrammeFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    def signed_in(programme):
        user = UserFactory(programmes=[programme], is_staff=True, is_superuser=True)
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return signed_in


def _sent(page, **values):
    """Return what the form holds, with some of it changed."""
    given = {name: field.value() for name, field in ((one.html_name, one) for one in page.context["adminform"].form)}
    given = {name: "" if value is None else value for name, value in given.items()}
    given["languages"] = "en"
    return given | values


@pytest.mark.parametrize(
    ("currency", "typed", "minor"), [("EUR", "1250.50", 125_050), ("JPY", "5000", 5_000), ("KWD", "1.5", 1_500),
                                     ("EUR", "", None), ("EUR", "0", 0)]
)  # fmt: skip
def test_d_08_a_cost_is_typed_and_shown_in_the_programmes_currency_and_kept_in_its_minor_units(
    admin, currency, typed, minor
):
    """D-08, issue 4 (approval): 1250.50 is 125,050 cents; yen have none; empty takes it away."""
    programme = ProgrammeFactory(currency=currency, approval_cost_minor=99)
    browser = admin(programme)
    address = reverse("admin:loyalty_programme_change", args=[programme.pk])
    shown = browser.get(address)
    assert f"An amount in {currency}" in shown.content.decode()
    answer = browser.post(address, _sent(shown, approval_cost=typed))
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    programme.refresh_from_db()
    assert programme.approval_cost_minor == minor
    again = browser.get(address).content.decode()
    shown = re.search(r'value="([^"]*)"', re.search(r'<input[^>]*name="approval_cost"[^>]*>', again)[0])
    assert (Decimal(shown[1]) if shown else None) == (Decimal(typed) if typed else None)


@pytest.mark.parametrize("typed", ["12.345", "-1", "lots", "1e30"])
def test_an_amount_that_the_currency_has_not_is_refused_and_the_threshold_stays(admin, typed):
    """Issue 4, bad input: said beside the field, nothing changed."""
    programme = ProgrammeFactory(currency="EUR", approval_cost_minor=99)
    browser = admin(programme)
    address = reverse("admin:loyalty_programme_change", args=[programme.pk])
    answer = browser.post(address, _sent(browser.get(address), approval_cost=typed))
    assert answer.status_code == 200
    assert "approval_cost" in answer.context["adminform"].form.errors
    programme.refresh_from_db()
    assert programme.approval_cost_minor == 99
