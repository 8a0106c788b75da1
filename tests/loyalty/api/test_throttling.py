"""How often one may ask: counted atomically in Valkey, and open when Valkey is away (A5, R6)."""

import threading
from collections import Counter

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from loyalty.models import Scope
from loyalty.services import member_token, rate_limit
from tests.factories import ApiClientFactory, MemberFactory


@pytest.fixture
def rates(settings):
    settings.RATES = {**settings.RATES}
    return settings.RATES


def get(path: str, authorization: str = ""):
    return Client().get(f"/api/v1/{path}", headers={"Authorization": authorization} if authorization else {})


@pytest.mark.django_db
def test_a_member_is_slowed_down_whatever_token_she_sends_and_others_are_not(rates):
    rates["member"] = (3, 60)
    member, other = MemberFactory(), MemberFactory()
    tokens = [f"Bearer {member_token.mint(member=member, now=timezone.now())}" for _ in range(4)]
    answers = [get("me/offers", token) for token in tokens]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["code"] == "throttled"
    assert 0 < int(answers[3]["Retry-After"]) <= 61
    assert get("me/offers", f"Bearer {member_token.mint(member=other, now=timezone.now())}").status_code == 200


@pytest.mark.django_db
def test_a_window_ends(rates):
    rates["member"] = (1, 0.2)
    assert rate_limit.take(name="member", key="1").is_allowed
    refused = rate_limit.take(name="member", key="1")
    assert not refused.is_allowed
    assert 0 < refused.seconds_left <= 0.2
    threading.Event().wait(0.25)
    assert rate_limit.take(name="member", key="1").is_allowed


def test_a_thousand_at_once_get_exactly_the_limit(rates):
    """A5: the limiter is one script in Valkey, so no burst slips through."""
    rates["client"] = (100, 60)
    allowed: list[bool] = []

    def some():
        allowed.extend(rate_limit.take(name="client", key="x").is_allowed for _ in range(50))

    threads = [threading.Thread(target=some) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Counter(allowed) == {True: 100, False: 900}


def test_a_process_takes_a_fortieth_of_a_rate_at_a_time_and_hands_out_exactly_the_rate(rates, monkeypatch):
    """A5: most requests of a caller within half her rate save the way to Valkey; not one too many is let through."""
    rates["client"] = (400, 60)
    asked: list[int] = []
    script = rate_limit._script

    def counting(url):
        def run(**given):
            asked.append(given["args"][1])
            return script(url)(**given)

        return run

    monkeypatch.setattr(rate_limit, "_script", counting)
    allowed = [rate_limit.take(name="client", key="blocks").is_allowed for _ in range(403)]
    assert Counter(allowed) == {True: 400, False: 3}
    # Twenty blocks of ten, then one by one, and three refusals.
    assert len(asked) == 20 + 200 + 3
    refused = rate_limit.take(name="client", key="blocks")
    assert 0 < refused.seconds_left <= 60


@pytest.mark.django_db(transaction=True)
def test_wrong_keys_tried_in_parallel_are_cut_off(rates):
    """A5: brute force on API keys."""
    rates["wrong_key"] = (20, 60)
    ApiClientFactory(scopes=[Scope.MEMBERS])
    seen: list[int] = []

    def some(number: int):
        try:
            seen.extend(get("members/x", f"Api-Key wrong{number}.{attempt}").status_code for attempt in range(20))
        finally:
            connection.close()

    threads = [threading.Thread(target=some, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Counter(seen) == {401: 20, 429: 180}


@pytest.mark.django_db
def test_without_valkey_nobody_is_turned_away_and_the_log_says_so(rates, settings, monkeypatch, caplog):
    """R6: throttles fail open."""
    rates["member"], there = (0, 60), settings.REDIS_URL
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"

    def said(what):
        return sum(f"rate_limit.{what}" in record.getMessage() for record in caplog.records)

    monkeypatch.setattr(rate_limit, "_away_until", 0.0)
    token = f"Bearer {member_token.mint(member=MemberFactory(), now=timezone.now())}"
    assert [get("me/offers", token).status_code for _ in range(3)] == [200, 200, 200]
    # Asked once, then left alone for a while: an outage costs each request nothing.
    assert said("not_counted") == 1
    # The pause is over, and every try from here on is made.
    monkeypatch.setattr(rate_limit, "SECONDS_BETWEEN_TRIES", 0.0)
    monkeypatch.setattr(rate_limit, "_away_until", 0.001)
    assert get("me/offers", token).status_code == 200
    # One line an outage, however long, and one when it is over: then the rate holds again.
    assert (said("not_counted"), said("counted_again")) == (1, 0)
    settings.REDIS_URL = there
    assert get("me/offers", token).status_code == 429
    assert (said("not_counted"), said("counted_again")) == (1, 1)
