"""Row K: the dry run of a run over a million members, with a code each, some of whom hold the offer already, and a share
held out.

Goal: at most 5 s. The limit is the same counts in bare SQL, as somebody who knows the tables would write it; the ORM's way is
a count of each kind, without the share held out. All that the page's numbers ask is part of our time.
"""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef

from loyalty import clock
from loyalty.models import AttributeDefinition, Member, Programme
from offers.models import Assignment, Campaign, OfferTemplate
from offers.services import audience
from offers.services.audience import DryRun, HoldOut
from offers.targeting.expression import PLACE, seed
from tests.benchmarks import harness, planting

HOLD_OUT = HoldOut(Decimal(10), "campaign autumn")
BARE = f"""
    SELECT CASE WHEN member.status <> 'active' THEN 'member_inactive'
                WHEN held.member_id IS NOT NULL THEN 'already_held'
                WHEN {PLACE.format(seed="%(seed)s::bigint")} < 1000 THEN 'held_out' END AS reason, count(*)
      FROM loyalty_member AS member
           LEFT JOIN offers_assignment AS held
             ON held.member_id = member.id AND held.config_offer_id = %(offer)s AND held.holding_key = 0
     WHERE member.programme_id = %(programme)s AND member.country = 'US' AND member.status <> 'erased'
     GROUP BY 1
"""
CRITERIA: dict[str, Any] = {"op": "and", "items": [{"field": "member.country", "is": "equals", "value": "US"}]}
VALUES = {"benefit": {"type": "percent", "size": {"attribute": "age", "minimum": 20, "maximum": 60}}}


def run(*, n: int, repeats: int = 5) -> None:
    """Measure the dry run, and the same with a size that differs per member."""
    programme = planting.programme()
    planting.members(programme, count=n)
    AttributeDefinition.objects.get_or_create(
        programme=programme, name="age", defaults={"type": "number", "label": "Age"}
    )
    campaign = Campaign.objects.create(programme=programme, external_id="autumn", name="Autumn")
    template = planting.offer(programme, "dry", require_vouchers=True)
    template.config_offer.repeat_policy = "once_ever"
    template.config_offer.save()
    planting.codes(template, count=n)
    _hold(template, programme, every=10)

    def ours(**values: Any) -> DryRun:
        return audience.dry_run(
            programme=programme, template=template, criteria=CRITERIA, campaign=campaign, now=clock.now(),
            held_out=HOLD_OUT, terms={}, **values,
        )  # fmt: skip

    found: dict[str, Any] = {}
    ways = {
        "limit": _timed(found, "limit", lambda: _bare(programme, template)),
        "ours": _timed(found, "ours", ours),
        "values": _timed(found, "values", lambda: ours(member_values=VALUES)),
        "orm": _timed(found, "orm", lambda: _orm(programme, template)),
    }
    for way in ways.values():
        way()
    seconds = harness.interleaved(ways, repeats=repeats)
    plain = found["ours"]
    counted = dict(plain.excluded) | {None: plain.eligible}
    assert found["limit"] == counted, (found["limit"], counted)
    assert found["orm"] == {"matched": plain.matched, "already_held": counted["already_held"]}, found["orm"]
    middle = {way: harness.median(values) for way, values in seconds.items()}
    for way, name in (("ours", "K dry run"), ("values", "K dry run, a size of each member's own")):
        harness.report(
            name,
            n=n,
            seconds=middle[way],
            ratio_to_limit=middle[way] / middle["limit"],
            ratio_to_orm=middle["orm"] / middle[way],
            eligible=found[way].eligible,
            excluded=found[way].excluded,
        )


def _hold(template: OfferTemplate, programme: Programme, *, every: int) -> None:
    """Let each tenth member hold the offer."""
    harness.execute(
        """
        INSERT INTO offers_assignment
               (member_id, config_offer_id, revision_id, template_id, source, holding_key, rank, starts_at, ends_at,
                acceptance_required, exposure_minor, issued_at, synchronized_at, updated_at)
        SELECT id, %s, %s, %s, 2, 0, 100, now(), now() + interval '30 days', false, 0, now(), now(), now()
          FROM loyalty_member WHERE programme_id = %s AND id %% %s = 0
        """,
        [template.config_offer_id, template.config_offer.current_revision_id, template.pk, programme.pk, every],
    )
    harness.execute("VACUUM ANALYZE offers_assignment")


def _bare(programme: Programme, template: OfferTemplate) -> dict[str | None, int]:
    given = {
        "seed": seed(f"hold-out {HOLD_OUT.key}"), "offer": template.config_offer_id, "programme": programme.pk,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(BARE, given)
        return dict(cursor.fetchall())


def _orm(programme: Programme, template: OfferTemplate) -> dict[str, int]:
    """Count who is meant, and of them who holds it, a queryset each; the ORM has no share to hold out."""
    held = Assignment.objects.filter(member=OuterRef("pk"), config_offer_id=template.config_offer_id, holding_key=0)
    members = Member.objects.filter(programme=programme, country="US").exclude(status="erased")
    return {"matched": members.count(), "already_held": members.filter(Exists(held)).count()}


def _timed(found: dict[str, Any], way: str, work: Callable[[], Any]) -> Callable[[], float]:
    def once() -> float:
        begun = time.perf_counter()
        found[way] = work()
        return time.perf_counter() - begun

    return once
