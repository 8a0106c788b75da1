"""Pages that answer a way of asking that an address does not take."""

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.models import Scope
from tests.factories import ApiClientFactory, ConfigOfferFactory, ProgrammeFactory, TargetingFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def marketer(client, programme):
    client.force_login(UserFactory(role="marketer", programmes=[programme]))
    return client


def test_s4_26_enter_in_the_address_bar_after_a_refusal_shows_a_page_with_the_way_back(marketer, programme):
    """S4-26, SCREENS: 405 and `Allow` as before, and the page that the form stood on, of each of these addresses."""
    audience = TargetingFactory(programme=programme)
    offer = ConfigOfferFactory(programme=programme)
    for name, args, above in (
        ("targeting-archive", [audience.pk], reverse("offers:targeting", args=[audience.pk])),
        ("personal_upload", [offer.pk], reverse("offers:personal_offers", args=[offer.pk])),
        ("run_undo", [7], reverse("offers:run", args=[7])),
    ):
        for way in (marketer.get, marketer.head):
            answer = way(reverse(f"offers:{name}", args=args))
            assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        page = marketer.get(reverse(f"offers:{name}", args=args)).content.decode()
        assert "This address only takes what a form sends." in page
        assert f'href="{above}"' in page
        assert 'href="/"' in page


def test_a_page_that_is_sent_something_says_that_it_can_only_be_looked_at(marketer):
    """SCREENS: nothing white; the way back is the page itself."""
    answer = marketer.post(reverse("offers:run_schedules"))
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert "It can only be looked at. Nothing was changed." in answer.content.decode()
    assert f'href="{reverse("offers:run_schedules")}"' in answer.content.decode()


def test_a_stranger_gets_the_page_too_and_a_machine_keeps_its_problem_details(programme):
    """Nothing under /api/ is answered with a page; the page needs no one signed in."""
    assert b"This address only takes what a form sends." in Client().get(reverse("offers:run_undo", args=[7])).content
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.MEMBERS])
    answer = Client().delete("/api/v1/consents", headers={"Authorization": f"Api-Key {key}"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")
    answer = Client().post("/api/docs/")
    assert (answer.status_code, answer.content) == (405, b"")
