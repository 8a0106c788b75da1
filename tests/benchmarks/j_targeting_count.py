"""Row J: counting whom criteria mean among a million members, and an estimate of it.

Goals: at most 150 ms on typed columns, 500 ms on attributes, 20 ms for an estimate. The limit is the same count in bare
SQL, as somebody who knows the tables would write it; the ORM's way filters a queryset. Reading the criteria, with the
queries for their catalogue, is part of our time.
"""

import time
from collections.abc import Callable
from typing import Any

from django.db.models import Q

from loyalty import clock
from loyalty.models import Member, Programme
from offers.selectors import targeting
from tests.benchmarks import harness, planting

TYPED: dict[str, Any] = {
    "op": "and",
    "items": [
        {"field": "member.tier", "is": "equals", "value": "gold"},
        {"field": "member.country", "is": "in", "value": ["US", "CA"]},
    ],
}
ATTRIBUTES: dict[str, Any] = {
    "op": "and",
    "items": [
        {"field": "attribute.age", "is": "between", "value": [30, 49]},
        {"field": "attribute.income", "is": "equals", "value": "high"},
    ],
}
BARE = {
    "typed": (
        "SELECT count(*) FROM loyalty_member WHERE programme_id = %s AND status <> 'erased'"
        " AND tier = 'gold' AND country = ANY(ARRAY['US', 'CA'])"
    ),
    "attributes": (
        "SELECT count(*) FROM loyalty_member WHERE programme_id = %s AND status <> 'erased'"
        " AND (attributes ->> 'age')::numeric BETWEEN 30 AND 49 AND attributes ->> 'income' = 'high'"
    ),
}
FILTERS = {
    "typed": Q(tier="gold", country__in=["US", "CA"]),
    "attributes": Q(attributes__age__gte=30, attributes__age__lte=49, attributes__income="high"),
}


def run(*, n: int, repeats: int = 5) -> None:
    """Measure counts on typed columns and on attributes, and the estimate of each."""
    programme = planting.programme()
    planting.members(programme, count=n)
    planting.attributes(programme)
    for name, criteria in (("typed", TYPED), ("attributes", ATTRIBUTES)):
        _row(programme, name, criteria, n=n, repeats=repeats)


def _row(programme: Programme, name: str, criteria: dict[str, Any], *, n: int, repeats: int) -> None:
    counts: dict[str, int] = {}

    def timed(way: str, work: Callable[[], int]) -> Callable[[], float]:
        def once() -> float:
            begun = time.perf_counter()
            counts[way] = work()
            return time.perf_counter() - begun

        return once

    ways = {
        "limit": timed("limit", lambda: harness.value(BARE[name], [programme.pk])),
        "ours": timed("ours", lambda: targeting.count(criteria, programme=programme, now=clock.now())),
        "orm": timed(
            "orm",
            lambda: Member.objects.filter(FILTERS[name], programme=programme).exclude(status="erased").count(),
        ),
        "estimate": timed("estimate", lambda: targeting.estimate(criteria, programme=programme, now=clock.now()).count),
    }
    for way in ways.values():
        way()
    seconds = harness.interleaved(ways, repeats=repeats)
    assert counts["limit"] == counts["ours"] == counts["orm"], counts
    middle = {way: harness.median(values) for way, values in seconds.items()}
    harness.report(
        f"J count of a targeting, {name}",
        n=n,
        seconds=middle["ours"],
        ratio_to_limit=middle["ours"] / middle["limit"],
        ratio_to_orm=middle["orm"] / middle["ours"],
        count=counts["ours"],
        estimate=counts["estimate"],
        estimate_seconds=round(middle["estimate"], 4),
    )
