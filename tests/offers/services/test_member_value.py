"""Values per member: from attributes and formulas, shown in the dry run, frozen at planning, carried by assignments."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from loyalty import clock
from loyalty.errors import InvalidInput
from loyalty.models import Member
from offers.models import Assignment, AudienceMember, Limit, LimitReservation, MassAssignment
from offers.rules import moment
from offers.selectors import audience as selector
from offers.services import audience, execution, mass_assignment, member_value
from offers.targeting import formula
from tests.factories import (
    AttributeDefinitionFactory,
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    draft_run,
    launch_run,
    limit_of,
    plan_run,
    work,
)
from tests.integrity import whole_at_the_end

__all__ = ["whole_at_the_end"]

pytestmark = pytest.mark.django_db
State = MassAssignment.State
FORMULA = "min(30, max(5, loyalty_score / 10))"
SIZE = {"benefit": {"type": "percent", "size": {"expression": FORMULA, "minimum": 5, "maximum": 30}}}


@pytest.fixture(autouse=True)
def _small_chunks(settings):
    settings.MASS_ASSIGNMENT_CHUNK = 4


@pytest.fixture
def programme():
    programme = ProgrammeFactory(timezone="Europe/Paris")
    for name, kind in (("loyalty_score", "number"), ("days_left", "number"), ("card_ends", "date"),
                       ("favourites", "list"), ("likes", "text")):  # fmt: skip
        AttributeDefinitionFactory(programme=programme, name=name, type=kind)
    return programme


@pytest.fixture
def template(programme):
    offer = ConfigOfferFactory(programme=programme, terms={"validity": {"days": 30}})
    return OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])


def member(programme, **attributes):
    return MemberFactory(programme=programme, attributes=attributes)


def dry_run(template, values, *, terms=None, now=None, campaign=None):
    return audience.dry_run(
        programme=template.programme,
        template=template,
        criteria={"op": "and", "items": [], "all_members": True},
        terms=terms or {},
        member_values=values,
        campaign=campaign,
        now=now or clock.now(),
    )


def problems(template, values, terms=None):
    with pytest.raises(InvalidInput) as refused:
        draft_run(template, member_values=values, terms=terms or {})
    assert not MassAssignment.objects.exists()
    return [(one["rule"], one["field"], one["code"]) for one in refused.value.problems]


def test_s1_05_each_member_gets_the_size_that_her_attribute_makes(template, programme):
    """S1-01, S1-05: one offer, many members, a size from each one's attribute, the same as in plain Python."""
    scores = {10: 5, 120: 12, 155: 16, 154: 15, 900: 30}
    members = {score: member(programme, loyalty_score=score) for score in scores}
    run = work(launch_run(template, member_values=SIZE))
    assert (run.state, run.matched, run.eligible, run.excluded) == (State.FINISHED, 5, 5, {})
    tree = formula.parse(FORMULA, {"loyalty_score": None})
    for score, expected in scores.items():
        made = Assignment.objects.get(member=members[score])
        assert made.terms == {"benefit": {"type": "percent", "size": expected}}
        plain = formula.evaluate(tree, {"loyalty_score": Decimal(score)})
        assert abs(plain - expected) <= Decimal("0.5")
        assert made.ends_at == run.ends_at
    assert run.chunks.count() == 2


def test_s1_05_who_has_no_value_or_one_out_of_bounds_is_refused_with_it_in_view(template, programme):
    """S1-05: `missing_rule`, `invalid_value`, with the field and her value; the others get theirs."""
    values = {"benefit": {"type": "percent", "size": {"attribute": "loyalty_score", "minimum": 5, "maximum": 30}}}
    good, none, low, text = (
        member(programme, loyalty_score=20),
        member(programme),
        member(programme, loyalty_score=4),
        member(programme, loyalty_score="20"),
    )
    run = work(launch_run(template, member_values=values))
    assert run.excluded == {"missing_rule": 2, "invalid_value": 1}
    seen = {each.member_id: each for each in selector.page(run=run, now=clock.now()).members}
    assert [seen[one.pk].outcome for one in (good, none, low, text)] == [
        "assigned", "missing_rule", "invalid_value", "missing_rule"
    ]  # fmt: skip
    assert (seen[low.pk].reason, seen[low.pk].value) == ("benefit.size", "4")
    assert seen[low.pk].reason_label == "Benefit, Size"
    assert Assignment.objects.get().terms["benefit"]["size"] == 20


def test_s1_05_a_default_stands_in_for_what_is_missing_or_out_of_bounds(template, programme):
    """S1-05: with a default nobody is refused for her value."""
    values = {"benefit": {"type": "percent", "size": {"attribute": "loyalty_score", "minimum": 5, "maximum": 30,
                                                       "default": 7}}}  # fmt: skip
    members = [member(programme, loyalty_score=20), member(programme), member(programme, loyalty_score=31)]
    run = work(launch_run(template, member_values=values))
    assert run.excluded == {}
    sizes = dict(Assignment.objects.values_list("member_id", "terms__benefit__size"))
    assert sizes == dict(zip([one.pk for one in members], [20, 7, 7], strict=True))


def test_s1_05_an_amount_is_written_in_the_currency_and_kept_in_cents_with_its_own_worst_case(template, programme):
    """S1-05: 4.25 of the attribute is 425 cents; twice usable, it can cost 8.50."""
    values = {"benefit": {"type": "amount", "size": {"attribute": "loyalty_score", "minimum": 1, "maximum": 10}}}
    member(programme, loyalty_score=4.25)
    member(programme, loyalty_score=10)
    found = dry_run(template, values, terms={"redemption_limit": {"limit": 2}})
    assert found.exposure_minor == 2 * 425 + 2 * 1000
    run = work(launch_run(template, member_values=values, terms={"redemption_limit": {"limit": 2}}))
    assert sorted(Assignment.objects.values_list("terms__benefit__size", "exposure_minor")) == [
        (425, 850),
        (1000, 2000),
    ]
    assert (run.exposure_minor, run.exposure_total_minor) == (2000, 2850)
    assert Assignment.objects.filter(terms__redemption_limit__limit=2).count() == 2


def test_s1_05_the_period_follows_from_her_days_over_a_clock_change(template, programme):
    """S1-05, D-09: her last day in the programme's zone ends at its midnight, an hour off UTC after the change."""
    values = {"validity": {"days": {"attribute": "days_left", "minimum": 1, "maximum": 60}}}
    now = datetime(2027, 3, 26, 12, tzinfo=UTC)
    before, after = member(programme, days_left=1), member(programme, days_left=3)
    run = mass_assignment.launch(
        run=draft_run(template, member_values=values, terms={"benefit": {"type": "percent", "size": 9}}),
        actor=None, now=now,
    )  # fmt: skip
    execution.run_to_end(run_id=run.pk, clock=lambda: now)
    ends = dict(Assignment.objects.values_list("member_id", "ends_at"))
    assert ends[before.pk] == datetime(2027, 3, 27, 23, tzinfo=UTC)
    assert ends[after.pk] == datetime(2027, 3, 29, 22, tzinfo=UTC)
    run.refresh_from_db()
    assert (run.starts_at, run.ends_at) == (now, ends[after.pk])


def test_s1_05_a_date_of_hers_is_the_last_day_and_one_that_is_over_refuses_her(template, programme):
    """S1-05: dates come from an attribute; past, far, impossible ones are `invalid_value`."""
    values = {"validity": {"ends_at": {"attribute": "card_ends"}}}
    today = clock.now().astimezone(programme.zone).date()
    good = member(programme, card_ends=(today + timedelta(days=10)).isoformat())
    member(programme, card_ends=(today - timedelta(days=1)).isoformat())
    member(programme, card_ends="2999-12-31")
    member(programme, card_ends=f"{today.year + 1}-02-31")
    member(programme)
    run = work(launch_run(template, member_values=values, terms={"benefit": {"type": "percent", "size": 9}}))
    assert run.excluded == {"invalid_value": 3, "missing_rule": 1}
    made = Assignment.objects.get()
    assert (made.member, made.ends_at) == (good, moment.after(today + timedelta(days=10), programme.zone))
    assert made.terms["validity"] == {"ends_at": (today + timedelta(days=10)).isoformat()}


def test_s1_05_type_and_size_may_both_differ(template, programme):
    """S1-05: percents for one, cents for the other, by what each one's attributes say."""
    values = {"benefit": {"type": {"attribute": "likes"},
                          "size": {"attribute": "loyalty_score", "minimum": 5, "maximum": 30}}}  # fmt: skip
    percent = member(programme, likes="percent", loyalty_score=20)
    amount = member(programme, likes="amount", loyalty_score=20)
    member(programme, likes="a surprise", loyalty_score=20)
    run = work(launch_run(template, member_values=values))
    assert run.excluded == {"invalid_value": 1}
    assert dict(Assignment.objects.values_list("member_id", "terms__benefit")) == {
        percent.pk: {"type": "percent", "size": 20},
        amount.pk: {"type": "amount", "size": 2000},
    }


def test_s1_01_products_come_from_a_list_or_a_text_of_hers(template, programme):
    """S1-01: one offer, each member her own products; an empty list is missing, an unprintable id not valid."""
    terms = {"benefit": {"type": "percent", "size": 9}}
    two, none = member(programme, favourites=["A-1", "B-2"]), member(programme, favourites=[])
    odd = member(programme, favourites=["A-1", " B-2"])
    run = work(launch_run(template, member_values={"products": {"products": {"attribute": "favourites"}}}, terms=terms))
    assert run.excluded == {"missing_rule": 1, "invalid_value": 1}
    assert Assignment.objects.get().terms["products"] == {"products": ["A-1", "B-2"]}
    assert dict(AudienceMember.objects.filter(run=run).values_list("member_id", "outcome")) == {
        two.pk: None, none.pk: "missing_rule", odd.pk: "invalid_value"
    }  # fmt: skip
    Member.objects.filter(pk=none.pk).update(attributes={"likes": "C-3"})
    second = work(launch_run(template, member_values={"products": {"groups": {"attribute": "likes"}}}, terms=terms))
    assert second.excluded == {"missing_rule": 2}
    assert Assignment.objects.get(run=second).terms["products"] == {"groups": ["C-3"]}


def test_s1_05_the_values_are_those_of_planning_whatever_changes_until_her_chunk(template, programme):
    """S1-05, B-03, D-05: frozen with the audience, so that a chunk that is tried again gives the same."""
    one = member(programme, loyalty_score=200)
    run = plan_run(template, member_values=SIZE)
    Member.objects.filter(pk=one.pk).update(attributes={"loyalty_score": 60})
    work(run)
    assert Assignment.objects.get().terms["benefit"]["size"] == 20


def test_s1_05_the_dry_run_shows_spread_refusals_and_three_members_with_their_sentences(template, programme):
    """S1-05: least, median, most over those to be assigned, and what three of them will read."""
    for score in (60, 120, 180, 240, 300, 400):
        member(programme, loyalty_score=score)
    member(programme)
    found = dry_run(template, SIZE)
    assert (found.matched, found.eligible, found.excluded) == (7, 6, {"missing_rule": 1})
    assert found.reasons == {"benefit.size": 1}
    [spread] = found.spreads
    assert (spread.key, spread.unit) == ("benefit.size", "percent")
    assert (spread.minimum, spread.median, spread.maximum) == (6, 18, 30)
    assert len(found.samples) == 3
    for sample in found.samples:
        size = sample.values["benefit"]["size"]
        assert f"{size} % off" in [str(line.text) for line in sample.lines]
        score = Member.objects.get(pk=sample.member_id).attributes["loyalty_score"]
        assert size == min(30, max(5, score // 10))
    assert not AudienceMember.objects.exists()


def test_s1_05_a_budget_is_kept_to_the_cent_while_the_run_works_and_when_it_ends(template, programme):
    """S1-05, D-05: reserved is what these members can cost; who is refused later gives hers back."""
    values = {"benefit": {"type": "amount", "size": {"attribute": "loyalty_score", "minimum": 1, "maximum": 10}}}
    members = [member(programme, loyalty_score=n) for n in (1, 2, 3, 4, 5)]
    campaign = CampaignFactory(programme=programme)
    budget = limit_of(campaign, budget_minor=1499)
    short = dry_run(template, values, campaign=campaign).limits
    assert [(one.reason, one.needed, one.short) for one in short] == [("campaign_budget", 1500, 1)]
    Limit.objects.filter(pk=budget.pk).update(budget_minor=1500)
    run = plan_run(template, member_values=values, campaign=campaign)
    budget.refresh_from_db()
    assert (budget.assigned, budget.spent_minor) == (5, 1500)
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    Member.objects.filter(pk=members[4].pk).update(status=Member.Status.INACTIVE)
    work(run)
    budget.refresh_from_db()
    assert (budget.assigned, budget.spent_minor) == (4, 1000)
    assert LimitReservation.objects.get().released_at is not None


@pytest.mark.parametrize(
    ("values", "terms", "expected"),
    [
        ({"benefit": {"type": "percent", "size": {"expression": "score / 10", "minimum": 5, "maximum": 30}}}, {},
         [("benefit", "size", "not_a_formula")]),
        ({"benefit": {"type": "percent", "size": {"attribute": "likes", "minimum": 5, "maximum": 30}}}, {},
         [("benefit", "size", "unknown_attribute")]),
        ({"benefit": {"type": "percent", "size": {"attribute": "loyalty_score"}}}, {},
         [("benefit", "size", "no_bounds")]),
        ({"benefit": {"type": "percent", "size": {"attribute": "loyalty_score", "minimum": 30, "maximum": 5}}}, {},
         [("benefit", "size", "bounds_backwards")]),
        ({"benefit": {"type": "percent", "size": {"attribute": "loyalty_score", "minimum": 5, "maximum": 101}}}, {},
         [("benefit", "size", "too_large")]),
        ({"benefit": {"type": "percent", "size": {"attribute": "loyalty_score", "minimum": 5, "maximum": 30,
                                                   "default": 40}}}, {},
         [("benefit", "size", "default_out_of_bounds")]),
        ({"benefit": {"type": "percent", "size": {"attribute": "loyalty_score", "expression": "1", "minimum": 1,
                                                   "maximum": 2}}}, {}, [("benefit", "size", "no_source")]),
        ({"benefit": {"type": "percent", "size": {"colour": "x", "minimum": 1, "maximum": 2}}}, {},
         [("benefit", "size", "unknown_field")]),
        ({"benefit": {"type": "percent", "size": {"column": "x", "minimum": 1, "maximum": 2}}}, {},
         [("benefit", "size", "no_source")]),
        ({"acceptance": {"required": {"attribute": "likes"}}}, {"benefit": {"type": "percent", "size": 5}},
         [("acceptance", "required", "not_per_member")]),
        (SIZE, {"benefit": {"type": "percent", "size": 5}}, [("benefit", "", "given_twice")]),
        ({"colour": {"size": {"attribute": "x"}}}, {}, [("colour", "", "unknown_rule")]),
        ({"benefit": {"size": {"attribute": "loyalty_score", "minimum": "NaN", "maximum": 10**15}}}, {},
         [("benefit", "size", "minimum_is_no_number"), ("benefit", "size", "maximum_is_no_number")]),
        ({"benefit": {"size": {"attribute": "loyalty_score", "minimum": 5, "maximum": 30}}}, {},
         [("benefit", "type", "missing")]),
    ],
)  # fmt: skip
def test_s1_05_what_cannot_be_is_refused_with_rule_and_field_before_anything_is_made(template, values, terms, expected):
    """S0-07, S1-01, S1-05: every problem, each named by rule and field."""
    found = problems(template, values, terms)
    assert [one for one in found if one in expected] == expected
    assert len(found) <= len(expected) + 1


def test_s0_07_a_template_asks_for_its_rules_also_where_they_differ_per_member(programme):
    """S0-06, S0-07: a rule that differs per member is given; one that is neither is named."""
    offer = ConfigOfferFactory(programme=programme, terms={"validity": {"days": 30}})
    template = OfferTemplateFactory(config_offer=offer, required_rules=["benefit", "minimum_spend"])
    with pytest.raises(InvalidInput) as refused:
        draft_run(template, member_values=SIZE)
    assert [one["rule"] for one in refused.value.problems] == ["minimum_spend"]
    assert draft_run(template, member_values=SIZE, terms={"minimum_spend": {"amount_minor": 500}}).pk


def test_s1_05_an_attribute_that_went_since_fails_the_planning_with_its_name(template, programme):
    """S1-05, D-05: nothing at all is assigned, and the cause is said."""
    member(programme, loyalty_score=200)
    run = launch_run(template, member_values=SIZE)
    programme.attribute_definitions.filter(name="loyalty_score").delete()
    run = work(run)
    assert (run.state, run.failure["code"]) == (State.FAILED, "invalid_value")
    assert "loyalty_score" in run.failure["message"]
    assert not AudienceMember.objects.exists()


def test_s1_05_what_is_kept_reads_back_as_the_same(programme):
    """S1-05: the stored form of a source is its own input."""
    today = clock.now().date()
    given = {"benefit": {"type": "amount", "size": {"expression": "loyalty_score / 7", "minimum": 0.5, "maximum": 12.25,
                                                    "default": 1}}}  # fmt: skip
    kept = member_value.read(programme=programme, given=given, terms={}, today=today).data()
    assert kept == given
    assert member_value.read(programme=programme, given=kept, terms={}, today=today).data() == kept
