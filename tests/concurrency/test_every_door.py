"""Fifty callers at once, through the API, the desk and sets, after the last of something, or for the same (R1, R2, R3).

They come over HTTP where the door is on the web. Whatever each is told, the sum is exact, and nobody is told 5xx.
"""

import uuid
from collections import Counter

import pytest
from django.test import Client
from django.urls import reverse

from loyalty import clock
from loyalty.database import in_transaction
from loyalty.models import OutboxEvent, Scope
from offers.models import Assignment, AssignmentEvent, DoorEntry, Source
from offers.services import assignment
from offers.services.assignment import Grant
from tests.factories import (
    ApiClientFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    UserFactory,
    import_codes,
    limit_of,
)
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
CALLERS = 50
ROUNDS = [2, pytest.param(20, marks=pytest.mark.chaos)]


class Doors:
    """One programme's doors; each call answers `assigned` or the refusal's code."""

    def __init__(self):
        self.programme = ProgrammeFactory()
        _, self.key = ApiClientFactory(programme=self.programme, scopes=[Scope.ASSIGN])
        self.desks = []
        for _ in range(8):
            agent = UserFactory(role="support agent", programmes=[self.programme])
            self.desks.append(Client(raise_request_exception=False))
            self.desks[-1].force_login(agent, backend="django.contrib.auth.backends.ModelBackend")

    def post(self, offer, member, **headers):
        body = {"member": member.external_id, "offer": offer.offer_reference}
        if not headers:
            body["reference"] = str(uuid.uuid4())
        return Client(raise_request_exception=False).post(
            "/api/v1/assignments", body, content_type="application/json",
            headers={"Authorization": f"Api-Key {self.key}"} | headers,
        )  # fmt: skip

    def by_api(self, offer, member):
        answer = self.post(offer, member)
        assert answer.status_code in (201, 409), answer.content
        return answer.json()["outcome"] if answer.status_code == 201 else answer.json()["code"]

    def by_desk(self, offer, member, n):
        values = {
            "template": offer.templates.get().pk, "reference": str(uuid.uuid4()), "reason": "code_refused",
            "ticket": "", "note": "",
        }  # fmt: skip
        answer = self.desks[n % 8].post(reverse("support:grant", args=[member.pk]), values)
        assert answer.status_code in (200, 302, 409), answer.content
        if answer.status_code != 409:
            return "assigned"
        return answer.context["refusal"]["code"]

    def by_set(self, offer, members):
        template = offer.templates.get().pk
        outcomes = in_transaction(
            lambda: assignment.assign(
                programme=self.programme,
                grants=[Grant(template_id=template, member_id=member.pk) for member in members],
                source=Source.BULK_PRODUCER,
                actor=None,
                now=clock.now(),
            )
        )
        return [outcome.code for outcome in outcomes]

    def crowd(self, offer, members):
        """Ask for all members at once, in fifty threads: half of them the API's, five the desk's, the others sets'."""
        each = len(members) // CALLERS

        def call(n):
            mine = members[n * each : (n + 1) * each]
            if n % 2:
                return [self.by_api(offer, member) for member in mine]
            if n % 10 == 0:
                return [self.by_desk(offer, member, n) for member in mine]
            return self.by_set(offer, mine)

        answers = at_once([lambda n=n: call(n) for n in range(CALLERS)])
        return Counter(code for codes in answers for code in codes)


@pytest.fixture
def doors():
    return Doors()


def left(offer):
    return sum(segment.size - segment.cursor for segment in offer.voucher_bank.segments.all())


@pytest.mark.parametrize("rounds", ROUNDS)
def test_r1_fifty_callers_after_the_last_voucher_give_it_once(doors, rounds, fault):
    """R1, B-01, S4-10: one code; 49 are told out_of_codes, round after round, and nobody anything else."""
    for _ in range(rounds):
        offer = ConfigOfferFactory(programme=doors.programme, require_vouchers=True)
        import_codes(offer, 1)
        told = doors.crowd(offer, MemberFactory.create_batch(CALLERS, programme=doors.programme))
        assert told == {"assigned": 1, "out_of_codes": CALLERS - 1}
        assert (Assignment.objects.filter(config_offer=offer).count(), left(offer)) == (1, 0)
    fault.counted(
        "fifty threads after the last voucher, round after round",
        before=f"{rounds} rounds of 50 members and 1 code",
        after=f"1 assigned and {CALLERS - 1} told out_of_codes each time",
    )


@pytest.mark.parametrize("rounds", ROUNDS)
def test_r1_fifty_callers_at_a_cap_of_one_give_it_once(doors, rounds, fault):
    """R1, D-05: one is assigned; 49 are told cap_reached, and their codes stay where they were."""
    for _ in range(rounds):
        offer = ConfigOfferFactory(programme=doors.programme, require_vouchers=True)
        import_codes(offer, 10)
        limit = limit_of(offer, cap=1)
        told = doors.crowd(offer, MemberFactory.create_batch(CALLERS, programme=doors.programme))
        assert told == {"assigned": 1, "cap_reached": CALLERS - 1}
        limit.refresh_from_db()
        assert (limit.assigned, left(offer)) == (1, 9)
    fault.counted(
        "fifty threads at a cap of one",
        before=f"{rounds} rounds of 50 members and 10 codes",
        after=f"1 assigned, {CALLERS - 1} told cap_reached, 9 codes left each time",
    )


@pytest.mark.chaos
def test_r1_five_hundred_callers_at_a_cap_of_a_hundred_give_a_hundred(doors, fault):
    """R1, D-05: fifty threads of ten; 400 are told cap_reached, and twenty codes are left."""
    offer = ConfigOfferFactory(programme=doors.programme, require_vouchers=True)
    import_codes(offer, 120)
    limit = limit_of(offer, cap=100)
    told = doors.crowd(offer, MemberFactory.create_batch(500, programme=doors.programme))
    assert told == {"assigned": 100, "cap_reached": 400}
    limit.refresh_from_db()
    assert (limit.assigned, left(offer)) == (100, 20)
    assert Assignment.objects.values("voucher_code").distinct().count() == 100
    fault.counted(
        "fifty threads after a hundred: API, desk and sets, over HTTP †",
        before="500 members, cap 100, 120 codes",
        after="100 assigned, 400 told cap_reached, 20 codes left",
    )


@pytest.mark.parametrize("rounds", ROUNDS)
def test_r2_the_same_member_from_fifty_callers_has_it_once_and_is_told_of_once(doors, rounds, fault):
    """R2, D-01: one assignment, one code, one event of the outbox; the others are told already_held."""
    for _ in range(rounds):
        offer = ConfigOfferFactory(programme=doors.programme, require_vouchers=True, repeat_policy="once_ever")
        import_codes(offer, CALLERS)
        told = doors.crowd(offer, [MemberFactory(programme=doors.programme)] * CALLERS)
        assert told == {"assigned": 1, "already_held": CALLERS - 1}
        held = Assignment.objects.get(config_offer=offer)
        [event] = OutboxEvent.objects.filter(config_offer_id=offer.pk, type__startswith="assignment.")
        assert (event.type, event.assignment_ids) == ("assignment.created", [held.pk])
        assert not AssignmentEvent.objects.filter(assignment=held).exists()
        assert left(offer) == CALLERS - 1
    fault.counted(
        "fifty threads for the same member",
        before=f"{rounds} rounds of 1 member and 50 codes",
        after="1 assignment, 1 event of the outbox, 49 codes left, each time",
    )


def test_r3_the_same_idempotency_key_thirty_times_at_once_and_thirty_after_grants_once(doors):
    """R3: one effect and one answer; who comes meanwhile is told so, and another body is refused."""
    offer = ConfigOfferFactory(programme=doors.programme, require_vouchers=True, repeat_policy="unlimited")
    import_codes(offer, 5)
    member = MemberFactory(programme=doors.programme)
    key = {"Idempotency-Key": "the same"}

    at_a_time = at_once([lambda: doors.post(offer, member, **key)] * 30)
    after = [doors.post(offer, member, **key) for _ in range(30)]
    other = doors.post(offer, MemberFactory(programme=doors.programme), **key)

    refused = [answer for answer in at_a_time if answer.status_code != 201]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} <= {(409, "idempotency_in_progress")}
    granted = [answer for answer in at_a_time if answer.status_code == 201]
    assert [answer["Idempotency-Replayed"] for answer in granted].count("false") == 1
    assert {answer.status_code for answer in after} == {201}
    assert len({answer.content for answer in granted + after}) == 1
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (Assignment.objects.count(), DoorEntry.objects.count(), left(offer)) == (1, 1, 4)
