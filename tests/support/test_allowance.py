"""Allowances of the desk: what counts for whom, what is counted, what waits beyond them (B-05, D-09)."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from loyalty import clock
from loyalty.models import AuditEvent, OutboxEvent
from offers.models import Assignment, DoorEntry, GrantLedgerEntry, VoucherSegment
from offers.services.door import ReferenceReused
from support.models import GrantRequest
from support.selectors import allowance as selectors
from support.services import assignment as verbs
from support.services import grant as service
from support.services import grant_set
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, UserFactory, import_codes
from tests.factories.allowance import allow, allow_members
from tests.support.test_ledger import WHY, agent, ann, programme, template

__all__ = ["agent", "ann", "programme", "template"]

pytestmark = pytest.mark.django_db
# A Wednesday noon in Auckland.
NOON = datetime(2026, 3, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def ask(member, template, agent, *, size=500, now=None, reference=None):
    return service.grant(
        member=member,
        template=template,
        terms={"benefit": {"type": "amount", "size": size}},
        reference=reference or uuid.uuid4(),
        why=WHY,
        actor=agent,
        now=now or clock.now(),
    )


def codes(*answers):
    return [answer.outcome.code for answer in answers]


# What an agent reaches with the third grant of 5.00 on one day, by limit: just enough, and one too little.
LIMITS = {"per_day": (3, 2), "day_minor": (1500, 1499), "per_week": (3, 2), "week_minor": (1500, 1499)}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("is_enough", [True, False])
def test_b_05_the_grant_that_goes_beyond_a_limit_waits_and_gives_nothing(programme, agent, template, limit, is_enough):
    enough, short = LIMITS[limit]
    allow(programme, user=agent, **{limit: enough if is_enough else short})
    members = MemberFactory.create_batch(3, programme=programme)
    answers = [ask(member, template, agent, now=NOON) for member in members]
    assert codes(*answers) == ["assigned", "assigned", "assigned" if is_enough else "awaiting_approval"]
    given = 3 if is_enough else 2
    assert Assignment.objects.count() == GrantLedgerEntry.objects.count() == DoorEntry.objects.count() == given
    assert OutboxEvent.objects.filter(type__startswith="assignment.").count() == given
    if not is_enough:
        asked = GrantRequest.objects.get()
        assert asked.excesses == [{"limit": limit, "allowed": short, "reached": enough}]
        assert (asked.member, asked.template, asked.asked_by) == (members[2], template, agent)
        assert (asked.terms, asked.exposure_minor) == ({"benefit": {"type": "amount", "size": 500}}, 500)
        assert (asked.reason, asked.ticket, asked.note) == (WHY.reason, WHY.ticket, WHY.note)
        assert asked.expires_at == NOON + timedelta(days=service.WAITING_DAYS)
        assert AuditEvent.objects.get(action="grant_request.asked").data["limits"] == [limit]


def test_b_05_a_single_grant_may_be_too_large_alone(programme, agent, ann, template):
    allow(programme, user=agent, single_minor=500)
    assert codes(ask(ann, template, agent, size=500), ask(ann, template, agent, size=501)) == [
        "assigned",
        "awaiting_approval",
    ]


def test_b_05_every_limit_that_is_exceeded_is_named(programme, agent, ann, template):
    allow(programme, user=agent, per_day=0, day_minor=100, per_week=1, week_minor=10_000, single_minor=499)
    allow_members(programme, number=0, amount_minor=600)
    ask(ann, template, agent)
    assert [each["limit"] for each in GrantRequest.objects.get().excesses] == [
        "per_day",
        "day_minor",
        "single_minor",
        "member_number",
    ]


def test_d_09_days_and_weeks_are_the_programmes_and_weeks_begin_on_monday(programme, agent, ann, template):
    """B-05: Sunday's last second in Auckland is last week, Monday's first one is a new day and a new week."""
    allow(programme, user=agent, per_day=1, per_week=2)
    # Sunday 8 March, 23:59:59 there; in UTC both moments are on one day.
    sunday = datetime(2026, 3, 8, 10, 59, 59, tzinfo=UTC)
    monday = sunday + timedelta(seconds=1)
    assert codes(
        ask(ann, template, agent, now=sunday - DAY),
        ask(ann, template, agent, now=sunday),
        ask(ann, template, agent, now=sunday),
        ask(ann, template, agent, now=monday),
        ask(ann, template, agent, now=monday),
        ask(ann, template, agent, now=monday + DAY),
        ask(ann, template, agent, now=monday + 2 * DAY),
    ) == [
        "assigned",
        "assigned",
        "awaiting_approval",
        "assigned",
        "awaiting_approval",
        "assigned",
        "awaiting_approval",
    ]


def test_b_05_what_is_taken_back_may_be_granted_again(programme, agent, ann, template):
    """Undo and revoke give back, by number and money, to the agent and to the member."""
    allow(programme, user=agent, per_day=1, day_minor=500)
    allow_members(programme, number=1)
    first = ask(ann, template, agent)
    verbs.undo(member=ann, assignment_id=first.outcome.assignment_id, actor=agent, now=clock.now())
    second = ask(ann, template, agent)
    held = Assignment.objects.get(pk=second.outcome.assignment_id)
    verbs.revoke(assignment=held, reason="slip", actor=agent, now=clock.now())
    assert codes(first, second, ask(ann, template, agent), ask(ann, template, agent)) == [
        "assigned",
        "assigned",
        "assigned",
        "awaiting_approval",
    ]


def test_b_05_a_member_is_limited_over_the_whole_desk_within_some_days(programme, agent, ann, template):
    allow_members(programme, days=7, number=2, amount_minor=900)
    other, ben = UserFactory(role="support agent", programmes=[programme]), MemberFactory(programme=programme)
    assert codes(
        ask(ann, template, agent, size=400, now=NOON - 7 * DAY),
        ask(ann, template, agent, size=500, now=NOON - 6 * DAY),
        ask(ann, template, other, size=400, now=NOON),
        ask(ann, template, other, size=1, now=NOON),
        ask(ben, template, agent, size=901, now=NOON),
    ) == ["assigned", "assigned", "assigned", "awaiting_approval", "awaiting_approval"]
    assert [request.excesses[0]["limit"] for request in GrantRequest.objects.order_by("id")] == [
        "member_number",
        "member_minor",
    ]


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        ({}, None),
        ({"all": 5}, 5),
        ({"all": 50, "agents": 5}, 5),
        ({"all": 5, "agents": 3, "leads": 7}, 7),
        ({"agents": 3, "leads": None}, None),
        ({"all": 5, "agents": 70, "own": 2}, 2),
        ({"all": 5, "agents": 7, "own": None}, None),
        ({"leads": 7}, None),
    ],
)
def test_b_05_an_own_row_stands_instead_of_roles_and_the_most_generous_role_counts(programme, agent, rows, counts):
    """Everybody's counts where neither she nor a role of hers has one; an empty limit is none."""
    leads = Group.objects.create(name="leads of a test")
    if "leads" in rows and len(rows) > 1:
        agent.groups.add(leads)
    for whom, most in rows.items():
        role = {"agents": "support agent", "leads": leads.name}.get(whom, "")
        allow(programme, user=agent if whom == "own" else None, role=role, per_day=most, single_minor=9)
    # Another programme's never count.
    allow(ProgrammeFactory(), user=agent, per_day=0)
    assert selectors.bounds(programme=programme, agent=agent).per_day == counts


def test_b_05_there_is_one_row_for_each_and_none_below_zero(programme, agent):
    for owner in ({}, {"user": agent}, {"role": "support agent"}):
        allow(programme, per_day=1, **owner)
        with pytest.raises(IntegrityError, match="an_allowance_is_set_once_for_each"), transaction.atomic():
            allow(programme, per_day=1, **owner)
    with pytest.raises(IntegrityError, match="an_allowance_is_never_negative"), transaction.atomic():
        allow(programme, user=UserFactory(), day_minor=-1)
    with pytest.raises(IntegrityError, match="an_allowance_is_for_a_person_or_a_role"), transaction.atomic():
        allow(programme, user=UserFactory(), role="marketer")


def test_b_05_the_same_form_sent_twice_is_one_request(programme, agent, ann, template):
    allow(programme, user=agent, per_day=0)
    reference = uuid.uuid4()
    first, again = (ask(ann, template, agent, reference=reference) for _ in range(2))
    assert (first.is_replayed, again.is_replayed, first.request) == (False, True, again.request)
    assert GrantRequest.objects.count() == 1
    with pytest.raises(ReferenceReused):
        ask(ann, template, agent, reference=reference, size=9_999)
    # Even where the limit is gone by now: the form asked, and waits.
    allow(programme, role="support agent", per_day=9)
    assert ask(ann, template, agent, reference=reference).request == first.request
    assert not Assignment.objects.exists()


def test_b_05_a_replay_of_what_was_granted_asks_for_nothing(programme, agent, ann, template):
    allow(programme, user=agent, per_day=1)
    reference = uuid.uuid4()
    first, again = (ask(ann, template, agent, reference=reference) for _ in range(2))
    assert again.outcome.assignment_id == first.outcome.assignment_id
    assert not GrantRequest.objects.exists()


def test_b_05_what_cannot_be_granted_at_all_is_refused_and_does_not_wait(programme, agent, ann):
    allow(programme, user=agent, per_day=0)
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    assert codes(ask_plain(ann, offer, agent)) == ["out_of_codes"]
    import_codes(offer, 1)
    assert codes(ask_plain(ann, offer, agent)) == ["awaiting_approval"]
    # The code that was drawn for a look is where it was.
    assert set(VoucherSegment.objects.filter(bank__config_offer=offer).values_list("cursor", flat=True)) == {0}


def ask_plain(member, offer, agent):
    return service.grant(
        member=member,
        template=offer.templates.get(),
        terms={},
        reference=uuid.uuid4(),
        why=WHY,
        actor=agent,
        now=clock.now(),
    )


def many(programme, members, template, agent, **changes):
    return grant_set.grant(
        programme=programme,
        member_ids=[member.pk for member in members],
        template=template,
        terms={"benefit": {"type": "amount", "size": 500}},
        **{"batch": uuid.uuid4(), "why": WHY, "actor": agent, "now": clock.now()} | changes,
    )


def test_b_05_a_set_counts_as_a_whole_and_once(programme, agent, template):
    allow(programme, user=agent, per_day=3, day_minor=1500)
    members, batch = MemberFactory.create_batch(3, programme=programme), uuid.uuid4()
    for is_again in (False, True):
        answers = many(programme, [*members, members[0]], template, agent, batch=batch)
        assert [(answer.outcome.code, answer.is_replayed) for answer in answers] == [("assigned", is_again)] * 3
    rows = GrantLedgerEntry.objects.all()
    assert {row.batch for row in rows} == {batch}
    assert {row.member for row in rows} == set(members)
    assert {entry.actor for entry in DoorEntry.objects.all()} == {agent}
    with pytest.raises(service.Beyond) as beyond:
        many(programme, MemberFactory.create_batch(2, programme=programme), template, agent)
    assert [(each.limit, each.allowed, each.reached) for each in beyond.value.excesses] == [
        ("per_day", 3, 5),
        ("day_minor", 1500, 2500),
    ]
    assert beyond.value.exposure_minor == 500
    assert Assignment.objects.count() == rows.count() == DoorEntry.objects.count() == 3


def test_b_05_a_set_beyond_a_limit_is_given_with_an_approver(programme, agent, template):
    allow(programme, user=agent, per_day=1)
    allow_members(programme, number=1)
    lead = UserFactory(programmes=[programme])
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    ask(ann, template, agent)
    with pytest.raises(service.Beyond) as beyond:
        many(programme, [ben, ann], template, agent)
    assert [each.limit for each in beyond.value.excesses] == ["per_day", "member_number"]
    many(programme, [ben, ann], template, agent, approved_by=lead)
    assert set(GrantLedgerEntry.objects.values_list("member", "approved_by")) == {
        (ann.pk, None),
        (ann.pk, lead.pk),
        (ben.pk, lead.pk),
    }


def test_b_05_a_set_takes_as_many_statements_for_many_as_for_few(programme, agent, template):
    allow(programme, user=agent, per_day=999)
    allow_members(programme, number=1)
    counts = []
    # The first one also looks up what is looked up once.
    for size in (1, 2, 40):
        members = MemberFactory.create_batch(size, programme=programme)
        with CaptureQueriesContext(connection) as asked:
            many(programme, members, template, agent)
        counts.append(len(asked))
    assert counts[1] == counts[2]
