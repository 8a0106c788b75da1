"""Where the period that a run gives goes beyond the offer's own: said before the launch, and never refused.

A rule given for a run replaces the offer's whole value (S0-08), so a later end is allowed; it may be a slip though.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from offers import rules
from offers.models import OfferTemplate
from offers.rules import moment, problem
from offers.rules.validity import Validity
from offers.services import member_value
from offers.services.member_value_preview import Spread

KIND = Validity.kind
Problem = dict[str, Any]
# When the last run of those is that come again until somebody ends them.
WITHOUT_END = datetime.max.replace(tzinfo=UTC)


def warnings(
    *,
    template: OfferTemplate,
    terms: Mapping[str, Any],
    member_values: Mapping[str, Any],
    begins_at: datetime,
    spreads: Sequence[Spread] = (),
    last_at: datetime | None = None,
) -> list[Problem]:
    """Return what is odd about the period of a run that begins at a moment: each with rule, field, code and sentence.

    `ends_after_offer` and `starts_before_offer`: it goes beyond the offer's own period, both settled at that moment;
    where days differ per member (S1-05), the most and the least of them count, as the dry run's `spreads` have them, or
    else the bounds; dates of their own are not looked at.
    `over_before_it_begins`: the end comes before the run. `over_before_the_last`: of runs that come again, of which the
    last is at `last_at`, some find it over. The terms are valid: a dry run was made of them.
    """
    programme, revision = template.config_offer.programme, template.config_offer.current_revision
    zone = programme.zone
    own = (revision.terms if revision else {}).get(KIND)
    given = list(_given(template, terms, member_values, begins_at, spreads))
    found: list[Problem] = []
    if own and given:
        found += _beyond(own, given, begins_at, zone, programme.currency)
    end = rules.fixed_end({KIND: value}, zone=zone) if (value := given[0] if given else own) else None
    if end is None:
        return found
    words = {"end": moment.display(end, zone)}
    if end <= begins_at:
        text = _("it is over at %(end)s, before the run begins. Give a later end, or begin earlier.") % words
        found.append(problem.of_field(KIND, "ends_at", "over_before_it_begins", text=text))
    elif last_at and last_at >= end:
        text = _(
            "it is over at %(end)s, and the runs after that give nothing. Give a later end, or let them end before."
        )
        found.append(problem.of_field(KIND, "ends_at", "over_before_the_last", text=text % words))
    return found


def _given(
    template: OfferTemplate,
    terms: Mapping[str, Any],
    member_values: Mapping[str, Any],
    begins_at: datetime,
    spreads: Sequence[Spread],
) -> Iterator[Mapping[str, Any]]:
    """Yield the validities that the run gives: one for all, or those at the edges of what members get."""
    if KIND in terms:
        yield terms[KIND]
    elif KIND in member_values:
        programme = template.config_offer.programme
        today = begins_at.astimezone(programme.zone).date()
        values = member_value.read(programme=programme, given={KIND: member_values[KIND]}, terms={}, today=today)
        if not all(one.is_number for one in values.varying):
            return
        examples = [example[KIND] for example in values.examples(today)]
        seen = {one.key: one for one in spreads if one.minimum is not None}
        if not all(one.key in seen for one in values.varying):
            yield from examples
            return
        for edge in ("minimum", "maximum"):
            yield {**examples[0], **{one.field.name: getattr(seen[one.key], edge) for one in values.varying}}


def _beyond(
    own: Mapping[str, Any], given: list[Mapping[str, Any]], begins_at: datetime, zone: ZoneInfo, currency: str
) -> list[Problem]:
    own_start, own_end = _period(own, begins_at, zone)
    latest = max(given, key=lambda value: _end(_period(value, begins_at, zone)[1]))
    earliest = min(given, key=lambda value: _period(value, begins_at, zone)[0])

    def said(value: Mapping[str, Any], text: str) -> str:
        words = [str(rules.explain({KIND: one}, currency=currency, zone=zone)[0].text) for one in (value, own)]
        return text % {"here": words[0], "own": words[1]}

    found: list[Problem] = []
    if _end(_period(latest, begins_at, zone)[1]) > _end(own_end):
        text = said(latest, _("it ends after the offer's own period. Here: %(here)s. The offer: %(own)s."))
        field = "days" if latest.get("days") else "ends_at"
        found.append(problem.of_field(KIND, field, "ends_after_offer", text=text))
    if _period(earliest, begins_at, zone)[0] < own_start:
        text = said(earliest, _("it starts before the offer's own period. Here: %(here)s. The offer: %(own)s."))
        field = "start_in_days" if earliest.get("days") else "starts_at"
        found.append(problem.of_field(KIND, field, "starts_before_offer", text=text))
    return found


def _period(value: Mapping[str, Any], begins_at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime | None]:
    settled = rules.settle({KIND: value}, issued_at=begins_at, zone=zone)
    return settled.starts_at, settled.ends_at


def _end(ends_at: datetime | None) -> float:
    return ends_at.timestamp() if ends_at else float("inf")
