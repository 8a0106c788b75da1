"""The last of an allowance, asked for from several tabs, processes and people at once (B-05)."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from loyalty import clock
from offers.models import Assignment, GrantLedgerEntry
from support.models import GrantRequest
from support.services import grant as service
from support.services import grant_request, grant_set
from support.services.grant import Beyond
from tests.factories import ConfigOfferFactory, MemberFactory, OfferTemplateFactory, UserFactory
from tests.factories.allowance import allow, allow_members
from tests.threads import at_once, deadlocks

pytestmark = pytest.mark.django_db(transaction=True)
TERMS = {"benefit": {"type": "amount", "size": 500}}


@pytest.fixture
def agent(programme):
    return UserFactory(role="support agent", programmes=[programme])


@pytest.fixture
def template(programme):
    offer = ConfigOfferFactory(
        programme=programme,
        terms={"validity": {"days": 30}, "redemption_limit": {"limit": 1}} | TERMS,
        repeat_policy="unlimited",
    )
    return OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])


def ask(member, template, agent, reference=None):
    return service.grant(
        member=member,
        template=template,
        terms=TERMS,
        reference=reference or uuid.uuid4(),
        why=service.Why(reason="goodwill"),
        actor=agent,
        now=clock.now(),
    ).outcome.code


def counted(**of):
    rows = GrantLedgerEntry.objects.filter(**of)
    return sum(row.n for row in rows), sum(row.exposure_minor for row in rows)


@pytest.mark.parametrize("limit", [{"per_day": 3}, {"week_minor": 1500}])
def test_b_05_of_many_tabs_on_the_last_of_an_allowance_exactly_one_is_granted(programme, agent, template, limit):
    allow(programme, user=agent, **limit)
    members = MemberFactory.create_batch(8, programme=programme)
    ask(members[0], template, agent)
    ask(members[1], template, agent)
    before = deadlocks()
    answers = at_once([lambda member=member: ask(member, template, agent) for member in members])
    assert sorted(answers) == ["assigned"] + ["awaiting_approval"] * 7
    assert counted(agent=agent) == (3, 1500)
    assert Assignment.objects.count() == 3
    assert GrantRequest.objects.count() == 7
    assert deadlocks() == before


def test_b_05_of_many_agents_on_the_last_of_a_members_allowance_exactly_one_grants(programme, template):
    allow_members(programme, number=1)
    ann = MemberFactory(programme=programme)
    agents = [UserFactory(role="support agent", programmes=[programme]) for _ in range(6)]
    answers = at_once([lambda agent=agent: ask(ann, template, agent) for agent in agents])
    assert sorted(answers) == ["assigned"] + ["awaiting_approval"] * 5
    assert counted(member=ann) == (1, 500)


def test_b_05_two_tabs_over_http_on_the_last_allowance_one_is_granted_and_one_waits(programme, agent, template):
    """Two sessions of one agent, each with a form of its own, sent at the same moment."""
    allow(programme, user=agent, per_week=1)
    members = MemberFactory.create_batch(2, programme=programme)

    def tab(member):
        client = Client()
        client.force_login(agent)
        data = {
            "template": template.pk,
            "reference": str(uuid.uuid4()),
            "reason": "goodwill",
            "benefit__type": "amount",
            "benefit__size": "5.00",
        }
        return client.post(reverse("support:grant", args=[member.pk]), data, follow=True).text

    texts = at_once([lambda member=member: tab(member) for member in members])
    assert sorted("It waits for a second person" in text for text in texts) == [False, True]
    assert sorted("Granted " in text for text in texts) == [False, True]
    assert counted(agent=agent) == (1, 500)
    assert GrantRequest.objects.count() == 1


def test_b_05_the_same_form_sent_by_ten_clicks_beyond_the_limit_is_one_request(programme, agent, template):
    allow(programme, user=agent, per_day=0)
    ann, reference = MemberFactory(programme=programme), uuid.uuid4()
    answers = at_once([lambda: ask(ann, template, agent, reference)] * 10)
    assert set(answers) == {"awaiting_approval"}
    assert GrantRequest.objects.count() == 1


def test_b_05_sets_and_single_grants_that_cross_never_exceed_and_never_wait_for_each_other_for_ever(
    programme, agent, template
):
    """Two agents give to the same members in opposite orders, beside single grants."""
    allow(programme, role="support agent", per_day=6)
    allow_members(programme, number=2)
    other = UserFactory(role="support agent", programmes=[programme])
    members = MemberFactory.create_batch(5, programme=programme)

    def many(agent, wanted):
        try:
            answers = grant_set.grant(
                programme=programme,
                member_ids=[member.pk for member in wanted],
                template=template,
                terms=TERMS,
                batch=uuid.uuid4(),
                why=service.Why(reason="goodwill"),
                actor=agent,
                now=clock.now(),
            )
        except Beyond:
            return 0
        return sum(answer.outcome.is_assigned for answer in answers)

    before = deadlocks()
    at_once(
        [
            lambda: many(agent, members),
            lambda: many(other, members[::-1]),
            lambda: many(agent, members[::-1]),
            lambda: many(other, members),
            *[lambda member=member: ask(member, template, agent) for member in members[:2]],
        ]
    )
    for one in (agent, other):
        assert counted(agent=one)[0] <= 6
    for member in members:
        assert counted(member=member)[0] <= 2
    assert Assignment.objects.count() == GrantLedgerEntry.objects.count()
    assert deadlocks() == before


def waiting(programme, agent, template):
    allow(programme, user=agent, per_day=0)
    ask(MemberFactory(programme=programme), template, agent)
    return GrantRequest.objects.get()


def decided(call):
    try:
        return call().state
    except grant_request.NotApprovable:
        return "too late"


@pytest.mark.parametrize("turn", range(3))
def test_b_05_of_approvers_decliners_and_who_withdraws_one_decides(programme, agent, template, turn):
    """Two clicks of one approver, another approver, somebody who declines, and the agent who withdraws."""
    asked = waiting(programme, agent, template)
    first, second = (UserFactory(role="support lead", programmes=[programme]) for _ in range(2))

    def of(verb, actor, **more):
        call = getattr(grant_request, verb)
        return lambda: decided(
            lambda: call(programme=programme, request_id=asked.pk, actor=actor, now=clock.now(), **more)
        )

    calls = [
        of("approve", first),
        of("approve", first),
        of("approve", second),
        of("decline", second, answer="Ask her first."),
        of("withdraw", agent),
    ]
    answers = at_once(calls[turn:] + calls[:turn])
    asked.refresh_from_db()
    assert sorted(answers) == sorted([asked.state] + ["too late"] * 4)
    given = 1 if asked.state == "approved" else 0
    assert Assignment.objects.count() == given
    assert counted(agent=agent) == (given, 500 * given)
