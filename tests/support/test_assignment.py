"""The desk's page of one assignment: its verbs with reasons, and its timeline (B-06, B-18)."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import Assignment, AssignmentEvent, Source
from offers.services import assignment_verbs
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, UserFactory, give, import_codes

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory(timezone="Europe/Berlin")


@pytest.fixture
def agent(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def held(programme):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, terms={"validity": {"days": 5}})
    import_codes(offer, ["SECRET-1", "SECRET-2"])
    return give(MemberFactory(programme=programme), offer)


def post(agent, held, verb, **values):
    return agent.post(reverse(f"support:{verb}", args=[held.pk]), values, follow=True)


def test_b_06_an_agent_reissues_and_lands_on_the_new_one_with_links_both_ways(agent, user, held):
    page = agent.get(reverse("support:assignment", args=[held.pk]))
    assert all(f'data-dialog="{verb}-dialog"' in page.text for verb in ("reissue", "extend", "close", "revoke"))

    page = post(agent, held, "reissue", reason="never arrived")

    new = Assignment.objects.get(replaces=held)
    assert page.redirect_chain[-1][0] == reverse("support:assignment", args=[new.pk])
    assert reverse("support:assignment", args=[held.pk]) in page.text
    old_page = agent.get(reverse("support:assignment", args=[held.pk])).text
    assert reverse("support:assignment", args=[new.pk]) in old_page
    assert "never arrived" in old_page
    assert "SECRET" not in old_page + page.text
    event = AuditEvent.objects.get(action="assignment.reissued")
    assert (event.user, event.data) == (user, {"successor": str(new.pk)})


def test_an_agent_extends_to_the_end_of_a_day_in_the_programmes_zone(agent, held):
    last = (held.ends_at + timedelta(days=3)).date()
    page = post(agent, held, "extend", reason="ill", last_day=last.isoformat())
    held.refresh_from_db()
    assert "Extended." in page.text
    # The first moment of the next day in Berlin.
    local = held.ends_at.astimezone(held.config_offer.programme.zone)
    assert (local.date(), local.hour) == (last + timedelta(days=1), 0)
    # B-18: old and new stand in the timeline.
    assert "usable until: " in page.text
    assert " → " in page.text
    before = held.ends_at
    page = post(agent, held, "extend", reason="x", last_day=(last - timedelta(days=1)).isoformat())
    held.refresh_from_db()
    assert "before the present one" in page.text
    assert held.ends_at == before


def test_an_agent_closes_and_revokes_only_with_a_reason(agent, held):
    for verb in ("close", "revoke", "reissue", "extend"):
        assert "Nothing was changed." in post(agent, held, verb).text
    assert not AssignmentEvent.objects.exists()
    assert "Closed." in post(agent, held, "close", reason="asked for it").text
    assert "closed already" in post(agent, held, "close", reason="asked for it").text
    assert "closed already" in post(agent, held, "revoke", reason="x").text
    assert AssignmentEvent.objects.get().verb == "closed"


def test_d_14_an_imported_one_has_neither_button(agent, programme):
    offer = ConfigOfferFactory(programme=programme, terms={"validity": {"days": 5}})
    held = give(MemberFactory(programme=programme), offer, source=Source.ATTRIBUTE)
    page = agent.get(reverse("support:assignment", args=[held.pk])).text
    assert 'data-dialog="revoke-dialog"' in page
    assert "reissue-dialog" not in page
    assert "extend-dialog" not in page
    assert "An import made it" in post(agent, held, "reissue", reason="x").text


def test_who_may_only_grant_sees_no_other_verb(programme, held):
    """A permission per verb."""
    reader = UserFactory(programmes=[programme])
    reader.user_permissions.set(Permission.objects.filter(codename__in=["view_member", "view_assignment"]))
    client = Client()
    client.force_login(reader)
    answer = client.get(reverse("support:assignment", args=[held.pk]))
    assert answer.status_code == 200
    page = answer.text
    for verb in ("reissue", "extend", "close", "revoke"):
        assert f"{verb}-dialog" not in page
        assert client.post(reverse(f"support:{verb}", args=[held.pk]), {"reason": "x"}).status_code == 403
    assert not AssignmentEvent.objects.exists()


def test_b_18_the_timeline_tells_what_the_member_did_too(agent, held):
    now = clock.now()
    assignment_verbs.mark_seen(member_id=held.member_id, assignment_id=held.pk, now=now)
    assignment_verbs.expose(member_id=held.member_id, assignment_id=held.pk, now=now)
    page = agent.get(reverse("support:assignment", args=[held.pk])).text
    for words in ("seen by the member", "code shown", "issued", "assignment.created", "revision 1"):
        assert words in page
    assert "SECRET" not in page


@pytest.mark.parametrize("verb", ["revoke", "reissue", "extend", "close"])
def test_a_verb_whose_audit_cannot_be_written_is_not_done(agent, held, monkeypatch, verb):
    """B-02: the act and its audit row stand in one transaction, or neither stands."""

    def broken(**row):
        raise RuntimeError("no audit")

    before = Assignment.objects.values().get()
    monkeypatch.setattr("support.services.assignment.audit.record", broken)
    agent.raise_request_exception = True
    last_day = (held.ends_at + timedelta(days=3)).date().isoformat()
    with pytest.raises(RuntimeError, match="no audit"):
        post(agent, held, verb, reason="x", last_day=last_day)
    assert Assignment.objects.values().get() == before
    assert not AssignmentEvent.objects.exists()


def test_an_open_dialog_is_told_what_is_wrong_and_keeps_what_was_typed(agent, held):
    """B-02: as htmx asks, the answer is the dialog's form alone."""
    address = reverse("support:extend", args=[held.pk])
    missing = agent.post(address, {"reason": "ill"}, headers={"HX-Request": "true"})
    assert (missing.status_code, "<html" in missing.text) == (422, False)
    assert 'value="ill"' in missing.text
    last_day = (held.ends_at - timedelta(days=3)).date().isoformat()
    early = agent.post(address, {"reason": "ill", "last_day": last_day}, headers={"HX-Request": "true"})
    assert (early.status_code, "before the present one" in early.text) == (409, True)
    assert "Nothing was changed." in early.text
    done = agent.post(address, {"reason": "ill", "last_day": "2999-01-01"}, headers={"HX-Request": "true"})
    assert (done.status_code, done["HX-Redirect"]) == (200, reverse("support:assignment", args=[held.pk]))


@pytest.mark.parametrize("last_day", ["9999-12-31", "3000-01-01", "0001-01-01"])
@pytest.mark.parametrize("verb", ["extend", "reissue"])
def test_b_06_a_last_day_beyond_the_kept_years_is_refused_in_its_dialog(agent, held, verb, last_day):
    """B-06, B-02: the end of such a day may be no moment at all."""
    address = reverse(f"support:{verb}", args=[held.pk])
    page = agent.post(address, {"reason": "ill", "last_day": last_day}, headers={"HX-Request": "true"})
    assert page.status_code == 422
    assert "Give a year from 1900 to 2999." in page.text
    assert not AssignmentEvent.objects.exists()


def test_b_06_the_last_day_of_the_last_year_is_kept_to_its_end(agent, held):
    """B-06: in the programme's zone."""
    address = reverse("support:extend", args=[held.pk])
    assert agent.post(address, {"reason": "ill", "last_day": "2999-12-31"}).status_code == 302
    held.refresh_from_db()
    assert held.ends_at.isoformat() == "2999-12-31T23:00:00+00:00"
