"""One timeline per assignment: who, when, what changed; and nobody rewrites it (B-18)."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from loyalty import clock
from loyalty.models import OutboxEvent
from loyalty.services import outbox
from offers.models import Assignment, AssignmentEvent, MassAssignment, Redemption, Source
from offers.selectors import timeline
from offers.services import assignment_verbs, extension, reissue, revocation, synchronization
from offers.services.synchronization import Confirmation
from offers.services.verb import By
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, UserFactory, give, import_codes

pytestmark = pytest.mark.django_db


def read(held):
    found = Assignment.objects.select_related("revision", "template", "run", "campaign", "actor").get(pk=held.pk)
    return timeline.timeline(assignment=found)


@pytest.fixture
def lived():
    """An assignment that was granted, confirmed, seen, accepted, shown, extended, used and reissued."""
    programme, now = ProgrammeFactory(), clock.now()
    member, agent = MemberFactory(programme=programme), UserFactory()
    offer = ConfigOfferFactory(
        programme=programme,
        require_vouchers=True,
        to_synchronize=True,
        terms={"acceptance": {"required": True}, "validity": {"days": 5}},
    )
    import_codes(offer, ["SECRET-1", "SECRET-2"])
    held, by = give(member, offer, now=now), By(Source.SUPPORT, agent)

    def at(n):
        return now + timedelta(minutes=n)

    mine = {"member_id": member.pk, "assignment_id": held.pk}
    synchronization.synchronize(
        programme=programme, confirmations=[Confirmation(held.pk)], by=By(Source.API), now=at(1)
    )
    assignment_verbs.mark_seen(**mine, now=at(2))
    assignment_verbs.accept(**mine, now=at(3))
    assignment_verbs.expose(**mine, now=at(4))
    ours = {"programme": programme, "assignment_id": held.pk, "by": by}
    extension.extend(**ours, ends_at=held.ends_at + timedelta(days=3), reason="ill", now=at(5))
    new = reissue.reissue(**ours, reason="lost", now=at(6)).assignment_id
    revocation.revoke(programme=programme, assignment_id=new, reason="slip", by=By(actor=agent), now=at(7))
    while outbox.relay():
        pass
    held.refresh_from_db()
    return held, Assignment.objects.get(pk=new), agent


def test_b_18_the_timeline_says_who_did_what_when_and_what_changed(lived):
    held, new, agent = lived
    entries = read(held)
    told = [entry for entry in entries if entry.kind == "told"]
    happened = [entry for entry in entries if entry.kind != "told"]
    assert [entry.kind for entry in happened] == [
        "issued",
        "synchronized",
        "seen",
        "accepted",
        "exposed",
        "extended",
        "reissued",
    ]
    issued, extended, reissued = happened[0], happened[-2], happened[-1]
    assert (issued.source, issued.details["revision"]) == (Source.SUPPORT, held.revision.number)
    assert (extended.actor, extended.source, extended.reason) == (agent, Source.SUPPORT, "ill")
    [end] = [change for change in extended.changes if change.field == "ends_at"]
    assert (end.old, end.new) == ((held.ends_at - timedelta(days=3)).isoformat(), held.ends_at.isoformat())
    # B-06: the chain is linked both ways.
    assert (reissued.link, read(new)[0].link) == (new.pk, held.pk)
    assert [entry.details["type"] for entry in told] == [
        "assignment.created",
        "assignment.synchronized",
        "assignment.accepted",
        "assignment.extended",
        "assignment.revoked",
    ]
    positions = [entry.details["position"] for entry in told]
    assert positions == sorted(positions)
    assert None not in positions
    assert [entry.kind for entry in read(new) if entry.kind != "told"] == ["issued", "revoked"]


def test_b_18_d_10_the_timeline_never_carries_a_code(lived):
    held, new, _ = lived
    # The new one's code, seen by nobody, went back: its event has it, its timeline does not.
    assert "SECRET-2" in str(AssignmentEvent.objects.get(assignment=new).data)
    assert "SECRET" not in str(read(held)) + str(read(new))
    [left] = [change for entry in read(new) for change in entry.changes if change.field == "voucher_code"]
    assert (left.old, left.new) == (timeline.HIDDEN, None)


def test_b_18_redemptions_stand_in_it_too(lived):
    held, _, _ = lived
    Redemption.objects.create(
        programme=held.config_offer.programme,
        member=held.member,
        config_offer=held.config_offer,
        assignment=held,
        external_id="till-9",
        redeemed_at=clock.now(),
        benefit_minor=250,
    )
    [used] = [entry for entry in read(held) if entry.kind == "redeemed"]
    assert (used.details["redemption"], used.details["benefit_minor"]) == ("till-9", 250)


def test_b_18_the_number_of_queries_does_not_grow_with_what_happened(lived):
    held, _, _ = lived

    def queries():
        with CaptureQueriesContext(connection) as found:
            read(held)
        return len(found)

    before = queries()
    for _ in range(20):
        AssignmentEvent.objects.create(assignment=held, at=clock.now(), verb="seen")
    assert queries() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE offers_assignmentevent SET verb = 'closed' WHERE assignment_id = %s",
        "UPDATE offers_assignmentevent SET data = '{}' WHERE assignment_id = %s",
        "DELETE FROM offers_assignmentevent WHERE assignment_id = %s",
    ],
)
def test_b_18_history_cannot_be_edited_in_the_database_either(lived, statement):
    held, _, _ = lived
    before = list(AssignmentEvent.objects.order_by("id").values())
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [held.pk])
    assert list(AssignmentEvent.objects.order_by("id").values()) == before


def test_b_18_what_was_told_with_a_chunk_is_found_by_its_run():
    """A run's row names no ids: its members' timelines find it by the chunk that they stood in."""
    programme = ProgrammeFactory()
    held = give(MemberFactory(programme=programme), ConfigOfferFactory(programme=programme))
    run = MassAssignment.objects.create(
        programme=programme, name="Run", config_offer=held.config_offer, template=held.template
    )
    for number, first in ((0, 1), (1, held.member_id)):
        run.chunks.create(number=number, first_member_id=first, last_member_id=held.member_id - 1 + number, size=1)
        OutboxEvent.objects.create(programme=programme, type=f"chunk {number}", run_id=run.pk, chunk=number)
    Assignment.objects.filter(pk=held.pk).update(run=run)
    told = [entry.details["type"] for entry in read(held) if entry.kind == "told"]
    assert "chunk 1" in told
    assert "chunk 0" not in told
