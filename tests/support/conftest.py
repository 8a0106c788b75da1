"""Who most tests of the desk are about: an agent at work in a programme, and Ann, who calls."""

import pytest

from tests.factories import MemberFactory, ProgrammeFactory, UserFactory


@pytest.fixture
def programme():
    return ProgrammeFactory(currency="EUR", timezone="Europe/Paris")


@pytest.fixture
def ann(programme):
    return MemberFactory(programme=programme, external_id="M-1", first_name="Ann", last_name="Lee")


@pytest.fixture
def user(programme):
    return UserFactory(role="support agent", programmes=[programme], first_name="Ola", last_name="Agent")


@pytest.fixture
def agent(client, user):
    client.force_login(user)
    return client
