"""Lists of a hundred thousand rows: each row once from page to page, either way, and counted up to a bound (B-05)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty import long_page
from loyalty.listing import Column, Listing
from loyalty.models import Member
from offers.models import PromotionEnrolment
from tests.factories import MemberFactory, ProgrammeFactory, PromotionFactory, enlist, product_list

pytestmark = pytest.mark.django_db
SORTS = ("pk", "assigned_at", "chosen_at", "member__first_name", "actor__username")
COLUMNS = tuple(Column(sort, sort, sort=sort) for sort in SORTS)
SIZE = 4


@pytest.fixture
def enrolments():
    """Twenty-two members with moments and names that repeat, every third without a choice, and nobody's as actor."""
    programme = ProgrammeFactory()
    offered = product_list(PromotionFactory(programme=programme))
    members = [MemberFactory(programme=programme, first_name="ABC"[n % 3]) for n in range(22)]
    enlist(offered, *members)
    noon = timezone.now().replace(hour=12)
    for n, one in enumerate(PromotionEnrolment.objects.order_by("pk")):
        one.assigned_at = noon + timedelta(days=n * 7 % 5)
        one.chosen_at = noon + timedelta(days=n * 3 % 4) if n % 3 else None
        one.save()
    return PromotionEnrolment.objects.select_related("member")


def walked(rf, queryset, sort, *, direction):
    """Follow the links from the first page to the last, or from there to the first; return the keys of each page."""
    shown = Listing(rf.get(f"/?sort={sort}&page={1 if direction == 'next' else 6}"), queryset, columns=COLUMNS,
                    page_size=SIZE, is_long=True)  # fmt: skip
    pages = []
    while True:
        pages.append([one.pk for one in shown.page.object_list])
        url = shown.next_url if direction == "next" else shown.previous_url
        if not url:
            return pages
        shown = Listing(rf.get(f"/{url}"), queryset, columns=COLUMNS, page_size=SIZE, is_long=True)


@pytest.mark.parametrize("sort", [sign + sort for sort in SORTS for sign in ("", "-")])
def test_b_05_pages_of_a_long_list_hold_each_row_once_in_its_order_either_way(rf, enrolments, sort):
    """Moments and names that many rows share, empty ones, and columns of related tables."""
    sign = "-" if sort.startswith("-") else ""
    expected = list(enrolments.order_by(sort, f"{sign}pk").values_list("pk", flat=True))
    pages = [expected[begin : begin + SIZE] for begin in range(0, len(expected), SIZE)]
    assert walked(rf, enrolments, sort, direction="next") == pages
    assert walked(rf, enrolments, sort, direction="previous") == pages[::-1]


def page_at(rf, query, enrolments):
    return Listing(rf.get(f"/?{query}"), enrolments, columns=COLUMNS, default_sort="pk", page_size=SIZE, is_long=True)


def test_b_05_a_page_stays_where_it_is_when_rows_come_before_it(rf, enrolments):
    first = page_at(rf, "sort=-pk", enrolments)
    seen = [one.pk for one in first.page.object_list]
    late = MemberFactory(programme=enrolments[0].member.programme)
    enlist(enrolments[0].product_list, late)
    second = page_at(rf, first.next_url.lstrip("?"), enrolments)
    assert [one.pk for one in second.page.object_list] == [seen[-1] - n for n in range(1, SIZE + 1)]
    assert (second.page.number, second.page.start_index(), second.page.end_index()) == (2, 5, 8)
    # Back on the first page stands what came meanwhile.
    assert page_at(rf, second.previous_url.lstrip("?"), enrolments).page.object_list[0].member == late


def test_b_05_an_impossible_place_in_a_long_list_is_a_page_of_it(rf, enrolments):
    keys = list(enrolments.order_by("pk").values_list("pk", flat=True))
    for query in ("page=99", "page=0", "page=x", "page=1&after=5", f"page={10**12}", "page=3&after=x&page=1"):
        assert [one.pk for one in page_at(rf, query, enrolments).page.object_list] == keys[:SIZE]
    # A row that is not there any more, or never was: the page by its number.
    assert [one.pk for one in page_at(rf, "page=2&after=987654321", enrolments).page.object_list] == keys[
        SIZE : 2 * SIZE
    ]
    assert page_at(rf, "page=2", enrolments.none()).page.object_list == []


def enlisted_elsewhere():
    theirs = product_list(PromotionFactory())
    return enlist(theirs, MemberFactory(programme=theirs.promotion.programme, first_name="B"))


def test_d_21_a_row_of_another_programme_is_no_place_in_a_long_list(rf, enrolments):
    """D-21: where it would stand among the list's rows tells nobody what it holds."""
    foreign = enlisted_elsewhere()
    ours = PromotionEnrolment.objects.filter(promotion=enrolments[0].promotion)
    for sort in (sign + sort for sort in SORTS for sign in ("", "-")):
        for place in ("after", "before"):
            by_number = [one.pk for one in page_at(rf, f"sort={sort}&page=3", ours).page.object_list]
            found = page_at(rf, f"sort={sort}&page=3&{place}={foreign.pk}", ours).page
            assert [one.pk for one in found.object_list] == by_number, (sort, place)


def test_b_05_a_row_that_left_the_filter_is_a_place_as_long_as_it_is_in_the_whole_list(rf, enrolments):
    ours = PromotionEnrolment.objects.filter(promotion=enrolments[0].promotion)
    left, *rest = ours.order_by("pk")[2:22]
    foreign = enlisted_elsewhere()
    filtered = ours.exclude(pk=left.pk)
    for whole, after, expected in [
        (ours, left.pk, rest[:SIZE]),
        (ours, foreign.pk, rest[2 : 2 + SIZE]),
        (None, left.pk, rest[2 : 2 + SIZE]),
    ]:
        request = rf.get(f"/?sort=pk&page=2&after={after}")
        shown = Listing(request, filtered, columns=COLUMNS, page_size=SIZE, is_long=True, whole=whole)
        assert list(shown.page.object_list) == expected


def test_b_05_a_long_list_counts_up_to_a_bound_and_says_so(rf, enrolments, monkeypatch):
    shown = page_at(rf, "", enrolments)
    assert (shown.count, shown.is_counted) == (22, True)
    monkeypatch.setattr(long_page, "MOST_COUNTED", 10)
    shown = page_at(rf, "", enrolments)
    assert (shown.count, shown.is_counted) == (10, False)
    assert page_at(rf, "page=3", enrolments).page.end_index() == 12


def test_b_05_what_filters_a_long_list_does_not_keep_the_place_in_it(rf, enrolments):
    shown = page_at(rf, f"q=a&page=2&after={enrolments[0].pk}", enrolments)
    assert shown.query == "?q=a"
    assert shown.headings[0].url == "?q=a&sort=-pk"
    assert not page_at(rf, "page=2&after=7&before=9", enrolments).is_filtered


def test_b_05_a_page_of_a_long_list_costs_as_many_queries_as_any_other(rf, enrolments, django_assert_num_queries):
    Member.objects.update(language="en")
    with django_assert_num_queries(2):
        shown = page_at(rf, "sort=assigned_at", enrolments)
        assert len(shown.page.object_list) == SIZE
    with django_assert_num_queries(3):
        assert len(page_at(rf, shown.next_url.lstrip("?"), enrolments).page.object_list) == SIZE
