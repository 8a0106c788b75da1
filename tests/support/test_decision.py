"""Who asked is told what was decided about her grants that waited, until she has read it (B-05)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty import clock
from support.models import GrantBatch, GrantRequest
from support.selectors import decision as selectors
from support.services import decision, grant_batch_decision, grant_request
from tests.factories import MemberFactory, ProgrammeFactory, UserFactory
from tests.factories.allowance import allow
from tests.support.test_allowance import ask
from tests.support.test_grant_batch import make
from tests.support.test_grant_request import agent, ann, lead, programme, template, waiting

__all__ = ["agent", "ann", "lead", "programme", "template", "waiting"]

pytestmark = pytest.mark.django_db
BADGE = "decided and not read yet"


@pytest.fixture
def desk(agent):
    client = Client()
    client.force_login(agent)
    return client


def decline(asked, lead, now=None):
    return grant_request.decline(
        programme=asked.programme, request_id=asked.pk, answer="Ask her first.", actor=lead, now=now or clock.now()
    )


def count(agent, programme):
    return selectors.count(programme=programme, user=agent)


def read(client, until=None, **more):
    data = {"until": (until or clock.now()).isoformat()} | more
    return client.post(reverse("support:read_decisions"), data)


def test_b_05_a_decision_is_counted_and_told_until_it_is_read(desk, programme, agent, lead, waiting):
    """On each page in the navigation, on Home and among her grants with the answer; then it is among the others."""
    home, mine, other = (reverse(f"support:{name}") for name in ("home", "my_grants", "members"))
    assert BADGE not in desk.get(other).text
    decline(waiting, lead)
    assert count(agent, programme) == 1
    for address in (home, mine):
        page = desk.get(address).text
        for said in ("Decided about your grants", "declined by Lea Lead", "Ask her first.", BADGE):
            assert said in page, (address, said)
    assert desk.get(home).text.count("declined by Lea Lead") == 1
    assert BADGE in desk.get(other).text
    assert read(desk, **{"from": "my_grants"})["Location"] == mine
    assert read(desk)["Location"] == home
    waiting.refresh_from_db()
    assert waiting.read_at is not None
    page = desk.get(home).text
    assert "declined by Lea Lead" in page
    for unsaid in ("Decided about your grants", BADGE):
        assert unsaid not in page


def test_b_05_nobody_but_who_asked_is_told_and_nobody_of_what_she_did_herself(
    desk, programme, agent, lead, ann, template, waiting
):
    grant_request.withdraw(programme=programme, request_id=waiting.pk, actor=agent, now=clock.now())
    assert count(agent, programme) == 0
    decline(ask(ann, template, agent).request, lead)
    assert count(lead, programme) == 0
    assert count(agent, ProgrammeFactory()) == 0
    # Nobody reads for another.
    client = Client()
    client.force_login(lead)
    read(client)
    assert count(agent, programme) == 1


def test_b_05_what_nobody_decided_in_time_is_told_too(desk, programme, agent, waiting):
    grant_request.expire(now=waiting.expires_at)
    assert count(agent, programme) == 1
    assert "expired" in desk.get(reverse("support:home")).text
    assert decision.mark_read(programme=programme, user=agent, until=waiting.expires_at, now=clock.now()) == 1
    assert count(agent, programme) == 0


def test_b_05_a_set_that_was_decided_is_told_and_one_that_never_waited_is_not(desk, programme, agent, lead, template):
    make(template, MemberFactory.create_batch(2, programme=programme), agent)
    assert count(agent, programme) == 0
    allow(programme, user=agent, per_day=0)
    batches = [make(template, [MemberFactory(programme=programme)], agent) for _turn in range(2)]
    known = {"programme": programme, "actor": lead, "now": clock.now()}
    grant_batch_decision.approve(batch_id=batches[0].pk, **known)
    grant_batch_decision.decline(batch_id=batches[1].pk, answer="Too many.", **known)
    assert count(agent, programme) == 2
    page = desk.get(reverse("support:home")).text
    assert "Too many." in page
    for batch in batches:
        assert reverse("support:grant_batch", args=[batch.pk]) in page
    read(desk)
    assert count(agent, programme) == 0
    assert GrantBatch.objects.filter(read_at__isnull=False).count() == 2


def test_b_05_what_was_decided_after_she_looked_stays_unread(desk, programme, agent, lead, ann, template, waiting):
    decline(waiting, lead)
    looked = clock.now()
    later = ask(ann, template, agent).request
    decline(later, lead, now=looked + timedelta(seconds=1))
    read(desk, until=looked)
    assert list(selectors.unread_requests(programme=programme, user=agent)) == [later]


@pytest.mark.parametrize("until", ["", "soon", "2026-11-22T10:00:00"])
def test_b_05_a_moment_that_cannot_be_read_marks_nothing_and_says_so(until, desk, programme, agent, lead, waiting):
    decline(waiting, lead)
    answer = desk.post(reverse("support:read_decisions"), {"until": until}, follow=True)
    assert "Nothing was marked." in answer.text
    assert count(agent, programme) == 1


def test_b_05_the_number_of_queries_does_not_grow_with_what_was_decided(desk, programme, agent, lead, ann, template):
    allow(programme, user=agent, per_day=0)

    def asked():
        with CaptureQueriesContext(connection) as captured:
            assert desk.get(reverse("support:my_grants")).status_code == 200
        return len(captured)

    decline(ask(ann, template, agent).request, lead)
    asked()
    before = asked()
    for _turn in range(4):
        decline(ask(MemberFactory(programme=programme), template, agent).request, lead)
    assert asked() == before
    assert GrantRequest.objects.filter(read_at__isnull=True).count() == 5


def test_b_05_who_may_not_grant_any_more_is_asked_nothing(programme, agent, lead, waiting):
    decline(waiting, lead)
    agent.groups.clear()
    client = Client()
    client.force_login(UserFactory(role="auditor", programmes=[programme]))
    assert read(client).status_code == 403
    client.force_login(agent)
    assert read(client).status_code == 403
