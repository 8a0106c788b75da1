import factory

from loyalty import clock
from offers.models import ConfigOffer, OfferRevision, OfferTemplate, VoucherBank
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


def publish(*, offer, actor, now):
    revision = OfferRevision.objects.create(
        config_offer=offer, number=1, name=offer.name, description=offer.description, terms=offer.terms
    )
    OfferTemplate.objects.create(programme=offer.programme, config_offer=offer, name=offer.name, is_default=True)
    if offer.require_vouchers:
        VoucherBank.objects.create(programme=offer.programme, config_offer=offer)
    ConfigOffer.objects.filter(pk=offer.pk).update(state="published", current_revision=revision, published_at=now)


class ConfigOfferFactory(DraftOfferFactory):
    """A published offer, through the catalogue: with its first revision, default template and bank."""

    @classmethod
    def _create(cls, model_class, *args, published_by=None, published_at=None, **kwargs):
        offer = super()._create(model_class, *args, **kwargs)
        publish(offer=offer, actor=published_by, now=published_at or clock.now())
        offer.refresh_from_db()
        return offer
