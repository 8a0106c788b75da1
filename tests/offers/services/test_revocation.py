"""What becomes of a voucher code when its assignment is taken back (D-10)."""

import pytest

from loyalty import clock
from offers.models import AssignmentEvent, VoucherCode
from offers.selectors import voucher as bank_selectors
from offers.services import assignment_verbs, revocation
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, give, import_codes

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def offer(programme):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["ONLY-1"])
    return offer


def left(offer):
    return bank_selectors.codes_left(bank=offer.voucher_bank, now=clock.now())


def revoke(held):
    answer = revocation.revoke(programme=held.member.programme, assignment_id=held.pk, reason="slip", now=clock.now())
    held.refresh_from_db()
    return answer.code


def test_d_10_a_code_that_nobody_saw_goes_back_and_the_next_member_gets_it(programme, offer):
    held = give(MemberFactory(programme=programme), offer)
    code = held.voucher_code
    assert (code.code, left(offer)) == ("ONLY-1", 0)

    assert revoke(held) == "revoked"
    assert (held.voucher_code_id, left(offer)) == (None, 1)
    kept = AssignmentEvent.objects.get(assignment=held, verb="revoked").data
    assert kept["voucher_code"] == [{"id": code.pk, "code": "ONLY-1"}, None]

    assert give(MemberFactory(programme=programme), offer).voucher_code_id == code.pk
    assert left(offer) == 0


def test_d_10_revoking_again_gives_nothing_back_twice(programme, offer):
    held = give(MemberFactory(programme=programme), offer)
    assert [revoke(held), revoke(held)] == ["revoked", "already_revoked"]
    assert left(offer) == 1
    give(MemberFactory(programme=programme), offer)
    assert (revoke(held), left(offer)) == ("already_revoked", 0)


def test_d_10_a_code_that_was_shown_stays_with_its_assignment(programme, offer):
    member = MemberFactory(programme=programme)
    held = give(member, offer)
    assert assignment_verbs.expose(member_id=member.pk, assignment_id=held.pk, now=clock.now()) == "ONLY-1"

    assert revoke(held) == "revoked"
    assert (held.voucher_code.code, left(offer)) == ("ONLY-1", 0)
    assert "voucher_code" not in AssignmentEvent.objects.get(assignment=held, verb="revoked").data


def test_d_10_a_void_code_does_not_go_back(programme, offer):
    held = give(MemberFactory(programme=programme), offer)
    VoucherCode.objects.filter(pk=held.voucher_code_id).update(voided_at=clock.now())
    assert revoke(held) == "revoked"
    assert (held.voucher_code.code, left(offer)) == ("ONLY-1", 0)
