"""A run's members one by one: filters in the address, pages by key, files (S4-27, B-03, D-10)."""

import csv
import io

import pyarrow.parquet
import pytest
import python_calamine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import Assignment
from offers.selectors import audience
from offers.selectors.audience import Wanted
from offers.services import assignment_verbs, closing, revocation
from offers.services.verb import By
from tests.factories import ConfigOfferFactory, MemberFactory, TargetingFactory, import_codes, redeem
from tests.offers.views.marketer import a_run, done, sign_in, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


@pytest.fixture
def run(programme):
    """Of ten members one is inactive, one's id is a formula; eight of nine assignments went on, each another way."""
    offer = ConfigOfferFactory(programme=programme, name="Coffee", require_vouchers=True)
    import_codes(offer, [f"SECRET-{n}" for n in range(9)])
    MemberFactory(programme=programme, external_id="=1+1")
    for n in range(8):
        MemberFactory(programme=programme, external_id=f"M-10{n}", first_name=f"Name{n}")
    MemberFactory(programme=programme, external_id="M-2_0", status="inactive")
    run = done(a_run(offer.templates.get(), TargetingFactory(programme=programme, name="Everyone")))
    held = list(Assignment.objects.order_by("member"))
    now = clock.now()
    assignment_verbs.mark_seen(member_id=held[1].member_id, assignment_id=held[1].pk, now=now)
    assignment_verbs.expose(member_id=held[2].member_id, assignment_id=held[2].pk, now=now)
    Assignment.objects.filter(pk=held[3].pk).update(accepted_at=now)
    redeem(held[4])
    redeem(held[5], is_used_up=True)
    closing.close(programme=programme, assignment_id=held[6].pk, reason="asked", by=By(), now=now)
    revocation.revoke(programme=programme, assignment_id=held[7].pk, reason="slip", now=now)
    Assignment.objects.filter(pk=held[8].pk).update(starts_at=None, ends_at=now)
    return run


def members_of(answer):
    page = words(answer)
    known = ["=1+1", *(f"M-10{n}" for n in range(8)), "M-2_0"]
    return [each for each in known if f">{each}<" in page]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"outcome": "member_inactive"}, ["M-2_0"]),
        ({"since": "open"}, ["=1+1"]),
        ({"since": "seen"}, ["M-100", "M-101"]),
        ({"since": "accepted"}, ["M-102"]),
        ({"since": "redeemed"}, ["M-103"]),
        ({"since": "used_up"}, ["M-104"]),
        ({"since": "closed"}, ["M-105"]),
        ({"since": "revoked"}, ["M-106"]),
        ({"since": "expired"}, ["M-107"]),
        ({"text": "=1"}, ["=1+1"]),
        ({"text": "m-10", "since": "seen"}, ["M-100", "M-101"]),
        ({"text": "M-2_"}, ["M-2_0"]),
        ({"text": "_"}, ["M-2_0"]),
        ({"text": "%"}, []),
        ({"outcome": "assigned", "since": "used_up"}, ["M-104"]),
        ({"outcome": "member_inactive", "since": "open"}, []),
    ],
)
def test_s4_27_the_members_are_filtered_by_outcome_by_what_became_of_it_and_by_text(programme, run, asked, shown):
    """S4-27: the page, the count and the file agree."""
    marketer = sign_in(programme)
    assert members_of(marketer.get(reverse("offers:run_members", args=[run.pk]), asked)) == shown
    count = words(marketer.get(reverse("offers:run_members_count", args=[run.pk]), asked))
    assert count.strip() == (f"{len(shown)} members" if len(shown) != 1 else "1 member")
    assert [line[0].removeprefix("'") for line in csv_of(marketer, run, **asked)[1:]] == shown


def test_s4_27_a_name_finds_her_for_who_may_see_members_and_for_nobody_else(programme, run):
    """A marketer sees no names, so she finds none by them."""
    address = reverse("offers:run_members", args=[run.pk])
    assert members_of(sign_in(programme, "administrator").get(address, {"text": "name3"})) == ["M-103"]
    assert members_of(sign_in(programme).get(address, {"text": "name3"})) == []


@pytest.mark.parametrize(
    "wrong", [{"outcome": "nonsense"}, {"since": "nonsense"}, {"text": "x" * 101}, {"text": "a\0b"}]
)
def test_s4_27_a_filter_that_is_none_is_named_and_no_file_is_made_of_it(programme, run, wrong):
    marketer = sign_in(programme)
    page = marketer.get(reverse("offers:run_members", args=[run.pk]), wrong)
    assert (page.status_code, 'role="alert"' in words(page), members_of(page)) == (200, True, [])
    assert marketer.get(reverse("offers:run_outcomes_export", args=[run.pk, "csv"]), wrong).status_code == 404
    assert not AuditEvent.objects.filter(action="mass_assignment.exported").exists()


@pytest.mark.parametrize("after", ["x", "-1", "9" * 40, "1.5"])
def test_s4_27_a_place_that_is_none_begins_at_the_beginning(programme, run, after):
    assert len(members_of(sign_in(programme).get(reverse("offers:run_members", args=[run.pk]), {"after": after}))) == 10


def csv_of(client, run, **asked):
    answer = client.get(reverse("offers:run_outcomes_export", args=[run.pk, "csv"]), asked)
    return list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


def test_s4_27_the_three_files_say_the_same_without_codes_and_each_is_audited(programme, run):
    """S4-27, D-10: a code in a file would count as shown to everybody, so there is none."""
    marketer = sign_in(programme)

    def content(format):
        answer = marketer.get(reverse("offers:run_outcomes_export", args=[run.pk, format]))
        assert answer.headers["Content-Disposition"] == f'attachment; filename="run-{run.pk}-outcomes.{format}"'
        return b"".join(answer.streaming_content)

    head, *lines = csv_of(marketer, run)
    assert head == [
        "member", "outcome", "reason", "value", "values", "assignment", "since", "issued_at", "ends_at", "seen_at",
        "accepted_at", "revoked_at",
    ]  # fmt: skip
    assert lines[0][:7] == ["'=1+1", "assigned", "", "", "", str(Assignment.objects.order_by("member")[0].pk), "open"]
    assert lines[9][:7] == ["M-2_0", "member_inactive", "", "", "", "", ""]
    lines = [[cell.removeprefix("'") for cell in line] for line in lines]
    sheet = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content("xlsx"))).get_sheet_by_index(0)
    # Calamine cuts empty columns off at the end.
    assert [line + [""] * (12 - len(line)) for line in sheet.to_python()[1:]] == lines
    table = pyarrow.parquet.read_table(io.BytesIO(content("parquet"))).to_pylist()
    assert [
        [
            "" if value is None else value.isoformat(timespec="microseconds") if hasattr(value, "isoformat") else value
            for value in row.values()
        ]
        for row in table
    ] == lines
    assert b"SECRET" not in content("csv") + content("parquet")
    assert "SECRET" not in str(sheet.to_python())
    audited = AuditEvent.objects.filter(action="mass_assignment.exported").order_by("id")
    assert [event.data["format"] for event in audited] == ["csv", "xlsx", "parquet", "csv", "parquet"]
    assert Assignment.objects.filter(exposed_at__isnull=False).count() == 1


def test_b_03_each_member_stands_on_exactly_one_page(programme, coffee):
    """B-03: by key, whatever the filter."""
    MemberFactory.create_batch(120, programme=programme)
    run = done(a_run(coffee.templates.get(), TargetingFactory(programme=programme)))
    seen, after = [], 0
    while after is not None:
        page = audience.page(run=run, now=clock.now(), after=after, size=50)
        seen += [each.member_id for each in page.members]
        after = page.after
    assert len(seen) == len(set(seen)) == 120
    wanted = Wanted(outcome="assigned", since="open")
    assert len(list(audience.every(run=run, now=clock.now(), wanted=wanted, size=7))) == 120
    marketer = sign_in(programme)
    first = words(marketer.get(reverse("offers:run_members", args=[run.pk]), {"since": "open"}))
    assert f"since=open&amp;after={seen[49]}" in first


def test_s4_27_a_page_costs_as_many_queries_whoever_stands_on_it(programme, run):
    marketer = sign_in(programme)
    address = reverse("offers:run_members", args=[run.pk])
    marketer.get(address)
    counted = []
    for asked in ({}, {"outcome": "member_inactive"}):
        with CaptureQueriesContext(connection) as queries:
            marketer.get(address, asked)
        counted.append(len(queries))
    assert counted[0] == counted[1]
