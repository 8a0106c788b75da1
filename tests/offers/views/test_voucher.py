"""The voucher banks' pages (S4-17..22)."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from loyalty import clock
from offers.models import ConfigOffer, VoucherBatch, VoucherCode
from offers.services import voucher_generation
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, UserFactory, give, import_codes

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    return ConfigOfferFactory(name="Coffee", require_vouchers=True, programme=ProgrammeFactory(timezone="Europe/Paris"))


@pytest.fixture
def marketer(offer, client):
    user = UserFactory(role="marketer", programmes=[offer.programme])
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def send(client, offer, content, *, name="codes.txt", is_script=True, to="voucher_import", **more):
    headers = {"HX-Request": "true"} if is_script else {}
    return client.post(
        reverse(f"offers:{to}", args=[offer.voucher_bank.pk]),
        {"file": SimpleUploadedFile(name, content), **more},
        headers=headers,
    )


def test_s4_21_an_import_is_summed_up_and_another_file_may_follow(marketer, offer):
    response = send(marketer, offer, b"A\nB\nB\n")

    text = response.content.decode()
    assert response.status_code == 200
    assert "2 codes imported." in text
    assert "Ignored: 1 repeated in the file, 0 already in the bank." in text
    assert "2 unassigned codes now. Another file may follow." in text
    assert "codes.txt" in text
    assert "0 codes imported." in send(marketer, offer, b"A\nB\n").content.decode()


def test_s4_20_a_bad_file_lists_its_lines_and_keeps_nothing(marketer, offer):
    response = send(marketer, offer, b"1\n2\n3\n4\n5\n6\n\n8\n" + b"x" * 101)

    text = response.content.decode()
    assert response.status_code == 422
    assert "Line 7 is blank. Remove it and import the file again." in text
    assert "Line 9 has 101 characters. A code has at most 100: shorten or remove it." in text
    assert not VoucherCode.objects.exists()


def test_without_a_script_the_whole_page_comes_back(marketer, offer):
    assert "<h1>Codes of Coffee" in send(marketer, offer, b"A\n", is_script=False).content.decode()
    refused = send(marketer, offer, b"\n", is_script=False)
    assert refused.status_code == 422
    assert "Line 1 is blank" in refused.content.decode()


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "codes.txt", "The file is empty. Give one code a line."),
        (b"A\n", "codes.xlsx", "is neither a .txt nor a .csv file"),
        (b"x" * 26_214_401, "codes.txt", "The file has more than 26,214,400 bytes (25 MB)"),
    ],
)
def test_s4_18_and_19_what_is_no_file_of_codes_is_refused(marketer, offer, content, name, said):
    response = send(marketer, offer, content, name=name)

    assert response.status_code == 422
    assert said in response.content.decode()
    assert not VoucherCode.objects.exists()


def test_codes_expire_after_the_chosen_day_in_the_programmes_zone(marketer, offer):
    send(marketer, offer, b"A\n", expires="2099-07-31")

    assert VoucherBatch.objects.get().expires_at.isoformat() == "2099-07-31T22:00:00+00:00"


def test_no_file_is_said(marketer, offer):
    address = reverse("offers:voucher_import", args=[offer.voucher_bank.pk])

    assert "Choose a file." in marketer.post(address, headers={"HX-Request": "true"}).content.decode()


def test_s4_17_where_no_vouchers_are_required_the_import_is_not_there(marketer, offer):
    ConfigOffer.objects.update(require_vouchers=False)

    text = marketer.get(reverse("offers:voucher_bank", args=[offer.voucher_bank.pk])).content.decode()

    assert reverse("offers:voucher_import", args=[offer.voucher_bank.pk]) not in text
    assert "does not require vouchers" in text
    assert "does not require vouchers" in send(marketer, offer, b"A\n").content.decode()
    offer_page = marketer.get(reverse("offers:offer", args=[offer.pk])).content.decode()
    assert "Import unique voucher codes" not in offer_page


def test_s4_22_unassigned_codes_are_counted(marketer, offer):
    import_codes(offer, 1234)

    text = marketer.get(reverse("offers:voucher_count", args=[offer.voucher_bank.pk])).content.decode()

    assert "1,234" in text
    assert "unassigned codes" in text


def test_banks_that_run_low_are_found(marketer, offer):
    other = ConfigOfferFactory(programme=offer.programme, name="Tea", require_vouchers=True)
    import_codes(other, 3)
    marketer.post(reverse("offers:voucher_low_stock", args=[other.voucher_bank.pk]), {"low_stock_at": 3})

    def names(**query):
        listing = marketer.get(reverse("offers:vouchers"), query).context["listing"]
        return [(bank.config_offer.name, bank.left) for bank in listing.page.object_list]

    assert names() == [("Coffee", 0), ("Tea", 3)]
    assert names(stock="low") == [("Coffee", 0)]
    assert names(q="tea") == [("Tea", 3)]


def test_a_wrong_warning_level_is_refused(marketer, offer):
    address = reverse("offers:voucher_low_stock", args=[offer.voucher_bank.pk])

    assert marketer.post(address, {"low_stock_at": -1}).status_code == 422


def test_another_programmes_bank_is_not_there(marketer):
    other = ConfigOfferFactory(require_vouchers=True)

    assert marketer.get(reverse("offers:voucher_bank", args=[other.voucher_bank.pk])).status_code == 404
    assert send(marketer, other, b"A\n").status_code == 404


def test_b_17_a_file_is_checked_before_it_is_imported(marketer, offer):
    import_codes(offer, ["A"])

    text = send(marketer, offer, b"A\nB0\nBO\nC\nC\n", to="voucher_check").content.decode()

    assert "3 codes of 5 lines would be imported." in text
    assert "Ignored would be: 1 repeated in the file, 1 already in the bank." in text
    assert "Import 3 codes" in text
    assert "Line 5 repeats line 4." in text
    assert "Line 3 looks like line 2 " in text
    assert VoucherCode.objects.count() == 1


def test_b_17_a_bad_file_is_told_whole_and_cannot_be_imported_from_the_check(marketer, offer):
    answer = send(marketer, offer, b"A\n\nA\n" + b"x" * 101, to="voucher_check", is_script=False)

    text = answer.content.decode()
    assert (answer.status_code, VoucherBatch.objects.count()) == (200, 0)
    assert "The file would be refused: 2 problems in 4 lines." in text
    for said in ("Line 2 is blank.", "Line 4 has 101 characters.", "Line 3 repeats line 1."):
        assert said in text
    assert 'form="import-form"' not in text
    assert send(marketer, offer, b"A\n", name="codes.xlsx", to="voucher_check").status_code == 422


def test_b_17_an_import_is_undone_from_its_page_after_a_confirmation_with_its_numbers(marketer, offer):
    batch = import_codes(offer, ["A", "B", "C"])
    give(MemberFactory(programme=offer.programme), offer)
    page = reverse("offers:voucher_bank", args=[offer.voucher_bank.pk])
    assert "Take 2 codes out" in marketer.get(page).content.decode()

    answer = marketer.post(reverse("offers:voucher_undo", args=[offer.voucher_bank.pk, batch.pk]), follow=True)

    text = answer.content.decode()
    assert "2 codes taken out. 1 stays: it was drawn." in text
    assert "undone, 2 taken out" in text
    assert "Take 2 codes out" not in text


def test_s4_22_a_code_is_found_and_voided_from_the_page_and_warnings_are_shown(marketer, offer):
    import_codes(offer, ["A-1", "A-2"], expires_at=clock.now() + timedelta(days=2))
    bank = offer.voucher_bank

    missing = marketer.post(reverse("offers:voucher_code", args=[bank.pk]), {"code": "A"})
    text = marketer.post(reverse("offers:voucher_code", args=[bank.pk]), {"code": "A-1"}).content.decode()
    voided = marketer.post(reverse("offers:voucher_void", args=[bank.pk]), {"code": "A-1", "reason": "x"}, follow=True)

    assert (missing.status_code, "This bank has no such code." in missing.content.decode()) == (404, True)
    assert "unassigned" in text
    assert "Make this code void" in text
    assert VoucherCode.objects.get(code="A-1").voided_at
    assert "1 of them within 14 days" in voided.content.decode()
    assert "1 expires soon" in marketer.get(reverse("offers:vouchers")).content.decode()
    assert "low on codes" in marketer.get(reverse("offers:catalogue")).content.decode()
    bank.low_stock_at = 0
    bank.save()
    assert "codes expire" in marketer.get(reverse("offers:catalogue")).content.decode()
    assert "1 expires soon" in marketer.get("/").content.decode()


def test_d_07_codes_are_allowed_made_and_exported_from_the_page(marketer, offer):
    bank = offer.voucher_bank

    def post(name, *more, client=marketer, **values):
        return client.post(reverse(f"offers:{name}", args=[bank.pk, *more]), values, follow=True)

    characters = voucher_generation.UNAMBIGUOUS
    made = {"count": 3, "pattern": "T-????????", "characters": characters}
    assert "takes codes from outside only" in post("voucher_generate", **made).content.decode()
    assert "Stop making codes here" in post("voucher_generation", allow="yes").content.decode()
    small = post("voucher_generate", **made | {"pattern": "T-??"})
    assert (small.status_code, "allows 961 codes" in small.content.decode()) == (422, True)
    assert "3 codes made." in post("voucher_generate", **made, expires="2099-07-31").content.decode()
    batch = bank.batches.get()
    assert post("voucher_export", batch.pk).status_code == 403
    administrator = Client()
    administrator.force_login(
        UserFactory(role="administrator", programmes=[offer.programme]),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    page = administrator.get(reverse("offers:voucher_bank", args=[bank.pk])).content.decode()
    assert "Export for the till" in page
    assert "waits for its export" in page

    text = b"".join(post("voucher_export", batch.pk, client=administrator)).decode()
    table = b"".join(post("voucher_export", batch.pk, client=administrator, **{"as": "csv"})).decode()

    codes = sorted(VoucherCode.objects.values_list("code", flat=True))
    assert text.splitlines() == codes
    assert [line.split(",") for line in table.splitlines()[1:]] == [[c, "2099-07-31T22:00:00+00:00"] for c in codes]
    assert (
        "waits for its export" not in administrator.get(reverse("offers:voucher_bank", args=[bank.pk])).content.decode()
    )


@pytest.mark.parametrize("expires", ["9999-12-31", "3000-01-01"])
def test_s4_18_an_expiry_beyond_the_kept_years_is_refused_in_every_form(marketer, offer, expires):
    """S4-18, B-17, D-07: of an import, its check and codes made here; the last day that is kept is kept to its end."""
    voucher_generation.allow(bank=offer.voucher_bank, is_allowed=True, actor=None)
    made = {"count": "5", "pattern": "????-????-????", "characters": "ABCDEFGHJK"}
    address = reverse("offers:voucher_generate", args=[offer.voucher_bank.pk])
    for page in (
        send(marketer, offer, b"A\n", expires=expires),
        send(marketer, offer, b"A\n", expires=expires, to="voucher_check"),
        marketer.post(address, made | {"expires": expires}),
    ):
        assert page.status_code == 422
        assert "Give a year from 1900 to 2999." in page.content.decode()
    assert not VoucherCode.objects.exists()
    assert send(marketer, offer, b"A\n", expires="2999-12-31").status_code == 200
    assert VoucherBatch.objects.get().expires_at.isoformat() == "2999-12-31T23:00:00+00:00"
