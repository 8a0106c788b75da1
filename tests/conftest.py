"""What every test has: real servers of its own, a fresh database, an empty Valkey."""

import socket

import hypothesis
import pytest
from django.conf import settings
from django.test import TransactionTestCase

from tests import instance
from tests.fault_table import fault, pytest_terminal_summary

__all__ = ["fault", "pytest_terminal_summary"]

# A loaded machine is no bug: examples have no deadline.
hypothesis.settings.register_profile("laurel", deadline=None)
hypothesis.settings.load_profile("laurel")

_session: instance.Session | None = None


def pytest_configure(config: pytest.Config) -> None:
    global _session
    if config.option.collectonly:
        return
    instance.keep_bytecode()
    if not hasattr(config, "workerinput"):
        _session = instance.Session()
    instance.use_own_valkey()
    # A million rounds a password are for attackers; on a busy machine they cost a browser test its patience.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Else each test client's first request reads every static file there is: two thirds of such a test's time.
    settings.WHITENOISE_AUTOREFRESH = True


def pytest_unconfigure(config: pytest.Config) -> None:
    if _session is not None:
        _session.close()


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment, django_db_blocker):
    """Copy the migrated template instead of migrating: 0.1 s instead of many, and with its rows."""
    with django_db_blocker.unblock():
        instance.create_template()
        instance.copy_template()
    yield
    with django_db_blocker.unblock():
        instance.drop_database()


@pytest.fixture(autouse=True)
def _empty_valkey():
    instance.flush_valkey()


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _copy_again(self: TransactionTestCase) -> None:
    # Django would truncate every table: slower, refused by the append-only tables' triggers, and it loses
    # the rows that migrations wrote (roles, for one).
    instance.copy_template()


TransactionTestCase._fixture_teardown = _copy_again
