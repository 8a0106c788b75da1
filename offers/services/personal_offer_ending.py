"""Ending what members held by an attribute that changed or went: set-based, as the verbs on one assignment do (D-14).

What was not used is void: its share of limits and its unseen code go back. What was used is closed, and its uses stay.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from loyalty.database import execute, rows
from loyalty.services import outbox
from offers.models import AssignmentEvent, ConfigOffer, Source, VoucherCode
from offers.models.limit import day_of
from offers.services import limit
from offers.services.closing import ONE_OPEN
from offers.services.verb import By

LOCK = "SELECT FROM offers_assignment WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE"
# Read in a statement of its own: under the lock, nobody uses one, shows its code or takes it back any more.
READ = """
    SELECT held.id, held.member_id, held.holding_key, held.exposure_minor, held.issued_at, held.synchronized_at,
           held.accepted_at, held.voucher_code_id, held.exposed_at,
           held.used_up_at IS NOT NULL OR EXISTS (
               SELECT FROM offers_redemption AS redemption
                WHERE redemption.assignment_id = held.id AND redemption.returned_at IS NULL
           ) AS has_uses,
           held.revoked_at IS NOT NULL OR held.closed_at IS NOT NULL OR held.used_up_at IS NOT NULL
               OR coalesce(held.ends_at <= %(now)s, FALSE) AS is_over,
           code.code, unseen.id IS NOT NULL AS is_unseen
      FROM offers_assignment AS held
      LEFT JOIN offers_vouchercode AS code ON code.id = held.voucher_code_id
      LEFT JOIN LATERAL (
            -- Shown neither to her nor, with an export or a use that was given back, to a till (D-10).
            SELECT code.id FROM offers_vouchersegment AS segment
              LEFT JOIN offers_voucherbatch AS batch ON batch.id = segment.batch_id
             WHERE segment.id = code.segment_id AND held.exposed_at IS NULL AND code.voided_at IS NULL
               AND batch.exported_at IS NULL
               AND NOT EXISTS (SELECT FROM offers_redemption AS used WHERE used.assignment_id = held.id)
           ) AS unseen ON TRUE
     WHERE held.id = ANY(%(ids)s::uuid[])
"""
REVOKE = """
    UPDATE offers_assignment
       SET revoked_at = %(now)s, holding_key = NULL, updated_at = %(now)s,
           voucher_code_id = CASE WHEN id = ANY(%(unseen)s::uuid[]) THEN NULL ELSE voucher_code_id END
     WHERE id = ANY(%(ids)s::uuid[])
"""
CLOSE = """
    UPDATE offers_assignment
       SET closed_at = %(now)s, updated_at = %(now)s, holding_key = nullif(holding_key, %(one_open)s)
     WHERE id = ANY(%(ids)s::uuid[])
"""
# A day that no limit counts: what was given on another day than the one it counts.
ANOTHER_DAY = date(1900, 1, 1)


@dataclass(frozen=True)
class Held:
    """What a member holds by her attribute, read under its lock."""

    id: UUID
    member_id: int
    holding_key: int | None
    exposure_minor: int
    issued_at: datetime
    synchronized_at: datetime | None
    accepted_at: datetime | None
    voucher_code_id: int | None
    exposed_at: datetime | None
    has_uses: bool
    is_over: bool
    code: str | None
    is_unseen: bool


def lock(*, ids: Collection[UUID], now: datetime) -> dict[UUID, Held]:
    """Lock the assignments, in the order of their ids, and return what they say under the lock."""
    if not ids:
        return {}
    execute(LOCK, {"ids": list(ids)})
    return {row["id"]: Held(**row) for row in rows(READ, {"ids": list(ids), "now": now})}


def end(
    *,
    offer: ConfigOffer,
    replaced: Sequence[Held],
    withdrawn: Sequence[Held],
    closed: Sequence[Held],
    closed_for_good: Sequence[Held],
    by: By,
    now: datetime,
) -> list[int]:
    """End locked assignments and return the codes that nobody saw: the caller gives them back after drawing new ones.

    `replaced` get a successor and are void, as reissued ones are; `withdrawn` are taken back. What was used is `closed`
    where another value takes its place, and `closed_for_good` where none does.
    """
    void = [*replaced, *withdrawn]
    unseen = [held for held in void if held.is_unseen]
    if void:
        execute(REVOKE, {"ids": [one.id for one in void], "unseen": [one.id for one in unseen], "now": now})
    used = [*closed, *closed_for_good]
    if used:
        execute(CLOSE, {"ids": [one.id for one in used], "one_open": ONE_OPEN, "now": now})
    seen = [held.voucher_code_id for held in replaced if held.voucher_code_id and not held.is_unseen]
    if seen:
        # It stays with the old record, and no till takes it.
        VoucherCode.objects.filter(pk__in=seen, voided_at__isnull=True).update(voided_at=now)
    AssignmentEvent.objects.bulk_create(
        [
            *(_event(one, "revoked_at", "reissued", "attribute_changed", by, now) for one in replaced),
            *(_event(one, "revoked_at", "revoked", "attribute_withdrawn", by, now) for one in withdrawn),
            *(_event(one, "closed_at", "closed", "attribute_changed", by, now) for one in closed),
            *(_event(one, "closed_at", "closed", "attribute_withdrawn", by, now) for one in closed_for_good),
        ]
    )
    _tell(offer, replaced, "revoked", "reissued", "attribute_changed")
    _tell(offer, withdrawn, "revoked", "revoked", "attribute_withdrawn")
    _tell(offer, closed, "closed", "closed", "attribute_changed")
    _tell(offer, closed_for_good, "closed", "closed", "attribute_withdrawn")
    _give_shares_back(offer, void, now)
    return [held.voucher_code_id for held in unseen if held.voucher_code_id]


def _event(
    held: Held, moment: Literal["revoked_at", "closed_at"], verb: str, reason: str, by: By, now: datetime
) -> AssignmentEvent:
    changes: dict[str, Any] = {"reason": reason, moment: [None, now.isoformat()]}
    is_freed = moment == "revoked_at" or held.holding_key == ONE_OPEN
    if is_freed and held.holding_key is not None:
        changes["holding_key"] = [held.holding_key, None]
    if moment == "revoked_at" and held.is_unseen:
        changes["voucher_code"] = [{"id": held.voucher_code_id, "code": held.code}, None]
    return AssignmentEvent(
        assignment_id=held.id, at=now, verb=verb, source=Source.ATTRIBUTE, actor=by.actor, api_client=by.api_client,
        data=changes,
    )  # fmt: skip


def _tell(offer: ConfigOffer, ended: Sequence[Held], what: str, verb: str, reason: str) -> None:
    """Write a row for the synchronized ones and one for those that are not; a chunk is no larger than a row."""
    for is_synchronized in (True, False):
        ids = [held.id for held in ended if (held.synchronized_at is not None) is is_synchronized]
        if ids:
            outbox.write(
                programme=offer.programme,
                type=f"assignment.{what}",
                config_offer_id=offer.pk,
                assignment_ids=sorted(ids),
                is_synchronized=is_synchronized,
                data={"reason": reason, "verb": verb},
            )


def _give_shares_back(offer: ConfigOffer, void: Sequence[Held], now: datetime) -> None:
    """Give what was not used back to the offer's limits, for the day that they count and for those before it."""
    limits = limit.lock(offer_ids=[offer.pk], campaign_ids=[]) if void else []
    for one in limits:
        moved: Mapping[bool, Counter[str]] = {True: Counter(), False: Counter()}
        for held in void:
            of_day = moved[day_of(held.issued_at, offer.programme.zone) == one.day]
            of_day["n"] -= 1
            of_day["spent"] -= held.exposure_minor
        for is_that_day, sums in moved.items():
            if sums["n"]:
                day = one.day if is_that_day and one.day else ANOTHER_DAY
                limit.move({one.pk: (sums["n"], sums["spent"])}, {one.pk: day})
