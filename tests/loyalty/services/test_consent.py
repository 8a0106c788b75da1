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
from tests.loyalty.services.test_member_import import run, undo

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


def as_of(member, at):
    return {one.channel.code: one for one in selectors.as_of(member=member, at=at)}


def test_issue_5_each_moment_of_a_history_is_told_as_it_was_known_then(programme):
    """S3-14: the last that was heard by the moment, on it included; nothing said since changes what was."""
    member = MemberFactory(programme=programme, external_id="m1")
    MemberFactory(programme=programme, external_id="m2")
    day = timedelta(days=1)
    story = [(True, NOW), (False, NOW + day), (True, NOW + 3 * day)]
    for is_granted, at in story:
        put(programme, said("m1", "email", is_granted), said("m2", "sms", is_granted), now=at)
    words = [as_of(member, at)["email"].word for at in (NOW - day, NOW, NOW + day, NOW + 2 * day, NOW + 9 * day)]
    assert words == ["not_asked", "given", "refused", "refused", "given"]
    assert {one.word for code, one in as_of(member, NOW + 9 * day).items() if code != "email"} == {"not_asked"}


def test_issue_5_what_was_said_by_then_and_heard_later_is_told_beside_it(programme):
    member = MemberFactory(programme=programme, external_id="m1")
    day = timedelta(days=1)
    put(programme, said("m1", "email", True), now=NOW)
    put(programme, said("m1", "email", False, changed_at=(NOW + day).isoformat()), now=NOW + 3 * day)
    then = as_of(member, NOW + 2 * day)["email"]
    assert (then.word, then.heard_since.is_granted, then.heard_since.at) == ("given", False, NOW + 3 * day)
    assert as_of(member, NOW)["email"].heard_since is None
    then = as_of(member, NOW + 3 * day)["email"]
    assert (then.word, then.answer.changed_at, then.heard_since) == ("refused", NOW + day, None)


def test_issue_5_an_answer_from_before_a_history_was_kept_is_not_known(programme):
    member = MemberFactory(programme=programme)
    channel = Channel.objects.get(programme=programme, code="email")
    Consent.objects.create(member=member, channel=channel, is_granted=True, changed_at=NOW, source="old system")
    assert {code: one.word for code, one in as_of(member, NOW).items()} == {
        "email": "unknown", "sms": "not_asked", "push": "not_asked", "receipt": "not_asked", "app": "not_asked",
    }  # fmt: skip


def test_issue_5_an_imports_answer_counts_until_it_is_undone(programme):
    """Undoing takes it away without a word in the history, or writes the answer from before anew."""
    for name in ("m1", "m2"):
        MemberFactory(programme=programme, external_id=name)
    put(programme, said("m2", "email", False), now=NOW - timedelta(days=1))
    made = run(programme, "external_id,consent.email\nm1,yes\nm2,yes\n", now=NOW)
    undo(made, NOW + timedelta(hours=2))
    told = {}
    for name in ("m1", "m2"):
        member = Member.objects.get(external_id=name)
        told[name] = [as_of(member, NOW + timedelta(hours=hours))["email"].word for hours in (0, 1, 2, 3)]
    assert told == {"m1": ["given", "given", "not_asked", "not_asked"], "m2": ["given", "given", "refused", "refused"]}


def test_issue_5_consents_as_of_then_cost_the_same_whatever_her_history(programme, django_assert_max_num_queries):
    member = MemberFactory(programme=programme, external_id="m1")
    for turn in range(7):
        put(programme, *(said("m1", code, turn % 2 == 0) for code in ("email", "sms")), now=NOW + timedelta(days=turn))
    with django_assert_max_num_queries(5):
        assert as_of(member, NOW + timedelta(days=1))["email"].word == "refused"
