"""The marketers' pages of personal offers: upload, preview, commit, report (S1-03..06, S1-17, D-14, B-02)."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from loyalty import clock
from loyalty.services import member_token
from offers.models import Assignment, PersonalOfferImport
from offers.services import assignment_verbs, personal_offer_work
from offers.tasks import personal_offer as tasks
from tests.factories import ConfigOfferFactory
from tests.offers.personal_offers import imported, item, jsonl, members_of, offer_of, received
from tests.offers.views.marketer import sign_in, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    return offer_of(name="Yours alone")


@pytest.fixture
def marketer(offer):
    return sign_in(offer.programme)


def send(marketer, offer, content, name="offers.jsonl", **more):
    file = SimpleUploadedFile(name, content)
    return marketer.post(reverse("offers:personal_upload", args=[offer.pk]), {"file": file, **more})


def test_a_marketer_uploads_sees_every_problem_and_commits_the_rest_b_02_d_14(
    offer, marketer, monkeypatch, django_capture_on_commit_callbacks
):
    rung: list[int] = []
    monkeypatch.setattr(tasks, "ring", rung.append)
    members_of(offer, "M-1")
    content = jsonl({"member": "M-1", "items": [item()]}, {"member": "M-9", "items": [item(size=500)]})
    with django_capture_on_commit_callbacks(execute=True):
        answer = send(marketer, offer, content)
    upload = PersonalOfferImport.objects.get()
    page = reverse("offers:personal_import", args=[offer.pk, upload.pk])
    assert (answer.headers["Location"], rung) == (page, [upload.pk])
    assert "The file is being checked." in words(marketer.get(page))
    personal_offer_work.check(upload_id=upload.pk, now=clock.now())
    shown = words(marketer.get(reverse("offers:personal_live", args=[offer.pk, upload.pk])))
    assert "Line 2, items[0].benefit.size: “500” is too large. Give at most 100." in shown
    assert "Line 2, member: there is no member “M-9”." in shown
    assert "Leave out 1 and give 1 offers" in shown
    commit = reverse("offers:personal_commit", args=[offer.pk, upload.pk])
    marketer.post(commit)
    assert "Mend the file" in words(marketer.get(page))
    assert Assignment.objects.count() == 0
    with django_capture_on_commit_callbacks(execute=True):
        assert marketer.post(commit, {"leave_out": "yes"}).headers["Location"] == page
    personal_offer_work.run_to_end(upload_id=upload.pk, clock=clock.now)
    assert "What it did" in words(marketer.get(page))
    report = b"".join(
        marketer.get(reverse("offers:personal_report", args=[offer.pk, upload.pk])).streaming_content
    ).decode()
    assert len(report.splitlines()) == 3


def test_the_page_counts_who_accepted_and_lists_the_imports_s1_17(offer, marketer):
    one, _two, _three = members_of(offer, "M-1", "M-2", "M-3")
    imported(
        offer,
        *({"member": f"M-{n}", "items": [item()], "acceptance_required": True} for n in (1, 2)),
        {"member": "M-3", "items": [item()]},
    )
    held = Assignment.objects.get(member=one)
    assignment_verbs.accept(member_id=one.pk, assignment_id=held.pk, now=clock.now())
    shown = words(marketer.get(reverse("offers:personal_offers", args=[offer.pk])))
    assert '<dt>Accepted</dt><dd class="numbers">1</dd>' in shown
    assert '<dt>Not accepted yet</dt><dd class="numbers">1</dd>' in shown
    assert '<dt>Without acceptance</dt><dd class="numbers">1</dd>' in shown
    assert "offers.jsonl" in shown
    upload = PersonalOfferImport.objects.get()
    shown_of_import = words(marketer.get(reverse("offers:personal_import", args=[offer.pk, upload.pk])))
    assert "1 of 2 that have to be accepted" in shown_of_import
    assert "Imports of personal offers" in words(marketer.get(reverse("offers:offer", args=[offer.pk])))


def test_a_preview_says_what_would_change_before_it_does_d_14(offer, marketer):
    one, _other = members_of(offer, "M-1", "M-2")
    imported(offer, *({"member": f"M-{n}", "items": [item()], "acceptance_required": True} for n in (1, 2)))
    held = Assignment.objects.get(member=one)
    assignment_verbs.accept(member_id=one.pk, assignment_id=held.pk, now=clock.now())
    upload = received(
        offer,
        jsonl({"member": "M-1", "items": [item("TEA", 250, "amount")], "acceptance_required": True}),
        is_full=True,
    )
    shown = words(marketer.get(reverse("offers:personal_import", args=[offer.pk, upload.pk])))
    assert "1 has to accept anew" in shown
    assert "Give 1 offer" in shown
    assert "take 1" in shown
    assert "2.50 €" in shown


def test_what_is_no_table_is_refused_on_the_page(offer, marketer):
    answer = send(marketer, offer, b"PK\x03\x04", "offers.csv")
    assert answer.status_code == 422
    assert "is compressed" in words(answer)
    assert send(marketer, offer, b"", "offers.csv").status_code == 422
    nothing = marketer.post(reverse("offers:personal_upload", args=[offer.pk]), {})
    assert "Choose a file." in words(nothing)
    assert PersonalOfferImport.objects.count() == 0


def test_a_discarded_import_gives_nothing_and_again_changes_nothing(offer, marketer):
    members_of(offer, "M-1")
    upload = received(offer, jsonl({"member": "M-1", "items": [item()]}))
    discard = reverse("offers:personal_discard", args=[offer.pk, upload.pk])
    assert marketer.post(discard).headers["Location"] == reverse("offers:personal_offers", args=[offer.pk])
    marketer.post(discard)
    upload.refresh_from_db()
    assert upload.state == "discarded"


@pytest.mark.parametrize("mechanic", ["products", "receipt"])
def test_the_example_is_a_file_that_can_be_imported(mechanic, marketer, offer):
    own = offer_of(mechanic, programme=offer.programme, things=("A-1", "A-2"))
    members_of(own, "M-1")
    answer = marketer.get(reverse("offers:personal_example", args=[own.pk]))
    upload = received(own, b"".join(answer.streaming_content), "example.csv")
    assert (upload.state, upload.preview["new"]) == ("checked", 1)


def test_agents_and_other_programmes_do_not_import(offer):
    agent = sign_in(offer.programme, role="support agent")
    assert agent.get(reverse("offers:personal_offers", args=[offer.pk])).status_code == 403
    other = sign_in(offer_of(programme__slug="other").programme)
    assert other.get(reverse("offers:personal_offers", args=[offer.pk])).status_code == 404


def test_her_page_says_her_terms_in_words_and_takes_her_acceptance_s1_16_s1_19(offer):
    [member] = members_of(offer, "M-1")
    imported(
        offer,
        {
            "member": "M-1",
            "items": [item(ends_at="2099-11-30"), item("TEA", 30)],
            "acceptance_required": True,
        },
    )
    token = member_token.mint(member=member, now=clock.now())
    her = Client()
    her.post("/rewards/session", {"token": token})
    listed = words(her.get("/rewards/offers"))
    assert "up to 30 % off" in listed
    assert "20 % off Coffee until Nov. 30, 2099" in listed
    held = Assignment.objects.get()
    detail = words(her.get(f"/rewards/offers/{held.pk}"))
    assert "30 % off Tea" in detail
    assert "Activate" in detail
    her.post(reverse("rewards-accept", args=[held.pk]))
    held.refresh_from_db()
    assert held.accepted_at is not None


def test_an_offer_of_personal_terms_leads_to_its_imports_and_not_to_a_run(offer, marketer):
    """S1-03: no door but an import gives it, so a run of it could give nobody anything."""
    page = marketer.get(reverse("offers:offer", args=[offer.pk])).content.decode()
    assert "Import personal offers" in page
    assert "Assign this offer" not in page
    other = ConfigOfferFactory(programme=offer.programme)
    page = marketer.get(reverse("offers:offer", args=[other.pk])).content.decode()
    assert "Import personal offers" not in page
    assert "Assign this offer" in page
