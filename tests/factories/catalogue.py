import factory

from loyalty import clock
from offers.models import ConfigOffer
from offers.services import catalogue
from tests.factories.programme import ProgrammeFactory

TERMS = {"validity": {"days": 30}, "benefit": {"type": "percent", "size": 20}}


class DraftOfferFactory(factory.django.DjangoModelFactory[ConfigOffer]):
    class Meta:
        model = ConfigOffer

    programme = factory.SubFactory(ProgrammeFactory)
    offer_reference = factory.Sequence(lambda n: f"offer-{n}")
    name = factory.Sequence(lambda n: f"Offer {n}")
    description = "A fifth off."
    terms = factory.LazyFunction(lambda: dict(TERMS))


class ConfigOfferFactory(DraftOfferFactory):
    """A published offer, through the catalogue: with its first revision, default template and bank."""

    @classmethod
    def _create(cls, model_class, *args, published_by=None, published_at=None, **kwargs):
        offer = super()._create(model_class, *args, **kwargs)
        catalogue.publish(offer=offer, actor=published_by, now=published_at or clock.now())
        offer.refresh_from_db()
        return offer
