"""The four cases of requireVouchers x toSynchronize, at every door that gives an offer (S4-06..S4-10, S4-12..S4-16)."""

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from loyalty import clock
from loyalty.models import OutboxEvent, Scope
from offers.models import Assignment, Source, VoucherCode
from offers.services import execution, mass_assignment
from tests.factories import (
    ApiClientFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    TargetingFactory,
    UserFactory,
    give,
    import_codes,
)
from tests.integrity import assert_whole

pytestmark = pytest.mark.django_db
SCOPES = [
    Scope.ASSIGN,
    Scope.ASSIGN_IN_BULK,
    Scope.ASSIGNMENTS_READ,
    Scope.ASSIGNMENTS_WRITE,
    Scope.CODES_READ,
    Scope.TILL,
]
CASES = [
    pytest.param(False, False, id="S4-12 case 1: no code, ready at once, no data flow"),
    pytest.param(False, True, id="S4-13 case 2: no code, waits, the till makes it and writes it"),
    pytest.param(True, False, id="S4-14 case 3: the bank's code, ready at once, no data flow"),
    pytest.param(True, True, id="S4-15 case 4: the bank's code, waits, the till acknowledges"),
]


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def member(programme):
    return MemberFactory(programme=programme)


@pytest.fixture
def api(programme):
    _client, key = ApiClientFactory(programme=programme, scopes=SCOPES)

    def call(path, body=None):
        headers = {"Authorization": f"Api-Key {key}"}
        address = f"/api/v1/assignments{path}"
        if body is None:
            return Client().get(address, headers=headers).json()
        answer = Client().post(address, body, content_type="application/json", headers=headers)
        assert answer.status_code in (200, 201), answer.content
        return answer.json()

    return call


def by_desk(offer, member, api):
    agent = Client()
    user = UserFactory(role="support agent", programmes=[member.programme])
    agent.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    values = {"template": offer.templates.get().pk, "reference": str(uuid.uuid4()), "reason": "goodwill"}
    agent.post(reverse("support:grant", args=[member.pk]), values | {"ticket": "", "note": ""})


def by_api(offer, member, api):
    api("", {"member": member.external_id, "offer": offer.offer_reference})


def by_bulk(offer, member, api):
    grant = {"member": member.external_id, "offer": offer.offer_reference, "reference": "r-1"}
    api("/bulk", {"grants": [grant]})


def by_run(offer, member, api):
    run = mass_assignment.create(
        programme=member.programme,
        template=offer.templates.get(),
        targeting_version=TargetingFactory(programme=member.programme).current_version,
        name="autumn",
        campaign=None,
        terms={},
        rank=None,
        actor=None,
        now=clock.now(),
    )
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    execution.run_to_end(run_id=run.pk, clock=clock.now)


def by_reissue(offer, member, api):
    old = give(member, offer)
    api(f"/{old.pk}/reissue", {"reason": "lost"})


def by_another(offer, member, api):
    give(member, offer, source=Source.SCENARIO)


DOORS = {
    "desk": (by_desk, Source.SUPPORT),
    "api": (by_api, Source.API),
    "bulk": (by_bulk, Source.BULK_PRODUCER),
    "run": (by_run, Source.MASS_ASSIGNMENT),
    "reissue": (by_reissue, Source.API),
    "scenario": (by_another, Source.SCENARIO),
}


def told(held, type):
    """The rows of the outbox that tell of the assignment: a run's by its run, all others by id."""
    found = OutboxEvent.objects.filter(type=type, config_offer_id=held.config_offer_id)
    return [
        row for row in found if held.pk in (row.assignment_ids or []) or (held.run_id and row.run_id == held.run_id)
    ]


@pytest.mark.parametrize(("vouchers", "waits"), CASES)
@pytest.mark.parametrize("door", DOORS)
def test_s4_06_to_s4_16_each_case_is_the_same_at_every_door(programme, member, api, door, vouchers, waits):
    """S4-06, S4-07, S4-08, S4-09, S4-10, S4-12, S4-13, S4-14, S4-15, S4-16, S4-37."""
    begun = clock.now()
    offer = ConfigOfferFactory(
        programme=programme, offer_reference="coffee", require_vouchers=vouchers, to_synchronize=waits,
        terms={"validity": {"days": 5}},
    )  # fmt: skip
    if vouchers:
        import_codes(offer, ["BANK-1", "BANK-2"])
    ask, source = DOORS[door]
    ask(offer, member, api)
    held = Assignment.objects.filter(revoked_at__isnull=True).get()

    # S4-08, S4-09, S4-10: its own id and moments, one member, one offer; the references are the doors' words.
    record = api(f"/{held.pk}")
    assert uuid.UUID(record["id"]).version == 7
    assert (record["member"], record["offer"], Source(held.source)) == (member.external_id, "coffee", source)
    assert begun - timedelta(seconds=1) <= held.issued_at <= clock.now()
    assert held.updated_at is not None
    # S4-07, S4-16: a code of the bank, or none; nobody here makes one.
    assert (held.voucher_code is not None) is vouchers
    assert VoucherCode.objects.filter(origin=VoucherCode.Origin.TILL).count() == 0
    assert VoucherCode.objects.count() == (2 if vouchers else 0)
    # S4-06: it waits for the till, or is ready.
    assert held.is_synchronized is not waits
    assert record["status"] == ("waiting_for_till" if waits else "usable")
    assert [row.is_synchronized for row in told(held, "assignment.created")] == [not waits]

    made = {"code": "TILL-1"} if waits and not vouchers else {}
    answer = api("/synchronize", {"assignments": [{"id": str(held.pk), **made}]})["results"]
    assert [each["outcome"] for each in answer] == ["synchronized" if waits else "already_synchronized"]

    after = api(f"/{held.pk}?include=voucher_code")
    assert after["status"] == "usable"
    if vouchers:
        assert after["voucher_code"] in {"BANK-1", "BANK-2"}
    else:
        assert after["voucher_code"] == made.get("code")
    # S4-37: created ready, or became ready: one of the two, once, also when it is confirmed again.
    api("/synchronize", {"assignments": [{"id": str(held.pk)}]})
    ready = [row for row in told(held, "assignment.created") if row.is_synchronized]
    assert (len(ready), len(told(held, "assignment.synchronized"))) == ((0, 1) if waits else (1, 0))
    assert_whole()
