"""A newer request of the same page stops the count that nobody waits for any more (issue 4, speed as felt)."""

import json
import time
from threading import Thread

import pytest
from django.db import connection
from django.urls import reverse

from offers.selectors import targeting_cancellation
from tests.factories import ProgrammeFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)
PAGE, OTHER = "0123456789abcdef", "fedcba9876543210"
LYON = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Lyon"}]}


class Count(Thread):
    """A count that takes as long as it is let."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.mark, self.answer = mark, ""

    def run(self) -> None:
        try:
            targeting_cancellation.rows("SELECT pg_sleep(60)", mark=self.mark)
        except targeting_cancellation.Outdated:
            self.answer = "outdated"
        except Exception as error:
            # Whatever it is: the test looks at it in its own thread.
            self.answer = repr(error)
        finally:
            connection.close()


def test_s4_24_a_newer_preview_stops_the_older_count_of_the_same_page_and_no_other(client) -> None:
    """S4-24: not another page's, not another person's."""
    programme = ProgrammeFactory()
    ann, bob = (UserFactory(role="marketer", programmes=[programme]) for _ in range(2))
    client.force_login(ann)
    counts = [
        Count(targeting_cancellation.mark_of(user.pk, page)) for user, page in ((ann, PAGE), (ann, OTHER), (bob, PAGE))
    ]
    for one in counts:
        one.start()
    try:
        until = time.monotonic() + 20
        # The first ones may come before the count has begun.
        while counts[0].is_alive() and time.monotonic() < until:
            given = {"criteria": json.dumps(LYON), "page": PAGE}
            assert client.post(reverse("offers:targeting-preview"), given).status_code == 200
            counts[0].join(0.1)
        assert counts[0].answer == "outdated"
        assert [one.is_alive() for one in counts[1:]] == [True, True]
    finally:
        for one in counts:
            targeting_cancellation.stop(one.mark)
            one.join(20)
    assert [one.answer for one in counts] == ["outdated"] * 3


def test_what_is_no_pages_token_marks_nothing() -> None:
    """Nothing from outside reaches the statement's text."""
    for page in ("", "x", "0123456789ABCDEF", PAGE + "0", "*/ DROP --", PAGE + "\n"):
        assert targeting_cancellation.mark_of(7, page) == ""
    assert targeting_cancellation.mark_of(7, PAGE) == f"audience count 7 {PAGE}"
