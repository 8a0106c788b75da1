"""What a new import of personal offers changes, and what it leaves (S1-06, S3-12, D-14)."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from loyalty import clock
from loyalty.models import OutboxEvent, Product
from offers.models import (
    Assignment,
    AssignmentEvent,
    PersonalOfferImport,
    PersonalOfferRow,
    PersonalOfferValue,
    Redemption,
)
from offers.services import assignment_verbs, extension, personal_offer, personal_offer_work, reissue, revocation
from offers.services.chunk import BACK_OFF
from offers.services.verb import By
from tests import integrity
from tests.factories import ProgrammeFactory, import_codes, limit_of
from tests.offers.personal_offers import (
    accept,
    committed,
    held,
    imported,
    item,
    jsonl,
    members_of,
    offer_of,
    received,
    redeem,
    rows,
)

pytestmark = pytest.mark.django_db


def test_a_full_import_that_leaves_out_a_member_takes_nothing_from_her() -> None:
    offer = offer_of()
    one, other = members_of(offer, "M-1", "M-2")
    imported(offer, {"member": "M-1", "items": [item()]}, {"member": "M-2", "items": [item()]})
    upload = received(offer, jsonl({"member": "M-1", "items": [item("MILK")]}), is_full=True)
    assert upload.preview == {"faulty": 1, "withdrawn": 1}
    upload = committed(upload, leaves_out_faulty=True)
    assert upload.counts == {"faulty": 1, "withdrawn": 1}
    assert held(one)[0].revoked_at is None
    assert held(other)[0].revoked_at is not None


def test_an_unchanged_value_writes_nothing_d_14() -> None:
    offer = offer_of()
    [member] = members_of(offer, "M-1")
    imported(offer, {"member": "M-1", "items": [item(), item("TEA")]})
    [before] = held(member)
    events, told = AssignmentEvent.objects.count(), OutboxEvent.objects.count()
    value = PersonalOfferValue.objects.get()
    # In another order, and one by its other id: the same.
    tea = Product.objects.get(external_id="TEA")
    again = imported(
        offer, {"member": "M-1", "items": [{"id": tea.pk, "benefit": {"type": "percent", "size": 20}}, item()]}
    )
    assert again.counts == {"unchanged": 1}
    assert held(member) == [before]
    assert held(member)[0].updated_at == before.updated_at
    assert (AssignmentEvent.objects.count(), OutboxEvent.objects.count()) == (events, told)
    assert PersonalOfferValue.objects.get().upload_id == value.upload_id


def test_a_changed_value_closes_the_unused_one_and_issues_its_successor_d_14() -> None:
    offer = offer_of(terms={"acceptance": {"required": True}})
    one, other = members_of(offer, "M-1", "M-2")
    imported(offer, {"member": "M-1", "items": [item()]}, {"member": "M-2", "items": [item()]})
    [of_one], [of_other] = held(one), held(other)
    accept(of_one)
    accept(of_other)
    upload = imported(
        offer,
        {"member": "M-1", "items": [item()], "channels": ["app"]},
        {"member": "M-2", "items": [item(size=25)]},
    )
    assert upload.preview == {"changed": 2, "acceptance_kept": 1, "acceptance_lost": 1}
    assert upload.counts == {"changed": 2, "acceptance_kept": 1, "acceptance_lost": 1}
    assert rows(upload) == [("M-1", "changed", "kept", False), ("M-2", "changed", "lost", False)]
    old, new = held(one)
    assert (old.revoked_at is not None, new.replaces_id) == (True, old.pk)
    # Her own moment: what she accepted is what she has (S1-17).
    assert new.accepted_at == old.accepted_at
    assert new.status(clock.now()) == "usable"
    old, new = held(other)
    assert (old.revoked_at is not None, new.replaces_id, new.accepted_at) == (True, old.pk, None)
    assert new.status(clock.now()) == "waiting_for_acceptance"
    assert [
        (event.type, event.size, event.data.get("verb"), event.data.get("reason"))
        for event in OutboxEvent.objects.order_by("id")[3:]
    ] == [
        ("assignment.accepted", 1, None, None),
        ("assignment.revoked", 2, "reissued", "attribute_changed"),
        ("assignment.created", 2, None, None),
    ]
    integrity.assert_whole()


def test_the_absent_are_withdrawn_by_a_full_import_and_left_by_a_partial_one_d_14() -> None:
    offer = offer_of()
    one, other, third = members_of(offer, "M-1", "M-2", "M-3")
    imported(offer, *({"member": f"M-{n}", "items": [item()]} for n in (1, 2, 3)))
    redeem(held(third)[0])
    partial = imported(offer, {"member": "M-1", "items": [item()]})
    assert partial.counts == {"unchanged": 1}
    assert held(other)[0].revoked_at is None
    full = imported(offer, {"member": "M-1", "items": [item()]}, is_full=True)
    assert full.preview == {"unchanged": 1, "withdrawn": 1, "left_as_used": 1}
    assert full.counts == {"unchanged": 1, "withdrawn": 1, "left_as_used": 1}
    assert held(other)[0].revoked_at is not None
    [used] = held(third)
    # Its use stays; there is no more to use.
    assert (used.revoked_at, used.closed_at is not None, used.redemptions.count()) == (None, True, 1)
    assert PersonalOfferValue.objects.get().member == one
    # Named again, she is given it anew.
    assert imported(offer, {"member": "M-2", "items": [item()]}).counts == {"new": 1}
    integrity.assert_whole()


def test_a_code_whose_use_was_given_back_stays_with_what_is_withdrawn_d_10() -> None:
    offer = offer_of(require_vouchers=True)
    import_codes(offer, ["CODE-1", "CODE-2", "CODE-3"])
    one, other = members_of(offer, "M-1", "M-2")
    imported(offer, {"member": "M-1", "items": [item()]}, {"member": "M-2", "items": [item()]})
    [of_one] = held(one)
    redeem(of_one)
    Redemption.objects.update(returned_at=clock.now())
    assert imported(offer, {"member": "M-2", "items": [item(size=25)]}, is_full=True).counts == {
        "changed": 1,
        "withdrawn": 1,
    }
    assert held(one)[0].revoked_at is not None
    # A till saw the first one; nobody saw the second one, which goes back.
    assert held(one)[0].voucher_code_id == of_one.voucher_code_id
    assert held(other)[0].voucher_code_id is None
    integrity.assert_whole()


def test_what_was_used_up_stays_and_a_changed_value_is_a_new_offer_d_14() -> None:
    offer = offer_of(terms={"redemption_limit": {"limit": 3}})
    one, other = members_of(offer, "M-1", "M-2")
    imported(offer, {"member": "M-1", "items": [item()]}, {"member": "M-2", "items": [item()]})
    redeem(held(one)[0])
    redeem(held(other)[0])
    Assignment.objects.filter(pk=held(one)[0].pk).update(used_up_at=clock.now())
    upload = imported(offer, {"member": "M-1", "items": [item(size=5)]}, {"member": "M-2", "items": [item(size=5)]})
    assert rows(upload) == [("M-1", "changed", "", True), ("M-2", "changed", "", True)]
    old, new = held(one)
    assert (old.revoked_at, old.closed_at, new.replaces_id) == (None, None, None)
    old, new = held(other)
    assert (old.revoked_at, old.closed_at is not None, new.replaces_id) == (None, True, None)
    assert Redemption.objects.count() == 2
    integrity.assert_whole()


def test_a_successor_that_is_refused_leaves_the_member_what_she_had_d_14() -> None:
    offer = offer_of()
    members_of(offer, "M-1", "M-2", "M-3")
    one, other = members_of(offer, "M-4", "M-5")
    imported(offer, {"member": "M-4", "items": [item("TEA", 100, "amount")]}, {"member": "M-5", "items": [item()]})
    limit_of(offer, budget_minor=250)
    upload = imported(
        offer,
        {"member": "M-4", "items": [item("TEA", 300, "amount")]},
        {"member": "M-5", "items": [item("TEA", 200, "amount")]},
        {"member": "M-1", "items": [item("TEA", 100, "amount")]},
    )
    # 100 are given to M-4 and stay, so M-5's 200 do not fit either; M-1's 100 do.
    assert rows(upload) == [
        ("M-4", "refused", "", False),
        ("M-5", "refused", "", False),
        ("M-1", "new", "", False),
    ]
    row = PersonalOfferRow.objects.get(upload=upload, member_external_id="M-5")
    assert [reason.get("outcome") or reason["code"] for reason in row.reasons] == ["budget_reached", "offer_budget"]
    assert [one_held.revoked_at for one_held in (*held(one), *held(other))] == [None, None]
    # The next import tries again.
    assert PersonalOfferValue.objects.get(member=one).value["items"][0]["benefit"]["size"] == 100
    integrity.assert_whole()


def test_who_is_not_active_is_refused_and_her_neighbours_are_not() -> None:
    offer = offer_of()
    one, _other = members_of(offer, "M-1", "M-2")
    type(one).objects.filter(pk=one.pk).update(status="inactive")
    upload = imported(offer, {"member": "M-1", "items": [item()]}, {"member": "M-2", "items": [item()]})
    assert upload.preview == {"new": 1, "refused": 1}
    assert upload.counts == {"new": 1, "refused": 1}
    assert [row.reasons for row in PersonalOfferRow.objects.filter(outcome="refused")] == [
        [{"outcome": "member_inactive"}]
    ]


def test_codes_that_nobody_saw_go_back_and_successors_get_others_d_10_d_14() -> None:
    offer = offer_of(require_vouchers=True)
    import_codes(offer, [f"CODE-{n}" for n in range(4)])
    one, other = members_of(offer, "M-1", "M-2")
    imported(offer, {"member": "M-1", "items": [item()]}, {"member": "M-2", "items": [item()]})
    [of_other] = held(other)
    assignment_verbs.expose(member_id=other.pk, assignment_id=of_other.pk, now=clock.now())
    imported(offer, {"member": "M-1", "items": [item(size=5)]}, {"member": "M-2", "items": [item(size=5)]})
    old, new = held(one)
    assert (old.voucher_code_id, new.voucher_code_id is not None) == (None, True)
    old, new = held(other)
    # Somebody saw it: it stays with the old one, and no till takes it.
    assert old.voucher_code_id == of_other.voucher_code_id
    assert old.voucher_code.voided_at is not None
    integrity.assert_whole()


def test_shares_of_limits_go_back_with_what_was_not_used_d_05_d_14() -> None:
    offer = offer_of()
    members_of(offer, "M-1", "M-2")
    limit = limit_of(offer, cap=2, budget_minor=400)
    imported(offer, {"member": "M-1", "items": [item("TEA", 200, "amount")]}, {"member": "M-2", "items": [item()]})
    imported(offer, {"member": "M-1", "items": [item("TEA", 300, "amount")]}, is_full=True)
    limit.refresh_from_db()
    assert (limit.assigned, limit.spent_minor) == (1, 300)
    integrity.assert_whole()


def test_staff_neither_extend_nor_reissue_what_an_import_made_s3_12_d_14() -> None:
    offer = offer_of(terms={"validity": {"days": 30}})
    [member] = members_of(offer, "M-1")
    imported(offer, {"member": "M-1", "items": [item()]})
    [one] = held(member)
    now = clock.now()
    key = {"programme": offer.programme, "assignment_id": one.pk, "reason": "asked", "by": By(), "now": now}
    assert extension.extend(**key, ends_at=now + timedelta(days=90)).code == "imported"
    assert reissue.reissue(**key).code == "imported"
    one.refresh_from_db()
    assert one.revoked_at is None


def test_one_import_of_an_offer_is_committed_at_a_time_and_a_stale_one_not_at_all() -> None:
    offer = offer_of()
    members_of(offer, "M-1")
    first = received(offer, jsonl({"member": "M-1", "items": [item()]}))
    second = received(offer, jsonl({"member": "M-1", "items": [item(size=5)]}))
    personal_offer.commit(upload=first, leaves_out_faulty=False, actor=None, now=clock.now())
    with pytest.raises(personal_offer.ImportState):
        personal_offer.commit(upload=second, leaves_out_faulty=False, actor=None, now=clock.now())
    personal_offer_work.run_to_end(upload_id=first.pk, clock=clock.now)
    with pytest.raises(personal_offer.ImportState, match="since this one was checked"):
        personal_offer.commit(upload=second, leaves_out_faulty=False, actor=None, now=clock.now())
    with pytest.raises(personal_offer.ImportState, match="finished"):
        personal_offer.commit(upload=first, leaves_out_faulty=False, actor=None, now=clock.now())
    assert personal_offer.discard(upload=second, actor=None, now=clock.now()).state == "discarded"


def test_a_worker_that_dies_leaves_whole_chunks_and_the_next_one_goes_on(monkeypatch) -> None:
    offer = offer_of()
    members_of(offer, *(f"M-{n}" for n in range(5)))
    monkeypatch.setattr(personal_offer_work, "CHUNK", 2)
    upload = received(offer, jsonl(*({"member": f"M-{n}", "items": [item()]} for n in range(5))))
    personal_offer.commit(upload=upload, leaves_out_faulty=False, actor=None, now=clock.now())
    assert personal_offer_work.do_next_chunk(upload_id=upload.pk, now=clock.now())
    # The second chunk's worker is killed after its lease and before its commit.
    real = personal_offer_work.personal_offer_giving.give

    class Killed(BaseException):
        pass

    def die(**given: Any) -> None:
        real(**given)
        raise Killed

    monkeypatch.setattr(personal_offer_work.personal_offer_giving, "give", die)
    with pytest.raises(Killed):
        personal_offer_work.do_next_chunk(upload_id=upload.pk, now=clock.now())
    assert Assignment.objects.count() == 2
    monkeypatch.setattr(personal_offer_work.personal_offer_giving, "give", real)
    later = clock.now() + personal_offer_work.LEASE
    assert personal_offer_work.waiting(now=later) == [upload.pk]
    upload = personal_offer_work.run_to_end(upload_id=upload.pk, clock=lambda: later)
    assert (upload.state, upload.counts, Assignment.objects.count()) == ("finished", {"new": 5}, 5)


def test_c_04_rows_that_fail_are_tried_again_after_a_while_then_the_import_stops_and_says_why(monkeypatch) -> None:
    """C-04: a moment in which the database ails uses up one attempt; what was done before stays."""
    offer = offer_of()
    members_of(offer, *(f"M-{n}" for n in range(4)))
    monkeypatch.setattr(personal_offer_work, "CHUNK", 2)
    upload = received(offer, jsonl(*({"member": f"M-{n}", "items": [item()]} for n in range(4))))
    personal_offer.commit(upload=upload, leaves_out_faulty=False, actor=None, now=clock.now())
    now = clock.now()
    assert personal_offer_work.do_next_chunk(upload_id=upload.pk, now=now)

    def broken(**given: Any) -> None:
        raise DatabaseError("disk is full")

    monkeypatch.setattr(personal_offer_work.personal_offer_giving, "give", broken)
    for attempt in range(1, personal_offer_work.ATTEMPTS + 1):
        assert personal_offer_work.do_next_chunk(upload_id=upload.pk, now=now)
        upload.refresh_from_db()
        assert (upload.state, upload.attempts, upload.failure["message"]) == ("committing", attempt, "disk is full")
        assert upload.leased_until == now + attempt * BACK_OFF
        assert not personal_offer_work.do_next_chunk(upload_id=upload.pk, now=now)
        assert personal_offer_work.waiting(now=now) == []
        now = upload.leased_until + timedelta(seconds=1)
        assert personal_offer_work.waiting(now=now) == [upload.pk]
    assert not personal_offer_work.do_next_chunk(upload_id=upload.pk, now=now)
    upload.refresh_from_db()
    assert (upload.state, upload.failure) == (
        "failed", {"code": "chunk_failed", "message": "disk is full", "done_to": 2}
    )  # fmt: skip
    assert Assignment.objects.count() == 2


def test_the_number_of_statements_does_not_grow_with_the_members() -> None:
    def spent(members: int) -> int:
        offer = offer_of(programme=ProgrammeFactory())
        members_of(offer, *(f"M-{n}" for n in range(members)))
        imported(offer, *({"member": f"M-{n}", "items": [item()]} for n in range(members)))
        changed = [{"member": f"M-{n}", "items": [item(size=5)]} for n in range(members // 2)]
        with CaptureQueriesContext(connection) as context:
            upload = imported(offer, *changed, is_full=True)
        assert upload.counts == {"changed": members // 2, "withdrawn": members // 2}
        return len(context)

    assert spent(4) == spent(60)


def test_a_second_worker_leaves_an_import_alone_until_its_lease_is_over() -> None:
    offer = offer_of()
    members_of(offer, "M-1")
    upload = received(offer, jsonl({"member": "M-1", "items": [item()]}))
    personal_offer.commit(upload=upload, leaves_out_faulty=False, actor=None, now=clock.now())
    now = clock.now()
    PersonalOfferImport.objects.filter(pk=upload.pk).update(leased_until=now + timedelta(seconds=5))
    assert not personal_offer_work.do_next_chunk(upload_id=upload.pk, now=now)
    assert personal_offer_work.do_next_chunk(upload_id=upload.pk, now=now + timedelta(seconds=6))


def test_what_staff_revoked_comes_back_with_another_value_alone_d_14() -> None:
    offer = offer_of()
    [member] = members_of(offer, "M-1")
    imported(offer, {"member": "M-1", "items": [item()]})
    [one] = held(member)
    revocation.revoke(programme=offer.programme, assignment_id=one.pk, reason="asked", now=clock.now())
    assert imported(offer, {"member": "M-1", "items": [item()]}).counts == {"unchanged": 1}
    assert len(held(member)) == 1
    assert imported(offer, {"member": "M-1", "items": [item(size=25)]}).counts == {"changed": 1}
    _revoked, new = held(member)
    # Nothing was left to replace: it stands by itself.
    assert (new.replaces_id, new.revoked_at) == (None, None)
    integrity.assert_whole()
