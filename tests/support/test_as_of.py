"""The member's page as of a past moment: what she held then, in the states of then (issue 5; S0-03, D-10, B-18)."""

import datetime
from datetime import UTC, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis.stateful import invariant

from loyalty import clock
from loyalty.errors import InvalidInput
from loyalty.models import Member
from loyalty.services import consent
from offers.models import Assignment, Source
from offers.services import assignment_verbs, closing, extension, reissue, revocation, synchronization
from offers.services.verb import By
from support.forms.as_of import read
from support.selectors import as_of
from tests.factories import ConfigOfferFactory, PurchaseFactory, give, import_codes, redeem
from tests.machines import drive
from tests.offers.services.test_verbs_machine import Verbs

pytestmark = pytest.mark.django_db
BEGUN = datetime.datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def recorded(member, at):
    """What was so when it was so: read from the rows of then."""
    return {
        row.pk: (
            row.status(at),
            row.ends_at,
            row.voucher_code_id,
            row.seen_at is not None,
            row.accepted_at is not None,
            row.exposed_at is not None,
            row.terms or None,
            row.holding_key,
        )
        for row in Assignment.objects.filter(member=member)
    }


def turned_back(member, at):
    then = as_of.then(member=member, at=at)
    for one in [*then.current, *then.past]:
        assert one.is_over is (one in then.past)
        assert not any((one.can_undo, one.can_reissue, one.can_extend, one.can_show_code))
    return {
        one.assignment.pk: (
            one.status,
            one.assignment.ends_at,
            one.assignment.voucher_code_id,
            one.assignment.seen_at is not None,
            one.assignment.accepted_at is not None,
            one.assignment.exposed_at is not None,
            one.assignment.terms or None,
            one.assignment.holding_key,
        )
        for one in [*then.current, *then.past]
    }


def test_issue_5_each_moment_of_a_story_is_told_as_it_was_recorded_then(programme, ann):
    """Given, confirmed, seen, shown, accepted, extended, reissued, revoked, closed, expired: each turned back."""
    offer = ConfigOfferFactory(
        programme=programme,
        require_vouchers=True,
        to_synchronize=True,
        repeat_policy="one_open",
        terms={"validity": {"days": 5}, "acceptance": {"required": True}},
    )
    import_codes(offer, 9)
    now = BEGUN
    told = {}

    def note():
        nonlocal now
        told[now] = recorded(ann, now)
        now += HOUR

    note()
    held = give(ann, offer, now=now)
    ours = {"programme": programme, "assignment_id": held.pk}
    note()
    synchronization.synchronize(
        programme=programme, confirmations=[synchronization.Confirmation(held.pk)], by=By(Source.API), now=now
    )
    note()
    assignment_verbs.mark_seen(member_id=ann.pk, assignment_id=held.pk, now=now)
    note()
    assignment_verbs.expose(member_id=ann.pk, assignment_id=held.pk, now=now)
    note()
    assignment_verbs.accept(member_id=ann.pk, assignment_id=held.pk, now=now)
    note()
    assert extension.extend(**ours, ends_at=held.ends_at + DAY, reason="-", by=By(), now=now).is_extended
    note()
    new = reissue.reissue(**ours, reason="lost", by=By(), now=now).assignment_id
    note()
    # Nobody saw this one's code: it leaves the record, and goes back.
    revocation.revoke(programme=programme, assignment_id=new, reason="-", now=now)
    note()
    other = give(ann, offer, now=now)
    note()
    closing.close(programme=programme, assignment_id=other.pk, reason="-", by=By(), now=now)
    note()
    give(ann, offer, now=now)
    note()
    now += 9 * DAY
    note()
    statuses = {state[0] for states in told.values() for state in states.values()}
    assert statuses == {"waiting_for_till", "waiting_for_acceptance", "usable", "revoked", "closed", "expired"}
    assert told[BEGUN] == {}
    for at, states in told.items():
        assert turned_back(ann, at) == states, at


class Remembered(Verbs):
    """The verbs' own machine, which remembers after each step how everything was."""

    @invariant()
    def what_is_so_is_remembered(self):
        if hasattr(self, "models"):
            # Freeing what has expired leaves no event: what counts as held is no state that is shown.
            self.__dict__.setdefault("remembered", {})[self.now] = _without_key(recorded(self.member, self.now))

    def teardown(self):
        for at, states in getattr(self, "remembered", {}).items():
            assert _without_key(turned_back(Member.objects.get(pk=self.member.pk), at)) == states
        super().teardown()


def _without_key(states):
    return {pk: state[:-1] for pk, state in states.items()}


def test_issue_5_any_story_of_verbs_is_told_as_it_was_at_each_of_its_moments():
    """Hypothesis: after any story, each of its moments is turned back to what was recorded at that moment."""
    drive(Remembered, stories=8, steps=25)


def test_issue_5_two_queries_tell_what_she_held_however_much_happened_since(programme, ann):
    offer = ConfigOfferFactory(programme=programme, terms={})

    def queries():
        with CaptureQueriesContext(connection) as captured:
            as_of.then(member=ann, at=BEGUN + HOUR)
        return len(captured)

    for _number in range(2):
        held = give(ann, offer, now=BEGUN)
        revocation.revoke(programme=programme, assignment_id=held.pk, reason="-", now=BEGUN + DAY)
    assert queries() == 2
    for _number in range(9):
        held = give(ann, offer, now=BEGUN)
        revocation.revoke(programme=programme, assignment_id=held.pk, reason="-", now=BEGUN + DAY)
    assert queries() == 2


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-02T10:00", datetime.datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("2026-03-02", datetime.datetime(2026, 3, 2, 22, 59, 59, 999999, tzinfo=UTC)),
        ("2026-03-02T10:00:00+00:00", datetime.datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("2026-03-02T09:00:00.123456Z", datetime.datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)),
        ("2026-03-05", datetime.datetime(2026, 3, 5, 9, tzinfo=UTC)),
    ],
)
def test_d_09_a_moment_is_meant_in_the_programmes_zone_and_a_day_means_its_end(text, at, programme):
    assert read(text, zone=programme.zone, now=BEGUN + 3 * DAY) == at


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_a_moment"),
        ("yesterday", "not_a_moment"),
        ("2026-02-30", "not_a_moment"),
        ("1500-01-01", "not_a_moment"),
        ("2026-03-06", "in_the_future"),
        ("2026-03-05T10:01", "in_the_future"),
    ],
)
def test_issue_5_what_is_no_moment_or_is_to_come_is_refused(text, code, programme):
    with pytest.raises(InvalidInput) as refused:
        read(text, zone=programme.zone, now=BEGUN + 3 * DAY)
    assert refused.value.problems[0]["code"] == code


def test_issue_5_the_page_as_of_then_says_so_and_offers_nothing_to_do(agent, programme, ann):
    """A banner with a way back; no verb, no code; what cannot be told is said; her timeline ends there."""
    offer = ConfigOfferFactory(programme=programme, name="Coffee", require_vouchers=True, terms={})
    import_codes(offer, ["ABCD-1"], now=BEGUN - DAY)
    held = give(ann, offer, now=BEGUN)
    PurchaseFactory(member=ann, purchased_at=BEGUN, total_minor=1234)
    PurchaseFactory(member=ann, purchased_at=BEGUN + 2 * DAY, total_minor=5678)
    revocation.revoke(programme=programme, assignment_id=held.pk, reason="slip", now=BEGUN + DAY)
    address = reverse("support:member", args=[ann.pk])
    page = agent.get(address, {"as_of": "2026-03-02T12:00"})
    assert [(one.name, one.status) for one in page.context["current"]] == [("Coffee", "usable")]
    assert [entry.kind for entry in page.context["entries"]] == ["purchase", "issued"]
    text = page.text
    for said in ("This is what she held on", "Back to now", "kept only as they are now", "12.34"):
        assert said in text
    for unsaid in ("Grant an offer", "Show code", "explain", "ABCD-1", "56.78", ann.email, "slip"):
        assert unsaid not in text
    later = agent.get(address, {"as_of": "2026-03-04"})
    assert later.context["current"] == []
    assert [(one.name, one.status) for one in later.context["past"]] == [("Coffee", "revoked")]
    assert "slip" in later.text


def test_issue_5_s3_14_the_page_as_of_then_tells_what_she_had_agreed_to(agent, programme, ann):
    """In words, with when it was said and heard, and by whom; what is not known is said plainly."""

    def put(is_granted, at, said=None, channel="email"):
        one = {"member": "M-1", "channel": channel, "is_granted": is_granted}
        one |= {"changed_at": said.isoformat()} if said else {}
        consent.put(programme=programme, consents=[one], source="web shop", now=at)

    put(True, BEGUN)
    put(False, BEGUN + 2 * DAY, said=BEGUN + DAY)
    put(True, BEGUN + 4 * DAY, channel="sms")
    address = reverse("support:member", args=[ann.pk])
    for day, words in {
        "2026-03-01": {"email": "not_asked", "sms": "not_asked"},
        "2026-03-02": {"email": "given", "sms": "not_asked"},
        "2026-03-04": {"email": "refused", "sms": "not_asked"},
        "2026-03-06": {"email": "refused", "sms": "given"},
    }.items():
        page = agent.get(address, {"as_of": day})
        said = {one.channel.code: one.word for one in page.context["consents"]}
        assert {code: said[code] for code in words} == words, day
    assert "web shop" in page.text
    # Said on the 3rd, heard on the 4th: known on the 3rd only in hindsight.
    page = agent.get(address, {"as_of": "2026-03-03"})
    assert {one.channel.code: one.word for one in page.context["consents"]}["email"] == "given"
    for words in ("She had refused", "which was heard", "no answer known by then", "addresses of then are not kept"):
        assert words in page.text


def test_issue_5_each_entry_of_the_timeline_leads_to_its_own_moment(agent, programme, ann):
    held = give(ann, ConfigOfferFactory(programme=programme, terms={}), now=BEGUN)
    assignment_verbs.mark_seen(member_id=ann.pk, assignment_id=held.pk, now=BEGUN + HOUR)
    page = agent.get(reverse("support:member", args=[ann.pk]))
    [seen, issued] = page.context["entries"]
    assert (seen.moment, issued.moment) == ("2026-03-02T10:00:00Z", "2026-03-02T09:00:00Z")
    then = agent.get(reverse("support:member", args=[ann.pk]), {"as_of": issued.moment})
    assert [entry.kind for entry in then.context["entries"]] == ["issued"]
    assert then.context["current"][0].assignment.seen_at is None


def test_issue_5_a_moment_that_cannot_be_shown_is_said_over_the_page_of_now(agent, ann):
    address = reverse("support:member", args=[ann.pk])
    page = agent.get(address, {"as_of": "2999-01-01"})
    assert page.status_code == 422
    assert "That moment is still to come. Give one that has passed." in page.text
    assert "Grant an offer" in page.text
    timeline = agent.get(reverse("support:member_timeline", args=[ann.pk]), {"as_of": "soon"})
    assert timeline.status_code == 422


def test_issue_5_what_was_used_later_was_usable_then(programme, ann):
    held = give(ann, ConfigOfferFactory(programme=programme, terms={}), now=BEGUN)
    redeem(held, is_used_up=True)
    [one] = as_of.then(member=ann, at=BEGUN + DAY).current
    assert one.status == "usable"
    [one] = as_of.then(member=ann, at=clock.now()).past
    assert one.status == "used_up"
    assert Assignment.objects.get(pk=held.pk).used_up_at is not None, "nothing is written"
