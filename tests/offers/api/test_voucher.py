"""Voucher codes over the API (S4-17..22, S4-41)."""

import json
from datetime import UTC, datetime

import pytest

from loyalty.models import AuditEvent
from offers.models import VoucherBank, VoucherBatch, VoucherCode
from tests.factories import ApiClientFactory, ConfigOfferFactory, DraftOfferFactory, MemberFactory, give

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    return ConfigOfferFactory(offer_reference="coffee", require_vouchers=True)


@pytest.fixture
def api(offer, client):
    _client, key = ApiClientFactory(programme=offer.programme, scopes=["vouchers"])

    def call(method, path, data=b"", *, content_type="text/plain", key=key):
        return client.generic(
            method,
            f"/api/v1/voucher-banks/{path}",
            data=data,
            content_type=content_type,
            headers={"Authorization": f"Api-Key {key}"},
        )

    return call


def test_s4_21_an_upload_is_summed_up_and_may_be_repeated(api):
    first = api("POST", "coffee/codes", b"A\nB\nB\n")
    again = api("POST", "coffee/codes?file_name=codes.txt", b"A\nB\nB\n")

    assert first.status_code == 201
    assert {k: first.json()[k] for k in ("lines", "imported", "duplicates_in_file", "duplicates_in_bank", "left")} == {
        "lines": 3,
        "imported": 2,
        "duplicates_in_file": 1,
        "duplicates_in_bank": 0,
        "left": 2,
    }
    assert (again.json()["imported"], again.json()["duplicates_in_bank"], again.json()["left"]) == (0, 2, 2)


def test_s4_22_unassigned_codes_are_counted(api, offer):
    api("POST", "coffee/codes?expires_at=2099-01-01T00:00:00Z", b"A\nB\n")

    none = dict.fromkeys(("expiring", "drawn", "given", "reserved", "returned", "voided", "held", "expired"), 0)
    answer = {"offer_reference": "coffee", "left": 2, "imported": 2} | none
    assert api("GET", "coffee/codes").json() == answer
    assert api("GET", f"{offer.voucher_bank.pk}/codes?by=id").json() == answer
    assert VoucherBatch.objects.get().expires_at == datetime(2099, 1, 1, tzinfo=UTC)


def test_s4_20_a_bad_file_is_refused_with_its_lines(api):
    answer = api("POST", "coffee/codes", b"1\n2\n3\n4\n5\n6\n\n8\n" + b"x" * 101 + "\né".encode("latin-1"))

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_voucher_file"
    assert answer.json()["problem_count"] == 3
    assert [(problem["line"], problem["code"]) for problem in answer.json()["problems"]] == [
        (7, "blank"),
        (9, "too_long"),
        (10, "not_utf_8"),
    ]
    assert not VoucherCode.objects.exists()


def test_s4_19_a_file_above_the_limit_is_413_and_at_the_limit_is_read(api):
    whole = b"%099d\n" % 1 * 262_144

    answer = api("POST", "coffee/codes", whole + b"\n")
    assert (answer.status_code, answer.json()["code"], answer.json()["limit"]) == (
        413,
        "voucher_file_too_large",
        26_214_400,
    )
    assert not VoucherCode.objects.exists()
    assert api("POST", "coffee/codes", whole).json()["duplicates_in_file"] == 262_143


def test_s4_17_an_offer_that_does_not_require_vouchers_takes_no_codes(api, offer):
    DraftOfferFactory(programme=offer.programme, offer_reference="tea", name="Tea")

    answer = api("POST", "tea/codes", b"A\n")

    assert (answer.status_code, answer.json()["code"]) == (409, "vouchers_not_required")
    assert api("GET", "tea/codes").json()["code"] == "unknown_voucher_bank"


def test_codes_may_be_imported_before_the_first_publication(api, offer):
    DraftOfferFactory(programme=offer.programme, offer_reference="tea", require_vouchers=True)

    assert api("POST", "tea/codes", b"A\n").json()["left"] == 1


def test_what_is_not_a_text_file_is_refused(api):
    assert api("POST", "coffee/codes", b"").json()["problems"][0]["code"] == "empty_file"
    assert api("POST", "coffee/codes", b"A", content_type="application/json").status_code == 415
    assert api("POST", "coffee/codes?file_name=codes.xlsx", b"A").json()["problems"][0]["code"] == "not_txt"
    assert api("POST", "coffee/codes?expires_at=tomorrow", b"A").json()["problems"][0]["field"] == "expires_at"
    assert api("POST", "coffee/codes?expires_at=2020-01-01T00:00:00Z", b"A").json()["problems"][0]["code"] == (
        "in_the_past"
    )


def test_another_programmes_bank_is_not_there(api):
    other = ConfigOfferFactory(offer_reference="secret", require_vouchers=True)

    assert api("POST", "secret/codes", b"A\n").status_code == 404
    assert api("GET", f"{other.voucher_bank.pk}/codes?by=id").status_code == 404
    assert not VoucherCode.objects.exists()


def test_s4_41_nothing_is_uploaded_where_the_module_is_off(api, offer):
    offer.programme.offers_enabled = False
    offer.programme.save()

    answer = api("POST", "coffee/codes", b"A\n")
    assert (answer.status_code, answer.json()["code"]) == (409, "offers_module_off")


def test_a_key_without_the_scope_may_not(api, offer):
    _client, key = ApiClientFactory(programme=offer.programme, scopes=["catalogue:read", "catalogue:write"])

    assert api("POST", "coffee/codes", b"A\n", key=key).status_code == 403
    assert api("GET", "coffee/codes", key=key).status_code == 403


def test_b_17_a_dry_run_says_what_an_upload_would_do_and_imports_nothing(api):
    api("POST", "coffee/codes", b"A\n")

    answer = api("POST", "coffee/codes/dry-run?file_name=codes.txt", b"A\nB\nB\nC0\nCO\n")

    assert answer.status_code == 200
    told = answer.json()
    assert {key: told[key] for key in told if key != "findings"} == {
        "lines": 5,
        "imported": 3,
        "duplicates_in_file": 1,
        "duplicates_in_bank": 1,
        "is_acceptable": True,
        "expiries": [],
    }
    assert [(f["kind"], f["severity"], f["count"], f["more"]) for f in told["findings"]] == [
        ("duplicate_in_file", "ignored", 1, 0),
        ("duplicate_in_bank", "ignored", 1, 0),
        ("look_alike_in_file", "warning", 1, 0),
    ]
    assert told["findings"][0]["problems"] == [
        {"line": 3, "code": "duplicate_in_file", "message": "Line 3 repeats line 2."}
    ]
    assert VoucherCode.objects.count() == 1


def test_b_17_a_dry_run_of_a_bad_file_is_a_report_and_a_wrong_kind_of_file_a_refusal(api):
    told = api("POST", "coffee/codes/dry-run", b"A\n\n").json()

    assert (told["is_acceptable"], told["imported"], told["findings"][0]["kind"]) == (False, 0, "blank")
    assert api("POST", "coffee/codes/dry-run?file_name=codes.xlsx", b"A").status_code == 422
    assert api("POST", "tea/codes/dry-run", b"A\n").status_code == 404


def test_b_17_an_import_is_undone_and_the_same_codes_may_be_imported_again(api, offer):
    batch = api("POST", "coffee/codes", b"A\nB\n").json()["id"]
    give(MemberFactory(programme=offer.programme), offer)

    undo = f"coffee/batches/{batch}/undo"
    assert api("POST", undo).json() == {"removed": 1, "kept": 1}
    assert api("POST", undo).json() == {"removed": 1, "kept": 1}
    assert AuditEvent.objects.filter(action="voucher.import_undone").count() == 1
    assert api("POST", "coffee/codes", b"A\nB\n").json()["imported"] == 1
    assert api("POST", "coffee/batches/0/undo").json()["code"] == "unknown_voucher_batch"


def test_s4_22_a_code_is_found_whole_and_made_void(api, offer):
    api("POST", "coffee/codes", b"A-1\nA-2\n")

    def ask(verb, **body):
        return api("POST", f"coffee/codes/{verb}", json.dumps(body), content_type="application/json")

    assert ask("find", code="A-1").json() == {
        "state": "left",
        "expires_at": None,
        "voided_at": None,
        "assignment_id": None,
    }
    assert (ask("find", code="A-").status_code, ask("find", code="A-").json()["code"]) == (404, "unknown_voucher_code")
    assert ask("void", code="A-1").status_code == 422
    assert ask("void", code="A-1", reason="printed twice").json()["state"] == "voided"
    held = give(MemberFactory(programme=offer.programme), offer)
    assert ask("find", code="A-2").json()["assignment_id"] == str(held.pk)
    assert api("GET", "coffee/codes").json()["voided"] == 1


def test_d_07_codes_are_made_and_exported_with_a_scope_of_its_own(api, offer):
    def make(**values):
        given = {"count": 2, "pattern": "T-????????"} | values
        return api("POST", "coffee/batches", json.dumps(given), content_type="application/json")

    assert (make().status_code, make().json()["code"]) == (409, "generation_off")
    offer.voucher_bank.may_generate = True
    offer.voucher_bank.save()
    refused = make(pattern="T-????").json()
    assert (refused["code"], refused["allowed"], refused["random_places"]) == ("code_space_too_small", 923_521, 5)
    made = make()
    assert (made.status_code, made.json()["imported"], made.json()["left"]) == (201, 2, 0)
    export = f"coffee/batches/{made.json()['id']}/export"
    assert api("POST", export).status_code == 403
    _client, key = ApiClientFactory(programme=offer.programme, scopes=["codes:read"])

    answer = api("POST", export, key=key)

    assert b"".join(answer).decode().split() == sorted(VoucherCode.objects.values_list("code", flat=True))
    assert (api("GET", "coffee/codes").json()["left"], api("GET", "coffee/codes").json()["held"]) == (2, 0)


def test_a_file_with_an_expiry_for_each_code_is_uploaded_as_csv(api, offer):
    """S4-19, "expiry per code": the media type or the name says which kind of file it is."""
    content = b"code,expires_at\nA,2199-12-31\nB,\nC,2199-12-31T12:00:00Z\n"
    told = api("POST", "coffee/codes/dry-run", content, content_type="text/csv").json()
    assert told["expiries"] == [
        {"expires_at": "2199-12-31T12:00:00Z", "count": 1},
        {"expires_at": told["expiries"][1]["expires_at"], "count": 1},
        {"expires_at": None, "count": 1},
    ]
    made = api("POST", "coffee/codes?file_name=autumn", content, content_type="text/csv")
    assert (made.status_code, made.json()["imported"], made.json()["left"]) == (201, 3, 3)
    assert VoucherBatch.objects.get().file_name == "autumn.csv"
    assert offer.voucher_bank.segments.count() == 3
    again = api("POST", "coffee/codes?file_name=codes.csv", content)
    assert (again.json()["imported"], again.json()["duplicates_in_bank"]) == (0, 3)
    refused = api("POST", "coffee/codes", b"A,2020-01-01\n", content_type="text/csv")
    assert (refused.status_code, refused.json()["problems"][0]["code"]) == (422, "csv_header")


@pytest.mark.parametrize("expires_at", ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "3000-01-03T00:00:00Z"])
def test_s4_18_an_expiry_that_nobody_could_read_is_refused_and_the_bank_stays_whole(api, offer, expires_at):
    """S4-18, D-07, B-17: in an upload, its dry run and a batch made here; uploads after it work."""
    VoucherBank.objects.update(may_generate=True)
    made = json.dumps({"count": 5, "pattern": "????-????-????", "expires_at": expires_at})
    answers = [
        api("POST", f"coffee/codes?expires_at={expires_at}", b"A\n"),
        api("POST", f"coffee/codes/dry-run?expires_at={expires_at}", b"A\n"),
        api("POST", "coffee/batches", made, content_type="application/json"),
    ]
    assert [answer.status_code for answer in answers] == [422] * 3
    assert [[one["field"] for one in answer.json()["problems"]] for answer in answers] == [["expires_at"]] * 3
    assert "Give a year up to 2999, or none." in answers[0].json()["detail"]
    assert not VoucherBatch.objects.exists()
    kept = api("POST", "coffee/codes?expires_at=2999-12-31T23:59:59-14:00", b"A\n")
    assert (kept.status_code, api("GET", "coffee/codes").json()["left"]) == (201, 1)
