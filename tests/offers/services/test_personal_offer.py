"""Imports of personal offers: what is read, what is refused and where, what a new one changes (S1-03..16, D-14)."""

import io
from datetime import timedelta
from typing import Any

import pytest
import xlsxwriter
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty import clock, tables
from loyalty.errors import DomainError
from loyalty.models import Category, OutboxEvent, Product, ProductGroup
from offers.models import (
    Assignment,
    AssignmentEvent,
    PersonalOfferImport,
    PersonalOfferPart,
    PersonalOfferRow,
    PersonalOfferValue,
    Redemption,
    Source,
)
from offers.services import assignment_verbs, extension, personal_offer, personal_offer_work, reissue, revocation
from offers.services.verb import By
from tests import integrity
from tests.factories import ConfigOfferFactory, ProgrammeFactory, import_codes, limit_of
from tests.offers.personal_offers import (
    committed,
    imported,
    item,
    jsonl,
    members_of,
    offer_of,
    packed,
    problems,
    received,
    table,
)

pytestmark = pytest.mark.django_db


def held(member) -> list[Assignment]:
    return list(Assignment.objects.filter(member=member).order_by("id"))


def rows(upload: PersonalOfferImport) -> list[tuple[str, str, str, bool]]:
    found = PersonalOfferRow.objects.filter(upload=upload).order_by("number")
    return [(row.member_external_id, row.outcome, row.acceptance, row.had_uses) for row in found]


def accept(one: Assignment) -> None:
    now = clock.now()
    assert assignment_verbs.accept(member_id=one.member_id, assignment_id=one.pk, now=now).is_accepted


def redeem(one: Assignment) -> None:
    Redemption.objects.create(
        programme=one.member.programme,
        member=one.member,
        config_offer=one.config_offer,
        assignment=one,
        external_id=f"use-{one.pk}",
        redeemed_at=clock.now(),
    )


LINES: list[dict[str, Any]] = [
    {"member": "M-1", "external_id": "COFFEE", "benefit_type": "percent", "size": 20, "acceptance_required": "yes"},
    {"member": "M-1", "id": 0, "benefit_type": "bonus_points", "size": 100},
    {"member": "M-2", "external_id": "TEA", "benefit_type": "amount", "size": 150, "channels": "app;push"},
]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "flat parquet", "flat jsonl"])
@pytest.mark.parametrize("mechanic", ["products", "categories", "groups"])
def test_every_format_gives_the_same_offers_by_either_id_s1_03_s1_07_s1_09_s1_11(form: str, mechanic: str) -> None:
    offer = offer_of(mechanic)
    one, other = members_of(offer, "M-1", "M-2")
    model = {"products": Product, "categories": Category, "groups": ProductGroup}[mechanic]
    tea = model.objects.get(programme=offer.programme, external_id="TEA")
    flat = [{**line, **({"id": tea.pk} if "id" in line else {})} for line in LINES]
    nested: list[dict[str, Any]] = [
        {
            "member": "M-1",
            "items": [item(), {"id": tea.pk, "benefit": {"type": "bonus_points", "size": 100}}],
            "acceptance_required": True,
        },
        {"member": "M-2", "items": [item("TEA", 150, "amount")], "channels": ["app", "push"]},
    ]
    content, name = {
        "csv": lambda: (table(*flat), "offers.csv"),
        "jsonl": lambda: (jsonl(*nested), "offers.jsonl"),
        "parquet": lambda: (packed(*nested), "offers.parquet"),
        "flat parquet": lambda: (packed(*flat), "offers.parquet"),
        "flat jsonl": lambda: (jsonl(*flat), "offers.jsonl"),
    }[form]()
    upload = received(offer, content, name)
    assert list(problems(upload)) == []
    assert upload.preview == {"new": 2, "exposure_minor": 150}
    upload = committed(upload)
    assert upload.counts == {"new": 2}
    [of_one], [of_other] = held(one), held(other)
    assert of_one.terms == {
        "personal": {
            "mechanic": mechanic,
            "items": [
                {"external_id": "COFFEE", "name": "Coffee", "benefit": {"type": "percent", "size": 20}},
                {"external_id": "TEA", "name": "Tea", "benefit": {"type": "bonus_points", "size": 100}},
            ],
        },
        "acceptance": {"required": True},
    }
    assert (of_one.source, of_one.acceptance_required, of_one.exposure_minor) == (Source.ATTRIBUTE, True, 0)
    assert of_other.terms is not None
    assert of_other.terms["channels"] == {"channels": ["app", "push"]}
    assert (of_other.acceptance_required, of_other.exposure_minor) == (False, 150)
    assert PersonalOfferPart.objects.count() == 0


def test_thresholds_come_a_line_each_s1_13_s1_14() -> None:
    offer = offer_of("receipt")
    [member] = members_of(offer, "M-1")
    line = {"member": "M-1", "kind": "threshold", "benefit_type": "amount"}
    upload = received(
        offer,
        table({**line, "amount_minor": 5000, "size": 500}, {**line, "amount_minor": 10000, "size": 1200}),
        "ladder.csv",
    )
    committed(upload)
    [given] = held(member)
    assert given.terms == {
        "personal": {
            "mechanic": "receipt",
            "benefit_type": "amount",
            "thresholds": [{"amount_minor": 5000, "size": 500}, {"amount_minor": 10000, "size": 1200}],
        }
    }
    assert given.exposure_minor == 1200


def test_one_offer_gives_each_member_her_own_terms_period_and_place_s1_01_s1_05_s1_08_d_16() -> None:
    offer = offer_of(terms={"validity": {"days": 30}})
    one, other = members_of(offer, "M-1", "M-2")
    imported(
        offer,
        {"member": "M-1", "items": [item(size=10)], "ends_at": "2099-12-31", "rank": 3},
        {"member": "M-2", "items": [item(size=30), item("TEA", ends_at="2098-12-31")]},
    )
    [of_one], [of_other] = held(one), held(other)
    assert (of_one.rank, of_one.ends_at.year) == (3, 2100)
    assert of_other.rank == offer.rank
    # One item has no end of its own: the offer's thirty days hold.
    assert of_other.ends_at < clock.now() + timedelta(days=32)


def test_a_dry_run_names_every_problem_by_line_field_and_value_and_writes_nothing_b_02() -> None:
    offer = offer_of()
    members_of(offer, "M-1", "M-2", "M-3", "M-4")
    line = {"external_id": "COFFEE", "benefit_type": "percent", "size": 20}
    upload = received(
        offer,
        table(
            {"member": "M-1", **line, "kind": "category", "starts_at": "2099-02-01", "ends_at": "2099-01-01"},
            {"member": "M-1", **line, "external_id": "TEA", "ends_at": "2099-03-01"},
            {"member": "M-9", **line},
            {"member": "M-2", **line, "external_id": "MILK"},
            {"member": "M-2", **line, "external_id": "", "id": "x"},
            {"member": "M-3", **line, "size": "ten"},
            {"member": "M-4", **line, "item_ends_at": "2001-01-01"},
            {"member": "M-3", **line},
            {"member": "", **line},
        ),
        "offers.csv",
    )
    assert upload.state == "faulty"
    assert list(problems(upload)) == [
        (2, "kind", "wrong_kind", "category"),
        (2, "ends_at", "ends_before_start", "2099-01-01"),
        (3, "ends_at", "differs", "2099-03-01"),
        (4, "member", "unknown_member", "M-9"),
        (5, "external_id", "unknown_product", "MILK"),
        (6, "id", "not_a_whole_number", "x"),
        (7, "size", "not_a_whole_number", "ten"),
        (7, "member", "member_twice", "M-3"),
        (8, "item_ends_at", "over", "2001-01-01"),
        (9, "member", "member_twice", "M-3"),
        (10, "member", "missing", None),
    ]
    assert (Assignment.objects.count(), PersonalOfferValue.objects.count()) == (0, 0)
    with pytest.raises(personal_offer.HasProblems, match="7 of its rows have problems"):
        personal_offer.commit(upload=upload, leaves_out_faulty=False, actor=None, now=clock.now())
    assert Assignment.objects.count() == 0


def test_faulty_members_are_left_out_when_asked_for_and_reported_b_02() -> None:
    offer = offer_of()
    members_of(offer, "M-1")
    upload = received(offer, jsonl({"member": "M-1", "items": [item()]}, {"member": "M-2", "items": [item()]}))
    upload = committed(upload, leaves_out_faulty=True)
    assert upload.counts == {"new": 1, "faulty": 1}
    assert rows(upload) == [("M-1", "new", "", False), ("M-2", "faulty", "", False)]


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


def test_lines_of_nobody_hinder_a_full_import_and_neighbours_of_unreadable_ones_are_faulty() -> None:
    offer = offer_of()
    members_of(offer, "M-1", "M-2", "M-3")
    content = (
        b"member,external_id,benefit_type,size\nM-1,COFFEE,percent,20\nM-1,TEA\nM-2,TEA,percent,5\nM-3,TEA,percent,5\n"
    )
    upload = received(offer, content, "offers.csv", is_full=True)
    assert [one[:3] for one in problems(upload)] == [
        (2, "", "unreadable_beside"),
        (3, "", "ragged_row"),
        (4, "", "unreadable_beside"),
    ]
    with pytest.raises(personal_offer.ImportState, match="name nobody"):
        personal_offer.commit(upload=upload, leaves_out_faulty=True, actor=None, now=clock.now())
    partial = committed(received(offer, content, "offers.csv"), leaves_out_faulty=True)
    assert partial.counts == {"new": 1, "faulty": 3}


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"member,size,colour\nM-1,2,red\n", "a.csv", "invalid_header"),
        (b"external_id,size\nA,2\n", "a.csv", "invalid_header"),
        (b"member,external_id,benefit_type,size\n", "a.csv", "invalid_table"),
    ],
)
def test_what_makes_no_table_of_offers_fails_with_its_cause(content: bytes, name: str, code: str) -> None:
    upload = received(offer_of(), content, name)
    assert upload.state == "failed"
    assert upload.failure["code"] == code
    assert (PersonalOfferRow.objects.count(), PersonalOfferPart.objects.count()) == (0, 0)


def test_what_is_no_table_at_all_is_refused_at_the_door() -> None:
    with pytest.raises(tables.InvalidTable):
        received(offer_of(), b"PK\x03\x04 zip", "offers.csv")
    assert PersonalOfferImport.objects.count() == 0


def test_only_an_offer_of_personal_terms_takes_an_import_s1_01() -> None:
    with pytest.raises(personal_offer.NotPersonal):
        received(ConfigOfferFactory(), jsonl({"member": "M-1"}))


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


def test_other_programmes_members_and_products_are_unknown_d_21() -> None:
    offer, other = offer_of(), offer_of(programme=ProgrammeFactory(slug="other"), things=("MILK",))
    members_of(offer, "M-1")
    members_of(other, "M-2")
    milk = Product.objects.get(external_id="MILK")
    upload = received(
        offer,
        jsonl(
            {"member": "M-1", "items": [{"id": milk.pk, "benefit": {"type": "percent", "size": 5}}]},
            {"member": "M-2", "items": [item()]},
        ),
    )
    assert [one[:3] for one in problems(upload)] == [
        (1, "items[0].id", "unknown_product"),
        (2, "member", "unknown_member"),
    ]


def test_a_machine_sets_up_to_a_thousand_each_answered_for_itself_s1_03() -> None:
    offer = offer_of()
    one, other = members_of(offer, "M-1", "M-2")
    values = [
        {"member": "M-1", "items": [item()]},
        {"member": "M-2", "items": [item(size=900)]},
        {"member": 3, "items": [item()]},
        "nonsense",
    ]
    upload = personal_offer.put(programme=offer.programme, offer=offer, values=values, now=clock.now(), api_client=None)
    assert (upload.state, upload.counts) == ("finished", {"new": 1, "faulty": 3})
    assert list(problems(upload)) == [
        (2, "items[0].benefit.size", "too_large", 900),
        (3, "member", "not_text", 3),
        (4, "", "not_an_object", "nonsense"),
        (4, "member", "missing", None),
    ]
    assert (len(held(one)), len(held(other))) == (1, 0)
    with pytest.raises(DomainError, match="1 to 1000"):
        personal_offer.put(programme=offer.programme, offer=offer, values=[], now=clock.now(), api_client=None)


def test_what_nothing_can_keep_is_named_and_its_neighbours_are_done() -> None:
    offer = offer_of()
    members_of(offer, "M-1")
    values = [{"member": "M-1", "items": [item()]}, {"member": "M-2\0", "items": [item("A\0")]}]
    upload = personal_offer.put(programme=offer.programme, offer=offer, values=values, now=clock.now(), api_client=None)
    assert upload.counts == {"new": 1, "faulty": 1}
    assert [one[:3] for one in problems(upload)] == [
        (2, "member", "unstorable_character"),
        (2, "items[0].external_id", "unstorable_character"),
        (2, "member", "unknown_member"),
    ]


def test_a_workbook_gives_the_same_offers_s1_03() -> None:
    offer = offer_of()
    [member] = members_of(offer, "M-1")
    into = io.BytesIO()
    book = xlsxwriter.Workbook(into)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["member", "external_id", "benefit_type", "size"])
    sheet.write_row(1, 0, ["M-1", "COFFEE", "percent", 20])
    book.close()
    committed(received(offer, into.getvalue(), "offers.xlsx"))
    assert held(member)[0].terms["personal"]["items"][0]["benefit"] == {"type": "percent", "size": 20}


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
