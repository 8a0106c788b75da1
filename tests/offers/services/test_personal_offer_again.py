"""Imports of personal offers that failed are tried again; those nobody went on with are dropped (issue 4; D-14)."""

import io
from datetime import timedelta
from itertools import count

import pytest
from django.db import DatabaseError
from django.urls import reverse
from structlog.testing import capture_logs

from loyalty import clock
from loyalty.errors import Conflict
from loyalty.models import ApiClient, AuditEvent, Scope
from offers.models import Assignment, PersonalOfferImport, PersonalOfferPart, PersonalOfferRow
from offers.services import personal_offer, personal_offer_check, personal_offer_giving, personal_offer_work
from offers.services import personal_offer_dropping as dropping
from offers.tasks import personal_offer as tasks
from tests.integrity import assert_whole
from tests.offers.personal_offers import committed, imported, item, jsonl, members_of, offer_of, received
from tests.offers.views.marketer import sign_in, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def rung(monkeypatch):
    """Note who would be rung for, instead of ringing the workers."""
    told: list[int] = []
    monkeypatch.setattr(tasks, "ring", told.append)
    return told


@pytest.fixture
def offer(settings):
    settings.UPLOAD_KEPT_DAYS = 14
    found = offer_of()
    members_of(found, *(f"M-{n}" for n in range(5)))
    return found


def file(n=5):
    return jsonl(*({"member": f"M-{one}", "items": [item()]} for one in range(n)))


def breaks(monkeypatch, module, name):
    """Have a step of the work fail, as a database in trouble would; return what mends it."""

    def fail(**_given):
        raise DatabaseError("a disk full of sorrow")

    monkeypatch.setattr(module, name, fail)
    return monkeypatch.undo


def page(offer, upload, name="import"):
    return reverse(f"offers:personal_{name}", args=[offer.pk, upload.pk])


def stopped(offer, monkeypatch) -> PersonalOfferImport:
    """Return an import of five whose second chunk of two failed until it was given up."""
    monkeypatch.setattr(personal_offer_work, "CHUNK", 2)
    upload = received(offer, file())
    personal_offer.commit(upload=upload, leaves_out_faulty=False, actor=None, now=clock.now())
    assert personal_offer_work.do_next_chunk(upload_id=upload.pk, now=clock.now())
    # Between attempts it waits for half a minute and more: a clock that goes on by a minute a look need not.
    later = (clock.now() + timedelta(minutes=n) for n in count(1))
    with monkeypatch.context() as broken:
        breaks(broken, personal_offer_giving, "give")
        upload = personal_offer_work.run_to_end(upload_id=upload.pk, clock=lambda: next(later))
    assert (upload.state, upload.done_to, upload.failure["code"]) == ("failed", 2, "chunk_failed")
    return upload


def test_an_import_that_stopped_goes_on_from_its_page_where_it_stopped_d_14(offer, monkeypatch, rung):
    """D-14, issue 4: what was given stays, nobody gets it twice, and a second click changes nothing."""
    upload = stopped(offer, monkeypatch)
    given = set(Assignment.objects.values_list("pk", flat=True))
    marketer = sign_in(offer.programme)
    assert "Try again from row 2 on" in words(marketer.get(page(offer, upload)))
    for _ in range(2):
        answer = marketer.post(page(offer, upload, "retry"), follow=True)
        assert "It is tried again. What was given before stays." in words(answer)
    assert AuditEvent.objects.filter(action="personal_import.retried").count() == 1
    upload = personal_offer_work.run_to_end(upload_id=upload.pk, clock=clock.now)
    assert (upload.state, upload.failure, upload.counts["new"]) == ("finished", None, 5)
    assert given < set(Assignment.objects.values_list("pk", flat=True))
    assert Assignment.objects.count() == 5
    assert_whole()
    marketer.post(page(offer, upload, "retry"))
    upload.refresh_from_db()
    assert upload.state == "finished"


def test_an_import_that_could_not_be_checked_is_checked_again_over_the_api_d_14(offer, monkeypatch, client, rung):
    """D-14, issue 4: its file is kept while it failed, and its key answers the same again."""
    upload = personal_offer.receive(
        programme=offer.programme, offer=offer, file=io.BytesIO(file()), file_name="a.jsonl",
        is_full=False, actor=None, now=clock.now(),
    )  # fmt: skip
    later = clock.now()
    with monkeypatch.context() as broken:
        breaks(broken, personal_offer_check, "write_rows")
        for _ in range(personal_offer_work.ATTEMPTS):
            with pytest.raises(DatabaseError):
                personal_offer_work.check(upload_id=upload.pk, now=later)
            later += timedelta(minutes=5)
        personal_offer_work.check(upload_id=upload.pk, now=later)
    upload.refresh_from_db()
    assert (upload.state, upload.failure["code"], upload.parts.count()) == ("failed", "check_failed", 1)
    assert_whole()
    assert "It could not be checked. Nothing was given, and the file is kept." in words(
        sign_in(offer.programme).get(page(offer, upload))
    )
    _row, key = ApiClient.objects.create_key(programme=offer.programme, name="machine", scopes=[Scope.ASSIGN_IN_BULK])
    address = f"/api/v1/personal-offers/imports/{upload.pk}/retry"
    for _ in range(2):
        answer = client.post(address, headers={"Authorization": f"Api-Key {key}"}, content_type="application/json")
        assert (answer.status_code, answer.json()["state"], answer.json()["failure"]) == (202, "received", None)
    assert personal_offer_work.check(upload_id=upload.pk, now=clock.now())
    upload.refresh_from_db()
    assert (upload.state, upload.rows, PersonalOfferPart.objects.count()) == ("checked", 5, 0)
    refused = client.post(address, headers={"Authorization": f"Api-Key {key}"}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "personal_import_state")


def test_what_is_no_table_or_was_outrun_is_not_tried_again_and_says_why_d_14(offer, monkeypatch, rung):
    """D-14: a file that nobody can read, one whose offer was imported since, one that another is at work beside."""
    unreadable = received(offer, b"colour\nred\n", "a.csv")
    assert (unreadable.state, unreadable.is_retriable) == ("failed", False)
    with pytest.raises(personal_offer.ImportState, match="The file of this import is no longer kept"):
        personal_offer.retry(upload=unreadable, actor=None, now=clock.now())
    upload = stopped(offer, monkeypatch)
    other = received(offer, file(1))
    personal_offer.commit(upload=other, leaves_out_faulty=False, actor=None, now=clock.now())
    for _ in range(2):
        with pytest.raises(personal_offer.ImportState, match="Another import"):
            personal_offer.retry(upload=upload, actor=None, now=clock.now())
        personal_offer_work.run_to_end(upload_id=other.pk, clock=clock.now)
    answer = sign_in(offer.programme).post(page(offer, upload, "retry"), follow=True)
    assert "Another import was committed since this one stopped. Give the file again." in words(answer)
    upload.refresh_from_db()
    assert upload.state == "failed"


def aged(upload, days):
    then = clock.now() - timedelta(days=days)
    PersonalOfferImport.objects.filter(pk=upload.pk).update(created_at=then, checked_at=then)
    return upload


def test_an_import_that_nobody_committed_goes_after_its_days_and_its_page_says_so_d_14(offer, monkeypatch, rung):
    """D-14, issue 4: checked, faulty and discarded ones, a portion of rows a transaction; others keep every row."""
    monkeypatch.setattr(dropping, "PORTION", 2)
    old = aged(received(offer, file()), 15)
    faulty = aged(received(offer, jsonl({"member": "nobody", "items": [item()]})), 15)
    discarded = aged(received(offer, file()), 15)
    personal_offer.discard(upload=discarded, actor=None, now=clock.now() - timedelta(days=15))
    young = aged(received(offer, file()), 13)
    done = aged(imported(offer, {"member": "M-1", "items": [item()]}), 15)
    assert dropping.drop_next(now=clock.now())
    assert dropping.drop_next(now=clock.now())
    assert PersonalOfferRow.objects.count() == 5 + 1 + 5 + 5 + 1 - 2, "two rows of the first one so far"
    assert_whole()
    tasks.drop_old()
    assert_whole()
    kept = {one.pk: one for one in PersonalOfferImport.objects.all()}
    assert [kept[one.pk].state for one in (old, faulty, discarded, young, done)] == [
        "dropped", "dropped", "discarded", "checked", "finished",
    ]  # fmt: skip
    assert set(PersonalOfferRow.objects.values_list("upload", flat=True)) == {young.pk, done.pk}
    assert AuditEvent.objects.filter(action="personal_import.dropped").count() == 3
    marketer = sign_in(offer.programme)
    for one in (old, faulty):
        shown = words(marketer.get(page(offer, one)))
        assert "Nobody committed this import for so long that it was dropped" in shown
        assert "give the file again" in shown
        assert page(offer, one, "report") not in shown
        assert page(offer, one, "commit") not in shown
    with pytest.raises(Conflict, match="This import was dropped, because it waited too long"):
        personal_offer.commit(upload=old, leaves_out_faulty=False, actor=None, now=clock.now())
    with pytest.raises(Conflict, match="Another import was committed since this one was checked"):
        committed(young)


def test_what_stopped_half_way_keeps_its_rows_however_old_it_is_d_14(offer, monkeypatch):
    """D-14: they say who was given something, and it may still be tried again."""
    upload = aged(stopped(offer, monkeypatch), 400)
    PersonalOfferImport.objects.update(finished_at=clock.now() - timedelta(days=400))
    tasks.drop_old()
    assert PersonalOfferRow.objects.filter(upload=upload).count() == 5
    assert personal_offer.retry(upload=upload, actor=None, now=clock.now()).state == "committing"


def mistakes(monkeypatch, module, name):
    """Have a step of the work meet a mistake of ours, which comes again at every attempt."""

    def fail(*_given, **_named):
        raise TypeError("Integer exceeds 64-bit range")

    monkeypatch.setattr(module, name, fail)


def test_a_mistake_of_ours_ends_a_check_at_once_with_a_sentence_and_a_traceback_d_14(offer, monkeypatch):
    """D-14, issue 4: five leases of silence before; the file is kept, and checked anew once the mistake is mended."""
    with monkeypatch.context() as broken, capture_logs() as logged:
        mistakes(broken, personal_offer_check, "write_rows")
        upload = received(offer, file())
    failure = {
        "code": "check_failed",
        "message": "The administrator finds the cause in the log; then try it again.",
        "attempts": 1,
    }
    assert (upload.state, upload.failure, upload.parts.count()) == ("failed", failure, 1)
    told = [one for one in logged if one["event"] == "personal_import.check_failed"]
    assert [(one["log_level"], one["upload"], one["exc_info"]) for one in told] == [("error", upload.pk, True)]
    assert_whole()
    shown = words(sign_in(offer.programme).get(page(offer, upload)))
    assert "It could not be checked. Nothing was given, and the file is kept." in shown
    assert failure["message"] in shown
    personal_offer.retry(upload=upload, actor=None, now=clock.now())
    upload = personal_offer_work.run_to_end(upload_id=upload.pk, clock=clock.now)
    assert (upload.state, upload.rows) == ("checked", 5)


def test_a_mistake_of_ours_stops_a_chunk_at_once_d_14(offer, monkeypatch):
    """D-14: what was given stays, and a new try goes on with the next row."""
    monkeypatch.setattr(personal_offer_work, "CHUNK", 2)
    upload = received(offer, file())
    personal_offer.commit(upload=upload, leaves_out_faulty=False, actor=None, now=clock.now())
    assert personal_offer_work.do_next_chunk(upload_id=upload.pk, now=clock.now())
    with monkeypatch.context() as broken:
        mistakes(broken, personal_offer_giving, "give")
        assert not personal_offer_work.do_next_chunk(upload_id=upload.pk, now=clock.now())
    upload.refresh_from_db()
    assert (upload.state, upload.done_to, upload.failure["code"]) == ("failed", 2, "chunk_failed")
    assert upload.failure["message"]
    personal_offer.retry(upload=upload, actor=None, now=clock.now())
    upload = personal_offer_work.run_to_end(upload_id=upload.pk, clock=clock.now)
    assert (upload.state, Assignment.objects.count()) == ("finished", 5)
    assert_whole()
