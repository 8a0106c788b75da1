"""The test session's own promises, which every other test leans on."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection

from tests import instance


@pytest.mark.django_db
def test_a_test_has_its_own_database_and_not_the_demos():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        assert cursor.fetchone()[0].startswith("test_laurel_")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_committed_rows_are_gone_for_the_next_test(turn):
    assert not Group.objects.filter(name="left behind").exists()
    Group.objects.create(name="left behind")


@pytest.mark.parametrize("turn", [1, 2])
def test_the_cache_is_empty_for_the_next_test(turn):
    assert cache.get("left-behind") is None
    cache.set("left-behind", turn)


def test_queue_and_cache_are_apart():
    assert settings.CELERY_BROKER_URL.partition("?")[2] != settings.REDIS_URL.partition("?")[2]


def test_a_process_of_a_test_finds_what_the_one_before_it_compiled():
    """However the tests were started: else each worker and web compiles Django anew, nine seconds of a core."""
    kept = subprocess.run(
        [sys.executable, "-c", "import loyalty.money; print(loyalty.money.__cached__)"],
        cwd=instance.BASE,
        env=instance.process_environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert Path(kept).is_file()
