"""What the desk's grant panel offers to choose from."""

from django.db.models import Q, QuerySet

from loyalty.errors import NotFound
from loyalty.models import Programme, User
from offers.models import Audience, ConfigOffer, OfferRevision, OfferTemplate

LIMIT = 30
REFUSAL = "This offer cannot be granted. Choose another one."


def choices(*, programme: Programme, user: User, text: str = "") -> list[OfferTemplate]:
    """Return templates of published personalized offers whose name, offer or reference holds the text, and that one of
    the person's roles may grant.

    Templates that somebody made come before those that publishing made; the offer's own name stands for the latter
    (D-11). Two queries.
    """
    found = _grantable(programme, user)
    for word in text.split():
        found = found.filter(
            Q(name__icontains=word)
            | Q(external_id__iexact=word)
            | Q(config_offer__name__icontains=word)
            | Q(config_offer__offer_reference__icontains=word)
        )
    return list(found.order_by("is_default", "config_offer__name", "name", "pk")[:LIMIT])


def get(*, programme: Programme, user: User, template_id: int) -> OfferTemplate:
    """Return a template that the person may grant. Raises NotFound for any other: another programme's or role's."""
    template = _grantable(programme, user).filter(pk=template_id).first()
    if template is None:
        raise NotFound(REFUSAL)
    return template


def revision(*, template: OfferTemplate) -> OfferRevision:
    """Return the published revision that a grant of the template is made from. Raises NotFound for a draft's."""
    if template.config_offer.current_revision is None:
        raise NotFound(REFUSAL)
    return template.config_offer.current_revision


def _grantable(programme: Programme, user: User) -> QuerySet[OfferTemplate]:
    found = OfferTemplate.objects.all()
    if not user.is_superuser:
        roles = list(user.groups.values_list("name", flat=True))
        # A template that names no role may be granted by all that grant.
        found = found.filter(Q(desk_roles=[]) | Q(desk_roles__overlap=roles))
    return found.filter(
        programme=programme,
        archived_at__isnull=True,
        config_offer__state=ConfigOffer.State.PUBLISHED,
        config_offer__audience=Audience.PERSONALIZED,
        config_offer__current_revision__isnull=False,
    ).select_related("config_offer__current_revision", "config_offer__programme")
