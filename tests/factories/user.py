import functools

import factory
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from loyalty.models import User

PASSWORD = "correct horse battery"


@functools.cache
def hashed() -> str:
    """Hash once a process: hashing is slow on purpose."""
    return make_password(PASSWORD)


class UserFactory(factory.django.DjangoModelFactory[User]):
    """`UserFactory(role="marketer", programmes=[programme])`; the password is `user.PASSWORD` of this module."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person-{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")
    first_name = "Robin"
    last_name = factory.Sequence(lambda n: f"Miller {n}")
    is_staff = True
    password = factory.LazyFunction(hashed)

    @factory.post_generation
    def role(user, create, extracted, **kwargs):
        """One of the roles that the migrations made: support agent, marketer, administrator, integration, auditor."""
        if create and extracted:
            user.groups.add(Group.objects.get(name=extracted))

    @factory.post_generation
    def programmes(user, create, extracted, **kwargs):
        if create and extracted:
            user.programmes.add(*extracted)
