import factory

from offers.models import Targeting, TargetingVersion
from tests.factories.programme import ProgrammeFactory

EVERYONE = {"op": "and", "items": [], "all_members": True}


class TargetingFactory(factory.django.DjangoModelFactory[Targeting]):
    """`TargetingFactory(programme=programme, criteria={…})`; its first version is `current_version`."""

    class Meta:
        model = Targeting
        skip_postgeneration_save = True

    programme = factory.SubFactory(ProgrammeFactory)
    name = factory.Sequence(lambda n: f"Targeting {n}")

    @factory.post_generation
    def criteria(targeting, create, extracted, **kwargs):
        if create:
            targeting.current_version = TargetingVersion.objects.create(
                targeting=targeting, number=1, criteria=extracted if extracted is not None else EVERYONE
            )
            targeting.save(update_fields=["current_version"])
