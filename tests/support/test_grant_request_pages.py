"""Waiting grants on the pages: asking in the panel, the list, deciding in place, Home (B-05; SCREENS "Granting")."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty import clock
from offers.models import Assignment
from support.models import GrantRequest
from support.services import assignment as verbs
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, UserFactory, import_codes
from tests.factories.allowance import allow, allow_members
from tests.support.test_allowance import ask
from tests.support.test_grant import filled, send, template

__all__ = ["template"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(programme):
    client = Client()
    client.force_login(UserFactory(role="support lead", programmes=[programme], first_name="Lea", last_name="Lead"))
    return client


@pytest.fixture
def waiting(programme, user, ann, template):
    allow(programme, user=user, per_day=0)
    return ask(ann, template, user).request


def preview(client, member, template, **changes):
    return client.post(reverse("support:grant_preview", args=[member.pk]), filled(template, **changes)).text


def test_b_05_the_panel_says_what_it_costs_what_is_used_and_what_she_got(agent, programme, user, ann, template):
    """SCREENS: "your week 89 of 200 €, she got 1 make-good in 90 days", live with the form."""
    allow(programme, user=user, per_day=7, week_minor=20_000)
    ask(ann, template, user, size=8_900)
    text = preview(agent, ann, template)
    for said in ("Costs at most", "4.50 €", "1 of 7", "89.00 € of 200.00 €", "she got 1 grant in 90 days, 89.00 €"):
        assert said in text
    assert "Grant Voucher 5" in text
    assert "Ask for approval" not in text


def test_b_05_beyond_a_limit_the_button_asks_and_the_limit_is_named(agent, programme, user, ann, template):
    allow(programme, user=user, single_minor=400)
    allow_members(programme, days=60, amount_minor=100)
    text = preview(agent, ann, template)
    assert "Ask for approval: Voucher 5" in text
    assert "4.50 € in one grant, of 4.00 €" in text
    assert "4.50 € for this member, of 1.00 €" in text
    # Live: what is cheap enough is granted.
    assert "Grant Voucher 5" in preview(agent, ann, template, benefit__size="1.00")
    answer = send(agent, ann, filled(template), follow=True)
    assert "It waits for a second person; nothing is given yet." in answer.text
    assert not Assignment.objects.exists()
    assert GrantRequest.objects.get().exposure_minor == 450


def test_b_05_the_same_complaint_is_warned_of_with_who_and_when(agent, programme, user, ann, template):
    """The same ticket for anybody, however it is spelled; the same offer or reason for her."""
    colleague = UserFactory(first_name="Cy", last_name="Colleague", programmes=[programme])
    ben = MemberFactory(programme=programme, first_name="Ben", last_name="Moe")
    given = ask(ben, template, colleague)
    held = given.outcome.assignment_id
    text = preview(agent, ann, template, ticket="a-17", reason="other")
    for said in ("The same complaint?", "by Cy Colleague", "same ticket", "to Ben Moe"):
        assert said in text
    assert reverse("support:assignment", args=[held]) in text
    assert "The same complaint?" not in preview(agent, ann, template, ticket="B-1")
    assert "The same complaint?" in preview(agent, ben, template, ticket="", reason="")
    assert "The same complaint?" in preview(agent, ben, template, ticket="", reason="goodwill")
    # What was taken back is no complaint any more.
    verbs.revoke(assignment=Assignment.objects.get(), reason="slip", actor=colleague, now=clock.now())
    assert "The same complaint?" not in preview(agent, ann, template, ticket="A-17")


def test_b_05_what_waits_for_the_same_ticket_is_warned_of(agent, ann, template, waiting):
    """However it is spelled, and for whichever member."""
    ben = MemberFactory(programme=ann.programme)
    for member, ticket in ((ann, "#A-17"), (ben, "a-17"), (ben, " # A-17 ")):
        text = preview(agent, member, template, ticket=ticket)
        assert "waits for approval" in text
        assert "same ticket" in text
    assert "waits for approval" not in preview(agent, ben, template, ticket="A-18")


def test_b_05_a_request_says_everything_that_a_second_person_asks(lead, programme, user, ann, template, waiting):
    listed = lead.get(reverse("support:grant_requests")).text
    assert "Voucher 5" in listed
    assert "asked by Ola Agent" in listed
    text = lead.get(reverse("support:grant_request", args=[waiting.pk])).text
    for said in (
        "Ann Lee", "Voucher 5", "5.00 €", "Ola Agent", "Goodwill", "#A-17", "Till 4 was down", "1 grants today, of 0",
        "she got 0 grants in 90 days", "Approve and grant Voucher 5",
    ):  # fmt: skip
        assert said in text, said


def test_b_05_a_lead_approves_in_place_once(lead, ann, waiting):
    address = reverse("support:grant_request_approve", args=[waiting.pk])
    done = lead.post(address, {"from": "list"}, follow=True)
    assert done.redirect_chain == [(reverse("support:grant_requests"), 302)]
    assert "Approved. It is granted." in done.text
    assert Assignment.objects.filter(member=ann).count() == 1
    again = lead.post(address, follow=True)
    assert again.redirect_chain == [(reverse("support:member", args=[ann.pk]), 302)]
    assert "approved by Lea Lead" in again.text
    assert Assignment.objects.count() == 1


def test_b_05_who_asked_reads_on_home_why_it_was_declined(agent, lead, waiting):
    address = reverse("support:grant_request_decline", args=[waiting.pk])
    assert "Say why" in lead.post(address, {"answer": " "}, follow=True).text
    waiting.refresh_from_db()
    assert waiting.state == "waiting"
    lead.post(address, {"answer": "Ask her for the receipt."})
    home = agent.get(reverse("support:home")).text
    assert "declined by Lea Lead" in home
    assert "Ask her for the receipt." in home
    # What was decided about can still be read, and nothing is left to decide.
    text = lead.get(reverse("support:grant_request", args=[waiting.pk])).text
    for said in ("declined by Lea Lead", "Ann Lee", "Goodwill", "#A-17", "Till 4 was down", "When it was asked"):
        assert said in text, said
    assert "Approve and grant" not in text


def test_b_05_home_and_navigation_count_what_waits_for_a_lead_and_not_her_own(
    lead, agent, programme, template, waiting
):
    home = lead.get(reverse("support:home")).text
    assert "1 grant goes beyond an allowance" in home
    assert "waiting for you" in home
    assert "goes beyond an allowance" not in agent.get(reverse("support:home")).text
    own = UserFactory(role="support lead", programmes=[programme])
    GrantRequest.objects.update(asked_by=own)
    client = Client()
    client.force_login(own)
    assert "goes beyond an allowance" not in client.get(reverse("support:home")).text


def test_b_05_who_asked_withdraws_and_decides_nothing(agent, ann, waiting):
    assert agent.post(reverse("support:grant_request_approve", args=[waiting.pk])).status_code == 403
    assert "Withdraw it" in agent.get(reverse("support:grant_request", args=[waiting.pk])).text
    assert "Voucher 5" in agent.get(reverse("support:member_requests", args=[ann.pk])).text
    agent.post(reverse("support:grant_request_withdraw", args=[waiting.pk]))
    waiting.refresh_from_db()
    assert waiting.state == "withdrawn"
    assert "Voucher 5" not in agent.get(reverse("support:member_requests", args=[ann.pk])).text


def test_d_21_another_programmes_requests_do_not_exist(programme, waiting):
    foreign = ProgrammeFactory()
    client = Client()
    client.force_login(UserFactory(role="support lead", programmes=[foreign]))
    assert "Voucher 5" not in client.get(reverse("support:grant_requests")).text
    assert client.get(reverse("support:grant_request", args=[waiting.pk])).status_code == 404
    for verb in ("approve", "decline", "withdraw"):
        address = reverse(f"support:grant_request_{verb}", args=[waiting.pk])
        assert client.post(address, {"answer": "x"}).status_code == 404
    assert not Assignment.objects.exists()


def test_b_05_the_list_asks_as_many_questions_for_many_as_for_one(lead, programme, user, template, waiting):
    counts = []
    for more in (0, 5):
        for member in MemberFactory.create_batch(more, programme=programme):
            ask(member, template, user)
        with CaptureQueriesContext(connection) as asked:
            assert lead.get(reverse("support:grant_requests")).text.count("asked by") == 1 + more
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_d_10_the_code_is_read_out_in_the_panel_after_it_was_recorded(agent, programme, ann):
    """After the grant the panel offers the code; showing it records the exposure first. Undo stays."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["READ-ME-1"])
    data = {"template": offer.templates.get().pk, "reference": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"}
    headers = {"HX-Request": "true", "HX-Target": "grant-body"}
    done = send(agent, ann, data | {"reason": "goodwill"}, headers=headers)
    held = Assignment.objects.get()
    show = reverse("support:show_code", args=[held.pk])
    assert show in done.text
    assert "READ-ME-1" not in done.text
    assert reverse("support:undo", args=[ann.pk, held.pk]) in done.headers["HX-Trigger"]
    assert held.exposed_at is None
    shown = agent.post(show).text
    assert "READ-ME-1" in shown
    assert 'data-copy="READ-ME-1"' in shown
    held.refresh_from_db()
    assert held.exposed_at is not None
