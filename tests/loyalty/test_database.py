"""Prepared reading: as quick as it is because it does not ask first whether its session lives."""

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client

from loyalty import clock
from loyalty.database import prepared_rows
from loyalty.services import member_token
from tests.factories import MemberFactory

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


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_away_the_list_says_so_and_when_to_ask_again(monkeypatch):
    """R6: an outage is 503 and Retry-After, on a thread that has no session too."""
    token = member_token.mint(member=MemberFactory(), now=clock.now())
    connection.close()

    def refuse(*_given, **_options):
        raise OperationalError("connection refused")

    with monkeypatch.context() as away:
        away.setattr(connection, "get_new_connection", refuse)
        answer = Client(raise_request_exception=False).get(
            "/api/v1/me/offers", headers={"Authorization": f"Bearer {token}"}
        )
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0


@pytest.mark.django_db(transaction=True)
def test_a_statement_is_prepared_once_and_planned_without_its_first_values():
    connection.close()
    prepared_rows(SQL, {"given": 1})
    prepared_rows(SQL, {"given": 2})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE %s",
            ["SELECT pg_backend_pid(), %"],
        )
        assert cursor.fetchall() == [(2, 0)]


@pytest.mark.django_db(transaction=True)
def test_a_session_that_died_before_its_first_prepared_reading_is_replaced_too():
    """R5: it had not been told yet to plan once, and telling it must not be a failure of another kind."""
    connection.close()
    connection.ensure_connection()
    kill_session()
    [(_, given)] = prepared_rows(SQL, {"given": 1})
    assert given == 1
