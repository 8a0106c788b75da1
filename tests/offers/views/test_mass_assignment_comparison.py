"""Two runs side by side, each number counted again in slow Python (issue 4, "After"; B-03)."""

import pytest
from django.urls import reverse

from loyalty import clock
from offers.models import Assignment, AudienceMember, MassAssignment
from offers.selectors import mass_assignment_comparison as comparison
from offers.services import assignment_verbs, revocation
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    TargetingFactory,
    import_codes,
    plan_run,
    redeem,
    work,
)
from tests.offers.views.marketer import sign_in, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


@pytest.fixture
def both(programme):
    """One run to all twelve with codes, one to the eight of Columbus without; members did different things."""
    MemberFactory.create_batch(7, programme=programme)
    MemberFactory(programme=programme, status="inactive")
    MemberFactory.create_batch(4, programme=programme, city="Dayton")
    coffee = ConfigOfferFactory(programme=programme, name="Coffee", require_vouchers=True)
    import_codes(coffee, 20)
    columbus = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Columbus"}]}
    one = work(plan_run(coffee, targeting=TargetingFactory(programme=programme), name="One"))
    tea = ConfigOfferFactory(programme=programme, name="Tea")
    other = work(plan_run(tea, targeting=TargetingFactory(programme=programme, criteria=columbus), name="Other"))
    held = list(Assignment.objects.filter(run=one).order_by("member"))
    now = clock.now()
    for each in held[:5]:
        assignment_verbs.expose(member_id=each.member_id, assignment_id=each.pk, now=now)
    for each in held[4:7]:
        assignment_verbs.mark_seen(member_id=each.member_id, assignment_id=each.pk, now=now)
    Assignment.objects.filter(pk__in=[each.pk for each in held[:3]]).update(accepted_at=now)
    redeem(held[0])
    redeem(held[1], is_used_up=True)
    for each in held[4:6] + held[9:]:
        revocation.revoke(programme=programme, assignment_id=each.pk, reason="slip", now=now)
    redeem(Assignment.objects.filter(run=other).first())
    return one, other


def slow(run: MassAssignment) -> dict[str, int]:
    members = list(AudienceMember.objects.filter(run=run))
    held = list(Assignment.objects.filter(run=run))
    return {
        "matched": len(members),
        "assigned": len(held),
        "seen": sum(1 for each in held if each.seen_at or each.exposed_at),
        "accepted": sum(1 for each in held if each.accepted_at),
        "used": sum(1 for each in held if each.used_up_at or each.redemptions.exists()),
        "revoked": sum(1 for each in held if each.revoked_at),
        "codes": sum(1 for each in held if each.voucher_code_id),
        "codes_seen": sum(1 for each in held if each.voucher_code_id and each.exposed_at),
    }


def test_b_03_each_number_of_two_runs_is_what_slow_python_counts(both):
    one, other = both
    found = comparison.compare(run=one, other=other, now=clock.now())
    for figures, run in ((found.one, one), (found.other, other)):
        wanted = slow(run)
        assert {name: getattr(figures, name) for name in wanted} == wanted
        assert figures.refused == {"member_inactive": 1}
    assert slow(one) == {
        "matched": 12, "assigned": 11, "seen": 7, "accepted": 3, "used": 2, "revoked": 4, "codes": 8, "codes_seen": 5,
    }  # fmt: skip
    both_audiences = [set(AudienceMember.objects.filter(run=run).values_list("member", flat=True)) for run in both]
    assert found.overlap == len(both_audiences[0] & both_audiences[1]) == 8


def test_b_03_the_page_puts_them_side_by_side_and_another_programmes_run_is_not_found(programme, both):
    one, other = both
    marketer = sign_in(programme)
    address = reverse("offers:run_compare", args=[one.pk])
    empty = words(marketer.get(address))
    assert "Choose the run to put beside it" in empty
    assert f'<option value="{other.pk}">Other' in empty
    page = words(marketer.get(address, {"with": other.pk}))
    assert "8 members stand in both frozen audiences." in page
    # The rate is that of all who were looked at, whatever became of them.
    assert '<th scope="row">Members processed a minute, about</th>' in page
    assert "Assigned a minute" not in page
    cells = '<td class="end numbers">12</td><td class="end numbers">8</td>'
    assert f'<th scope="row">Matched by the audience</th>{cells}' in page
    there = work(plan_run(ConfigOfferFactory(programme=ProgrammeFactory())))
    assert marketer.get(address, {"with": there.pk}).status_code == 404
    assert f'{address}"' in words(marketer.get(reverse("offers:run", args=[one.pk])))
    assert f'{address}"' in words(marketer.get(reverse("offers:runs")))
    for wrong in ("x", "9" * 40, "", str(one.pk)):
        assert "Choose the run to put beside it" in words(marketer.get(address, {"with": wrong}))


def test_b_03_comparing_costs_the_same_queries_whatever_the_size(both, django_assert_num_queries):
    one, other = both
    now = clock.now()
    with django_assert_num_queries(7):
        comparison.compare(run=one, other=other, now=now)
