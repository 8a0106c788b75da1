"""The four cases of vouchers x synchronization, and the transition that happens once (S4-06..15, S4-37, D-12)."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty import clock
from loyalty.errors import NotFound
from loyalty.models import OutboxEvent
from offers.models import Assignment, AssignmentEvent, Source, VoucherCode
from offers.selectors import code_lookup, member_offers
from offers.services import assignment_verbs, closing, revocation, synchronization
from offers.services.synchronization import Confirmation
from offers.services.verb import By
from tests.concurrency.test_last_codes import at_once
from tests.factories import (
    ApiClientFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    give,
    import_codes,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


def an_offer(programme, *, vouchers=False, waits=True, codes=3, **values):
    offer = ConfigOfferFactory(
        programme=programme, require_vouchers=vouchers, to_synchronize=waits, repeat_policy="unlimited", **values
    )
    if vouchers:
        import_codes(offer, codes)
    return offer


def held_by(programme, offer, **values):
    return give(MemberFactory(programme=programme), offer, **values)


def confirm(programme, *given, by=None):
    confirmations = [Confirmation(*each) if isinstance(each, tuple) else Confirmation(each) for each in given]
    answers = synchronization.synchronize(
        programme=programme, confirmations=confirmations, by=by or By(Source.API), now=clock.now()
    )
    return [each.code for each in answers]


def told(held, type):
    return OutboxEvent.objects.filter(assignment_ids__contains=[held.pk], type=type)


@pytest.mark.parametrize(
    ("vouchers", "waits"),
    [
        pytest.param(False, False, id="S4-12 case 1: no code, ready at once"),
        pytest.param(False, True, id="S4-13 case 2: no code, waits, the till makes it"),
        pytest.param(True, False, id="S4-14 case 3: the bank's code, ready at once"),
        pytest.param(True, True, id="S4-15 case 4: the bank's code, waits, the till acknowledges"),
    ],
)
def test_s4_06_the_four_cases_of_vouchers_and_synchronization(programme, vouchers, waits):
    """S4-06, S4-07, S4-10: what each starts as, when it can be used, and which of the two triggers fires (S4-37)."""
    offer = an_offer(programme, vouchers=vouchers, waits=waits)
    held = held_by(programme, offer)
    look = {"member_id": held.member_id, "programme_id": programme.pk}
    now = clock.now()
    assert (held.voucher_code_id is not None, held.is_synchronized) == (vouchers, not waits)
    assert held.status(now) == ("waiting_for_till" if waits else "usable")
    assert told(held, "assignment.created").get().is_synchronized is not waits

    if waits:
        # Only what the till has confirmed is ready: not listed, not found, its code not shown.
        assert member_offers.listed(**look).items == []
        with pytest.raises(NotFound):
            member_offers.detail(**look, offer_id=held.pk, now=now)
        assert assignment_verbs.expose(member_id=held.member_id, assignment_id=held.pk, now=now) is None

    makes_code = waits and not vouchers
    assert confirm(programme, (held.pk, "TILL-1") if makes_code else held.pk) == [
        "synchronized" if waits else "already_synchronized"
    ]

    held.refresh_from_db()
    assert held.status(clock.now()) == "usable"
    assert [item["id"] for item in member_offers.listed(**look).items] == [held.pk]
    code = assignment_verbs.expose(member_id=held.member_id, assignment_id=held.pk, now=clock.now())
    assert (code is not None, code == "TILL-1") == (vouchers or makes_code, makes_code)
    # At most one of the two triggers: created ready, or became ready.
    triggers = [
        told(held, "assignment.created").filter(is_synchronized=True).count(),
        told(held, "assignment.synchronized").count(),
    ]
    assert triggers == ([0, 1] if waits else [1, 0])


def test_s4_37_the_transition_happens_once_and_again_is_the_same_answer(programme):
    client, _ = ApiClientFactory(programme=programme)
    held = held_by(programme, an_offer(programme))
    by = By(Source.API, api_client=client)
    assert confirm(programme, held.pk, by=by) == ["synchronized"]
    first = Assignment.objects.get().synchronized_at
    assert confirm(programme, held.pk, held.pk, by=by) == ["already_synchronized"] * 2
    assert Assignment.objects.get().synchronized_at == first
    event = AssignmentEvent.objects.get(verb="synchronized")
    assert (event.api_client, event.source, event.data) == (
        client,
        Source.API,
        {"synchronized_at": [None, first.isoformat()]},
    )
    assert told(held, "assignment.synchronized").count() == 1


def test_s4_37_a_set_is_one_row_an_offer_and_the_statements_do_not_grow(programme):
    coffee, tea = an_offer(programme), an_offer(programme)

    def queries(n):
        held = [held_by(programme, offer) for offer in (coffee, tea) for _ in range(n)]
        OutboxEvent.objects.all().delete()
        with CaptureQueriesContext(
            connection,
        ) as found:
            codes = confirm(programme, *[(each.pk, f"T-{each.pk}") for each in held])
        assert codes == ["synchronized"] * 2 * n
        assert sorted((row.config_offer_id, row.size) for row in OutboxEvent.objects.all()) == [
            (coffee.pk, n),
            (tea.pk, n),
        ]
        return len(found)

    assert queries(1) == queries(12)


def test_each_row_is_answered_for_itself(programme):
    """A refused confirmation never fails its neighbours."""
    offer, bank = an_offer(programme), an_offer(programme, vouchers=True)
    good, revoked, closed, used = (held_by(programme, offer) for _ in range(4))
    with_code = held_by(programme, bank)
    revocation.revoke(programme=programme, assignment_id=revoked.pk, reason="x", now=clock.now())
    closing.close(programme=programme, assignment_id=closed.pk, reason="x", by=By(), now=clock.now())
    Assignment.objects.filter(pk=used.pk).update(used_up_at=clock.now())
    other = ProgrammeFactory()
    foreign = held_by(other, an_offer(other))
    nobody = uuid4()

    answers = confirm(programme, revoked.pk, good.pk, closed.pk, used.pk, (with_code.pk, "MINE"), foreign.pk, nobody)

    assert answers == ["revoked", "synchronized", "closed", "used_up", "code_not_wanted", "not_found", "not_found"]
    assert set(Assignment.objects.filter(synchronized_at__isnull=False)) == {Assignment.objects.get(pk=good.pk)}
    # The bank's own code is no other code.
    assert confirm(programme, (with_code.pk, with_code.voucher_code.code)) == ["synchronized"]


def test_d_12_a_tills_code_is_once_in_its_offer_and_found_where_a_banks_is(programme):
    offer = an_offer(programme)
    one, two, three = (held_by(programme, offer) for _ in range(3))
    elsewhere = held_by(programme, an_offer(programme))

    assert confirm(programme, (one.pk, "T-1"), (two.pk, "T-1"), (elsewhere.pk, "T-1")) == [
        "synchronized",
        "code_taken",
        "synchronized",
    ]
    assert confirm(programme, (three.pk, "T-1")) == ["code_taken"]
    one.refresh_from_db()
    code = one.voucher_code
    assert (code.code, code.origin, code.segment_id, code.position) == ("T-1", VoucherCode.Origin.TILL, None, None)
    assert code.bank.config_offer == offer
    event = AssignmentEvent.objects.get(assignment=one)
    assert event.data["voucher_code"] == [None, {"id": code.pk, "code": "T-1", "origin": "till"}]
    look = {"programme": programme, "code": "T-1", "now": clock.now(), "member": one.member.external_id}
    assert code_lookup.by_code(**look).code == "ambiguous_code"
    assert code_lookup.by_code(**look, offer=offer.offer_reference).assignment == one
    # Taken back, it does not go into a bank: it never was in one (D-10).
    revocation.revoke(programme=programme, assignment_id=one.pk, reason="x", now=clock.now())
    one.refresh_from_db()
    assert one.voucher_code_id == code.pk


@pytest.mark.parametrize("code", ["", " ", "T 1 ", "a\tb", "a\x00b", "x" * 101, "a\u200bb"])
def test_d_12_what_cannot_be_a_code_is_refused_and_nothing_is_confirmed(programme, code):
    held = held_by(programme, an_offer(programme))
    assert confirm(programme, (held.pk, code)) == ["invalid_code"]
    assert not VoucherCode.objects.exists()
    assert not Assignment.objects.get().is_synchronized


def test_named_twice_with_different_codes_the_first_word_counts(programme):
    held = held_by(programme, an_offer(programme))
    assert confirm(programme, (held.pk, "A"), (held.pk, "B"), held.pk) == [
        "synchronized",
        "named_twice",
        "already_synchronized",
    ]
    assert Assignment.objects.get().voucher_code.code == "A"


def test_d_13_a_code_works_for_its_member_unless_the_offer_lets_its_bearer_take_it(programme):
    hers = held_by(programme, an_offer(programme, vouchers=True, waits=False))
    bearers = held_by(programme, an_offer(programme, vouchers=True, waits=False, is_bearer=True))
    other = MemberFactory(programme=programme)

    def look(held, member=None):
        found = code_lookup.by_code(
            programme=programme,
            code=held.voucher_code.code,
            offer=held.config_offer.offer_reference,
            member=member,
            now=clock.now(),
        )
        return found.code, found.assignment

    assert look(hers) == ("member_required", None)
    assert look(hers, other.external_id) == ("another_members", None)
    assert look(hers, hers.member.external_id) == ("usable", hers)
    assert look(bearers) == ("usable", bearers)
    # Once: used up, it says so to whoever brings it.
    Assignment.objects.filter(pk=bearers.pk).update(used_up_at=clock.now())
    assert look(bearers)[0] == "used_up"
    VoucherCode.objects.filter(pk=hers.voucher_code_id).update(voided_at=clock.now())
    assert look(hers, hers.member.external_id)[0] == "code_void"
    assert code_lookup.by_code(programme=programme, code="NONE", now=clock.now()).code == "unknown_code"
    assert code_lookup.by_code(programme=ProgrammeFactory(), code=hers.voucher_code.code, now=clock.now()).code == (
        "unknown_code"
    )


def test_more_than_a_request_may_hold_is_refused(programme):
    with pytest.raises(ValueError, match="1000"):
        confirm(programme, *[uuid4() for _ in range(1001)])


@pytest.mark.django_db(transaction=True)
def test_s4_37_confirmed_by_eight_at_once_it_is_one_event_and_one_code():
    programme = ProgrammeFactory()
    offer = an_offer(programme)
    held = [held_by(programme, offer) for _ in range(3)]

    def call(n):
        # Each names them in another order, with codes of its own.
        order = held[n % 3 :] + held[: n % 3]
        return lambda: confirm(programme, *[(each.pk, f"T{n}-{each.pk}") for each in order])

    answers = at_once([call(n) for n in range(8)])

    flat = [code for answer in answers for code in answer]
    assert flat.count("synchronized") == 3
    assert set(flat) == {"synchronized", "code_not_wanted"}
    assert AssignmentEvent.objects.filter(verb="synchronized").count() == 3
    assert sum(OutboxEvent.objects.filter(type="assignment.synchronized").values_list("size", flat=True)) == 3
    assert VoucherCode.objects.count() == 3
