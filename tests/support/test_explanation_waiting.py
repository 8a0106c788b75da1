"""Explaining knows of grants that wait for a second person, alone or in a set (B-02, B-05)."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from loyalty import clock
from offers.models import Assignment, RepeatPolicy
from support.models import GrantBatch, GrantRequest
from support.services import grant_batch_decision, grant_request
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, UserFactory, give
from tests.factories.allowance import allow
from tests.support.test_allowance import ask, ask_plain
from tests.support.test_explanation import explain
from tests.support.test_grant_batch import make
from tests.support.test_grant_request import agent, ann, lead, programme, template, waiting

__all__ = ["agent", "ann", "lead", "programme", "template", "waiting"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(agent):
    client = Client()
    client.force_login(agent)
    return client


def explained(client, member, template):
    page = explain(client, member, template=template.pk)
    return page, page.context["found"]


def test_b_05_explain_says_since_when_it_waits_and_who_asked_and_opens_it(desk, ann, agent, template, waiting):
    """B-02: to read out, for the agent, as a step, and as what to do next, which is not granting it once more."""
    page, found = explained(desk, ann, template)
    url = reverse("support:grant_request", args=[waiting.pk])
    assert (found.code, found.has) == ("waiting_for_approval", False)
    assert "was asked for on your behalf today" in found.to_member
    assert found.to_agent.startswith("A grant of it waits for approval since today")
    assert f"asked by {agent}." in found.to_agent
    [step] = [step for step in found.steps if step.question == "approval"]
    assert (step.code, step.state, step.links) == ("approval_waiting", "failed", {"waiting": url})
    assert [(button.code, button.url) for button in page.context["buttons"]] == [("open_waiting", url)]
    assert page.text.count(f'href="{url}"') == 2
    assert desk.get(url).status_code == 200


def test_b_05_what_was_decided_or_is_over_waits_no_more(desk, ann, agent, lead, template, waiting):
    GrantRequest.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    assert explained(desk, ann, template)[1].code == "never_given", "nobody swept it yet"
    GrantRequest.objects.update(expires_at=clock.now() + timedelta(days=1))
    grant_request.decline(programme=ann.programme, request_id=waiting.pk, answer="No.", actor=lead, now=clock.now())
    assert explained(desk, ann, template)[1].code == "never_given"


def test_b_05_neither_another_offers_nor_another_members_wait_is_told(desk, programme, ann, agent, template, waiting):
    other = ConfigOfferFactory(programme=programme).templates.get()
    ben = MemberFactory(programme=programme)
    for member, of in ((ann, other), (ben, template)):
        found = explained(desk, member, of)[1]
        assert (found.code, [s for s in found.steps if s.question == "approval"]) == ("never_given", [])
    elsewhere = MemberFactory(programme=ProgrammeFactory())
    assert explain(desk, elsewhere, template=template.pk).status_code == 404


def test_b_05_a_set_that_waits_is_told_and_opened_by_who_may_see_it(desk, programme, ann, agent, lead, template):
    """B-02: she is one line of it."""
    allow(programme, user=agent, per_day=0)
    gone = MemberFactory(programme=programme, status="inactive")
    batch = make(template, [ann, gone], agent)
    assert batch.state == GrantBatch.State.WAITING
    url = reverse("support:grant_batch", args=[batch.pk])
    page, found = explained(desk, ann, template)
    assert found.code == "waiting_for_approval"
    assert [(button.code, button.url) for button in page.context["buttons"]] == [("open_waiting", url)]
    assert desk.get(url).status_code == 200
    # What is the matter with her explains it: approving the set gives her nothing.
    assert explained(desk, gone, template)[1].code == "member_inactive"
    # A colleague reads it out as well, and has nothing to open.
    colleague = Client()
    colleague.force_login(UserFactory(role="support agent", programmes=[programme]))
    page, found = explained(colleague, ann, template)
    assert found.code == "waiting_for_approval"
    assert [(button.code, button.url) for button in page.context["buttons"]] == [("open_waiting", "")]
    assert url not in page.text
    grant_batch_decision.decline(programme=programme, batch_id=batch.pk, answer="No.", actor=lead, now=clock.now())
    assert explained(desk, ann, template)[1].code == "never_given"


def test_b_05_a_sets_grant_and_a_single_one_are_told_the_oldest_first(desk, programme, ann, agent, template, waiting):
    make(template, [ann], agent, now=clock.now() + timedelta(seconds=1))
    ask(ann, template, agent)
    steps = [step for step in explained(desk, ann, template)[1].steps if step.question == "approval"]
    assert len(steps) == 3
    assert steps[0].links["waiting"] == reverse("support:grant_request", args=[waiting.pk])


def ended(member, offer):
    """Give the offer to the member a month ago, until yesterday."""
    held, now = give(member, offer), clock.now()
    long_ago = now - timedelta(days=30)
    Assignment.objects.filter(pk=held.pk).update(
        issued_at=long_ago, starts_at=long_ago, ends_at=now - timedelta(days=1)
    )
    return held


def test_b_05_of_an_expired_one_that_was_asked_about_no_second_grant_is_offered_beside_what_waits(
    desk, programme, ann, agent
):
    offer = ConfigOfferFactory(programme=programme, repeat_policy=RepeatPolicy.ONE_OPEN)
    held = ended(ann, offer)

    def buttons():
        page = explain(desk, ann, offer=str(held.pk))
        assert page.context["found"].code == "expired"
        return {button.code for button in page.context["buttons"]}

    assert "grant" in buttons()
    allow(programme, user=agent, per_day=0)
    assert ask_plain(ann, offer, agent).request is not None
    assert buttons() & {"grant", "open_waiting"} == {"open_waiting"}


def test_b_05_what_she_may_hold_once_and_held_is_not_said_to_be_looked_at(desk, programme, ann, agent):
    """Approving what waits would be refused: what she held explains it."""
    offer = ConfigOfferFactory(programme=programme, repeat_policy=RepeatPolicy.ONCE_EVER)
    template = offer.templates.get()
    allow(programme, user=agent, per_day=0)
    assert ask_plain(ann, offer, agent).request is not None
    assert explained(desk, ann, template)[1].code == "waiting_for_approval"
    ended(ann, offer)
    assert explained(desk, ann, template)[1].code == "expired"


def test_b_05_one_whose_own_last_day_has_passed_explains_nothing_and_keeps_no_other_from_being_granted(
    desk, programme, ann, agent
):
    """B-02: the offer goes on, and what was asked for does not; it can still be opened, to decline it."""
    offer = ConfigOfferFactory(programme=programme)
    template = offer.templates.get()
    allow(programme, user=agent, per_day=0)
    asked = ask_plain(ann, offer, agent).request
    url = reverse("support:grant_request", args=[asked.pk])
    for days, code in ((1, "waiting_for_approval"), (-1, "never_given")):
        last = (clock.now() + timedelta(days=days)).astimezone(programme.zone).date()
        GrantRequest.objects.update(terms={"validity": {"ends_at": last.isoformat()}})
        assert explained(desk, ann, template)[1].code == code
    page, found = explained(desk, ann, template)
    [step] = [step for step in found.steps if step.question == "approval"]
    assert (step.code, step.state, step.links) == ("approval_too_late", "failed", {"waiting": url})
    assert "cannot be approved any more" in step.text
    assert [button.code for button in page.context["buttons"]] == ["open_waiting", "grant"]
    # Another one beside it, without an end of its own, is what she waits for.
    other = ask_plain(ann, offer, agent).request
    page, found = explained(desk, ann, template)
    assert found.code == "waiting_for_approval"
    [button] = page.context["buttons"]
    assert (button.code, button.url) == ("open_waiting", reverse("support:grant_request", args=[other.pk]))
