"""What an unexpected failure is answered with: 503 only for what may work in a moment, else 500 and its number (R6)."""

import json
import logging

import psycopg
import pytest
from django.db import DataError, InterfaceError, OperationalError, ProgrammingError, connection, transaction
from django.test import Client

from loyalty import patience
from loyalty.database import execute, is_away
from loyalty.models import IdempotencyKey, Member, Scope
from loyalty.services import member
from tests.factories import ApiClientFactory

# Each as PostgreSQL, or the driver, refuses it: none would work in a moment.
WRONG = {
    "unknown_column": "SELECT no_such_column FROM loyalty_member",
    "division_by_zero": "SELECT 1/0",
    "number_out_of_range": "SELECT 2147483647::int + 1",
    "no_number": "SELECT 'x'::int",
    "currval_before_nextval": "CREATE TEMPORARY SEQUENCE unused; SELECT currval('unused')",
    "too_many_columns": f"SELECT {', '.join(['1'] * 1700)}",
}
PASSING = {
    "time_is_up": "SET LOCAL statement_timeout = 30; SELECT pg_sleep(5)",
    "session_is_ended": "SELECT pg_terminate_backend(pg_backend_pid())",
}


def refused_by(error: type[psycopg.Error], kind: type[Exception]) -> Exception:
    """Return a driver's error as Django hands it on."""
    outer = kind("of the driver")
    outer.__cause__ = error("inner")
    return outer


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.errors.ConnectionFailure, OperationalError),
        (psycopg.errors.AdminShutdown, OperationalError),
        (psycopg.errors.CannotConnectNow, OperationalError),
        (psycopg.errors.QueryCanceled, OperationalError),
        (psycopg.errors.TooManyConnections, OperationalError),
        (psycopg.errors.LockNotAvailable, OperationalError),
        (psycopg.errors.DeadlockDetected, OperationalError),
        (patience.DatabaseHangs, OperationalError),
    ],
)
def test_r6_what_may_work_in_a_moment_is_the_database_being_away(error, kind):
    """R6: a connection, a time that was up, no room, a lock."""
    assert is_away(refused_by(error, kind))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.errors.ProgramLimitExceeded, OperationalError),
        (psycopg.errors.TooManyArguments, OperationalError),
        (psycopg.errors.ObjectNotInPrerequisiteState, OperationalError),
        (psycopg.OperationalError, OperationalError),
        (psycopg.InterfaceError, InterfaceError),
        (psycopg.errors.UndefinedColumn, ProgrammingError),
        (psycopg.errors.DivisionByZero, DataError),
    ],
)
def test_r6_what_fails_each_time_is_no_outage_though_the_driver_calls_it_operational(error, kind):
    """R6: with a session that lives; the driver's own complaints have no code."""
    connection.ensure_connection()
    assert not is_away(refused_by(error, kind))
    assert not is_away(KeyError("x"))


@pytest.mark.django_db(transaction=True)
def test_r6_what_the_driver_says_of_a_session_that_is_gone_is_an_outage():
    """R6: the same complaint, without a code, after the server ended the session; and what Django says then."""
    try:
        with pytest.raises(OperationalError) as ended, transaction.atomic():
            execute(PASSING["session_is_ended"])
        assert is_away(ended.value)
        # What Django says to whoever goes on all the same.
        followed = ProgrammingError("Cannot open a new connection in an atomic block.")
        followed.__context__ = ended.value
        assert is_away(followed)
    finally:
        connection.close()


@pytest.fixture
def key():
    return ApiClientFactory(scopes=[Scope.MEMBERS])[1]


def put(key, monkeypatch, sql):
    """Call a door whose service asks the database this, after it wrote something."""
    works = member.put

    def fails(**values):
        with transaction.atomic():
            works(**values)
            for statement in sql.split("; "):
                execute(statement)

    monkeypatch.setattr(member, "put", fails)
    return Client(raise_request_exception=False).put(
        "/api/v1/members/ann",
        json.dumps({"city": "London"}),
        content_type="application/json",
        headers={"Authorization": f"Api-Key {key}"},
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sql", WRONG.values(), ids=WRONG)
def test_r6_wrong_sql_is_a_500_with_the_number_of_its_traceback_in_the_log(key, monkeypatch, caplog, sql):
    """R6, S0-19: nothing of the cause for strangers, all of it in the log, and nothing written."""
    with caplog.at_level(logging.ERROR):
        answer = put(key, monkeypatch, sql)
    body = answer.json()
    assert (answer.status_code, body["code"], answer["Content-Type"]) == (
        500, "internal_error", "application/problem+json",
    )  # fmt: skip
    assert not answer.has_header("Retry-After")
    assert body["request_id"] == answer["X-Request-ID"] != ""
    assert sql not in answer.text
    assert "Traceback" not in answer.text
    traced = [one for one in caplog.records if one.exc_info]
    assert traced, "no traceback in the log"
    assert any(body["request_id"] in str(one.msg) for one in caplog.records)
    assert not Member.objects.exists()
    assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sql", PASSING.values(), ids=PASSING)
def test_r6_an_outage_is_a_503_that_says_when_to_ask_again_and_is_logged(key, monkeypatch, caplog, sql):
    """R6: a statement whose time was up, a session that the server ended; nothing written."""
    with caplog.at_level(logging.WARNING):
        answer = put(key, monkeypatch, sql)
    connection.close()
    assert (answer.status_code, answer.json()["code"], int(answer["Retry-After"]) > 0) == (503, "unavailable", True)
    assert any("database.away" in str(one.msg) for one in caplog.records)
    assert not Member.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_r6_a_page_that_fails_tells_the_number_too(monkeypatch):
    """R6: for people, with what to do."""
    from loyalty.views import health

    monkeypatch.setattr(health, "generate_latest", lambda: execute(WRONG["unknown_column"]))
    answer = Client(raise_request_exception=False).get("/metrics")
    assert answer.status_code == 500
    assert answer["X-Request-ID"] in answer.text
    assert "tell your administrator this number" in answer.text
    assert "no_such_column" not in answer.text
