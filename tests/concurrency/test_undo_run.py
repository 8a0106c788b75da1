"""Undoing a whole run while everybody else acts: each row is one story, each code has one place (B-04, D-01, D-10)."""

import itertools
import threading
from collections import Counter

import pytest

from loyalty import clock
from loyalty.models import OutboxEvent
from offers.models import Assignment, AssignmentEvent, Source, VoucherCode
from offers.selectors import mass_assignment_undo as selectors
from offers.selectors import voucher as bank_selectors
from offers.services import (
    assignment_verbs,
    door,
    execution,
    mass_assignment,
    mass_assignment_undo,
    revocation,
)
from offers.services.assignment import Grant
from tests.factories import limit_of
from tests.faults import runs
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def finished(settings):
    settings.MASS_ASSIGNMENT_CHUNK = 20

    def make(members=120, **values):
        run = runs.launched(members, **values)
        return execution.run_to_end(run_id=run.pk, clock=clock.now)

    return make


def worker(run):
    return mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now).state


def begin(run):
    return mass_assignment_undo.start(run=run, actor=None, now=clock.now())


def test_b_04_members_who_accept_and_see_theirs_meanwhile_leave_no_code_with_two_and_none_lost(finished):
    """B-04, D-10, S1-16: whose code was shown keeps the record of it, everybody else's goes back, once."""
    run = finished()
    Assignment.objects.update(acceptance_required=True)
    held = list(Assignment.objects.order_by("member_id"))
    begin(run)

    def show(those):
        return {
            one.pk: assignment_verbs.expose(member_id=one.member_id, assignment_id=one.pk, now=clock.now())
            for one in those
        }

    def accept(those):
        for one in those:
            assignment_verbs.mark_seen(member_id=one.member_id, assignment_id=one.pk, now=clock.now())
            assignment_verbs.accept(member_id=one.member_id, assignment_id=one.pk, now=clock.now())

    def take_back(those):
        return [
            revocation.revoke(programme=run.programme, assignment_id=one.pk, reason="slip", now=clock.now()).code
            for one in those
        ]

    *_, shown, singly = at_once(
        [
            lambda: worker(run),
            lambda: worker(run),
            lambda: accept(held),
            lambda: show(held[::-1]),
            lambda: take_back(held[50:80]),
        ]
    )
    assert worker(run) == "undone"
    counts = selectors.report(run=run).counts
    assert counts.revoked + Counter(singly)["revoked"] == 120
    assert counts.revoked_before == Counter(singly)["revoked"]
    assert not Assignment.objects.filter(revoked_at__isnull=True).exists()
    exposed = Assignment.objects.filter(exposed_at__isnull=False)
    assert {pk for pk, code in shown.items() if code} <= set(exposed.values_list("pk", flat=True))
    assert not exposed.filter(voucher_code__isnull=True).exists()
    assert not Assignment.objects.filter(exposed_at__isnull=True, voucher_code__isnull=False).exists()
    left = bank_selectors.codes_left(bank=run.config_offer.voucher_bank, now=clock.now())
    assert left == 120 - exposed.count()
    # Each was told of once, by the undo's row or by its own.
    told = OutboxEvent.objects.filter(type="assignment.revoked")
    assert sum(told.values_list("size", flat=True)) == 120
    assert AssignmentEvent.objects.filter(verb__in=["undone", "revoked"]).count() == 120


def test_b_04_of_four_who_undo_it_at_once_one_begins_and_four_workers_take_each_back_once(finished):
    run = finished()

    def click():
        try:
            return begin(run).state
        except mass_assignment.NotLaunchable:
            return "refused"

    assert Counter(at_once([click] * 4)) == {"undoing": 1, "refused": 3}
    at_once([lambda: worker(run)] * 4)
    assert worker(run) == "undone"
    assert selectors.report(run=run).counts.revoked == AssignmentEvent.objects.filter(verb="undone").count() == 120
    assert not run.undo.chunks.exclude(attempts=1).exists()
    assert bank_selectors.codes_left(bank=run.config_offer.voucher_bank, now=clock.now()) == 120


@pytest.mark.parametrize("policy", ["once_ever", "one_open", "unlimited"])
def test_b_04_a_door_that_grants_to_the_same_members_meanwhile_draws_what_came_back(finished, policy):
    """B-04, D-01, D-05: under a limit that is full until the undo gives back; never one too many."""
    run = finished(120, repeat_policy=policy)
    limit_of(run.config_offer, cap=120)
    members = list(Assignment.objects.order_by("member_id").values_list("member_id", flat=True))
    template = run.config_offer.templates.get()
    begin(run)
    over = threading.Event()
    references = itertools.count()

    def grant(those):
        turn = 0
        while turn < 2:
            # One turn more after the undo is over: then everybody gets hers.
            turn += over.is_set()
            for member in those:
                door.grant(
                    programme=run.programme,
                    door=Source.API,
                    instance="till",
                    grant=Grant(template_id=template.pk, member_id=member, reference=str(next(references))),
                    actor=None,
                    now=clock.now(),
                )
            if turn and policy == "unlimited":
                break

    def undo():
        try:
            while mass_assignment_undo.do_next_chunk(run_id=run.pk, now=clock.now()):
                pass
            mass_assignment_undo.finish(run_id=run.pk, now=clock.now())
        finally:
            over.set()

    at_once([undo, lambda: grant(members[:60]), lambda: grant(members[60:][::-1])])
    run.refresh_from_db()
    assert run.state == "undone"
    standing = Assignment.objects.filter(revoked_at__isnull=True)
    assert standing.count() == 120
    assert standing.exclude(run=None).count() == 0
    assert standing.values("voucher_code").distinct().count() == VoucherCode.objects.count() == 120
    run.config_offer.limit.refresh_from_db()
    assert run.config_offer.limit.assigned == 120
