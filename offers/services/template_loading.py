"""Templates as grants need them: with offer, revision, programme and bank, kept by each process while they stand.

A grant that reads five tables through the ORM spends half its time on that. Here one small prepared statement asks for
the versions of the rows, and what is known in that version is taken as it is. Whoever loads templates reads them only.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import orjson

from loyalty.database import ids_text, prepared_rows
from loyalty.models import Programme
from offers.models import OfferTemplate

# A row's version is where it stands and which transaction wrote it: no change leaves both as they were, also not inside
# one transaction. A revision never changes.
VERSIONS = """
    SELECT template.id,
           concat_ws(' ', template.xmin, template.ctid, offer.xmin, offer.ctid, programme.xmin, programme.ctid,
                     bank.xmin, bank.ctid),
           "limit".id IS NOT NULL,
           (SELECT json_object_agg(campaign.campaign_id, campaign.per_member)::text
              FROM offers_limit AS campaign
             WHERE campaign.campaign_id = ANY(%(campaign_ids)s::bigint[]))
      FROM offers_offertemplate AS template
      JOIN offers_configoffer AS offer ON offer.id = template.config_offer_id
      JOIN loyalty_programme AS programme ON programme.id = offer.programme_id
      LEFT JOIN offers_voucherbank AS bank ON bank.config_offer_id = offer.id
      LEFT JOIN offers_limit AS "limit" ON "limit".config_offer_id = offer.id
     WHERE template.programme_id = %(programme_id)s
       AND template.id = ANY(%(ids)s::bigint[])
"""
MOST_KEPT = 2_000
_kept: dict[int, tuple[str, OfferTemplate]] = {}


@dataclass(frozen=True)
class Loaded:
    """The templates by id, and what is limited: offers by id, and per campaign how many offers it gives a member."""

    templates: Mapping[int, OfferTemplate]
    limited_offers: Collection[int] = ()
    campaign_limits: Mapping[int, int | None] = field(default_factory=dict)


def load(*, programme: Programme, ids: Collection[int], campaign_ids: Collection[int] = ()) -> Loaded:
    """Return those of the programme's templates, in one statement where all are known, else in two.

    Limits are asked for in the same statement, so that knowing of none costs nothing.
    """
    found = prepared_rows(
        VERSIONS, {"programme_id": programme.pk, "ids": ids_text(ids), "campaign_ids": ids_text(campaign_ids)}
    )
    versions = {row[0]: row[1] for row in found}
    # Read once: another thread may empty the memory meanwhile.
    kept = {pk: known for pk in versions if (known := _kept.get(pk))}
    templates = {pk: template for pk, (version, template) in kept.items() if version == versions[pk]}
    unknown = versions.keys() - templates.keys()
    if unknown:
        if len(_kept) + len(unknown) > MOST_KEPT:
            _kept.clear()
        for template in OfferTemplate.objects.filter(pk__in=unknown).select_related(
            "config_offer__current_revision", "config_offer__voucher_bank", "config_offer__programme"
        ):
            templates[template.pk] = template
            _kept[template.pk] = (versions[template.pk], template)
    campaign_limits = orjson.loads(found[0][3]) if found and found[0][3] else {}
    return Loaded(
        templates,
        {templates[row[0]].config_offer_id for row in found if row[2]},
        {int(campaign): per_member for campaign, per_member in campaign_limits.items()},
    )
