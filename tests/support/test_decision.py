"""Who asked is told what was decided about her grants that waited, until she has read it (B-05)."""

import re
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


def shown(client, name="home"):
    """Return what the button of that page sends: the decisions that stand there."""
    page = client.get(reverse(f"support:{name}")).text
    sent = {"from": [name]}
    for field, key in re.findall(r'name="(request|batch)" value="([0-9a-f-]+)"', page):
        sent.setdefault(field, []).append(key)
    return sent


def send(client, sent):
    return client.post(reverse("support:read_decisions"), sent)


def read(client, name="home"):
    return send(client, shown(client, name))


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
    assert read(desk, "my_grants")["Location"] == mine
    assert send(desk, {"request": [waiting.pk]})["Location"] == home, "once more is no harm"
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
    # Nobody reads for another, nor in another programme what is of this one.
    client = Client()
    client.force_login(lead)
    sent = shown(desk)
    send(client, sent)
    keys = [int(key) for key in sent["request"]]
    known = {"requests": keys, "batches": [], "now": clock.now()}
    assert decision.mark_read(programme=ProgrammeFactory(), user=agent, **known) == 0
    assert count(agent, programme) == 1


def test_b_05_what_nobody_decided_in_time_is_told_too(desk, programme, agent, waiting):
    grant_request.expire(now=waiting.expires_at)
    assert count(agent, programme) == 1
    assert "expired" in desk.get(reverse("support:home")).text
    read(desk)
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


def test_b_05_what_was_not_on_the_page_stays_unread(desk, programme, agent, lead, ann, template, waiting):
    """Decided after she looked; or before it, and committed after it, so that its moment lies before hers."""
    later, unseen = (ask(ann, template, agent).request for _turn in range(2))
    decline(waiting, lead)
    looked = clock.now()
    sent = shown(desk)
    decline(later, lead, now=looked + timedelta(seconds=1))
    decline(unseen, lead, now=looked - timedelta(seconds=1))
    send(desk, sent)
    assert set(selectors.unread_requests(programme=programme, user=agent)) == {later, unseen}


def test_b_05_of_more_than_a_page_shows_the_rest_stays_unread(
    desk, programme, agent, lead, ann, template, waiting, monkeypatch
):
    monkeypatch.setattr(selectors, "MOST", 2)
    known = {"programme": programme, "actor": lead, "answer": "Too many.", "now": clock.now()}
    for asked in (waiting, *(ask(ann, template, agent).request for _turn in range(2))):
        decline(asked, lead)
    for _turn in range(3):
        batch = make(template, [MemberFactory(programme=programme)], agent)
        grant_batch_decision.decline(batch_id=batch.pk, **known)
    left = []
    for _turn in range(3):
        left.append(count(agent, programme))
        read(desk)
    assert left == [6, 2, 0]


@pytest.mark.parametrize("keys", [[], [""], ["soon"], ["-1"], ["1", "٣"], [str(2**63)], ["1"] * 51])
@pytest.mark.parametrize("name", ["request", "batch"])
def test_b_05_what_names_no_decisions_marks_nothing_and_says_so(name, keys, desk, programme, agent, lead, waiting):
    decline(waiting, lead)
    sent = {"request": [waiting.pk]} if keys else {}
    sent[name] = [*sent.get(name, []), *keys]
    answer = desk.post(reverse("support:read_decisions"), sent, follow=True)
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
    assert send(client, {"request": [waiting.pk]}).status_code == 403
    client.force_login(agent)
    assert send(client, {"request": [waiting.pk]}).status_code == 403
