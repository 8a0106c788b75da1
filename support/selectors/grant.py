"""What the desk's grant panel offers to choose from."""

from django.db.models import Q, QuerySet

from loyalty.errors import NotFound
from loyalty.models import Programme
from offers.models import Audience, ConfigOffer, OfferRevision, OfferTemplate

LIMIT = 30
REFUSAL = "This offer cannot be granted. Choose another one."


def choices(*, programme: Programme, text: str = "") -> list[OfferTemplate]:
    """Return templates of published personalized offers whose name, offer or reference holds the text.

    Templates that somebody made come before those that publishing made; the offer's own name stands for the latter
    (D-11). One query.
    """
    found = _grantable(programme)
    for word in text.split():
        found = found.filter(
            Q(name__icontains=word)
            | Q(external_id__iexact=word)
            | Q(config_offer__name__icontains=word)
            | Q(config_offer__offer_reference__icontains=word)
        )
    return list(found.order_by("is_default", "config_offer__name", "name", "pk")[:LIMIT])


def get(*, programme: Programme, template_id: int) -> OfferTemplate:
    """Return a template that may be granted. Raises NotFound for any other, also another programme's."""
    template = _grantable(programme).filter(pk=template_id).first()
    if template is None:
        raise NotFound(REFUSAL)
    return template


def revision(*, template: OfferTemplate) -> OfferRevision:
    """Return the published revision that a grant of the template is made from. Raises NotFound for a draft's."""
    if template.config_offer.current_revision is None:
        raise NotFound(REFUSAL)
    return template.config_offer.current_revision


def _grantable(programme: Programme) -> QuerySet[OfferTemplate]:
    return OfferTemplate.objects.filter(
        programme=programme,
        archived_at__isnull=True,
        config_offer__state=ConfigOffer.State.PUBLISHED,
        config_offer__audience=Audience.PERSONALIZED,
        config_offer__current_revision__isnull=False,
    ).select_related("config_offer__current_revision", "config_offer__programme")
