"""Finding config offers: for the catalogue's list, its export, and every door that names an offer."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from loyalty.errors import NotFound
from loyalty.models import AuditEvent, Category, Product, ProductGroup, Programme
from offers.models import ConfigOffer, MassAssignment, OfferRevision, OfferTemplate

# What a person may choose from in the form of the rule about products, by the field's name.
PRODUCT_MODELS: dict[str, type[Any]] = {"products": Product, "groups": ProductGroup, "categories": Category}
SUGGESTIONS = 20


class OfferNotFound(NotFound):
    """The programme has no such offer."""

    code = "unknown_offer"


def offers(*, programme: Programme, state: str = "", audience: str = "", text: str = "") -> QuerySet[ConfigOffer]:
    """Return the programme's offers, filtered; `text` looks into name, reference, external id and description."""
    found = ConfigOffer.objects.filter(programme=programme).select_related("current_revision", "programme")
    if state:
        found = found.filter(state=state)
    if audience:
        found = found.filter(audience=audience)
    for word in text.split():
        found = found.filter(
            Q(name__icontains=word)
            | Q(offer_reference__icontains=word)
            | Q(external_id__icontains=word)
            | Q(description__icontains=word)
        )
    return found


def with_templates(found: QuerySet[ConfigOffer]) -> QuerySet[ConfigOffer]:
    """Add how many templates in use each offer has."""
    templates = (
        OfferTemplate.objects.filter(config_offer=OuterRef("pk"), archived_at__isnull=True)
        .order_by()
        .values("config_offer")
        .annotate(count=Count("pk"))
        .values("count")
    )
    return found.annotate(template_count=Subquery(templates))


def find(*, programme: Programme, by: str = "offer_reference", key: str | int) -> ConfigOffer:
    """Return the offer with that reference or external id (S0-32). Raises OfferNotFound."""
    offer = offers(programme=programme).filter(**{by: key}).first()
    if offer is None:
        raise OfferNotFound(f"There is no offer with the {by} “{key}”.", by=by, key=key)
    return offer


def revisions(*, offer: ConfigOffer) -> QuerySet[OfferRevision]:
    """Return what was published, the newest first."""
    return offer.revisions.select_related("published_by").order_by("-number")


def templates(*, offer: ConfigOffer) -> QuerySet[OfferTemplate]:
    """Return the offer's templates, the default one first."""
    return offer.templates.order_by("archived_at", "-is_default", "name")


def runs(*, offer: ConfigOffer) -> QuerySet[MassAssignment]:
    """Return the offer's latest mass assignments."""
    return MassAssignment.objects.filter(template__config_offer=offer).order_by("-id")[:5]


def suggestions(*, programme: Programme, kind: str, text: str) -> list[tuple[str, str]]:
    """Return ids and names of products, groups or categories that begin with, or contain, the text."""
    found = PRODUCT_MODELS[kind].objects.filter(programme=programme)
    for word in text.split():
        found = found.filter(Q(name__icontains=word) | Q(external_id__startswith=word))
    return list(found.order_by("name", "external_id").values_list("external_id", "name")[:SUGGESTIONS])


def product_names(*, programme: Programme, kind: str, ids: Iterable[str]) -> dict[str, str]:
    """Return the names of those ids that the programme knows."""
    rows = PRODUCT_MODELS[kind].objects.filter(programme=programme, external_id__in=list(ids))
    return dict(rows.values_list("external_id", "name"))


def history(*, offer: ConfigOffer) -> QuerySet[AuditEvent]:
    """Return who did what to the offer lately, the newest first."""
    found = AuditEvent.objects.filter(object_type="offers.configoffer", object_id=str(offer.pk))
    return found.select_related("user", "api_client").order_by("-id")[:20]
