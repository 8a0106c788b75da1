"""Grants above a limit wait for a second person, who decides in place (B-05)."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from loyalty import clock
from loyalty.celery import app
from loyalty.errors import InvalidInput, NotFound
from loyalty.models import AuditEvent, Member
from offers.models import Assignment, ConfigOffer, DoorEntry, GrantLedgerEntry
from support.models import GrantRequest
from support.services import assignment as verbs
from support.services import grant as grants
from support.services import grant_request as service
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, UserFactory, import_codes
from tests.factories.allowance import allow, allow_members
from tests.offers.selectors.test_integrity import found
from tests.support.test_allowance import ask, ask_plain
from tests.support.test_ledger import agent, ann, programme, template

__all__ = ["agent", "ann", "programme", "template"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(programme):
    return UserFactory(role="support lead", programmes=[programme], first_name="Lea", last_name="Lead")


@pytest.fixture
def waiting(programme, agent, ann, template):
    allow(programme, user=agent, per_day=0)
    return ask(ann, template, agent).request


def approve(asked, actor, **changes):
    return service.approve(
        **{"programme": asked.programme, "request_id": asked.pk, "actor": actor, "now": clock.now()} | changes
    )


def test_b_05_what_is_approved_is_its_agents_grant_with_the_approver_noted(programme, agent, ann, lead, waiting):
    """S0-11: through the same door, once, and counted to whoever asked."""
    done = approve(waiting, lead)
    held = Assignment.objects.get()
    assert (done.state, done.decided_by, done.assignment) == ("approved", lead, held)
    assert (held.member, held.actor, held.terms) == (ann, agent, {"benefit": {"type": "amount", "size": 500}})
    row, entry = GrantLedgerEntry.objects.get(), DoorEntry.objects.get()
    assert (row.agent, row.approved_by, row.assignment) == (agent, lead, held)
    assert (row.reason, row.ticket, row.note) == (waiting.reason, waiting.ticket, waiting.note)
    assert (entry.actor, entry.context["reason"]) == (agent, waiting.reason)
    assert AuditEvent.objects.get(action="grant_request.approved").user == lead
    with pytest.raises(service.NotApprovable, match="approved by Lea Lead"):
        approve(waiting, lead)
    assert Assignment.objects.count() == 1
    assert found() == {}


def test_b_05_the_form_sent_again_after_the_approval_answers_what_was_given(agent, ann, template, lead, waiting):
    given = approve(waiting, lead).assignment_id
    again = ask(ann, template, agent, reference=waiting.reference)
    assert (again.outcome.assignment_id, again.is_replayed) == (given, True)


def test_b_05_nobody_approves_or_declines_a_grant_of_their_own(agent, waiting):
    """Not even who may approve, nor by writing it into the table."""
    agent.groups.add(Group.objects.get(name="support lead"))
    with pytest.raises(service.NotApprovable, match="Somebody else decides"):
        approve(waiting, agent)
    with pytest.raises(service.NotApprovable):
        service.decline(programme=waiting.programme, request_id=waiting.pk, answer="No", actor=agent, now=clock.now())
    with pytest.raises(IntegrityError, match="nobody_approves_a_grant_of_their_own"), transaction.atomic():
        GrantRequest.objects.update(state="declined", decided_by=agent, decided_at=clock.now())
    waiting.refresh_from_db()
    assert waiting.state == "waiting"


def test_b_05_declining_needs_a_sentence_and_gives_nothing(lead, waiting):
    for said in ("", "  ", "x" * 501):
        with pytest.raises(InvalidInput):
            service.decline(
                programme=waiting.programme, request_id=waiting.pk, answer=said, actor=lead, now=clock.now()
            )
    done = service.decline(
        programme=waiting.programme, request_id=waiting.pk, answer=" Ask her first. ", actor=lead, now=clock.now()
    )
    assert (done.state, done.answer, done.decided_by) == ("declined", "Ask her first.", lead)
    with pytest.raises(service.NotApprovable):
        approve(waiting, lead)
    assert not Assignment.objects.exists()


def test_b_05_who_asked_withdraws_and_nobody_else(programme, agent, lead, waiting):
    with pytest.raises(NotFound):
        service.withdraw(programme=programme, request_id=waiting.pk, actor=lead, now=clock.now())
    done = service.withdraw(programme=programme, request_id=waiting.pk, actor=agent, now=clock.now())
    assert (done.state, done.decided_by) == ("withdrawn", agent)
    with pytest.raises(service.NotApprovable):
        service.withdraw(programme=programme, request_id=waiting.pk, actor=agent, now=clock.now())


def test_b_05_what_waited_too_long_is_over(lead, waiting):
    late = waiting.asked_at + timedelta(days=grants.WAITING_DAYS)
    with pytest.raises(service.NotApprovable, match="too long"):
        approve(waiting, lead, now=late)
    assert service.expire(now=late - timedelta(seconds=1)) == 0
    assert service.expire(now=late) == 1
    waiting.refresh_from_db()
    assert (waiting.state, waiting.decided_by, waiting.decided_at) == ("expired", None, late)
    noted = AuditEvent.objects.get(action="grant_request.expired")
    assert (noted.programme, noted.user, noted.object_id) == (waiting.programme, None, str(waiting.pk))
    assert (noted.object_type, noted.object_label) == (waiting._meta.label_lower, str(waiting))
    asked = AuditEvent.objects.get(action="grant_request.asked").data
    assert noted.data == {
        "member": asked["member"], "agent": waiting.asked_by_id, "exposure_minor": asked["exposure_minor"],
    }  # fmt: skip
    assert service.expire(now=late) == 0
    assert AuditEvent.objects.filter(action="grant_request.expired").count() == 1
    with pytest.raises(service.NotApprovable, match="too long"):
        approve(waiting, lead)


def test_b_05_the_clock_closes_what_waited_too_long(waiting):
    """The beat's own task, under the name that the schedule has."""
    name = "support.tasks.grant_request.expire"
    assert name in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    GrantRequest.objects.update(expires_at=clock.now())
    app.loader.import_default_modules()
    app.tasks[name].apply(throw=True)
    waiting.refresh_from_db()
    assert waiting.state == "expired"


def test_b_05_at_approval_all_but_the_allowance_is_looked_at_anew(programme, agent, ann, lead):
    """Codes that ran out: told in words, it goes on waiting, and is given when there are codes again."""
    allow(programme, user=agent, per_day=0)
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 1)
    asked = ask_plain(ann, offer, agent).request
    ask_plain(MemberFactory(programme=programme), offer, lead)
    with pytest.raises(service.NotApprovable, match=r"goes on waiting.*no voucher code left"):
        approve(asked, lead)
    asked.refresh_from_db()
    assert asked.state == "waiting"
    # The door kept no refusal under its reference, else it could never be given.
    assert not DoorEntry.objects.filter(reference=str(asked.reference)).exists()
    import_codes(offer, ["SECOND-CODE-1"])
    assert approve(asked, lead).state == "approved"


def test_b_05_a_member_who_left_or_an_offer_that_was_archived_is_told(programme, ann, template, lead, waiting):
    Member.objects.filter(pk=ann.pk).update(status="inactive")
    with pytest.raises(service.NotApprovable, match="not active"):
        approve(waiting, lead)
    Member.objects.filter(pk=ann.pk).update(status="active")
    ConfigOffer.objects.filter(pk=template.config_offer_id).update(state="archived")
    with pytest.raises(service.NotApprovable, match="can no longer be granted"):
        approve(waiting, lead)
    assert not Assignment.objects.exists()
    assert not GrantLedgerEntry.objects.exists()


def _left(agent):
    agent.is_active = False
    agent.save()


@pytest.mark.parametrize("lose", [_left, lambda agent: agent.groups.clear(), lambda agent: agent.programmes.clear()])
def test_b_05_nothing_is_given_in_the_name_of_who_may_not_grant_any_more(lose, agent, lead, waiting):
    """D-21 too: inactive, without the role, or of other programmes; it can still be declined."""
    lose(agent)
    with pytest.raises(service.NotApprovable, match="may not grant any more"):
        approve(waiting, lead)
    assert not Assignment.objects.exists()
    declined = service.decline(
        programme=waiting.programme, request_id=waiting.pk, answer="She left", actor=lead, now=clock.now()
    )
    assert declined.state == "declined"


def test_b_05_a_superusers_wish_needs_no_role_and_no_programme(agent, lead, waiting):
    agent.groups.clear()
    agent.programmes.clear()
    agent.is_superuser = True
    agent.save()
    assert approve(waiting, lead).state == "approved"


def test_b_05_an_approved_grant_counts_and_is_given_back_when_it_is_revoked(programme, agent, ann, template, lead):
    allow(programme, user=agent, per_day=1)
    allow_members(programme, number=1)
    ask(ann, template, agent)
    asked = ask(ann, template, agent).request
    assert [each["limit"] for each in asked.excesses] == ["per_day", "member_number"]
    held = Assignment.objects.get(pk=approve(asked, lead).assignment_id)
    verbs.revoke(assignment=held, reason="slip", actor=lead, now=clock.now())
    assert sum(row.n for row in GrantLedgerEntry.objects.all()) == 1
    assert found() == {}


def test_b_05_another_programmes_request_does_not_exist(lead, waiting):
    with pytest.raises(NotFound):
        approve(waiting, lead, programme=ProgrammeFactory())


def test_b_05_a_support_lead_may_do_all_that_an_agent_may():
    """What is given to agents is given to leads: whoever adds a permission to the one adds it to the other."""
    agents, leads = (
        set(Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename"))
        for name in ("support agent", "support lead")
    )
    assert agents - leads == set()
    assert ("support", "approve_grantrequest") in leads - agents
