"""Values per member out of the columns of an uploaded list (S1-01, S1-05)."""

import io
import json
import uuid
from datetime import time, timedelta
from decimal import Decimal

import pytest

from loyalty import clock
from loyalty.errors import InvalidInput
from offers.models import Assignment, MassAssignment, RunSchedule
from offers.selectors import audience as selector
from offers.selectors import member_list as selectors
from offers.selectors import member_value as in_words
from offers.services import audience, member_list, run_schedule
from offers.services.mass_assignment import LaunchPlan
from offers.services.run_schedule import When
from tests.factories import (
    AttributeDefinitionFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    TargetingFactory,
    draft_run,
    launch_run,
    work,
)
from tests.integrity import whole_at_the_end

__all__ = ["whole_at_the_end"]

pytestmark = pytest.mark.django_db
State = MassAssignment.State
TERMS = {"benefit": {"type": "percent", "size": 9}}


@pytest.fixture
def programme():
    return ProgrammeFactory(timezone="Europe/Paris")


@pytest.fixture
def template(programme):
    offer = ConfigOfferFactory(programme=programme, terms={"validity": {"days": 30}})
    return OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])


def upload(programme, cells, *, name="Spring", column="Discount"):
    """Make a list with one column, and a member for each cell."""
    for external_id in cells:
        MemberFactory(programme=programme, external_id=external_id)
    lines = [json.dumps({"member": one} | ({} if cell is None else {column: cell})) for one, cell in cells.items()]
    file = io.BytesIO("\n".join(lines).encode())
    return member_list.upload(programme=programme, name=name, file=file, file_name="list.jsonl", actor=None)


def size_of(made, **more):
    source = {"list": made.pk, "column": "Discount", "minimum": 5, "maximum": 30} | more
    return {"benefit": {"type": "percent", "size": source}}


def given():
    return dict(Assignment.objects.values_list("member__external_id", "terms__benefit__size"))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("12", 12), (" 12 ", 12), ("+12", 12), ("12.5", 13), ("12,5", 13), ("12,4", 12), ("0012.4", 12), (17, 17),
        ("29.999", "invalid_value"), ("12,345", "invalid_value"), ("1.234", "invalid_value"), ("12.3456", 12),
        ("012,345", 12), ("4", "invalid_value"), ("31", "invalid_value"), ("1,234.5", "invalid_value"),
        ("12 %", "invalid_value"), ("twelve", "invalid_value"), ("1e1", "invalid_value"), ("NaN", "invalid_value"),
        ("9" * 400, "invalid_value"), ("", "missing_rule"), ("  ", "missing_rule"), ("\u00a0", "missing_rule"),
        (None, "missing_rule"), ("1 2", "invalid_value"), ("١٢", "invalid_value"), (["12"], "invalid_value"),
    ],
)  # fmt: skip
def test_s1_01_a_number_is_read_as_people_write_it_where_it_can_mean_one_thing_only(
    template, programme, cell, expected
):
    """S1-01: 12.5 and 12,5 are the same; 12,345 may be two, so it is no value; what is refused is shown as written."""
    made = upload(programme, {"M-1": cell, "M-2": "20"})
    run = work(launch_run(template, member_values=size_of(made)))
    assert run.state == State.FINISHED
    if isinstance(expected, int):
        assert given() == {"M-1": expected, "M-2": 20}
    else:
        assert (given(), run.excluded) == ({"M-2": 20}, {expected: 1})
        refused = next(one for one in selector.page(run=run, now=clock.now()).members if one.external_id == "M-1")
        assert (refused.outcome, refused.reason) == (expected, "benefit.size")
        if expected == "invalid_value" and isinstance(cell, str):
            assert refused.value == cell.strip()


@pytest.mark.parametrize(("cell", "minor"), [("1,234.5", 123450), ("1.234,5", 123450), ("1234,50", 123450),
                                             ("1,234,567.25", 123456725), ("2000", 200000)])  # fmt: skip
def test_s1_05_an_amount_with_both_marks_can_mean_one_thing_only(template, programme, cell, minor):
    """S1-05: thousands and decimals, either way round, in the currency; kept in cents with its worst case."""
    made = upload(programme, {"M-1": cell})
    values = size_of(made, minimum=1, maximum=10_000_000)
    values["benefit"]["type"] = "amount"
    work(launch_run(template, member_values=values))
    assert Assignment.objects.values_list("terms__benefit__size", "exposure_minor").get() == (minor, minor)


def test_s1_01_who_is_not_in_the_list_or_has_nothing_readable_gets_the_default(template, programme):
    """S1-01: with a default nobody is left out for her value; members of the list only have an entry."""
    made = upload(programme, {"M-1": "7", "M-2": "", "M-3": "many"})
    MemberFactory(programme=programme, external_id="M-4")
    run = work(launch_run(template, member_values=size_of(made, default=6)))
    assert (given(), run.excluded) == ({"M-1": 7, "M-2": 6, "M-3": 6, "M-4": 6}, {})


def test_s1_01_the_dry_run_counts_shows_the_spread_and_samples_as_the_launch_gives_them(template, programme):
    """S1-01, S1-05: the same reading for the dry run and for the launch, in a fixed number of queries."""
    made = upload(programme, {"M-1": "6", "M-2": "8", "M-3": "20", "M-4": "80"})
    MemberFactory(programme=programme, external_id="M-5")
    found = audience.dry_run(
        programme=programme, template=template, criteria={"op": "and", "items": [], "all_members": True}, terms={},
        member_values=size_of(made), campaign=None, now=clock.now(),
    )  # fmt: skip
    assert (found.eligible, found.excluded) == (3, {"invalid_value": 1, "missing_rule": 1})
    [spread] = found.spreads
    assert (spread.key, spread.unit, spread.minimum, spread.median, spread.maximum) == (
        "benefit.size", "percent", 6, 8, 20
    )  # fmt: skip
    assert {one.external_id: one.values["benefit"]["size"] for one in found.samples} == {"M-1": 6, "M-2": 8, "M-3": 20}
    assert not Assignment.objects.exists()


def test_s1_01_the_dry_run_counts_whose_number_is_rounded(template, programme):
    """S1-01: 12.5 % becomes 13 %, and is counted; not what is whole, refused, or everybody's default."""
    cells = {"M-1": "12.5", "M-2": "12,25", "M-3": "13.0", "M-4": "14", "M-5": "80.5", "M-6": "4.5"}
    made = upload(programme, cells)

    def spread(**more):
        [found] = audience.dry_run(
            programme=programme, template=template, criteria={"op": "and", "items": [], "all_members": True}, terms={},
            member_values=size_of(made, **more), campaign=None, now=clock.now(),
        ).spreads  # fmt: skip
        return found.minimum, found.maximum, found.rounded

    # 4.5 rounds to the least that is allowed, 5; 80.5 is refused.
    assert spread() == (5, 14, 3)
    assert spread(minimum=6, default=9) == (9, 14, 2)


def test_s1_01_cents_are_not_rounded(programme):
    """S1-01: two decimals of money are kept exactly, and nothing is said of them; a third one is."""
    template = OfferTemplateFactory(config_offer=ConfigOfferFactory(programme=programme), required_rules=["benefit"])
    made = upload(programme, {"M-1": "12.55", "M-2": "12.5", "M-3": "12.5551"})
    own = size_of(made)
    own["benefit"]["type"] = "amount"
    found = audience.dry_run(
        programme=programme, template=template, criteria={"op": "and", "items": [], "all_members": True}, terms={},
        member_values=own, campaign=None, now=clock.now(),
    )  # fmt: skip
    [spread] = found.spreads
    assert (spread.minimum, spread.maximum, spread.rounded) == (1250, 1256, 1)


def test_s1_01_dates_choices_and_ids_come_from_columns_too(template, programme):
    """S1-01, S1-05: a last day, percents or cents, and each one's own products, from two lists at once."""
    last = (clock.now().astimezone(programme.zone).date() + timedelta(days=9)).isoformat()
    days = upload(programme, {"M-1": last, "M-2": f"{last}T00:00:00", "M-3": "soon"}, name="Days", column="Until")
    run = work(launch_run(template, terms=TERMS, member_values={
        "validity": {"ends_at": {"list": days.pk, "column": "Until"}}}))  # fmt: skip
    assert run.excluded == {"invalid_value": 1}
    assert set(Assignment.objects.values_list("terms__validity__ends_at", flat=True)) == {last}

    wares = upload(programme, {"N-1": "A-1 | B-2;C-3", "N-2": ["A-1"], "N-3": " | "}, name="Wares", column="Products")
    kinds = upload(programme, {"O-1": "Percent"}, name="Kinds", column="Kind")
    run = work(launch_run(template, terms={}, member_values={
        "products": {"products": {"list": wares.pk, "column": "Products"}},
        "benefit": {"type": {"list": kinds.pk, "column": "Kind", "default": "amount"}, "size": 9}}))  # fmt: skip
    assert run.excluded == {"missing_rule": 5}
    found = Assignment.objects.filter(run=run).values_list("member__external_id", "terms")
    assert dict(found) == {
        "N-1": {"benefit": {"type": "amount", "size": 9}, "products": {"products": ["A-1", "B-2", "C-3"]}},
        "N-2": {"benefit": {"type": "amount", "size": 9}, "products": {"products": ["A-1"]}},
    }


def test_s1_01_a_list_and_an_attribute_may_stand_side_by_side(template, programme):
    """S1-01: each field has its own source."""
    AttributeDefinitionFactory(programme=programme, name="kind", type="text")
    made = upload(programme, {"M-1": "7"})
    programme.members.update(attributes={"kind": "amount"})
    values = {"benefit": {"type": {"attribute": "kind"}, "size": size_of(made)["benefit"]["size"]}}
    work(launch_run(template, member_values=values))
    assert Assignment.objects.get().terms == {"benefit": {"type": "amount", "size": 700}}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"list": 10**6}, "unknown_list"), ({"list": True}, "unknown_list"), ({"list": "1"}, "unknown_list"),
        ({"list": 2**70}, "unknown_list"), ({"list": None}, "unknown_list"), ({"column": "Nothing"}, "unknown_column"),
        ({"column": None}, "unknown_column"), ({"column": ["Discount"]}, "unknown_column"),
        ({"attribute": "kind"}, "no_source"), ({"minimum": None}, "no_bounds"),
    ],
)  # fmt: skip
def test_s1_01_a_list_or_column_that_is_not_there_is_refused_with_the_field(template, programme, change, code):
    """S0-07, S1-01: named by rule and field, before anything is made."""
    made = upload(programme, {"M-1": "7"})
    with pytest.raises(InvalidInput) as refused:
        draft_run(template, member_values=size_of(made, **change))
    assert [(one["rule"], one["field"], one["code"]) for one in refused.value.problems] == [("benefit", "size", code)]
    assert not MassAssignment.objects.exists()


def test_s1_01_another_brands_list_is_unknown(template):
    """S1-01: lists belong to their programme."""
    theirs = upload(ProgrammeFactory(), {"M-1": "7"})
    with pytest.raises(InvalidInput) as refused:
        draft_run(template, member_values=size_of(theirs))
    assert refused.value.problems[0]["code"] == "unknown_list"


def test_s1_01_an_archived_list_goes_on_serving_what_was_made_with_it_and_its_page_says_what(template, programme):
    """S1-01, B-03: a draft and a schedule take their values from it afterwards as before."""
    made = upload(programme, {"M-1": "7"})
    draft = draft_run(template, member_values=size_of(made))
    now = clock.now()
    schedule = run_schedule.create(
        programme=programme, reference=uuid.uuid4(), template=template, campaign=None, terms={}, rank=None,
        targeting_version=TargetingFactory(programme=programme).current_version, name="Weekly",
        member_values=size_of(made), hold_out_percent=Decimal(0), plan=LaunchPlan(), actor=None, now=now,
        when=When("daily", time(9), now.date()),
    )  # fmt: skip
    assert selectors.takers(made).names == [draft.name, "Weekly"]
    assert member_list.archive(member_list=made, actor=None, now=now)
    run = work(launch_run(template, member_values=draft.member_values))
    assert (run.state, given()) == (State.FINISHED, {"M-1": 7})
    [run_id] = run_schedule.make_due(now=schedule.next_at)
    assert MassAssignment.objects.get(pk=run_id).member_values == size_of(made)
    assert RunSchedule.objects.get().failure is None
    run_schedule.end(schedule=schedule, actor=None, now=now)
    assert selectors.takers(upload(programme, {"M-9": "1"}, name="Other")).names == []


def test_s1_01_what_is_kept_is_said_in_words_with_the_lists_name(template, programme, django_assert_num_queries):
    made = upload(programme, {"M-1": "7"})
    kept = draft_run(template, member_values=size_of(made, default=6)).member_values
    with django_assert_num_queries(1):
        [line] = in_words.lines(programme=programme, given=kept)
    assert line.text == "each member's “Discount” in the list “Spring”, from 5 to 30; otherwise 6"
