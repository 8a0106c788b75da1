"""The API's description: complete, valid, and not for strangers."""

import pytest
from django.core.management import call_command
from django.test import Client

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_the_schema_is_valid_without_a_warning(tmp_path):
    call_command(
        "spectacular", validate=True, fail_on_warn=True, format="openapi-json", file=str(tmp_path / "schema.json")
    )


def test_strangers_see_neither_schema_nor_page(settings):
    """ASVS 13.4.5: no open documentation in production."""
    assert Client().get("/api/schema/").status_code in (401, 403)
    page = Client().get("/api/docs/")
    assert (page.status_code, page["Location"].partition("?")[0]) == (302, "/accounts/login/")
    settings.DEMO = True
    assert Client().get("/api/schema/").status_code == 200
    assert Client().get("/api/docs/").status_code == 200


def test_staff_see_both_and_the_page_loads_everything_from_here():
    client = Client()
    client.force_login(UserFactory())
    schema = client.get("/api/schema/").json()
    assert schema["openapi"] == "3.1.0"
    assert "/api/v1/me/offers" in schema["paths"]
    page = client.get("/api/docs/").content.decode()
    assert "<style" not in page
    assert "://" not in page
