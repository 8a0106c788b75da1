"""The audience of a mass assignment: its terms for all, whom it reaches, and what a launch would do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from loyalty.database import rows
from loyalty.errors import InvalidInput
from loyalty.models import Programme
from offers.models import Campaign, CodeReservation, MassAssignment, OfferTemplate
from offers.selectors import targeting as targeting_selector
from offers.selectors import voucher as voucher_selector
from offers.services import assignment
from offers.services import terms as terms_service
from offers.services.terms import Prepared


@dataclass(frozen=True)
class DryRun:
    """What a launch would do now: exact counts, nothing written."""

    matched: int
    excluded: Mapping[str, int]
    eligible: int
    codes_left: int | None
    codes_short: int
    exposure_minor: int


def prepare(*, programme: Programme, template_id: int, given: Mapping[str, Any], now: datetime) -> Prepared:
    """Settle the terms for all, or raise InvalidInput with every problem."""
    template = assignment.load_templates(programme=programme, ids={template_id}).get(template_id)
    if template is None:
        raise InvalidInput("There is no such template.", code="unknown_template")
    prepared = terms_service.prepare(template=template, given=given, now=now)
    if prepared.refusal:
        problems = [reason.as_dict() for reason in prepared.reasons]
        raise InvalidInput(" ".join(p["message"] for p in problems), code=prepared.refusal, problems=problems)
    return prepared


# What becomes of each member that the criteria match. `predicate` speaks about `member`.
MATCHED = """
    SELECT member.id,
           CASE WHEN member.status <> 'active' THEN 'member_inactive'
                WHEN EXISTS (
                    SELECT FROM offers_assignment AS held
                     WHERE held.member_id = member.id
                       AND held.config_offer_id = %(config_offer_id)s
                       AND held.holding_key = %(holding_key)s::bigint
                       AND NOT (held.holding_key = -1 AND held.ends_at IS NOT NULL AND held.ends_at <= %(now)s)
                ) THEN 'already_held' END AS reason
      FROM loyalty_member AS member
     WHERE member.programme_id = %(programme_id)s
       AND member.status <> 'erased'
       AND ({predicate})
"""

# Writes every matched member down with an outcome, or with the ordinal that fixes her code. OFFSET 0 keeps the reason a
# column: flattened, it is worked out again wherever it is named.
FREEZE = f"""
    INSERT INTO offers_audiencemember (run_id, member_id, ordinal, outcome)
    SELECT %(run_id)s, id,
           CASE WHEN reason IS NULL THEN
               count(*) FILTER (WHERE reason IS NULL) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - 1 END,
           reason
      FROM ({MATCHED} OFFSET 0) AS matched
     ORDER BY id
"""


def dry_run(
    *,
    programme: Programme,
    template: OfferTemplate,
    criteria: Mapping[str, Any],
    terms: Mapping[str, Any],
    campaign: Campaign | None,
    now: datetime,
) -> DryRun:
    """Count what a launch would do now, without writing: matched, left out by reason, codes needed and left.

    Raises InvalidInput as `create` does. (S4-24..28, D-05)
    """
    prepared = prepare(programme=programme, template_id=template.pk, given=terms, now=now)
    offer = prepared.offer
    checked = targeting_selector.read(criteria, programme=programme)
    predicate = targeting_selector.where(programme=programme, criteria=checked, now=now)
    # A run without a campaign gets one of its own, which nobody can hold yet.
    held_under = key(prepared, campaign.pk if campaign else None)
    with targeting_selector.planned(checked):
        counted = rows(
            f"SELECT reason, count(*) AS n FROM ({MATCHED.format(predicate=predicate.sql)}) AS matched GROUP BY reason",
            dict(predicate.params)
            | {"config_offer_id": offer.pk, "holding_key": held_under, "programme_id": programme.pk, "now": now},
        )
    excluded = {row["reason"]: row["n"] for row in counted if row["reason"]}
    eligible = sum(row["n"] for row in counted if row["reason"] is None)
    left = voucher_selector.codes_left(bank=offer.voucher_bank, now=now) if offer.require_vouchers else None
    return DryRun(
        matched=eligible + sum(excluded.values()),
        excluded=excluded,
        eligible=eligible,
        codes_left=left,
        codes_short=max(0, eligible - left) if left is not None else 0,
        exposure_minor=prepared.exposure_minor * eligible,
    )


def key(prepared: Prepared, campaign_id: int | None) -> int | None:
    """Return the holding key of a run's assignments (D-01)."""
    return terms_service.holding_key(policy=prepared.offer.repeat_policy, campaign_id=campaign_id)


def obstacle(*, run: MassAssignment, now: datetime) -> dict[str, Any] | None:
    """Return why a planned run may not give anything now, or None: the world may have changed since its planning.

    A stable code and a sentence that says what to do. (S4-41, D-05)
    """
    if not run.programme.offers_enabled:
        return {"code": "offers_module_off", "message": _("The offers module is off. Switch it on, then resume.")}
    if not run.config_offer.is_published:
        return {"code": "offer_closed", "message": _("The offer is not published any more. Publish it, then resume.")}
    if run.template.archived_at:
        return {"code": "offer_closed", "message": _("The template was archived. Restore it, then resume, or cancel.")}
    if run.ends_at is not None and run.ends_at <= now:
        message = _("What it gives is over by now. Cancel it, and launch a new one with another period.")
        return {"code": "offer_closed", "message": message}
    if CodeReservation.objects.filter(run=run, released_at__isnull=True, segment__expires_at__lte=now).exists():
        message = _("Codes that were reserved for it have expired. Cancel it, import codes, and launch a new one.")
        return {"code": "codes_expired", "message": message}
    return None
