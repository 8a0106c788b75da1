"""What the verbs on one assignment share: who did it, the locked row, its event, and how a code leaves it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db.models import Model
from django.utils.translation import gettext as _

from loyalty.errors import NotFound
from loyalty.models import ApiClient, Programme, User
from loyalty.services import audit, outbox
from offers.models import Assignment, AssignmentEvent, Source, VoucherCode
from offers.services import limit


@dataclass(frozen=True)
class By:
    """Who did it, through which door; nobody and no door is the member herself."""

    source: Source | None = None
    actor: User | None = None
    api_client: ApiClient | None = None

    def parameters(self) -> dict[str, int | str | None]:
        """Return it as parameters of a statement: `source`, `actor_id`, `api_client_id`."""
        return {
            "source": int(self.source) if self.source is not None else None,
            "actor_id": self.actor.pk if self.actor else None,
            "api_client_id": self.api_client.pk if self.api_client else None,
        }


NOBODY = By()


def lock(*, programme: Programme, assignment_id: UUID, member_id: int | None = None) -> Assignment:
    """Return the programme's assignment with its offer, locked; of one member, where she is named.

    Raises NotFound, also for another programme's and another member's.
    """
    known = (
        Assignment.objects.select_for_update(of=("self",))
        .select_related(
            "config_offer__current_revision", "config_offer__programme", "voucher_code__segment", "revision"
        )
        .filter(pk=assignment_id, member__programme=programme)
    )
    held = (known if member_id is None else known.filter(member_id=member_id)).first()
    if held is None:
        raise NotFound(_("There is no such assignment here."))
    return held


def record(
    assignment_id: UUID,
    verb: str,
    *,
    by: By,
    now: datetime,
    changes: Mapping[str, Any],
    reason: str = "",
    links: Mapping[str, Any] | None = None,
) -> None:
    """Write the event: `changes` are old and new values by field, as the timeline shows them (B-18)."""
    AssignmentEvent.objects.create(
        assignment_id=assignment_id,
        at=now,
        verb=verb,
        source=by.source,
        actor=by.actor,
        api_client=by.api_client,
        data=({"reason": reason} if reason else {}) | dict(links or {}) | dict(changes),
    )


def audited(action: str, target: Model, *, programme: Programme, by: By, data: Mapping[str, Any]) -> None:
    """Write the audit row of what somebody did, in the caller's transaction."""
    audit.record(action=action, actor=by.actor, api_client=by.api_client, programme=programme, target=target, data=data)


def end(
    held: Assignment,
    moment: Literal["revoked_at", "closed_at"],
    verb: str,
    *,
    by: By,
    now: datetime,
    reason: str,
    is_freed: bool,
    links: Mapping[str, Any] | None = None,
    is_used: bool = False,
) -> VoucherCode | None:
    """End a locked assignment: its moment is set, its holding let go, its event and its outbox row written.

    What is revoked gives its share of limits back, unless it `is_used`: then a use of it stands, and it stays counted.
    Returns the code that nobody saw and that left it; the caller gives it back to its bank (D-10).
    """
    # Showing a code is an update of this row, which is locked: nobody sees it from here on.
    unseen = unseen_code(held)
    changes: dict[str, Any] = {moment: [None, now.isoformat()]}
    values: dict[str, Any] = {moment: now, "updated_at": now}
    if is_freed:
        changes["holding_key"] = [held.holding_key, None]
        values["holding_key"] = None
    if unseen:
        changes["voucher_code"] = [{"id": unseen.pk, "code": unseen.code}, None]
        values["voucher_code"] = None
    Assignment.objects.filter(pk=held.pk).update(**values)
    record(held.pk, verb, by=by, now=now, reason=reason, changes=changes, links=links)
    tell(held, moment.removesuffix("_at"), data={"reason": reason, "verb": verb})
    if moment == "revoked_at" and not is_used:
        # What was closed was given; what is taken back was not.
        give_share_back(held)
    return unseen


def give_share_back(held: Assignment) -> None:
    """Give the assignment's share back to the limits of its offer and campaign, and to its member's count."""
    limit.give_back(
        offer_id=held.config_offer_id,
        campaign_id=held.campaign_id,
        member_id=held.member_id,
        exposure_minor=held.exposure_minor,
        # A run reserved for all of its members on the day it was planned.
        given_at=(held.run.planned_at if held.run else None) or held.issued_at,
        zone=held.config_offer.programme.zone,
    )


def tell(held: Assignment, what: str, *, data: Mapping[str, Any]) -> None:
    """Write the outbox row of a change to one assignment, loaded with its offer."""
    outbox.write(
        programme=held.config_offer.programme,
        type=f"assignment.{what}",
        config_offer_id=held.config_offer_id,
        assignment_ids=[held.pk],
        is_synchronized=held.is_synchronized,
        data=data,
    )


def unseen_code(held: Assignment) -> VoucherCode | None:
    """Return the code that may go back: never shown or used, not void, and one of the bank's tape."""
    if held.exposed_at or held.voucher_code_id is None or held.redemptions.exists():
        return None
    return VoucherCode.objects.filter(
        pk=held.voucher_code_id,
        voided_at__isnull=True,
        segment__isnull=False,
        # Exported codes were shown, if only to a till.
        segment__batch__exported_at__isnull=True,
    ).first()
