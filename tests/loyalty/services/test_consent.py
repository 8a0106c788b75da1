"""Channels are data, consents are kept with their history (S1-20, S3-14, issue 4)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from loyalty.models import AuditEvent, Channel, Consent, ConsentEvent, Member
from loyalty.selectors import consent as selectors
from loyalty.services import consent
from loyalty.services.consent import InvalidConsents, Written
from tests.factories import MemberFactory, ProgrammeFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def programme():
    return ProgrammeFactory(timezone="Europe/Paris")


def put(programme, *consents: Any, now: datetime = NOW) -> Written:
    return consent.put(programme=programme, consents=consents, source="test", now=now)


def said(member: str, channel: str, is_granted: Any, **more: Any) -> dict[str, Any]:
    return {"member": member, "channel": channel, "is_granted": is_granted, **more}


def test_s1_20_a_new_programme_has_the_usual_channels_as_rows():
    found = ProgrammeFactory().channels.values_list("code", "address", "is_active")
    assert list(found) == [
        ("email", "email", True), ("sms", "phone", True), ("push", "", True), ("receipt", "", True), ("app", "", True),
    ]  # fmt: skip


def test_consents_are_written_once_and_every_change_is_kept(programme):
    member = MemberFactory(programme=programme, external_id="m1")
    assert put(programme, said("m1", "email", True), said("m1", "sms", False)) == Written(given=2, changed=2)
    assert put(programme, said("m1", "email", True), said("m1", "sms", False)) == Written(given=2, changed=0)
    assert put(programme, said("m1", "email", False), now=NOW + timedelta(days=1)) == Written(given=1, changed=1)
    assert {one.channel.code: one.is_granted for one in Consent.objects.select_related("channel")} == {
        "email": False,
        "sms": False,
    }
    history = ConsentEvent.objects.filter(member=member).order_by("id").values_list("channel__code", "is_granted")
    assert list(history) == [("email", True), ("sms", False), ("email", False)]
    assert AuditEvent.objects.filter(action="consents.put").latest("id").data["changed"] == 1


def test_what_was_said_before_the_last_word_changes_nothing(programme):
    MemberFactory(programme=programme, external_id="m1")
    put(programme, said("m1", "email", False, changed_at="2026-11-20T10:00:00"))
    # Without an offset the programme's zone is meant (D-09).
    assert Consent.objects.get().changed_at == datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert put(programme, said("m1", "email", True, changed_at="2026-11-20T09:59:00")).changed == 0
    assert put(programme, said("m1", "email", True, changed_at="2026-11-20T10:00:01")).changed == 1
    assert Consent.objects.get().is_granted


def test_every_problem_of_a_set_is_named_and_nothing_is_written(programme):
    MemberFactory(programme=programme, external_id="m1")
    MemberFactory(programme=programme, external_id="gone", status=Member.Status.ERASED)
    MemberFactory(external_id="elsewhere")
    with pytest.raises(InvalidConsents) as caught:
        put(
            programme,
            said("m1", "email", True),
            said("m1", "email", False),
            said("elsewhere", "fax", "yes"),
            said("gone", "sms", True, changed_at="2026-11-23T12:00:00Z"),
            said("m1", "push", True, changed_at="soon"),
            said("m1", "app", True, changed_at="0001-01-01T00:00:00"),
            {**said("m1", "receipt", True), "colour": 1},
            ["m1"],
            {"member": ["m1"], "channel": {}, "is_granted": None},
        )
    assert [(one["field"], one["code"]) for one in caught.value.problems] == [
        ("consents[1].member", "given_twice"),
        ("consents[2].member", "unknown_member"),
        ("consents[2].channel", "unknown_channel"),
        ("consents[2].is_granted", "not_yes_or_no"),
        ("consents[3].member", "unknown_member"),
        ("consents[3].changed_at", "in_the_future"),
        ("consents[4].changed_at", "not_a_moment"),
        ("consents[5].changed_at", "year_out_of_range"),
        ("consents[6].colour", "unknown_field"),
        ("consents[7]", "not_an_object"),
        ("consents[8].member", "unknown_member"),
        ("consents[8].channel", "unknown_channel"),
        ("consents[8].is_granted", "not_yes_or_no"),
    ]
    assert not Consent.objects.exists()
    assert not ConsentEvent.objects.exists()


def test_a_set_takes_the_same_few_queries_however_large(programme, django_assert_num_queries):
    for n in range(50):
        MemberFactory(programme=programme, external_id=f"m{n}")
    with django_assert_num_queries(6):
        put(programme, *[said(f"m{n}", "email", True) for n in range(50)])


def test_the_history_cannot_be_changed_or_deleted(programme):
    MemberFactory(programme=programme, external_id="m1")
    put(programme, said("m1", "email", True))
    for act in (lambda: ConsentEvent.objects.update(is_granted=False), lambda: ConsentEvent.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            act()
    assert ConsentEvent.objects.get().is_granted


def test_a_channel_reaches_who_agreed_and_has_its_address_while_it_is_in_use(programme):
    member = MemberFactory(programme=programme, external_id="m1", email="a@example.com", phone="")
    codes = ["email", "sms", "push", "app"]
    put(programme, *[said("m1", code, True) for code in codes], said("m1", "receipt", False))
    Channel.objects.filter(programme=programme, code="app").update(is_active=False)
    states = {one.channel.code: (one.word, one.is_reachable) for one in selectors.of_member(member=member)}
    assert states == {
        "email": ("given", True),
        "sms": ("given", False),
        "push": ("given", True),
        "receipt": ("refused", False),
        "app": ("given", False),
    }
    other = MemberFactory(programme=programme)
    assert {one.word for one in selectors.of_member(member=other)} == {"not_asked"}
