"""People who look after a programme, signed in."""

import pytest

from tests.factories import ProgrammeFactory, UserFactory


@pytest.fixture
def programme():
    return ProgrammeFactory(name="Here")


@pytest.fixture
def superuser(programme, client):
    client.force_login(
        UserFactory(is_superuser=True, programmes=[programme], username="root"),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    return client


@pytest.fixture
def administrator(programme, client):
    client.force_login(
        UserFactory(role="administrator", programmes=[programme]),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    return client
