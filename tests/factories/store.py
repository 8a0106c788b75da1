import factory

from loyalty.models import Store
from tests.factories.programme import ProgrammeFactory


class StoreFactory(factory.django.DjangoModelFactory[Store]):
    class Meta:
        model = Store

    programme = factory.SubFactory(ProgrammeFactory)
    external_id = factory.Sequence(lambda n: f"store-{n}")
    name = factory.Sequence(lambda n: f"Store {n}")
    city = "Columbus"
