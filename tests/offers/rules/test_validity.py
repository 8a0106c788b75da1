"""Validity: fixed or from the issue, half-open, in the programme's zone (D-09, S1-08)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from offers import rules
from tests.offers.rules import problems

BERLIN = ZoneInfo("Europe/Berlin")


def settled(validity: dict[str, Any], *, issued_at: datetime, zone: ZoneInfo = BERLIN) -> tuple[Any, Any]:
    found = rules.settle({"validity": validity}, issued_at=issued_at, zone=zone)
    return found.starts_at, found.ends_at


def test_days_last_until_the_end_of_that_day_in_the_zone_also_over_a_clock_change_d_09() -> None:
    # 23:30 UTC on the 20th is the 21st in Berlin; the clocks change on the 29th of March.
    issued_at = datetime(2026, 3, 20, 23, 30, tzinfo=UTC)
    assert settled({"days": 14}, issued_at=issued_at) == (issued_at, datetime(2026, 4, 4, 22, 0, tzinfo=UTC))
    assert settled({"days": 1}, issued_at=issued_at) == (issued_at, datetime(2026, 3, 22, 23, 0, tzinfo=UTC))


def test_a_later_start_is_the_first_moment_of_its_day_and_does_not_move_the_end_d_09() -> None:
    issued_at = datetime(2026, 5, 1, 9, 0, tzinfo=UTC)
    assert settled({"days": 3, "start_in_days": 1}, issued_at=issued_at) == (
        datetime(2026, 5, 1, 22, 0, tzinfo=UTC),
        datetime(2026, 5, 4, 22, 0, tzinfo=UTC),
    )
    assert settled({"days": 3, "start_in_days": 0}, issued_at=issued_at)[0] == issued_at


def test_a_bare_end_date_includes_its_whole_day_of_23_hours_d_09() -> None:
    issued_at = datetime(2026, 1, 1, tzinfo=UTC)
    assert settled({"starts_at": "2026-03-29", "ends_at": "2026-03-29"}, issued_at=issued_at) == (
        datetime(2026, 3, 28, 23, 0, tzinfo=UTC),
        datetime(2026, 3, 29, 22, 0, tzinfo=UTC),
    )


def test_a_day_whose_midnight_does_not_exist_starts_with_its_first_moment_d_09() -> None:
    # Clocks in Beirut went from 00:00 to 01:00 on 2026-03-29.
    starts_at, _ends_at = settled(
        {"starts_at": "2026-03-29"}, issued_at=datetime(2026, 1, 1, tzinfo=UTC), zone=ZoneInfo("Asia/Beirut")
    )
    assert starts_at == datetime(2026, 3, 28, 22, 0, tzinfo=UTC)
    assert starts_at.astimezone(ZoneInfo("Asia/Beirut")).hour == 1


def test_moments_keep_their_offset_or_take_the_zones() -> None:
    assert settled(
        {"starts_at": "2026-07-01T10:00", "ends_at": "2026-07-01T10:00:00+00:00"},
        issued_at=datetime(2026, 1, 1, tzinfo=UTC),
    ) == (datetime(2026, 7, 1, 8, 0, tzinfo=UTC), datetime(2026, 7, 1, 10, 0, tzinfo=UTC))


def test_an_open_start_is_the_issue_and_an_open_end_is_never() -> None:
    issued_at = datetime(2026, 7, 1, tzinfo=BERLIN)
    assert settled({"ends_at": "2026-07-31"}, issued_at=issued_at)[0] == issued_at
    assert settled({"starts_at": "2026-07-31"}, issued_at=issued_at)[1] is None
    settled_without = rules.settle({}, issued_at=issued_at, zone=BERLIN)
    assert (settled_without.starts_at, settled_without.ends_at) == (issued_at, None)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(1, 3650),
    st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Pacific/Auckland", "Asia/Beirut", "America/St_Johns"]),
)
def test_days_end_at_the_first_moment_of_a_day_that_many_days_and_one_later(
    issued_at: datetime, days: int, name: str
) -> None:
    zone = ZoneInfo(name)
    _starts_at, ends_at = settled({"days": days}, issued_at=issued_at, zone=zone)
    assert ends_at.astimezone(zone).date() - issued_at.astimezone(zone).date() == timedelta(days=days + 1)
    assert (ends_at - timedelta(microseconds=1)).astimezone(zone).date() < ends_at.astimezone(zone).date()


@pytest.mark.parametrize(
    ("value", "field", "code", "message"),
    [
        (
            {},
            "ends_at",
            "missing",
            "Validity, Ends: no period is given. Give an end, a start, or days from issue.",
        ),
        ({"start_in_days": 2}, "days", "missing", "Validity, Days from issue: a value is missing. Give one."),
        (
            {"days": 3, "ends_at": "2026-01-01"},
            "days",
            "two_periods",
            "Validity, Days from issue: fixed dates are given too. Give either dates or days, not both.",
        ),
        (
            {"days": 3, "start_in_days": 4},
            "start_in_days",
            "ends_before_start",
            "Validity, Starts days after issue: it starts after it ends. Give fewer days.",
        ),
        (
            {"starts_at": "2026-01-02", "ends_at": "2026-01-01"},
            "ends_at",
            "ends_before_start",
            "Validity, Ends: it ends before it starts. Give a later end.",
        ),
        ({"days": 0}, "days", "too_small", "Validity, Days from issue: “0” is too small. Give at least 1."),
        (
            {"days": 3651},
            "days",
            "too_large",
            "Validity, Days from issue: “3651” is too large. Give at most 3650.",
        ),
        (
            {"ends_at": "2026-02-30"},
            "ends_at",
            "not_a_moment",
            (
                "Validity, Ends: “2026-02-30” is not a date. Write it as 2026-12-31 or 2026-12-31T18:00:00+01:00, "
                "in the years 1900 to 2999."
            ),
        ),
        (
            {"ends_at": 1767225600},
            "ends_at",
            "not_a_moment",
            (
                "Validity, Ends: “1767225600” is not a date. Write it as 2026-12-31 or 2026-12-31T18:00:00+01:00, "
                "in the years 1900 to 2999."
            ),
        ),
    ],
)
def test_a_wrong_period_is_refused_by_name(value: dict[str, Any], field: str, code: str, message: str) -> None:
    assert problems.of({"validity": value}) == [("validity", field, code, message)]


def test_an_end_that_only_the_zone_shows_to_be_backwards_is_refused_when_settled() -> None:
    terms = {"validity": {"starts_at": "2026-07-01T00:00", "ends_at": "2026-06-30T20:00:00+00:00"}}
    rules.parse(terms)
    assert rules.settle(terms, issued_at=datetime(2026, 1, 1, tzinfo=UTC), zone=ZoneInfo("Asia/Tokyo")).ends_at
    with pytest.raises(rules.InvalidTerms) as refusal:
        rules.settle(terms, issued_at=datetime(2026, 1, 1, tzinfo=UTC), zone=BERLIN)
    assert refusal.value.problems[0]["code"] == "ends_before_start"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"days": 1}, "Valid for 1 day after its issue"),
        ({"days": 14, "start_in_days": 2}, "Valid for 14 days after its issue, starting 2 days after it"),
        ({"ends_at": "2026-12-31"}, "Valid until Dec. 31, 2026"),
        ({"starts_at": "2026-12-31T23:30:00+00:00"}, "Valid from Jan. 1, 2027, 12:30 a.m."),
        ({"starts_at": "2026-05-01", "ends_at": "2026-05-14"}, "Valid from May 1, 2026 until May 14, 2026"),
    ],
)
def test_it_says_its_period(value: dict[str, Any], sentence: str) -> None:
    with translation.override("en"):
        assert str(rules.explain({"validity": value}, currency="EUR", zone=BERLIN)[0].text) == sentence
