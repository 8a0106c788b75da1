"""Config offers: draft, published in immutable revisions, archived (S0-04, S0-32, S0-34, S4-05..07, D-01, D-11)."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext as _

from loyalty.errors import Conflict
from loyalty.models import ApiClient, Programme, User
from loyalty.services import audit, outbox
from offers import rules
from offers.models import Audience, ConfigOffer, OfferRevision, OfferTemplate
from offers.services import module, voucher
from offers.services.catalogue_values import (
    WRITABLE,
    InvalidOffer,
    apply,
    publication_problems,
)

# What a revision keeps; the rest of an offer takes effect at once.
REVISED = ("name", "description", "image_url", "web_page_url", "terms", "texts")


class OfferIsArchived(Conflict):
    """An archived offer changes no more."""

    code = "offer_archived"


@dataclass(frozen=True)
class Put:
    """What a PUT by reference or external id did."""

    offer: ConfigOffer
    is_created: bool
    changed: tuple[str, ...]


@transaction.atomic
def create(
    *, programme: Programme, values: Mapping[str, Any], actor: User | None, api_client: ApiClient | None = None
) -> ConfigOffer:
    """Make a draft. `values` has keys of WRITABLE; offer_reference and name are mandatory (S4-05).

    Raises InvalidOffer with every problem, OffersModuleOff.
    """
    module.require(programme=programme)
    offer = ConfigOffer(programme=programme)
    apply(offer, values)
    _save(offer)
    audit.record(
        action="offer.created",
        actor=actor,
        api_client=api_client,
        programme=programme,
        target=offer,
        data={"offer_reference": offer.offer_reference},
    )
    return offer


@transaction.atomic
def update(
    *, offer: ConfigOffer, values: Mapping[str, Any], actor: User | None, api_client: ApiClient | None = None
) -> ConfigOffer:
    """Change the given keys of WRITABLE. Of a published offer, members see texts and terms after publishing again.

    Raises InvalidOffer with every problem, OfferIsArchived, OffersModuleOff.
    """
    return _update(offer=offer, values=values, actor=actor, api_client=api_client)[0]


@transaction.atomic
def put(
    *,
    programme: Programme,
    key: Mapping[str, str],
    values: Mapping[str, Any],
    actor: User | None,
    api_client: ApiClient | None = None,
) -> Put:
    """Create the offer with that key, or change it: the same call again changes nothing (S0-32).

    `key` is {"offer_reference": …} or {"external_id": …}. Raises as `create` and `update` do.
    """
    module.require(programme=programme)
    offer = ConfigOffer.objects.filter(programme=programme, **key).first()
    if offer is None:
        made = create(programme=programme, values={**values, **key}, actor=actor, api_client=api_client)
        return Put(offer=made, is_created=True, changed=tuple(sorted({*values, *key})))
    offer, changed = _update(offer=offer, values={**values, **key}, actor=actor, api_client=api_client)
    return Put(offer=offer, is_created=False, changed=changed)


@transaction.atomic
def publish(
    *, offer: ConfigOffer, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> OfferRevision:
    """Freeze the offer as it stands as its next revision, from `now` on.

    The first publication makes the default template (D-11), which an offer for everyone has not (S0-34); a bank is made
    where vouchers are required. Raises InvalidOffer with every problem, OfferIsArchived, OffersModuleOff.
    """
    module.require(programme=offer.programme)
    offer = _locked(offer)
    _refuse_archived(offer)
    if problems := publication_problems(offer=offer, now=now):
        raise InvalidOffer(
            _("The offer cannot be published yet: %(first)s") % {"first": problems[0]["message"]}, problems=problems
        )
    period = {}
    if offer.audience == Audience.EVERYONE:
        # The member's list reads these beside her own assignments and runs no rules.
        settled = rules.settle(offer.terms, issued_at=now, zone=offer.programme.zone)
        period = {"starts_at": settled.starts_at, "ends_at": settled.ends_at}
    last = offer.revisions.aggregate(number=models.Max("number"))["number"] or 0
    revision = OfferRevision.objects.create(
        config_offer=offer,
        number=last + 1,
        published_at=now,
        published_by=actor,
        **period,
        **{name: getattr(offer, name) for name in REVISED},
    )
    offer.state = ConfigOffer.State.PUBLISHED
    offer.current_revision = revision
    offer.published_at = now
    offer.save(update_fields=["state", "current_revision", "published_at", "updated_at"])
    if offer.audience == Audience.PERSONALIZED:
        OfferTemplate.objects.update_or_create(
            config_offer=offer, is_default=True, defaults={"programme_id": offer.programme_id, "name": offer.name}
        )
    if offer.require_vouchers:
        voucher.make_bank(offer=offer)
    audit.record(
        action="offer.published",
        actor=actor,
        api_client=api_client,
        programme=offer.programme,
        target=offer,
        data={"revision": revision.number},
    )
    _tell(offer, "offer.published" if last == 0 else "offer.changed", revision=revision.number)
    return revision


@transaction.atomic
def archive(
    *, offer: ConfigOffer, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> ConfigOffer:
    """Close the offer: nobody is given it any more; what members hold stays theirs. Archiving again changes nothing."""
    module.require(programme=offer.programme)
    offer = _locked(offer)
    if offer.state == ConfigOffer.State.ARCHIVED:
        return offer
    offer.state = ConfigOffer.State.ARCHIVED
    offer.archived_at = now
    offer.save(update_fields=["state", "archived_at", "updated_at"])
    audit.record(action="offer.archived", actor=actor, api_client=api_client, programme=offer.programme, target=offer)
    if offer.published_at is not None:
        _tell(offer, "offer.archived")
    return offer


@transaction.atomic
def restore(*, offer: ConfigOffer, actor: User | None, api_client: ApiClient | None = None) -> ConfigOffer:
    """Open an archived offer again, as it was before; any other stays as it is."""
    module.require(programme=offer.programme)
    offer = _locked(offer)
    if offer.state != ConfigOffer.State.ARCHIVED:
        return offer
    offer.state = ConfigOffer.State.PUBLISHED if offer.current_revision_id else ConfigOffer.State.DRAFT
    offer.archived_at = None
    offer.save(update_fields=["state", "archived_at", "updated_at"])
    audit.record(action="offer.restored", actor=actor, api_client=api_client, programme=offer.programme, target=offer)
    if offer.current_revision is not None:
        _tell(offer, "offer.published", revision=offer.current_revision.number)
    return offer


def check(*, offer: ConfigOffer, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what `create` or `update` would refuse, for a form that shows it beside each field. Writes nothing."""
    try:
        apply(copy.copy(offer), values)
    except InvalidOffer as error:
        return error.problems
    return []


def unpublished_changes(*, offer: ConfigOffer) -> tuple[str, ...]:
    """Name the fields in which the offer differs from what members see; none for a draft."""
    revision = offer.current_revision
    return tuple(name for name in REVISED if revision and getattr(offer, name) != getattr(revision, name))


def _update(
    *, offer: ConfigOffer, values: Mapping[str, Any], actor: User | None, api_client: ApiClient | None
) -> tuple[ConfigOffer, tuple[str, ...]]:
    module.require(programme=offer.programme)
    offer = _locked(offer)
    _refuse_archived(offer)
    before = {name: getattr(offer, name) for name in WRITABLE}
    apply(offer, values)
    changed = tuple(name for name in WRITABLE if getattr(offer, name) != before[name])
    if not changed:
        return offer, ()
    _save(offer)
    if offer.require_vouchers and offer.is_published:
        voucher.make_bank(offer=offer)
    audit.record(
        action="offer.updated",
        actor=actor,
        api_client=api_client,
        programme=offer.programme,
        target=offer,
        data={"changed": {name: [before[name], getattr(offer, name)] for name in changed}},
    )
    # What a revision keeps is told when it is published; the rest holds from now on.
    if offer.is_published and not set(changed) <= set(REVISED):
        _tell(offer, "offer.changed")
    return offer, changed


def _locked(offer: ConfigOffer) -> ConfigOffer:
    return ConfigOffer.objects.select_for_update(of=("self",)).select_related("programme").get(pk=offer.pk)


def _refuse_archived(offer: ConfigOffer) -> None:
    if offer.state == ConfigOffer.State.ARCHIVED:
        raise OfferIsArchived(
            _("“%(offer)s” is archived and cannot change. Make a new offer instead.") % {"offer": offer.name}
        )


def _save(offer: ConfigOffer) -> None:
    try:
        with transaction.atomic():
            offer.save()
    except IntegrityError as error:
        # Two callers created it at the same moment; the constraint let one through.
        raise Conflict(_("Another offer took this reference at the same moment. Load it and try again.")) from error


def _tell(offer: ConfigOffer, event: str, **data: Any) -> None:
    """Let the till hear of it (S4-40)."""
    outbox.write(
        programme=offer.programme,
        type=event,
        config_offer_id=offer.pk,
        data={"offer_reference": offer.offer_reference, "external_id": offer.external_id, **data},
    )
