"""Finding offer templates."""

from collections.abc import Collection

from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet

from loyalty import whole_number
from loyalty.errors import NotFound
from loyalty.models import Programme
from offers.models import Audience, ConfigOffer, OfferTemplate


class TemplateNotFound(NotFound):
    """The programme has no such template."""

    code = "unknown_template"


def templates(
    *, programme: Programme, text: str = "", rule: str = "", is_archived: bool | None = None
) -> QuerySet[OfferTemplate]:
    """Return the programme's templates with their offers, filtered; `rule` is a kind that they require."""
    found = OfferTemplate.objects.filter(programme=programme).select_related(
        "config_offer", "config_offer__current_revision"
    )
    if is_archived is not None:
        found = found.filter(archived_at__isnull=not is_archived)
    if rule:
        found = found.filter(required_rules__contains=[rule])
    for word in text.split():
        found = found.filter(
            Q(name__icontains=word)
            | Q(external_id__icontains=word)
            | Q(config_offer__name__icontains=word)
            | Q(config_offer__offer_reference__icontains=word)
        )
    return found


def find(*, programme: Programme, by: str = "external_id", key: str) -> OfferTemplate:
    """Return the template with that external id, or id. Raises TemplateNotFound."""
    template = None
    if by != "id" or whole_number.read(key) is not None:
        template = templates(programme=programme).filter(**{by: key}).first()
    if template is None:
        raise TemplateNotFound(f"There is no template with the {by} “{key}”.", by=by, key=key)
    return template


def offers_to_choose(*, programme: Programme) -> QuerySet[ConfigOffer]:
    """Return the offers that a new template may be linked with: personalized and in use (S0-34)."""
    return (
        ConfigOffer.objects.filter(programme=programme, audience=Audience.PERSONALIZED)
        .exclude(state=ConfigOffer.State.ARCHIVED)
        .order_by("name")
    )


def uses(*, template: OfferTemplate) -> int:
    """Return how many mass assignments were made with the template."""
    return template.mass_assignments.count()


def ids_by_name(
    *, programme: Programme, external_ids: Collection[str], offers: Collection[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Return template ids by their own external id, and those of offers' default templates by what names the offer.

    An offer is named by its reference or its external id; the reference wins. Two queries, whatever is named. (D-11)
    """
    known = OfferTemplate.objects.filter(programme=programme)
    own = {}
    if external_ids:
        found = known.filter(external_id__in=external_ids).values_list("external_id", "pk")
        own = {name: pk for name, pk in found if name is not None}
    by_reference: dict[str, int] = {}
    by_external_id: dict[str, int] = {}
    if offers:
        named = Q(config_offer__offer_reference__in=offers) | Q(config_offer__external_id__in=offers)
        for pk, reference, external_id in known.filter(named, is_default=True).values_list(
            "pk", "config_offer__offer_reference", "config_offer__external_id"
        ):
            by_reference[reference] = pk
            if external_id is not None:
                by_external_id[external_id] = pk
    return own, by_external_id | by_reference


def desk_roles() -> list[str]:
    """Return the names of the roles that may grant at the desk."""
    found = Group.objects.filter(
        permissions__content_type__app_label="offers", permissions__codename="grant_assignment"
    )
    return list(found.order_by("name").values_list("name", flat=True))
