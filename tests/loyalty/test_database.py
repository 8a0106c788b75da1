"""Prepared reading: as quick as it is because it does not ask first whether its session lives."""

import pytest
from django.db import OperationalError, connection, transaction

from loyalty.database import prepared_rows

SQL = "SELECT pg_backend_pid(), %(given)s::int"


def kill_session() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()


@pytest.mark.django_db(transaction=True)
def test_a_session_that_died_while_idle_is_replaced_and_asked_again():
    [(before, _)] = prepared_rows(SQL, {"given": 1})
    kill_session()
    [(after, given)] = prepared_rows(SQL, {"given": 2})
    assert given == 2
    assert after != before


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_a_dead_session_is_an_error_because_what_was_done_is_gone():
    def work() -> None:
        with transaction.atomic():
            prepared_rows(SQL, {"given": 1})
            kill_session()
            prepared_rows(SQL, {"given": 2})

    with pytest.raises(OperationalError):
        work()
    connection.close()


@pytest.mark.django_db
def test_a_statement_is_prepared_once_and_planned_without_its_first_values():
    prepared_rows(SQL, {"given": 1})
    prepared_rows(SQL, {"given": 2})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE %s",
            ["SELECT pg_backend_pid(), %"],
        )
        assert cursor.fetchall() == [(2, 0)]
