"""One import at a time in a bank (S4-21); another bank, and drawing, do not wait for it."""

import io
import threading

import pytest
from django.db import connection

from loyalty import clock
from offers.models import VoucherCode
from offers.selectors import voucher as selectors
from offers.services import voucher
from tests.factories import ConfigOfferFactory, MemberFactory, give, import_codes

pytestmark = pytest.mark.django_db(transaction=True)


class Held(io.BytesIO):
    """A file that stops in the middle until it is let go."""

    def __init__(self, content):
        super().__init__(content)
        self.is_open, self.go = threading.Event(), threading.Event()

    def read(self, size=-1):
        data = super().read(size)
        self.is_open.set()
        assert self.go.wait(timeout=20)
        return data


def put(bank, file):
    return voucher.import_file(
        bank=bank, file=file, file_name="codes.txt", expires_at=None, actor=None, now=clock.now()
    )


def test_s4_21_a_second_file_is_refused_while_the_first_is_imported_and_follows_after():
    offer = ConfigOfferFactory(require_vouchers=True)
    other = ConfigOfferFactory(programme=offer.programme, require_vouchers=True)
    import_codes(offer, ["OLD-1"])
    file, done = Held(b"A\nB\n"), []

    def first():
        try:
            done.append(put(offer.voucher_bank, file))
        finally:
            connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert file.is_open.wait(timeout=20)
        with pytest.raises(voucher.ImportRunning) as caught:
            put(offer.voucher_bank, io.BytesIO(b"B\nC\n"))
        assert put(other.voucher_bank, io.BytesIO(b"B\nC\n")).imported == 2
        assert give(MemberFactory(programme=offer.programme), offer).voucher_code.code == "OLD-1"
    finally:
        file.go.set()
        thread.join(timeout=30)

    assert caught.value.message == (
        "Another file is being imported into this bank. Wait until it is done, then import this one."
    )
    assert done[0].imported == 2
    second = put(offer.voucher_bank, io.BytesIO(b"B\nC\n"))
    assert (second.imported, second.duplicates_in_bank) == (1, 1)
    assert VoucherCode.objects.filter(bank=offer.voucher_bank).count() == 4
    assert selectors.codes_left(bank=offer.voucher_bank, now=clock.now()) == 3
