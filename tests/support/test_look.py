"""Who looked at what: each look is a row, found by person, member, kind and day, and exported (B-18, issue 5)."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty import clock
from loyalty.models import AuditEvent
from loyalty.services import audit
from support.services import member as service
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, UserFactory, give, import_codes

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory(timezone="Pacific/Auckland")


@pytest.fixture
def agent(programme):
    return UserFactory(role="support agent", programmes=[programme])


@pytest.fixture
def auditor(programme):
    return UserFactory(role="auditor", programmes=[programme])


@pytest.fixture
def ann(programme):
    return MemberFactory(programme=programme, external_id="M-1", first_name="Ann", email="ann@example.com")


def seen(client, **query):
    return list(client.get(reverse("support:looks"), query).context["listing"].page.object_list)


def test_b_18_what_an_agent_looks_at_is_found_by_who_and_whom(client, programme, agent, auditor, ann):
    """Her page, her contact data, her code, an explanation: each a row that names the agent and the member."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["SECRET-1"])
    held = give(ann, offer)
    client.force_login(agent)
    client.get(reverse("support:member", args=[ann.pk]))
    client.post(reverse("support:member_reveal", args=[ann.pk]), {"field": "email"})
    client.post(reverse("support:show_code", args=[held.pk]))
    client.post(reverse("support:show_code", args=[held.pk]))
    client.get(reverse("support:assignment", args=[held.pk]))
    other = UserFactory(role="support agent", programmes=[programme])
    service.record_opening(member=MemberFactory(programme=programme), actor=other)
    client.force_login(auditor)
    hers = [one.action for one in seen(client, member="M-1")]
    # The code is looked at as often as it is shown, not only the first time.
    assert hers == [
        "assignment.opened",
        "member.code_shown",
        "member.code_shown",
        "member.contact_shown",
        "member.opened",
    ]
    assert [one.action for one in seen(client, member="M-1", action="member.opened")] == ["member.opened"]
    assert client.get(reverse("support:looks"), {"action": "assignment.opened"}).text.count("?member=M-1") == 1
    assert {one.user for one in seen(client, person=agent.pk)} == {agent}
    assert {one.user for one in seen(client)} >= {agent, other}
    assert seen(client, member="NOBODY") == []
    assert seen(client, person=0) == []
    assert "SECRET-1" not in str(list(AuditEvent.objects.values_list("data", "object_label")))
    page = client.get(reverse("support:member", args=[ann.pk])).text
    assert f"{reverse('support:looks')}?member=M-1" in page


def test_d_09_days_are_the_programmes_and_the_last_28_are_shown_unless_asked(client, programme, agent, auditor, ann):
    service.record_opening(member=ann, actor=agent)
    today = clock.now().astimezone(programme.zone).date()
    client.force_login(auditor)
    assert len(seen(client)) == 1
    assert len(seen(client, since=today, until=today)) == 1
    assert seen(client, until=today - timedelta(days=1)) == []
    assert seen(client, since=today + timedelta(days=1)) == []
    answer = client.get(reverse("support:looks"), {"since": "soon"})
    assert "Enter a valid date." in answer.text
    assert answer.context["listing"].count == 0


def test_what_changes_something_and_other_programmes_looks_are_not_shown(client, programme, agent, auditor, ann):
    audit.record(action="offer.published", actor=agent, programme=programme)
    service.record_opening(member=MemberFactory(), actor=agent)
    client.force_login(auditor)
    assert seen(client) == []
    foreign = MemberFactory(external_id="F-1")
    service.record_opening(member=foreign, actor=agent)
    assert seen(client, member="F-1") == []


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_an_export_holds_what_is_filtered_and_is_a_look_itself(client, programme, agent, auditor, ann, format):
    service.record_opening(member=ann, actor=agent)
    service.record_opening(member=MemberFactory(programme=programme), actor=agent)
    client.force_login(auditor)
    answer = client.get(reverse("support:looks_export", args=[format]), {"member": "M-1"})
    body = b"".join(answer.streaming_content)
    if format == "csv":
        lines = body.decode("utf-8-sig").splitlines()
        assert len(lines) == 2
        assert re.search(rf"{agent.username},member.opened,opened her page,M-1", lines[1])
        assert "Ann" not in body.decode()
    else:
        assert body.startswith(b"PK")
    event = AuditEvent.objects.get(action="look.exported")
    assert (event.user, event.data) == (auditor, {"format": format, "filters": {"member": "M-1"}})
    assert [one.action for one in seen(client, action="look.exported")] == ["look.exported"]


def test_only_who_may_see_the_audit_gets_in_and_the_number_of_queries_does_not_grow(client, programme, agent, ann):
    client.force_login(agent)
    assert client.get(reverse("support:looks")).status_code == 403
    assert reverse("support:looks") not in client.get(reverse("support:member", args=[ann.pk])).text
    client.force_login(UserFactory(role="administrator", programmes=[programme]))

    def asked():
        with CaptureQueriesContext(connection) as asked:
            assert client.get(reverse("support:looks")).status_code == 200
        return len(asked)

    asked()
    first = asked()
    for member in MemberFactory.create_batch(10, programme=programme):
        service.record_opening(member=member, actor=UserFactory(programmes=[programme]))
    assert asked() == first
