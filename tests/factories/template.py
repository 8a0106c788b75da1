import factory

from offers.models import OfferTemplate
from tests.factories.catalogue import ConfigOfferFactory


class OfferTemplateFactory(factory.django.DjangoModelFactory[OfferTemplate]):
    """`OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])`."""

    class Meta:
        model = OfferTemplate

    config_offer = factory.SubFactory(ConfigOfferFactory)
    programme = factory.LazyAttribute(lambda template: template.config_offer.programme)
    name = factory.Sequence(lambda n: f"Template {n}")
