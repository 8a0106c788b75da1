import factory

from offers.models import Campaign
from tests.factories.programme import ProgrammeFactory


class CampaignFactory(factory.django.DjangoModelFactory[Campaign]):
    class Meta:
        model = Campaign

    programme = factory.SubFactory(ProgrammeFactory)
    external_id = factory.Sequence(lambda n: f"campaign-{n}")
    name = factory.Sequence(lambda n: f"Campaign {n}")
