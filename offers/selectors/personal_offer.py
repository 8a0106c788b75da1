"""Imports of personal offers: what they would do, what they did, and what members hold by them (S1-17, D-14)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models import QuerySet

from loyalty.database import execute, rows
from loyalty.errors import NotFound
from loyalty.models import Programme
from offers.models import ConfigOffer, PersonalOfferImport, PersonalOfferRow, PersonalOfferValue

PREVIEW = """
    SELECT judged.outcome, count(*) AS n, coalesce(sum(judged.exposure_minor), 0)::bigint AS exposure,
           count(*) FILTER (WHERE judged.accepted AND judged.is_same) AS kept,
           count(*) FILTER (WHERE judged.accepted AND NOT judged.is_same) AS lost
      FROM (
            SELECT CASE WHEN row.outcome = 'faulty' THEN 'faulty'
                        WHEN value.digest = row.digest THEN 'unchanged'
                        WHEN member.status <> 'active' THEN 'refused'
                        WHEN value.id IS NULL THEN 'new' ELSE 'changed' END AS outcome,
                   row.exposure_minor, held.accepted_at IS NOT NULL AS accepted,
                   value.core_digest = row.core_digest AS is_same
              FROM offers_personalofferrow AS row
              -- Row by row, each by its unique index (OFFSET 0): joined freely without statistics, 4,000 rows of an
              -- import were compared with 4,000 values one by one, in 23 s.
              LEFT JOIN LATERAL (
                    SELECT status FROM loyalty_member WHERE id = row.member_id OFFSET 0
                   ) AS member ON TRUE
              LEFT JOIN LATERAL (
                    SELECT * FROM offers_personaloffervalue
                     WHERE config_offer_id = %(offer_id)s AND member_id = row.member_id OFFSET 0
                   ) AS value ON TRUE
              LEFT JOIN LATERAL (
                    SELECT accepted_at FROM offers_assignment WHERE id = value.assignment_id OFFSET 0
                   ) AS held ON TRUE
             WHERE row.upload_id = %(upload_id)s
           ) AS judged
     GROUP BY judged.outcome
"""
ABSENT = """
      FROM offers_personaloffervalue AS value
      JOIN loyalty_member AS member ON member.id = value.member_id
     WHERE value.config_offer_id = %(offer_id)s
       AND NOT EXISTS (SELECT FROM offers_personalofferrow AS row
                        WHERE row.upload_id = %(upload_id)s AND row.member_id = value.member_id)
"""
COUNT_ABSENT = f"""
    SELECT count(*) FILTER (WHERE NOT used.is_used) AS withdrawn, count(*) FILTER (WHERE used.is_used) AS left_as_used
      FROM (
            SELECT held.used_up_at IS NOT NULL
                   OR EXISTS (
                       SELECT FROM offers_redemption WHERE assignment_id = held.id AND returned_at IS NULL
                   ) AS is_used
              FROM (SELECT value.assignment_id {ABSENT}) AS absent
             CROSS JOIN LATERAL (
                    SELECT * FROM offers_assignment WHERE id = absent.assignment_id OFFSET 0
                   ) AS held
           ) AS used
"""


@contextmanager
def hashed() -> Iterator[None]:
    """Have joins compare by hash: what was just written has no statistics, and looks like a handful of rows."""
    execute("SELECT set_config('enable_nestloop', 'off', true)")
    yield
    # What fails undoes the setting with the rest.
    execute("SELECT set_config('enable_nestloop', 'on', true)")


def preview(*, upload: PersonalOfferImport) -> dict[str, int]:
    """Say what committing would do now, by outcome; `exposure_minor` is the most that what is given can cost."""
    key = {"upload_id": upload.pk, "offer_id": upload.config_offer_id}
    found = {row["outcome"]: row for row in rows(PREVIEW, key)}
    said = {outcome: row["n"] for outcome, row in found.items()}
    if "changed" in found:
        said |= {"acceptance_kept": found["changed"]["kept"], "acceptance_lost": found["changed"]["lost"]}
    if upload.is_full:
        with hashed():
            said |= rows(COUNT_ABSENT, key)[0]
    said["exposure_minor"] = sum(found[one]["exposure"] for one in ("new", "changed") if one in found)
    return {name: n for name, n in said.items() if n}


COUNTS = """
    SELECT outcome, count(*) AS n, count(*) FILTER (WHERE acceptance = 'kept') AS kept,
           count(*) FILTER (WHERE acceptance = 'lost') AS lost
      FROM offers_personalofferrow
     WHERE upload_id = %(upload_id)s AND outcome IS NOT NULL
     GROUP BY outcome
"""


def counts(*, upload: PersonalOfferImport) -> dict[str, int]:
    """Count what became of the rows, by outcome."""
    found = rows(COUNTS, {"upload_id": upload.pk})
    said = {row["outcome"]: row["n"] for row in found}
    said["acceptance_kept"] = sum(row["kept"] for row in found)
    said["acceptance_lost"] = sum(row["lost"] for row in found)
    return {name: n for name, n in said.items() if n}


ACCEPTED = """
    SELECT count(*) FILTER (WHERE held.acceptance_required AND held.accepted_at IS NOT NULL) AS accepted,
           count(*) FILTER (WHERE held.acceptance_required AND held.accepted_at IS NULL) AS open,
           count(*) FILTER (WHERE NOT held.acceptance_required) AS not_needed
      FROM ({given}) AS given
     CROSS JOIN LATERAL (SELECT * FROM offers_assignment WHERE id = given.assignment_id OFFSET 0) AS held
"""


def accepted(*, offer: ConfigOffer) -> dict[str, int]:
    """Count what members hold by their attributes: accepted, not accepted yet, without need of it (S1-17)."""
    given = "SELECT assignment_id FROM offers_personaloffervalue WHERE config_offer_id = %(offer_id)s"
    return rows(ACCEPTED.format(given=given), {"offer_id": offer.pk})[0]


def accepted_of(*, upload: PersonalOfferImport) -> dict[str, int]:
    """Count the same of all that one import gave, whatever became of it since (S1-17)."""
    given = """
        SELECT assignment_id FROM offers_personalofferrow
         WHERE upload_id = %(upload_id)s AND outcome IN ('new', 'changed')
    """
    return rows(ACCEPTED.format(given=given), {"upload_id": upload.pk})[0]


def value_of(*, offer: ConfigOffer, member_id: int) -> PersonalOfferValue | None:
    """Return the attribute that counts for a member now."""
    return PersonalOfferValue.objects.filter(config_offer=offer, member_id=member_id).first()


def imports(*, offer: ConfigOffer) -> QuerySet[PersonalOfferImport]:
    """Return the offer's imports, the newest first."""
    return PersonalOfferImport.objects.filter(config_offer=offer).select_related(
        "config_offer", "programme", "created_by", "committed_by", "api_client"
    )


def find(*, programme: Programme, pk: int) -> PersonalOfferImport:
    """Return one of the programme's imports. Raises NotFound."""
    found = (
        PersonalOfferImport.objects.filter(programme=programme, pk=pk)
        .select_related(
            "config_offer__current_revision", "config_offer__programme", "programme", "created_by", "committed_by"
        )
        .first()
    )
    if found is None:
        raise NotFound("There is no such import here.")
    return found


def report(*, upload: PersonalOfferImport, outcome: str = "", has_problems: bool | None = None) -> QuerySet[Any]:
    """Return an import's rows in the file's order, those of one outcome where it is named."""
    found = PersonalOfferRow.objects.filter(upload=upload).order_by("number")
    if outcome:
        found = found.filter(outcome=outcome)
    return found if has_problems is None else found.filter(problems__isnull=not has_problems)
