""" "My notifications", following a run, and what a run's page says of its mails (issue 4, S4-27)."""

import pytest
from django.test import Client
from django.urls import reverse

from loyalty import clock
from offers.models import RunFollower, RunNotification
from offers.services import mass_assignment
from tests.factories import ProgrammeFactory, UserFactory, work
from tests.offers.views.marketer import a_run, sign_in, words

pytestmark = pytest.mark.django_db
PAGE = "/offers/notifications"


@pytest.fixture
def ann(programme):
    return UserFactory(role="marketer", programmes=[programme], first_name="Ann")


@pytest.fixture
def client_of_ann(ann):
    client = Client()
    client.force_login(ann, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_a_person_chooses_which_mails_she_wants(client_of_ann, ann):
    """Issue 4, S4-27: all on by default; what is not a kind, or a language, is not kept."""
    seen = words(client_of_ann.get(PAGE))
    assert seen.count(" checked>") == 4
    assert f"Mails go to {ann.email}." in seen
    client_of_ann.post(PAGE, {"wanted": ["troubled", "approval", "nonsense"], "language": "de"})
    ann.refresh_from_db()
    assert (ann.muted_mails, ann.language) == (["finished", "undone"], "de")
    assert words(client_of_ann.get(PAGE)).count(" checked>") == 2
    client_of_ann.post(PAGE, {"language": "tlh"})
    ann.refresh_from_db()
    assert (len(ann.muted_mails), ann.language) == (4, "")


def test_the_page_says_where_mails_land_as_files(client_of_ann, settings):
    """Issue 4: in the demo nothing is sent, and the page says so."""
    assert "No mail server is set up" not in words(client_of_ann.get(PAGE))
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = "/srv/laurel/var/mail"
    assert "mails land as files in <code>/srv/laurel/var/mail</code>" in words(client_of_ann.get(PAGE))


def test_another_marketer_follows_a_run_and_stops(client_of_ann, ann, coffee, everyone):
    """Issue 4, S4-27: a button on the run's page, harmless twice."""
    run = a_run(coffee.templates.get(), everyone)
    page = reverse("offers:run", args=[run.pk])
    assert "Follow</button>" in words(client_of_ann.get(page))
    for _ in range(2):
        client_of_ann.post(reverse("offers:run_follow", args=[run.pk]), {"following": "1"})
    assert RunFollower.objects.get().user == ann
    assert "Stop following</button>" in words(client_of_ann.get(page))
    client_of_ann.post(reverse("offers:run_follow", args=[run.pk]), {"following": "0"})
    assert not RunFollower.objects.exists()


def test_a_run_of_another_programme_cannot_be_followed(coffee, everyone):
    """Issue 4, D-21."""
    run = a_run(coffee.templates.get(), everyone)
    stranger = sign_in(ProgrammeFactory())
    assert stranger.post(reverse("offers:run_follow", args=[run.pk]), {"following": "1"}).status_code == 404
    assert not RunFollower.objects.exists()


def test_a_mail_that_was_given_up_is_shown_with_its_cause(client_of_ann, ann, coffee, everyone):
    """Issue 4, S4-27: on the run's page and on her own."""
    run = a_run(coffee.templates.get(), everyone, name="Autumn")
    run = work(mass_assignment.launch(run=run, actor=ann, now=clock.now()))
    page = reverse("offers:run", args=[run.pk])
    assert "on its way" in words(client_of_ann.get(page))
    RunNotification.objects.update(given_up_at=clock.now(), attempts=5, failure="SMTPServerDisconnected: <gone>")
    for address in (page, PAGE):
        seen = words(client_of_ann.get(address))
        assert "given up" in seen
        assert "after 5 attempts: <code>SMTPServerDisconnected: &lt;gone&gt;</code>" in seen
