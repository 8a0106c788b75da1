"""Taking back while the code is being shown, or by two at once: one of them wins, and the code is whole."""

import pytest

from loyalty import clock
from offers.selectors import voucher as bank_selectors
from offers.services import assignment_verbs, revocation
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, give, import_codes
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def take_back(held):
    return revocation.revoke(
        programme=held.config_offer.programme, assignment_id=held.pk, reason="slip", now=clock.now()
    ).code


def show(held):
    return assignment_verbs.expose(member_id=held.member_id, assignment_id=held.pk, now=clock.now())


def one_assignment():
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 1)
    return give(MemberFactory(programme=programme), offer)


def left(held):
    return bank_selectors.codes_left(bank=held.config_offer.voucher_bank, now=clock.now())


def test_d_10_taken_back_by_six_at_once_the_code_goes_back_once():
    held = one_assignment()
    answers = at_once([lambda: take_back(held)] * 6)
    assert sorted(answers) == ["already_revoked"] * 5 + ["revoked"]
    assert left(held) == 1


@pytest.mark.parametrize("turn", range(5))
def test_d_10_a_code_is_shown_or_goes_back_and_never_both(turn):
    held = one_assignment()
    # Either may come first: the parity only moves who is likelier to.
    calls = [lambda: show(held), lambda: take_back(held)]
    at_once(calls if turn % 2 else calls[::-1])
    held.refresh_from_db()
    assert held.revoked_at is not None
    assert (held.voucher_code_id is not None, left(held)) == ((True, 0) if held.exposed_at else (False, 1))
