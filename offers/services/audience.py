"""The audience of a mass assignment: its terms for all, whom it reaches, and what a launch would do."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from loyalty import patience
from loyalty.database import rows
from loyalty.errors import InvalidInput
from loyalty.models import Programme
from offers.models import Campaign, CodeReservation, Limit, MassAssignment, OfferTemplate
from offers.selectors import targeting as targeting_selector
from offers.selectors import voucher as voucher_selector
from offers.services import (
    eligibility,
    limit,
    member_value,
    member_value_preview,
    member_value_sql,
    template_loading,
)
from offers.services import terms as terms_service
from offers.services.member_value import MemberValues
from offers.services.member_value_preview import Sample, Seen, Spread
from offers.services.member_value_sql import Compiled
from offers.services.shortfall import Shortfall
from offers.services.terms import Prepared
from offers.targeting import Criteria
from offers.targeting.expression import PLACE, seed


@dataclass(frozen=True)
class DryRun:
    """What a launch would do now: exact counts, nothing written."""

    matched: int
    excluded: Mapping[str, int]
    # Why those are not eligible who are not.
    reasons: Mapping[str, int]
    eligible: int
    codes_left: int | None
    codes_short: int
    exposure_minor: int
    # What limits have too little of; with any of it the launch would fail.
    limits: Sequence[Shortfall] = ()
    # How many there is enough for: so many are assigned when the run is cut (B-01).
    fits: int = 0
    # What differs per member, over those to be assigned; and what some of them would be given. (S1-05)
    spreads: Sequence[Spread] = ()
    samples: Sequence[Sample] = ()
    # What is odd, and allowed: whoever looks adds `run_period.warnings`.
    warnings: Sequence[Mapping[str, Any]] = ()


def prepare(
    *,
    programme: Programme,
    template_id: int,
    given: Mapping[str, Any],
    now: datetime,
    values: MemberValues = member_value.NONE,
) -> Prepared:
    """Settle the terms for all, or raise InvalidInput with every problem.

    Where values differ per member (S1-05), what is settled is an example of them.
    """
    if values:
        given = {**given, **next(values.examples(now.astimezone(programme.zone).date()))}
    template = template_loading.load(programme=programme, ids={template_id}).templates.get(template_id)
    if template is None:
        raise InvalidInput("There is no such template.", code="unknown_template")
    prepared = terms_service.prepare(template=template, given=given, now=now)
    if prepared.refusal:
        problems = [reason.as_dict() for reason in prepared.reasons]
        raise InvalidInput(" ".join(p["message"] for p in problems), code=prepared.refusal, problems=problems)
    return prepared


# What becomes of each member that the criteria match. `predicate` speaks about `member`. Why one is not eligible is
# written behind the outcome's code: "ineligible:not_in_audience".
MATCHED = """
    SELECT member.id,
           CASE WHEN member.status <> 'active' THEN 'member_inactive'
                WHEN EXISTS (
                    SELECT FROM offers_assignment AS held
                     WHERE held.member_id = member.id
                       AND held.config_offer_id = %(config_offer_id)s
                       AND held.holding_key = %(holding_key)s::bigint
                       AND NOT (held.holding_key = -1
                                AND (coalesce(held.ends_at <= %(now)s, FALSE)
                                     OR held.used_up_at IS NOT NULL OR held.closed_at IS NOT NULL))
                ) THEN 'already_held'{asked} END AS reason{columns}
      FROM loyalty_member AS member{joins}
     WHERE member.programme_id = %(programme_id)s
       AND member.status <> 'erased'
       AND ({predicate})
"""
IS_NOT_ELIGIBLE = " WHEN NOT ({condition}) THEN 'ineligible:{reason}'"
IS_FULL = f"""
                WHEN EXISTS (
                    SELECT FROM offers_membercount AS counted
                     WHERE counted.campaign_id = %(campaign_id)s
                       AND counted.member_id = member.id
                       AND counted.assigned >= %(per_member)s
                ) THEN 'ineligible:{eligibility.CAMPAIGN_PER_MEMBER}'"""

# OFFSET 0: looked up run by run, by the key of the frozen audiences.
IS_NEW = """NOT EXISTS (
           SELECT FROM unnest(%(earlier)s::bigint[]) AS earlier (run_id)
            CROSS JOIN LATERAL (SELECT FROM offers_audiencemember AS known
                                 WHERE known.run_id = earlier.run_id AND known.member_id = member.id OFFSET 0) AS known
       )"""

# The last reason of all: of those who would get it, a share gets nothing, for comparison. (B-13, D-19)
IS_HELD_OUT = f" WHEN {PLACE.format(seed='%(hold_out_seed)s::bigint')} < %(hold_out)s THEN 'held_out'"

# Writes every matched member down with an outcome, or with the ordinal that fixes her code. OFFSET 0 keeps the reason a
# column: flattened, it is worked out again wherever it is named.
FREEZE = """
    INSERT INTO offers_audiencemember (run_id, member_id, ordinal, outcome, details)
    SELECT %(run_id)s, id,
           CASE WHEN reason IS NULL THEN
               count(*) FILTER (WHERE reason IS NULL) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - 1 END,
           split_part(reason, ':', 1),
           CASE WHEN reason LIKE '%%:%%' THEN jsonb_build_object('reason', split_part(reason, ':', 2)) END
      FROM ({matched} OFFSET 0) AS matched
     ORDER BY id
"""

# The same with the values of each member, so that whoever does her chunk, however often, gives her these. Of who is
# refused for hers, it is written down what they were.
FREEZE_WITH_VALUES = """
    INSERT INTO offers_audiencemember (run_id, member_id, ordinal, outcome, details, given)
    SELECT %(run_id)s, id,
           CASE WHEN reason IS NULL THEN
               count(*) FILTER (WHERE reason IS NULL) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - 1 END,
           split_part(reason, ':', 1),
           CASE WHEN reason LIKE '%%:%%' THEN
               jsonb_build_object('reason', split_part(reason, ':', 2), 'value', shown -> split_part(reason, ':', 2))
           END,
           CASE WHEN reason IS NULL THEN given END
      FROM ({matched} OFFSET 0) AS matched
     ORDER BY id
"""

# What the values of a frozen audience come to: what all of them can cost, the dearest, the first start, the last end.
SETTLED = """
    SELECT coalesce(sum(exposure_minor), 0)::bigint AS exposure_minor,
           coalesce(max(exposure_minor), 0) AS dearest_minor,
           min(starts_at) AS starts_at, max(ends_at) AS ends_at, bool_or(ends_at IS NULL) AS is_endless
      FROM (SELECT (given ->> 'exposure_minor')::bigint AS exposure_minor,
                   (given ->> 'starts_at')::timestamptz AS starts_at, (given ->> 'ends_at')::timestamptz AS ends_at
              FROM offers_audiencemember
             WHERE run_id = %(run_id)s AND ordinal IS NOT NULL) AS each
"""


@dataclass(frozen=True)
class HoldOut:
    """A share in percent, and what it is drawn by: the same members in each run of a campaign."""

    percent: Decimal
    key: str


def hold_out(*, percent: Decimal, campaign: Campaign | None, reference: Any) -> HoldOut | None:
    """Return whom to hold out of a run; a run without a campaign draws by its own reference."""
    key = f"campaign {campaign.external_id}" if campaign and not campaign.is_of_run else f"run {reference}"
    return HoldOut(percent, key) if percent else None


@dataclass(frozen=True)
class Question:
    """Whom a run reaches and whom it leaves out: a SELECT of ids and reasons, with what it is planned for.

    `own` has what differs per member; its columns are added for counting, or for freezing.
    """

    predicate: str
    asked: str
    params: Mapping[str, Any]
    criteria: tuple[Criteria, ...]
    per_member: int | None
    own: Compiled | None = None

    @property
    def sql(self) -> str:
        return self._sql(self.own.counted if self.own else "")

    @property
    def freeze(self) -> str:
        if self.own is None:
            return FREEZE.format(matched=self.sql)
        return FREEZE_WITH_VALUES.format(matched=self._sql(self.own.frozen))

    def given_to(self, condition: str) -> str:
        """Return the SELECT of what some of those whom it reaches would be given; `condition` is about `member`."""
        columns = self.own.frozen if self.own else ""
        joins = self.own.joins if self.own else ""
        return MATCHED.format(predicate=condition, asked=self.asked, columns=columns, joins=joins)

    def _sql(self, columns: str) -> str:
        joins = self.own.joins if self.own else ""
        return MATCHED.format(predicate=self.predicate, asked=self.asked, columns=columns, joins=joins)

    @contextmanager
    def planned(self) -> Iterator[None]:
        with ExitStack() as stack:
            for one in self.criteria:
                stack.enter_context(targeting_selector.planned(one))
            yield


def question(
    *,
    programme: Programme,
    prepared: Prepared,
    criteria: Any,
    campaign_id: int | None,
    now: datetime,
    held_out: HoldOut | None = None,
    values: MemberValues = member_value.NONE,
    earlier: Sequence[int] = (),
) -> Question:
    """Return the reading that counts an audience in the dry run, and freezes it when the run is planned.

    Who stands in the frozen audience of one of the `earlier` runs is not meant: only new members are. (B-03)
    """
    offer = prepared.offer
    checked = targeting_selector.read(criteria, programme=programme)
    predicate = targeting_selector.where(programme=programme, criteria=checked, now=now)
    read = [checked]
    params = dict(predicate.params) | {
        "config_offer_id": offer.pk,
        "holding_key": key(prepared, campaign_id),
        "programme_id": programme.pk,
        "now": now,
    }
    meant = predicate.sql
    if earlier:
        meant = f"({meant}) AND {IS_NEW}"
        params |= {"earlier": list(earlier)}
    asked = ""
    if offer.eligibility is not None:
        condition = eligibility.condition(programme=programme, version=offer.eligibility, now=now)
        asked += IS_NOT_ELIGIBLE.format(condition=condition.sql, reason=eligibility.code_of(offer.eligibility))
        params |= condition.params
        read.append(condition.criteria)
    limited = Limit.objects.filter(campaign_id=campaign_id, per_member__isnull=False).first() if campaign_id else None
    if limited is not None:
        asked += IS_FULL
        params |= {"campaign_id": campaign_id, "per_member": limit.most_per_member(limited)}
    own = _own(prepared, values, programme, now) if values else None
    if own is not None:
        asked += own.reasons
        params |= own.params
    if held_out is not None:
        asked += IS_HELD_OUT
        params |= {"hold_out_seed": seed(f"hold-out {held_out.key}"), "hold_out": int(held_out.percent * 100)}
    return Question(
        predicate=meant,
        asked=asked,
        params=params,
        criteria=tuple(read),
        per_member=limit.most_per_member(limited) if limited else None,
        own=own,
    )


def _own(prepared: Prepared, values: MemberValues, programme: Programme, now: datetime) -> Compiled:
    terms = {kind: value for kind, value in prepared.given.items() if kind not in values.fixed}
    return member_value_sql.compiled(
        values=values, terms=terms, effective=prepared.effective, zone=programme.zone, now=now
    )


@patience.patient()
def dry_run(
    *,
    programme: Programme,
    template: OfferTemplate,
    criteria: Mapping[str, Any],
    terms: Mapping[str, Any],
    campaign: Campaign | None,
    now: datetime,
    held_out: HoldOut | None = None,
    member_values: Mapping[str, Any] | None = None,
    earlier: Sequence[int] = (),
) -> DryRun:
    """Count what a launch would do now, without writing: matched, left out by reason, codes and limits needed and left.

    Raises InvalidInput as `create` does. (S4-24..28, D-05)
    """
    today = now.astimezone(programme.zone).date()
    values = member_value.read(programme=programme, given=member_values, terms=terms, today=today)
    prepared = prepare(programme=programme, template_id=template.pk, given=terms, now=now, values=values)
    offer = prepared.offer
    # A run without a campaign gets one of its own, which nobody can hold yet, and which has no limits.
    campaign_id = campaign.pk if campaign else None
    asked = question(
        programme=programme,
        prepared=prepared,
        criteria=criteria,
        campaign_id=campaign_id,
        now=now,
        held_out=held_out,
        values=values,
        earlier=earlier,
    )
    with asked.planned():
        seen = member_value_preview.seen(question=asked, values=values) if values else None
        counted = seen.counted if seen else rows(COUNTED.format(matched=asked.sql), asked.params)
    excluded: Counter[str] = Counter()
    reasons: dict[str, int] = {}
    for row in counted:
        outcome, _colon, reason = (row["reason"] or "").partition(":")
        excluded[outcome] += row["n"]
        if reason:
            reasons[reason] = row["n"]
    eligible = excluded.pop("", 0)
    left = voucher_selector.codes_left(bank=offer.voucher_bank, now=now) if offer.require_vouchers else None
    exposure_minor = seen.exposure_minor if seen else prepared.exposure_minor * eligible
    return DryRun(
        matched=eligible + sum(excluded.values()),
        excluded=dict(excluded),
        reasons=reasons,
        eligible=eligible,
        codes_left=left,
        codes_short=max(0, eligible - left) if left is not None else 0,
        exposure_minor=exposure_minor,
        limits=limit.foresee(
            programme=programme,
            offer_id=offer.pk,
            campaign_id=campaign_id,
            size=eligible,
            spending_minor=exposure_minor,
            now=now,
        ),
        fits=_fits(programme, offer.pk, campaign_id, eligible, left, seen or prepared.exposure_minor, now),
        spreads=seen.spreads if seen else (),
        samples=seen.samples(prepared.effective) if seen else (),
    )


def _fits(
    programme: Programme,
    offer_id: int,
    campaign_id: int | None,
    eligible: int,
    codes_left: int | None,
    costs: Seen | int,
    now: datetime,
) -> int:
    """Return for how many, the first ones, codes and limits are enough; `costs` is each one's, or all that was seen."""
    fits = eligible if codes_left is None else min(eligible, codes_left)
    for code, left in limit.ledger_of(programme, offer_id, campaign_id, now).left(
        offer_id=offer_id, campaign_id=campaign_id
    ):
        if code == "cap_reached":
            fits = min(fits, left)
        elif not isinstance(costs, int):
            fits = min(fits, costs.within(left))
        elif costs:
            fits = min(fits, left // costs)
    return fits


COUNTED = "SELECT reason, count(*) AS n FROM ({matched}) AS matched GROUP BY reason"


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
