"""Reissue, extend, close, decline, undo: what each does, what each refuses, and that again is the same answer."""

from datetime import UTC, datetime, timedelta

import pytest

from loyalty import clock
from loyalty.errors import NotFound
from loyalty.models import OutboxEvent
from offers.models import Assignment, AssignmentEvent, DoorEntry, Redemption, Source
from offers.selectors import code_lookup
from offers.selectors import voucher as bank_selectors
from offers.services import assignment_verbs, catalogue, closing, door, extension, reissue, revocation
from offers.services.assignment import Grant
from offers.services.verb import By
from tests.factories import (
    ApiClientFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    UserFactory,
    give,
    import_codes,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def ann(programme):
    return MemberFactory(programme=programme)


def by():
    return By(Source.SUPPORT, UserFactory())


def do(verb, held, *, now=NOW, reason="lost", **values):
    answer = verb(
        programme=held.config_offer.programme, assignment_id=held.pk, reason=reason, by=by(), now=now, **values
    )
    held.refresh_from_db()
    return answer


def fresh(pk):
    return Assignment.objects.get(pk=pk)


def told(held):
    return list(
        OutboxEvent.objects.filter(assignment_ids__contains=[held.pk]).order_by("id").values_list("type", flat=True)
    )


def verbs(held):
    return list(AssignmentEvent.objects.filter(assignment=held).order_by("id").values_list("verb", flat=True))


def redeem(held):
    return Redemption.objects.create(
        programme=held.config_offer.programme,
        member=held.member,
        config_offer=held.config_offer,
        assignment=held,
        external_id=f"till-{held.pk}",
        redeemed_at=NOW,
    )


# -- Reissue (B-06) --


def test_b_06_a_reissue_voids_the_old_one_with_its_code_first_and_keeps_the_chain(programme, ann):
    offer = ConfigOfferFactory(
        programme=programme, require_vouchers=True, repeat_policy="once_ever", terms={"redemption_limit": {"limit": 1}}
    )
    import_codes(offer, ["C-1", "C-2"])
    given = {"redemption_limit": {"limit": 2}}
    old = give(ann, offer, now=NOW, terms=given, rank=7, fields={"note": "x"})
    assignment_verbs.expose(member_id=ann.pk, assignment_id=old.pk, now=NOW)

    answer = do(reissue.reissue, old, now=NOW + DAY)

    new = fresh(answer.assignment_id)
    assert (answer.code, new.replaces_id, new.member_id) == ("reissued", old.pk, ann.pk)
    assert (new.terms, new.rank, new.fields, new.template_id) == (given, 7, {"note": "x"}, old.template_id)
    assert (old.revoked_at, old.holding_key, new.holding_key) == (NOW + DAY, None, 0)
    # The code that was seen stays with the old record, void; the new one has another.
    assert (old.voucher_code.code, new.voucher_code.code) == ("C-1", "C-2")
    assert old.voucher_code.voided_at == NOW + DAY
    look = {"programme": programme, "now": NOW + DAY, "member": ann.external_id}
    assert code_lookup.by_code(code="C-1", **look).code == "revoked"
    assert code_lookup.by_code(code="C-2", **look).assignment == new
    # Void first, in the order of the outbox.
    chain = OutboxEvent.objects.filter(assignment_ids__overlap=[old.pk, new.pk]).order_by("id")
    assert [(row.type, row.assignment_ids) for row in chain][1:] == [
        ("assignment.revoked", [old.pk]),
        ("assignment.created", [new.pk]),
    ]
    assert verbs(old) == ["exposed", "reissued"]


def test_b_06_again_is_the_same_answer_and_one_successor(programme, ann):
    old = give(ann, ConfigOfferFactory(programme=programme), now=NOW)
    first = do(reissue.reissue, old)
    again = do(reissue.reissue, old, now=NOW + DAY)
    assert (first.code, again.code) == ("reissued", "already_reissued")
    assert first.assignment_id == again.assignment_id
    assert Assignment.objects.count() == 2
    assert verbs(old) == ["reissued"]


def test_b_06_a_reissue_of_a_reissue_goes_one_hop_further(programme, ann):
    first = give(ann, ConfigOfferFactory(programme=programme), now=NOW)
    second = fresh(do(reissue.reissue, first).assignment_id)
    third = fresh(do(reissue.reissue, second).assignment_id)
    assert (third.replaces_id, second.replaces_id, first.replaces_id) == (second.pk, first.pk, None)
    assert [each.status(NOW) for each in (first, second, third)] == ["revoked", "revoked", "usable"]


def test_b_06_an_expired_one_begins_anew_for_the_days_of_its_offer(programme, ann):
    offer = ConfigOfferFactory(programme=programme, terms={"validity": {"days": 5}})
    old = give(ann, offer, now=NOW)
    later = NOW + 30 * DAY
    assert old.status(later) == "expired"
    new = fresh(do(reissue.reissue, old, now=later).assignment_id)
    assert new.ends_at - old.ends_at == 30 * DAY
    assert new.status(later) == "usable"


def test_b_06_d_10_a_code_that_nobody_saw_goes_back_but_not_to_the_new_one(programme, ann):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["C-1", "C-2"])
    old = give(ann, offer, now=NOW)
    new = fresh(do(reissue.reissue, old).assignment_id)
    assert (old.voucher_code_id, new.voucher_code.code) == (None, "C-2")
    assert bank_selectors.codes_left(bank=offer.voucher_bank, now=NOW) == 1


def test_b_06_without_another_code_nothing_is_changed(programme, ann):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["C-1"])
    old = give(ann, offer, now=NOW)
    before = Assignment.objects.values().get()
    assert do(reissue.reissue, old).code == "out_of_codes"
    assert (Assignment.objects.values().get(), verbs(old), told(old)) == (before, [], ["assignment.created"])
    assert old.voucher_code.voided_at is None


def test_b_06_what_was_used_is_not_given_again_so_a_chain_is_redeemed_once(programme, ann):
    """Redemption counts stay 1 along the chain."""
    used = give(ann, ConfigOfferFactory(programme=programme, repeat_policy="unlimited"), now=NOW)
    redeem(used)
    assert do(reissue.reissue, used).code == "redeemed"
    Assignment.objects.filter(pk=used.pk).update(used_up_at=NOW)
    assert do(reissue.reissue, used).code == "used_up"
    assert Assignment.objects.count() == 1


def test_b_06_reissue_refuses_what_was_ended_and_what_is_not_there(programme, ann):
    offer = ConfigOfferFactory(programme=programme, repeat_policy="unlimited")
    revoked, closed = (give(ann, offer, now=NOW) for _ in range(2))
    revocation.revoke(programme=programme, assignment_id=revoked.pk, reason="x", now=NOW)
    do(closing.close, closed)
    assert [do(reissue.reissue, each).code for each in (revoked, closed)] == ["revoked", "closed"]

    with pytest.raises(NotFound):
        reissue.reissue(programme=ProgrammeFactory(), assignment_id=closed.pk, reason="x", by=by(), now=NOW)


def test_b_06_an_inactive_member_gets_nothing_and_keeps_what_she_has(programme, ann):
    old = give(ann, ConfigOfferFactory(programme=programme), now=NOW)
    ann.status = "blocked"
    ann.save()
    assert do(reissue.reissue, old).code == "member_inactive"
    assert old.revoked_at is None


# -- Extend --


def test_extend_moves_the_end_the_terms_and_keeps_old_and_new(programme, ann):
    """B-18: the event says what changed."""
    old = give(ann, ConfigOfferFactory(programme=programme, terms={"validity": {"days": 5}}), now=NOW)
    before, later = old.ends_at, old.ends_at + 3 * DAY
    assert do(extension.extend, old, ends_at=later).code == "extended"
    assert (old.ends_at, old.terms["validity"]["ends_at"]) == (later, later.isoformat())
    event = AssignmentEvent.objects.get(assignment=old)
    assert (event.verb, event.data["ends_at"], event.data["reason"]) == (
        "extended",
        [before.isoformat(), later.isoformat()],
        "lost",
    )
    assert told(old) == ["assignment.created", "assignment.extended"]
    assert do(extension.extend, old, ends_at=later).code == "already_extended"
    assert verbs(old) == ["extended"]


@pytest.mark.parametrize(
    ("ends_at", "code"),
    [
        (NOW - DAY, "in_the_past"),
        (NOW + 2 * DAY, "not_later"),
        (datetime(2027, 4, 1, tzinfo=UTC), "beyond_offer"),
    ],
)
def test_extend_stays_between_the_present_end_and_the_offers_own(programme, ann, ends_at, code):
    offer = ConfigOfferFactory(programme=programme, terms={"validity": {"ends_at": "2027-03-31T00:00:00Z"}})
    held = give(ann, offer, now=NOW, terms={"validity": {"ends_at": "2027-03-15T00:00:00Z"}})
    answer = do(extension.extend, held, ends_at=ends_at)
    assert (answer.code, verbs(held)) == (code, [])
    assert answer.latest == (datetime(2027, 3, 31, tzinfo=UTC) if code == "beyond_offer" else None)


def test_extend_stops_at_the_codes_expiry(programme, ann):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, terms={"validity": {"days": 5}})
    import_codes(offer, ["C-1"])
    held = give(ann, offer, now=NOW)
    segment = held.voucher_code.segment
    segment.expires_at = NOW + 20 * DAY
    segment.save()
    assert do(extension.extend, held, ends_at=NOW + 21 * DAY).code == "beyond_code"
    assert do(extension.extend, held, ends_at=NOW + 20 * DAY).code == "extended"


def test_d_14_staff_neither_extend_nor_reissue_what_an_import_made(programme, ann):
    offer = ConfigOfferFactory(programme=programme, terms={"validity": {"days": 5}})
    held = give(ann, offer, now=NOW, source=Source.ATTRIBUTE)
    assert do(extension.extend, held, ends_at=held.ends_at + DAY).code == "imported"
    assert do(reissue.reissue, held).code == "imported"
    assert (held.revoked_at, verbs(held)) == (None, [])


def test_extend_refuses_what_is_over_and_what_has_no_end(programme, ann):
    offer = ConfigOfferFactory(programme=programme, repeat_policy="unlimited", terms={"validity": {"days": 5}})
    revoked, closed, used = (give(ann, offer, now=NOW) for _ in range(3))
    revocation.revoke(programme=programme, assignment_id=revoked.pk, reason="x", now=NOW)
    do(closing.close, closed)
    Assignment.objects.filter(pk=used.pk).update(used_up_at=NOW)
    endless = give(ann, ConfigOfferFactory(programme=programme, terms={}), now=NOW)
    answers = [do(extension.extend, each, ends_at=NOW + 9 * DAY).code for each in (revoked, closed, used, endless)]
    assert answers == ["revoked", "closed", "used_up", "without_end"]
    still = give(ann, offer, now=NOW)
    catalogue.archive(offer=offer, actor=None, now=NOW)
    assert do(extension.extend, still, ends_at=NOW + 9 * DAY).code == "offer_closed"


def test_d_01_an_expired_one_is_taken_up_again_only_while_no_other_is_open(programme, ann):
    offer = ConfigOfferFactory(programme=programme, repeat_policy="one_open", terms={"validity": {"days": 5}})
    first = give(ann, offer, now=NOW)
    later = NOW + 10 * DAY
    second = give(ann, offer, now=later)
    first.refresh_from_db()
    assert (first.holding_key, second.holding_key) == (None, -1)
    assert do(extension.extend, first, ends_at=later + 9 * DAY, now=later).code == "already_held"
    do(closing.close, second, now=later)
    assert do(extension.extend, first, ends_at=later + 9 * DAY, now=later).code == "extended"
    assert (first.holding_key, first.status(later)) == (-1, "usable")


# -- Close, decline --


@pytest.mark.parametrize(("policy", "is_freed"), [("one_open", True), ("once_ever", False), ("unlimited", True)])
def test_d_01_closing_frees_what_may_be_open_once_and_nothing_else(programme, ann, policy, is_freed):
    offer = ConfigOfferFactory(programme=programme, repeat_policy=policy)
    held = give(ann, offer, now=NOW)
    assert do(closing.close, held).code == "closed"
    assert (held.closed_at, held.holding_key is None) == (NOW, is_freed)
    assert (verbs(held), told(held)) == (["closed"], ["assignment.created", "assignment.closed"])
    assert do(closing.close, held, now=NOW + DAY).code == "already_closed"
    assert held.closed_at == NOW


def test_a_member_declines_her_own_and_an_unseen_code_goes_back(programme, ann):
    """D-10: nobody saw it, so the next member may have it."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["C-1"])
    held = give(ann, offer, now=NOW)
    mine = {"programme": programme, "assignment_id": held.pk, "by": By(), "now": NOW}
    with pytest.raises(NotFound):
        closing.decline(member_id=MemberFactory(programme=programme).pk, **mine)
    assert [closing.decline(member_id=ann.pk, **mine).code for _ in range(2)] == ["declined", "already_closed"]
    held.refresh_from_db()
    assert (held.status(NOW), held.voucher_code_id, verbs(held)) == ("closed", None, ["declined"])
    assert bank_selectors.codes_left(bank=offer.voucher_bank, now=NOW) == 1


def test_close_refuses_what_is_over(programme, ann):
    offer = ConfigOfferFactory(programme=programme, repeat_policy="unlimited", terms={"validity": {"days": 5}})
    revoked, used, expired = (give(ann, offer, now=NOW) for _ in range(3))
    revocation.revoke(programme=programme, assignment_id=revoked.pk, reason="x", now=NOW)
    Assignment.objects.filter(pk=used.pk).update(used_up_at=NOW)
    later = {revoked: NOW, used: NOW, expired: NOW + 9 * DAY}
    answers = [do(closing.close, each, now=now).code for each, now in later.items()]
    assert answers == ["revoked", "used_up", "expired"]


# -- Undo --


def granted(programme, ann, client):
    return door.grant(
        programme=programme,
        door=Source.API,
        instance=client.prefix,
        grant=Grant(
            template_id=ConfigOfferFactory(programme=programme).templates.get().pk, member_id=ann.pk, reference="r"
        ),
        actor=None,
        now=clock.now(),
    ).outcome.assignment_id


def test_undo_is_for_ones_own_grant_within_its_time(programme, ann):
    """B-05: another client's is not found, a late one is refused with a code, again is the same answer."""
    client, _ = ApiClientFactory(programme=programme)
    other, _ = ApiClientFactory(programme=programme)
    pk = granted(programme, ann, client)
    at = DoorEntry.objects.get().created_at

    def undo(client, seconds):
        now = at + timedelta(seconds=seconds)
        return revocation.undo(programme=programme, assignment_id=pk, by=By(Source.API, api_client=client), now=now)

    with pytest.raises(NotFound):
        undo(other, 1)
    assert undo(client, revocation.UNDO_SECONDS + 1).code == "too_late"
    assert fresh(pk).revoked_at is None
    assert [undo(client, 2).code, undo(client, 3).code] == ["undone", "already_revoked"]
    assert verbs(fresh(pk)) == ["undone"]


def test_a_reissue_keeps_a_values_template_with_what_it_requires(programme, ann):
    """S0-07: the template's required values are the old one's."""
    offer = ConfigOfferFactory(programme=programme)
    template = OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])
    given = {"benefit": {"type": "percent", "size": 5, "maximum_minor": None}}
    old = give(ann, template, now=NOW, terms=given)
    assert fresh(do(reissue.reissue, old).assignment_id).terms == given
