"""A database that hangs: web processes give up on it, say so, and find it again by themselves (R5)."""

import time

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client

from loyalty import clock, patience
from loyalty.database import in_transaction, prepared_rows, rows
from loyalty.models import Member
from loyalty.services import member_token
from offers.selectors import member_offers
from tests.factories import MemberFactory

pytestmark = pytest.mark.django_db(transaction=True)
HANGS = "SELECT pg_sleep(20)"


@pytest.fixture(autouse=True)
def hurried():
    """As `loyalty/wsgi.py` does, with less time."""
    connection.close()
    patience.limit_waiting(0.3)
    yield
    patience.wait_for_ever()
    connection.close()


def fails_at_once(ask):
    began = time.monotonic()
    with pytest.raises(OperationalError, match=r"has not answered for 0\.3 s"):
        ask()
    assert time.monotonic() - began < 5


def test_r5_one_answer_is_waited_for_so_long_and_the_next_session_works():
    fails_at_once(lambda: rows(HANGS))
    # What Django does at the end of each request.
    connection.close_if_unusable_or_obsolete()
    assert rows("SELECT 1 AS one") == [{"one": 1}]


def test_r5_what_a_transaction_did_before_is_undone_and_the_next_one_works():
    def work():
        MemberFactory()
        rows(HANGS)

    fails_at_once(lambda: in_transaction(work))
    assert not Member.objects.exists()
    with transaction.atomic():
        MemberFactory()
    assert Member.objects.count() == 1


def test_r5_prepared_reading_does_not_ask_a_server_that_hangs_again():
    fails_at_once(lambda: prepared_rows("SELECT pg_sleep(%(seconds)s)", {"seconds": 20}))
    assert prepared_rows("SELECT %(one)s::int", {"one": 1}) == [(1,)]


def test_what_is_long_by_nature_may_take_longer():
    with patience.patient():
        assert rows("SELECT 1 AS one FROM pg_sleep(0.6)") == [{"one": 1}]
    fails_at_once(lambda: rows(HANGS))


def test_r5_a_request_is_answered_with_503_and_when_to_come_again(monkeypatch):
    token = member_token.mint(member=MemberFactory(), now=clock.now())

    def ask():
        return Client(raise_request_exception=False).get(
            "/api/v1/me/offers", headers={"Authorization": f"Bearer {token}"}
        )

    with monkeypatch.context() as hanging:
        hanging.setattr(member_offers, "prepared_rows", lambda *_given, **_options: rows(HANGS))
        answer = ask()
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert answer.json()["code"] == "unavailable"
    assert int(answer["Retry-After"]) > 0
    assert ask().status_code == 200
