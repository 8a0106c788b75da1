"""Reissue, extend, close, revoke and accept at one assignment, all at once: of what excludes each other one wins."""

from datetime import timedelta

import pytest

from loyalty import clock
from loyalty.models import OutboxEvent
from offers.models import Assignment, AssignmentEvent, Source
from offers.selectors import voucher as bank_selectors
from offers.services import assignment_verbs, closing, extension, reissue, revocation
from offers.services.verb import By
from tests.factories import ConfigOfferFactory, MemberFactory, give, import_codes
from tests.threads import at_once, deadlocks

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)
ENDINGS = {"revoked", "closed", "reissued"}
# What the other verbs are told after it.
LATER = {"revoked": "revoked", "closed": "closed", "reissued": "revoked"}


@pytest.mark.parametrize("turn", range(5))
@pytest.mark.parametrize("repeat_policy", ["once_ever", "one_open"])
def test_b_06_d_10_one_of_the_verbs_that_end_it_wins_and_the_history_is_one_story(turn, repeat_policy):
    """B-06, D-01, D-10, S1-16, issue 3: two of each verb at once, another one likelier to be first each time."""
    member = MemberFactory()
    programme = member.programme
    offer = ConfigOfferFactory(
        programme=programme,
        require_vouchers=True,
        repeat_policy=repeat_policy,
        terms={"acceptance": {"required": True}, "validity": {"days": 3}},
    )
    import_codes(offer, 5)
    held = give(member, offer)
    by = By(Source.SUPPORT)

    def ours():
        return {"programme": programme, "assignment_id": held.pk, "now": clock.now()}

    verbs = [
        ("revoke", lambda: revocation.revoke(**ours(), reason="slip").code),
        ("close", lambda: closing.close(**ours(), reason="asked", by=by).code),
        ("reissue", lambda: reissue.reissue(**ours(), reason="lost", by=by).code),
        ("extend", lambda: extension.extend(**ours(), ends_at=held.ends_at + DAY, reason="ill", by=by).code),
        (
            "accept",
            lambda: assignment_verbs.accept(member_id=member.pk, assignment_id=held.pk, now=clock.now()).code,
        ),
    ]
    calls = 2 * (verbs[turn % 5 :] + verbs[: turn % 5])
    before = deadlocks()

    answers = list(zip([name for name, _ in calls], at_once([call for _, call in calls]), strict=True))

    # One ended it, and only one: who comes after a revocation says `revoked` too, but of another verb.
    won = [(name, code) for name, code in answers if (name, code) in {
        ("revoke", "revoked"), ("close", "closed"), ("reissue", "reissued"),
    }]  # fmt: skip
    events = list(AssignmentEvent.objects.filter(assignment=held).order_by("id").values_list("verb", flat=True))
    endings = [verb for verb in events if verb in ENDINGS]
    assert len(endings) == 1
    [ending] = endings
    # Nothing happened to it after its end, and nothing twice.
    assert events[-1] == ending
    assert len(events) == len(set(events))
    assert len(won) == 1
    held.refresh_from_db()
    successors = Assignment.objects.filter(replaces_id=held.pk)
    assert successors.count() == (ending == "reissued")
    assert (held.revoked_at is None, held.closed_at is None) == (ending == "closed", ending != "closed")
    for name, code in answers:
        if name == "accept":
            assert code in {"accepted", "already_accepted", LATER[ending]}
        elif name == "extend":
            assert code in {"extended", "already_extended", LATER[ending]}
        elif name == "reissue":
            assert code in {"reissued", "already_reissued", LATER[ending]}
        elif name == "revoke":
            assert code in {"revoked", "already_revoked", LATER[ending]}
        else:
            assert code in {"closed", "already_closed", LATER[ending]}
    for verb, name in (("accepted", "accept"), ("extended", "extend")):
        assert events.count(verb) == [code for _, code in answers].count(verb) <= 1, name
    assert (held.accepted_at is None) == ("accepted" not in events)
    assert OutboxEvent.objects.filter(type="assignment.accepted").count() == events.count("accepted")
    # Nobody saw its code: it is back, and the successor has another one.
    assert bank_selectors.codes_left(bank=offer.voucher_bank, now=clock.now()) == 5 - successors.count()
    assert deadlocks() == before
