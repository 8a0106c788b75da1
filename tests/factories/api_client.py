import factory

from loyalty.models import ApiClient
from tests.factories.programme import ProgrammeFactory


class ApiClientFactory(factory.django.DjangoModelFactory[ApiClient]):
    """`client, key = ApiClientFactory(programme=programme, scopes=["assign"])`: the key exists only here."""

    class Meta:
        model = ApiClient

    programme = factory.SubFactory(ProgrammeFactory)
    name = factory.Sequence(lambda n: f"Machine {n}")

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return model_class.objects.create_key(**kwargs)
