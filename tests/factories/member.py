import datetime

import factory

from loyalty.models import AttributeDefinition, Member
from tests.factories.programme import ProgrammeFactory


class AttributeDefinitionFactory(factory.django.DjangoModelFactory[AttributeDefinition]):
    class Meta:
        model = AttributeDefinition

    programme = factory.SubFactory(ProgrammeFactory)
    name = factory.Sequence(lambda n: f"attribute_{n}")
    type = "text"
    label = factory.LazyAttribute(lambda definition: definition.name.replace("_", " ").capitalize())


class MemberFactory(factory.django.DjangoModelFactory[Member]):
    class Meta:
        model = Member

    programme = factory.SubFactory(ProgrammeFactory)
    external_id = factory.Sequence(lambda n: f"member-{n}")
    first_name = "Ada"
    last_name = factory.Sequence(lambda n: f"Lovelace {n}")
    email = factory.LazyAttribute(lambda member: f"{member.external_id}@example.com".lower().replace(":", "."))
    email_key = factory.LazyAttribute(lambda member: member.email.strip().lower())
    # Area code 555 is assigned to nobody.
    phone = factory.Sequence(lambda n: f"+1555{n:07}")
    phone_key = factory.LazyAttribute(lambda member: member.phone)
    birth_date = datetime.date(1985, 12, 10)
    city = "Columbus"
    country = "US"
    language = "en"
    joined_at = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
