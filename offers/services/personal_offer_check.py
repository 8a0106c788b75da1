"""Looking at an import of personal offers: every value against the programme, row by row; nothing is given yet.

A fixed number of statements for each thousand members; the rows are copied in, and what only the whole shows (a member
who comes twice, a line beside an unreadable one) is said by SQL at the end.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection

from loyalty import storable, tables
from loyalty.database import execute, rows
from loyalty.models import Category, Member, Product, ProductGroup
from offers import rules
from offers.models import ConfigOffer, PersonalOfferImport, PersonalOfferRow
from offers.rules import personal_offer
from offers.rules.personal_offer import PersonalOffer
from offers.selectors import channel
from offers.selectors import personal_offer as personal_offer_selector
from offers.services.personal_offer_file import Given

MODELS: dict[str, Any] = {"products": Product, "groups": ProductGroup, "categories": Category}
LONGEST_MEMBER = 200
# Members looked up together.
BATCH = 1_000
# What is wrong with one member need not be said a thousand times.
MOST_PROBLEMS = 50

COPY = """
    COPY offers_personalofferrow (upload_id, number, line, last_line, member_external_id, member_id, value, terms, rank,
                                  exposure_minor, digest, core_digest, problems, outcome, acceptance, had_uses)
    FROM STDIN
"""
# Nobody guesses which of two values is meant: both are named, and neither counts.
TWICE = """
    WITH twice AS (
        SELECT member_external_id, array_agg(line ORDER BY number) AS lines
          FROM offers_personalofferrow
         WHERE upload_id = %(upload_id)s AND member_external_id <> ''
         GROUP BY member_external_id HAVING count(*) > 1
    )
    UPDATE offers_personalofferrow AS row
       SET outcome = 'faulty',
           problems = coalesce(row.problems, '[]') || jsonb_build_array(jsonb_build_object(
               'code', 'member_twice', 'field', 'member', 'line', row.line, 'value', row.member_external_id,
               'parameters', jsonb_build_object(
                   'first', CASE WHEN twice.lines[1] = row.line THEN twice.lines[2] ELSE twice.lines[1] END)))
      FROM twice
     WHERE row.upload_id = %(upload_id)s AND row.member_external_id = twice.member_external_id
"""
BESIDE = """
    UPDATE offers_personalofferrow AS row
       SET outcome = 'faulty',
           problems = coalesce(row.problems, '[]') || jsonb_build_array(%(problem)s::jsonb
               || jsonb_build_object('line', row.line))
     WHERE row.upload_id = %(upload_id)s AND row.member_external_id <> ''
       AND EXISTS (SELECT FROM unnest(%(lines)s::bigint[]) AS bad (line)
                    WHERE bad.line BETWEEN row.line - 1 AND row.last_line + 1)
"""
COUNT = """
    SELECT count(*) FILTER (WHERE row.member_external_id <> '') AS members,
           count(*) FILTER (WHERE row.problems IS NOT NULL) AS faulty,
           count(*) FILTER (WHERE row.member_external_id = '') AS unattributed,
           coalesce(max(row.number), 0) AS last_number
      FROM offers_personalofferrow AS row WHERE row.upload_id = %(upload_id)s
"""


@dataclass(frozen=True)
class Context:
    """What values are checked against: the offer, on what it is, its programme's channels, and when."""

    offer: ConfigOffer
    base: Mapping[str, Any]
    mechanic: str
    channels: Sequence[str] | None
    now: datetime


def context(*, offer: ConfigOffer, now: datetime) -> Context:
    """Return what an offer's values are checked against; the offer is one of personal terms."""
    revision = offer.current_revision
    base = revision.terms if revision else offer.terms
    return Context(offer, base, base["personal"]["mechanic"], channel.codes(programme=offer.programme), now)


def write_rows(*, upload: PersonalOfferImport, given: Sequence[Given], context: Context, first: int) -> int:
    """Check some values and write their rows, numbered from `first`; return how many. In a transaction."""
    checked = [_checked(one, context) for one in given]
    _look_up(checked, context)
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for number, one in enumerate(checked, start=first):
            copy.write_row(_row(upload, number, one, context))
    return len(checked)


@dataclass
class _Checked:
    given: Given
    attribute: PersonalOffer | None
    member_id: int | None = None
    terms: dict[str, Any] | None = None
    exposure_minor: int = 0

    def refuse(self, problems: Iterable[Any]) -> None:
        self.given.problems += [self.given.placed(one) for one in problems]


def _checked(given: Given, context: Context) -> _Checked:
    """Say what can be said of one value alone."""
    if any(one["code"] in storable.SENTENCES for one in given.problems):
        return _Checked(given, None)
    attribute, problems = personal_offer.read(given.value, mechanic=context.mechanic)
    checked = _Checked(given, attribute)
    checked.refuse(problems)
    if not given.member and not any(one["field"] == "member" for one in given.problems):
        checked.refuse([personal_offer.no_member()])
    return checked


def _look_up(checked: Sequence[_Checked], context: Context) -> None:
    """Find members, products and offers of the whole set, and say what is not there."""
    offer, programme = context.offer, context.offer.programme
    names = {one.given.member for one in checked if 0 < len(one.given.member) <= LONGEST_MEMBER}
    members = dict(Member.objects.filter(programme=programme, external_id__in=names).values_list("external_id", "pk"))
    read = [personal_offer.readable(one.given.value, one.attribute) for one in checked]
    known = _things({key for found in read for _n, key in found.keys}, context)
    coupons = _coupons({reference for found in read for _n, reference in found.coupons}, offer)
    for one, found in zip(checked, read, strict=True):
        one.member_id = members.get(one.given.member)
        if one.given.member and one.member_id is None:
            one.refuse([personal_offer.unknown_member(one.given.member)])
        one.refuse(personal_offer.missing_ids(found, known, mechanic=context.mechanic))
        one.refuse(personal_offer.missing_coupons(found, coupons))
        if context.channels is not None:
            one.refuse(personal_offer.missing_channels(found, context.channels))
        one.refuse(personal_offer.overdue(found, now=context.now, zone=programme.zone))
        if one.attribute is not None and not one.given.problems:
            _settle(one, one.attribute, known, context)


def _settle(
    one: _Checked,
    attribute: PersonalOffer,
    known: Mapping[tuple[str, int | str], tuple[str, str]],
    context: Context,
) -> None:
    """Make the terms, and see that an assignment can carry them beside what the offer itself says."""
    zone = context.offer.programme.zone
    terms = personal_offer.terms(attribute, known=known, zone=zone)
    try:
        settled = rules.settle(rules.effective(context.base, terms), issued_at=context.now, zone=zone)
    except rules.InvalidTerms as error:
        one.refuse({**found, "field": found["rule"], "text": found["message"]} for found in error.problems)
    else:
        one.terms, one.exposure_minor = terms, settled.exposure_minor


def _things(keys: Set[tuple[str, int | str]], context: Context) -> dict[tuple[str, int | str], tuple[str, str]]:
    """Return external id and name of each named thing, by the id that names it: one statement for either kind."""
    model = MODELS.get(context.mechanic)
    found: dict[tuple[str, int | str], tuple[str, str]] = {}
    if model is None or not keys:
        return found
    of_programme = model.objects.filter(programme=context.offer.programme)
    for field, name in (("pk", "id"), ("external_id", "external_id")):
        ids = [value for kind, value in keys if kind == name]
        if ids:
            for key, external_id, called in of_programme.filter(**{f"{field}__in": ids}).values_list(
                field, "external_id", "name"
            ):
                found[name, key] = (external_id, called)
    return found


def _coupons(references: Set[str], offer: ConfigOffer) -> dict[str, str]:
    if not references:
        return {}
    of_programme = ConfigOffer.objects.filter(programme=offer.programme, offer_reference__in=references)
    return dict(of_programme.values_list("offer_reference", "name"))


def _row(upload: PersonalOfferImport, number: int, one: _Checked, context: Context) -> tuple[Any, ...]:
    given, rank = one.given, one.attribute.rank if one.attribute else None
    digest, core = personal_offer.digests(one.terms, rank=rank) if one.terms else ("", "")
    problems = given.problems[:MOST_PROBLEMS]
    return (
        upload.pk,
        number,
        given.line,
        given.last_line,
        given.member[:LONGEST_MEMBER],
        one.member_id,
        _json(one.attribute.data()) if one.attribute else None,
        _json(one.terms) if one.terms else None,
        rank,
        one.exposure_minor,
        digest,
        core,
        _json([_kept(found) for found in problems]) if problems else None,
        PersonalOfferRow.Outcome.FAULTY.value if problems else None,
        "",
        False,
    )


def _kept(found: Any) -> dict[str, Any]:
    """Return a problem as it is stored: its sentence is said anew in the language of whoever reads it."""
    return {name: value for name, value in found.items() if name != "message" and value not in (None, "", {})}


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def write_unreadable(*, upload: PersonalOfferImport, problems: tables.Problems, first: int, is_flat: bool) -> int:
    """Write a row for each line that the table's reader could not read, and name those beside them; return how many.

    Whose line it was nobody knows: where a member has several, a neighbour whose lines touch it may have lost one.
    """
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for number, one in enumerate(problems.listed, start=first):
            kept = {"code": one.code, "line": one.line, "parameters": dict(one.parameters), "table": True}
            outcome = PersonalOfferRow.Outcome.FAULTY.value
            nothing = ("", None, None, None, None, 0, "", "")
            copy.write_row((upload.pk, number, one.line, one.line, *nothing, _json([kept]), outcome, "", False))
    lines = [one.line for one in problems.listed if one.line is not None]
    if lines and is_flat:
        beside = _json(_kept(personal_offer.unreadable_beside()))
        execute(BESIDE, {"upload_id": upload.pk, "lines": lines, "problem": beside})
    return len(problems.listed)


def close(*, upload: PersonalOfferImport) -> dict[str, int]:
    """Name the members who come twice, and count the rows."""
    with personal_offer_selector.hashed():
        execute(TWICE, {"upload_id": upload.pk})
    return rows(COUNT, {"upload_id": upload.pk})[0]
