"""Making good for many: looked at, given as one set within the allowance, told line by line, undone (B-05, issue 5)."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty import clock
from loyalty.errors import InvalidInput, NotFound
from loyalty.models import AuditEvent
from offers.models import Assignment, AssignmentEvent, DoorEntry, GrantLedgerEntry, Redemption
from offers.services import assignment_verbs
from support.models import GrantBatch, GrantBatchLine
from support.services import grant_batch as service
from support.services import grant_batch_decision as decision
from support.services import grant_batch_lines
from support.services.grant import Why
from support.services.grant_batch_lines import Plan
from support.services.grant_request import NotApprovable
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    UserFactory,
    import_codes,
    limit_of,
    redeem,
)
from tests.factories.allowance import allow
from tests.offers.selectors.test_integrity import found

pytestmark = pytest.mark.django_db
TERMS = {"benefit": {"type": "amount", "size": 500}}


@pytest.fixture
def agent(programme):
    return UserFactory(role="support agent", programmes=[programme])


@pytest.fixture
def lead(programme):
    return UserFactory(role="support lead", programmes=[programme])


@pytest.fixture
def template(programme):
    offer = ConfigOfferFactory(
        programme=programme,
        terms={"validity": {"days": 30}, "benefit": {"type": "amount", "size": 500}, "redemption_limit": {"limit": 1}},
        repeat_policy="one_open",
        require_vouchers=True,
    )
    import_codes(offer, 60)
    return OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])


def plan(template, members, *, ticket="#77", **more):
    named = [(n, one if isinstance(one, str) else one.external_id) for n, one in enumerate(members, 1)]
    return Plan(template.programme, template, TERMS, named, Why("service", ticket, "Till 4 was down"), **more)


def make(template, members, agent, *, reference=None, now=None, **more):
    wish = plan(template, members, **more)
    return service.make(plan=wish, reference=reference or uuid.uuid4(), actor=agent, now=now or clock.now())


def outcomes(batch):
    return list(GrantBatchLine.objects.filter(batch=batch).order_by("place").values_list("outcome", flat=True))


def tables():
    return [model.objects.count() for model in (Assignment, DoorEntry, GrantLedgerEntry, GrantBatch, GrantBatchLine)]


def everybody(programme, template, agent):
    """Return a list with one of each fate: given, given by e-mail, held, inactive, repeated, unknown, two at once."""
    ann, ben, cleo, dan = MemberFactory.create_batch(4, programme=programme)
    twins = MemberFactory.create_batch(2, programme=programme, email="twin@example.com", email_key="twin@example.com")
    MemberFactory(programme=programme, external_id="GONE", status="inactive")
    foreign = MemberFactory(external_id="FOREIGN")
    ben.email, ben.email_key = "Ben@example.com", "ben@example.com"
    ben.save()
    make(template, [cleo], agent, ticket="#1")
    make(template, [dan], agent, ticket="#77")
    return [ann, " ben@EXAMPLE.com".strip(), cleo, dan, "GONE", ann, "NOBODY", foreign.external_id, twins[0].email]


FATES = [
    "assigned", "assigned", "already_held", "made_good", "member_inactive", "repeated", "unknown_member",
    "unknown_member", "ambiguous",
]  # fmt: skip


def test_b_05_a_preview_says_what_it_would_do_line_by_line_and_writes_nothing(programme, agent, template):
    """B-05: known, unknown by line, repeated, inactive, held, made good for the ticket, codes, cost, allowance."""
    members = everybody(programme, template, agent)
    allow(programme, per_week=3)
    before = tables()
    seen = service.preview(plan=plan(template, members), actor=agent, now=clock.now())
    assert [line.outcome for line in seen.lines] == FATES
    assert [line.line for line in seen.problems] == [3, 4, 5, 6, 7, 8, 9]
    assert (seen.assigned, seen.exposure_minor, seen.codes_left) == (2, 1000, 58)
    assert (seen.used.week, seen.week_after, seen.week_minor_after) == (2, 4, 2000)
    [excess] = seen.excesses
    assert (excess.limit, excess.allowed, excess.reached) == ("per_week", 3, 4)
    assert tables() == before
    # Also those of the ticket, if that is meant: one of them holds it, of the offer one at a time.
    again = service.preview(plan=plan(template, members, is_again=True), actor=agent, now=clock.now())
    assert [line.outcome for line in again.lines][3] == "already_held"


def test_b_05_the_set_is_given_as_it_was_foreseen_and_stands_in_the_ledger_as_one(programme, agent, template):
    members = everybody(programme, template, agent)
    batch = make(template, members, agent)
    assert outcomes(batch) == FATES
    assert batch.counts == {
        "assigned": 2, "already_held": 1, "made_good": 1, "member_inactive": 1, "repeated": 1, "unknown_member": 2,
        "ambiguous": 1,
    }  # fmt: skip
    assert (batch.state, batch.exposure_minor) == ("granted", 1000)
    rows = GrantLedgerEntry.objects.filter(batch=batch.pk)
    assert {(row.agent, row.reason, row.ticket, row.n) for row in rows} == {(agent, "service", "#77", 1)}
    assert set(rows.values_list("assignment_id", flat=True)) == set(
        GrantBatchLine.objects.filter(batch=batch, outcome="assigned").values_list("assignment_id", flat=True)
    )
    # How members are reached is kept masked.
    assert list(batch.lines.filter(named__contains="@").values_list("named", flat=True)) == [
        "b••••@EXAMPLE.com", "t••••@example.com"
    ]  # fmt: skip
    event = AuditEvent.objects.filter(action="grant_batch.granted").latest("pk")
    assert event.data == {"counts": batch.counts, "exposure_minor": 1000}
    assert found() == {}


def test_b_05_the_same_form_again_is_the_same_set(programme, agent, template):
    ann = MemberFactory(programme=programme)
    reference = uuid.uuid4()
    first = make(template, [ann], agent, reference=reference)
    before = tables()
    assert make(template, [ann, MemberFactory(programme=programme)], agent, reference=reference) == first
    assert tables() == before


def test_b_05_an_error_at_the_very_end_leaves_nothing(programme, agent, template, monkeypatch):
    """As kill -9 would: one transaction holds all of it."""
    before = tables()

    def fail(*args, **more):
        raise RuntimeError("the machine went away")

    monkeypatch.setattr(service, "note", fail)
    with pytest.raises(RuntimeError):
        make(template, MemberFactory.create_batch(3, programme=programme), agent)
    assert tables() == before
    assert template.config_offer.voucher_bank.segments.get().cursor == 0


def test_b_05_the_number_of_statements_does_not_depend_on_the_number_of_members(programme, agent, template):
    allow(programme, per_week=100)
    limit_of(template.config_offer, cap=100)

    def asked(number):
        members = MemberFactory.create_batch(number, programme=programme)
        with CaptureQueriesContext(connection) as asked:
            batch = make(template, members, agent)
        with CaptureQueriesContext(connection) as undone:
            service.undo(programme=programme, batch_id=batch.pk, actor=agent, now=clock.now())
        with CaptureQueriesContext(connection) as seen:
            service.preview(plan=plan(template, members), actor=agent, now=clock.now())
        return len(asked), len(undone), len(seen)

    # What a session does once.
    asked(1)
    assert asked(2) == asked(25)


class TestBeyondALimit:
    def test_b_05_the_whole_set_waits_for_a_second_person_who_gives_all_of_it(self, programme, agent, lead, template):
        allow(programme, per_week=2)
        members = [*MemberFactory.create_batch(3, programme=programme), "NOBODY"]
        batch = make(template, members, agent)
        assert (batch.state, batch.exposure_minor) == ("waiting", 1500)
        assert batch.excesses == [{"limit": "per_week", "allowed": 2, "reached": 3}]
        assert outcomes(batch) == ["", "", "", "unknown_member"]
        assert Assignment.objects.count() == GrantLedgerEntry.objects.count() == 0
        with pytest.raises(NotApprovable):
            decision.approve(programme=programme, batch_id=batch.pk, actor=agent, now=clock.now())
        # Meanwhile one of them was made good otherwise.
        make(template, members[:1], agent)
        done = decision.approve(programme=programme, batch_id=batch.pk, actor=lead, now=clock.now())
        assert (done.state, done.decided_by) == ("granted", lead)
        assert outcomes(batch) == ["made_good", "assigned", "assigned", "unknown_member"]
        rows = GrantLedgerEntry.objects.filter(batch=batch.pk)
        assert {(row.agent, row.approved_by) for row in rows} == {(agent, lead)}
        assert (rows.count(), done.exposure_minor) == (2, 1000)
        with pytest.raises(NotApprovable):
            decision.approve(programme=programme, batch_id=batch.pk, actor=lead, now=clock.now())
        assert found() == {}

    def test_b_05_declining_needs_a_sentence_and_gives_nothing(self, programme, agent, lead, template):
        allow(programme, week_minor=100)
        batch = make(template, [MemberFactory(programme=programme)], agent)
        with pytest.raises(InvalidInput):
            decision.decline(programme=programme, batch_id=batch.pk, answer=" ", actor=lead, now=clock.now())
        done = decision.decline(programme=programme, batch_id=batch.pk, answer="Too much", actor=lead, now=clock.now())
        assert (done.state, done.answer) == ("declined", "Too much")
        assert Assignment.objects.count() == 0

    def test_b_05_what_waited_too_long_is_over_and_ones_own_can_be_withdrawn(self, programme, agent, lead, template):
        allow(programme, per_day=0)
        late, own = (make(template, [MemberFactory(programme=programme)], agent) for _ in range(2))
        then = clock.now() + timedelta(days=8)
        with pytest.raises(NotApprovable):
            decision.approve(programme=programme, batch_id=late.pk, actor=lead, now=then)
        with pytest.raises(NotFound):
            decision.withdraw(programme=programme, batch_id=own.pk, actor=lead, now=clock.now())
        assert (
            decision.withdraw(programme=programme, batch_id=own.pk, actor=agent, now=clock.now()).state == "withdrawn"
        )
        assert decision.expire(now=then) == 1
        late.refresh_from_db()
        assert late.state == "expired"
        noted = AuditEvent.objects.get(action="grant_batch.expired")
        assert (noted.object_type, noted.object_id) == ("support.grantbatch", str(late.pk))
        assert (noted.object_label, noted.user, noted.programme) == (str(late), None, programme)
        told = {"agent": agent.pk, "counts": late.counts, "exposure_minor": late.exposure_minor}
        assert noted.data == told

    def test_b_05_no_set_is_given_in_the_name_of_who_may_not_grant_any_more(self, programme, agent, lead, template):
        """D-21 too: whoever lost the role, or the programme."""
        allow(programme, per_day=0)
        batch = make(template, [MemberFactory(programme=programme)], agent)
        agent.programmes.clear()
        with pytest.raises(NotApprovable, match="may not grant any more"):
            decision.approve(programme=programme, batch_id=batch.pk, actor=lead, now=clock.now())
        assert not Assignment.objects.exists()
        agent.programmes.add(programme)
        agent.groups.clear()
        with pytest.raises(NotApprovable, match="may not grant any more"):
            decision.approve(programme=programme, batch_id=batch.pk, actor=lead, now=clock.now())


class TestUndo:
    def test_b_05_undo_takes_back_what_nobody_used_and_says_of_each_what_became_of_it(self, programme, agent, template):
        """D-10: codes that nobody saw go back; D-01: it may be given again; the limit and the ledger count less."""
        limit = limit_of(template.config_offer, cap=10)
        members = MemberFactory.create_batch(4, programme=programme)
        batch = make(template, members, agent)
        given = list(batch.lines.order_by("place").values_list("assignment_id", flat=True))
        assignment_verbs.expose(member_id=members[1].pk, assignment_id=given[1], now=clock.now())
        Assignment.objects.filter(pk=given[2]).update(used_up_at=clock.now())
        done = service.undo(programme=programme, batch_id=batch.pk, actor=agent, now=clock.now())
        assert done.state == "undone"
        assert list(batch.lines.order_by("place").values_list("undone", flat=True)) == [
            "undone", "undone", "used_up", "undone"
        ]  # fmt: skip
        assert [bool(one.voucher_code_id) for one in (Assignment.objects.get(pk=key) for key in given)] == [
            False, True, True, False
        ]  # fmt: skip
        assert sum(row.n for row in GrantLedgerEntry.objects.filter(batch=batch.pk)) == 1
        assert AssignmentEvent.objects.filter(verb="undone").count() == 3
        limit.refresh_from_db()
        assert limit.assigned == 1
        assert make(template, members[:1], agent).counts == {"assigned": 1}
        with pytest.raises(service.TooLate):
            service.undo(programme=programme, batch_id=batch.pk, actor=agent, now=clock.now())
        Assignment.objects.filter(pk=given[2]).update(used_up_at=None)
        assert found() == {}

    def test_d_10_what_is_used_stays_and_a_code_whose_use_was_given_back_does_not_go_back(self, programme, agent):
        """B-05: as undoing a single grant does."""
        offer = ConfigOfferFactory(
            programme=programme, terms=TERMS | {"redemption_limit": {"limit": 2}}, require_vouchers=True
        )
        import_codes(offer, ["C-1", "C-2"])
        limit = limit_of(offer, cap=10)
        batch = make(
            OfferTemplateFactory(config_offer=offer), MemberFactory.create_batch(2, programme=programme), agent
        )
        used, returned = (one.assignment for one in batch.lines.order_by("place"))
        redeem(used)
        redeem(returned)
        Redemption.objects.filter(assignment=returned).update(returned_at=clock.now())
        service.undo(programme=programme, batch_id=batch.pk, actor=agent, now=clock.now())
        assert list(batch.lines.order_by("place").values_list("undone", flat=True)) == ["redeemed", "undone"]
        assert Assignment.objects.get(pk=returned.pk).voucher_code_id == returned.voucher_code_id
        limit.refresh_from_db()
        assert limit.assigned == sum(row.n for row in GrantLedgerEntry.objects.filter(batch=batch.pk)) == 1
        assert found() == {}

    def test_b_05_after_a_while_or_by_others_nothing_is_undone(self, programme, agent, template):
        batch = make(template, [MemberFactory(programme=programme)], agent)
        other = UserFactory(role="support agent", programmes=[programme])
        with pytest.raises(NotFound):
            service.undo(programme=programme, batch_id=batch.pk, actor=other, now=clock.now())
        with pytest.raises(service.TooLate):
            service.undo(programme=programme, batch_id=batch.pk, actor=agent, now=clock.now() + timedelta(minutes=16))
        assert Assignment.objects.get().revoked_at is None


@pytest.mark.parametrize("number", [0, 5_001])
def test_b_05_none_and_too_many_are_refused_with_a_sentence(programme, agent, template, number):
    with pytest.raises(InvalidInput):
        make(template, ["x"] * number, agent)
    assert grant_batch_lines.MOST == 5_000
