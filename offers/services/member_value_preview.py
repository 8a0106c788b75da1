"""What a dry run shows of values per member: how they spread, and what some members would be given (S1-01, S1-05)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from loyalty.database import rows
from loyalty.models import Member
from offers import rules
from offers.services.member_value import MemberValues

SAMPLED = 3


@dataclass(frozen=True)
class Spread:
    """A number over those to be assigned, in whole units of the rule; None where it is nobody's.

    `rounded` counts those whose written value is no whole number of units; of a formula nobody wrote one.
    """

    key: str
    label: str
    unit: str
    currency: str
    minimum: int | None
    median: int | None
    maximum: int | None
    rounded: int = 0


@dataclass(frozen=True)
class Sample:
    """What one member would be given: her terms, and as the lines that she will read."""

    member_id: int
    external_id: str
    name: str
    values: Mapping[str, Any]
    lines: Sequence[rules.Line]


class Question(Protocol):
    """The reading of an audience, as `audience.question` makes it."""

    @property
    def sql(self) -> str: ...

    @property
    def params(self) -> Mapping[str, Any]: ...

    def given_to(self, condition: str) -> str: ...


@dataclass(frozen=True)
class Seen:
    """One reading of the audience: counts by reason, the worst case of all together, spreads and who is a sample."""

    counted: Sequence[Mapping[str, Any]]
    exposure_minor: int
    spreads: Sequence[Spread]
    member_ids: Sequence[int]
    question: Question
    values: MemberValues

    def within(self, most_minor: int) -> int:
        """Return how many of them, the first ones, cost no more than that together."""
        if self.exposure_minor <= most_minor:
            return sum(row["n"] for row in self.counted if row["reason"] is None)
        sql = WITHIN.format(matched=self.question.sql)
        found: int = rows(sql, {**self.question.params, "most_minor": most_minor})[0]["n"]
        return found

    def samples(self, effective: Mapping[str, Any]) -> list[Sample]:
        """Return what the sampled members would be given; `effective` are the terms that are everybody's."""
        sql = self.question.given_to("member.id = ANY(%(sampled)s::bigint[])")
        given = {
            row["id"]: _read(row["given"])
            for row in rows(
                f"SELECT id, given FROM ({sql}) AS each", {**self.question.params, "sampled": list(self.member_ids)}
            )
        }
        members = Member.objects.select_related("programme").in_bulk(list(given))
        return [_sample(members[pk], given[pk], effective) for pk in self.member_ids if pk in members]


def _sample(member: Member, given: Any, effective: Mapping[str, Any]) -> Sample:
    terms = {**effective, **given["terms"]}
    programme = member.programme
    return Sample(
        member_id=member.pk,
        external_id=member.external_id,
        name=member.name,
        values=given["terms"],
        lines=rules.explain(terms, currency=programme.currency, zone=programme.zone),
    )


WITHIN = """
    SELECT count(*) AS n
      FROM (SELECT sum(exposure_minor) OVER (ORDER BY id) AS spent FROM ({matched}) AS matched WHERE reason IS NULL)
           AS each
     WHERE spent <= %(most_minor)s
"""
# The audience is read once; each of the others passes over what was kept of it.
SEEN = """
    WITH matched AS MATERIALIZED ({matched}), taken AS (SELECT * FROM matched WHERE reason IS NULL)
    SELECT (SELECT coalesce(jsonb_agg(jsonb_build_object('reason', reason, 'n', n)), '[]')
              FROM (SELECT reason, count(*) AS n FROM matched GROUP BY reason) AS each) AS counted,
           (SELECT coalesce(sum(exposure_minor), 0)::bigint FROM taken) AS exposure_minor,
           (SELECT jsonb_build_object({spreads}) FROM taken) AS spreads,
           ARRAY(SELECT id FROM taken ORDER BY hashint8extended(id, 0) LIMIT {sampled}) AS member_ids
"""


def seen(*, question: Question, values: MemberValues) -> Seen:
    """Read the audience once, and return all that a dry run shows of it where values differ per member."""
    numbers = [(n, one) for n, one in enumerate(values.varying) if one.is_number]
    spreads = ", ".join(
        f"'{n}', jsonb_build_array(min(value_{n}),"
        f" percentile_disc(0.5) WITHIN GROUP (ORDER BY value_{n}), max(value_{n}),"
        f" count(*) FILTER (WHERE is_rounded_{n}))"
        for n, _one in numbers
    )
    sql = SEEN.format(matched=question.sql, spreads=spreads, sampled=SAMPLED)
    found = rows(sql, question.params)[0]
    spread = _read(found["spreads"])
    return Seen(
        counted=_read(found["counted"]),
        exposure_minor=found["exposure_minor"],
        spreads=[
            Spread(one.key, one.label, _unit(values, one), values.currency, *spread[str(n)]) for n, one in numbers
        ],
        member_ids=found["member_ids"],
        question=question,
        values=values,
    )


def _unit(values: MemberValues, one: Any) -> str:
    kinds = values.of(f"{one.rule}.{one.field.unit_of}") if one.field.unit_of else None
    return "" if kinds else str(one.field.unit_for(values.fixed.get(one.rule, {})))


def _read(value: Any) -> Any:
    """Return a JSON value; the driver hands it over as text."""
    return orjson.loads(value) if isinstance(value, str) else value
