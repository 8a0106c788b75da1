"""The rules of a run as a form: one value for all, or each member's own (S1-01, S1-05)."""

from datetime import date
from decimal import Decimal

import pytest
from django.http import QueryDict

from offers.forms.run_rules import RunRulesForm
from tests.factories import AttributeDefinitionFactory, ProgrammeFactory

pytestmark = pytest.mark.django_db
FORMULA = "min(30, max(5, loyalty_score / 10))"


@pytest.fixture
def programme():
    programme = ProgrammeFactory(currency="EUR")
    AttributeDefinitionFactory(programme=programme, name="loyalty_score", type="number")
    AttributeDefinitionFactory(programme=programme, name="favourites", type="list")
    AttributeDefinitionFactory(programme=programme, name="card_ends", type="date")
    return programme


def form(programme, **data):
    query = QueryDict(mutable=True)
    query.update({"benefit__type": "percent"} | data)
    return RunRulesForm(
        query, programme=programme, today=date(2026, 11, 22), kinds=["benefit", "products", "validity"],
        required=["benefit"],
    )  # fmt: skip


def test_s1_05_a_formula_stands_for_the_value_that_the_template_asks_for(programme):
    """S0-07, S1-05: given is given, for all or for each."""
    made = form(programme, benefit__size__formula=FORMULA, benefit__size__least="5", benefit__size__most="30")
    assert made.is_valid(), made.errors
    assert made.terms == {}
    assert made.member_values == {
        "benefit": {"type": "percent", "size": {"expression": FORMULA, "minimum": 5, "maximum": 30}}
    }


def test_s1_05_a_name_alone_is_an_attribute_and_amounts_are_as_people_write_them(programme):
    """S1-05: a comma or a point before the cents; ids and dates from attributes beside a fixed benefit."""
    made = form(
        programme, benefit__type="amount", benefit__size__formula="loyalty_score", benefit__size__least="0,50",
        benefit__size__most="12.25", benefit__size__else="1", products__products__attribute="favourites",
        validity__ends_at__attribute="card_ends", validity__ends_at__else="2026-12-31",
    )  # fmt: skip
    assert made.is_valid(), made.errors
    size = {"attribute": "loyalty_score", "minimum": 0.5, "maximum": 12.25, "default": 1}
    assert made.member_values == {
        "benefit": {"type": "amount", "size": size},
        "products": {"products": {"attribute": "favourites"}},
        "validity": {"ends_at": {"attribute": "card_ends", "default": "2026-12-31"}},
    }


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        ({"benefit__size__formula": "score"}, "benefit__size__formula", "no numeric attribute “score”"),
        ({"benefit__size__formula": "loyalty_score"}, "benefit__size__least", "give the least and the most"),
        ({"benefit__size__formula": "loyalty_score", "benefit__size__least": "x", "benefit__size__most": "1"},
         "benefit__size__least", "“x” is not a number"),
        ({"benefit__size__formula": "loyalty_score", "benefit__size__least": "1", "benefit__size__most": "101"},
         "benefit__size__most", "too large"),
        ({"benefit__size__formula": "loyalty_score", "benefit__size__least": "1", "benefit__size__most": "9",
          "benefit__size": "5"}, "benefit__size", "a value for all is given too"),
        ({"benefit__size__formula": "loyalty_score", "benefit__size__least": "2", "benefit__size__most": "9",
          "benefit__size__else": "1"}, "benefit__size__else", "not between the least and the most"),
        ({"benefit__type": "", "benefit__size__formula": "loyalty_score", "benefit__size__least": "2",
          "benefit__size__most": "9"}, "benefit__type", "a value is missing"),
        ({"benefit__size__least": "2"}, "benefit__size__formula", "a number, an attribute or a bracket is missing"),
    ],
)  # fmt: skip
def test_s1_05_each_problem_stands_beside_its_input(programme, data, place, words):
    """S1-05, B-02: what happened, and where."""
    made = form(programme, **data)
    assert not made.is_valid()
    assert words in str(made.errors[place])
    assert made.member_values == {}


@pytest.mark.parametrize("suffix", ["least", "most", "else"])
@pytest.mark.parametrize(
    ("currency", "text", "said"),
    [
        ("EUR", "1,234", "“1,234” has too many decimals. Give at most 2. If thousands are meant, write 1234."),
        ("EUR", "1.234", "“1.234” has too many decimals. Give at most 2. If thousands are meant, write 1234."),
        ("JPY", "1.5", "“1.5” has decimals, and JPY has none."),
        ("EUR", "x", "“x” is not an amount. Write one such as 12.50."),
    ],
)
def test_d_08_s1_05_bounds_of_money_are_read_as_in_every_form(programme, suffix, currency, text, said):
    """D-08, S1-05: what may be meant in two ways is refused beside its input, and the other problems are named too."""
    programme.currency = currency
    bounds = {"benefit__size__least": "1", "benefit__size__most": "2000", "benefit__size__else": "3"}
    made = form(
        programme, benefit__type="amount", benefit__size__formula="loyalty_score",
        validity__ends_at__attribute="loyalty_score", **bounds | {f"benefit__size__{suffix}": text},
    )  # fmt: skip
    assert not made.is_valid()
    assert made.errors[f"benefit__size__{suffix}"] == [f"Benefit, Size: {said}"]
    assert "validity__ends_at__attribute" in made.errors
    assert made.member_values == {}


@pytest.mark.parametrize("benefit", [{"type": "amount"}, {"type": "", "type__attribute": "kind"}])
def test_d_08_s1_05_bounds_of_money_may_have_thousands_apart(programme, benefit):
    """D-08, S1-05: as in every form; also where the type is each member's own and may be an amount."""
    AttributeDefinitionFactory(programme=programme, name="kind", type="text")
    given = benefit | {"size__formula": "loyalty_score", "size__least": "1,5", "size__most": "1.234,50"}
    made = form(programme, **{f"benefit__{name}": value for name, value in given.items()})
    made.is_valid()
    size = {"attribute": "loyalty_score", "minimum": Decimal("1.5"), "maximum": Decimal("1234.5")}
    assert made.own["benefit"]["size"] == size
    given["size__least"] = "1.234"
    wrong = form(programme, **{f"benefit__{name}": value for name, value in given.items()})
    assert not wrong.is_valid()
    assert "has too many decimals" in str(wrong.errors["benefit__size__least"])


def test_s1_05_a_programme_without_attributes_offers_nothing_to_differ_by():
    """S1-05: no empty promises."""
    made = form(ProgrammeFactory(), benefit__size="5")
    assert made.is_valid()
    assert not [name for name in made.fields if name.count("__") > 1]
