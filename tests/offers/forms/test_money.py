"""One reading of money in every form and filter that asks for it (D-08)."""

import pytest
from django import forms
from django.test import RequestFactory

from offers.forms.limit import LimitForm
from offers.forms.money import MoneyField, in_currency
from offers.forms.rules import RulesForm
from support.filters.ledger import LedgerFilter
from support.forms.allowance import AllowanceForm, MemberAllowanceForm
from support.forms.assignment import RedeemForm
from support.selectors import ledger
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, UserFactory, give

READ = {"1,50": 150, "1.50": 150, "1 234,50": 123_450, "1.234,50": 123_450, "": None}
REFUSED = ["1.234", "1,505", "-1", "1e3", "free"]


class Form(forms.Form):
    amount = MoneyField(most=10_000, required=False)

    def __init__(self, data=None, *, currency="EUR", **options):
        super().__init__(data, **options)
        in_currency(self, currency)


@pytest.fixture
def programme(db):
    return ProgrammeFactory(currency="EUR")


def of_rules(programme, text):
    data = {"benefit__type": "amount", "benefit__size": text}
    form = RulesForm(data, kinds=["benefit"], required=[], currency="EUR", zone=programme.zone)
    return form.terms["benefit"].get("size") if form.is_valid() else form.errors["benefit__size"]


def of_allowance(programme, text):
    form = AllowanceForm({"whom": "everybody", "day": text}, programme=programme)
    return form.limits()["day_minor"] if form.is_valid() else form.errors["day"]


def of_member_allowance(programme, text):
    form = MemberAllowanceForm({"days": "90", "money": text}, programme=programme)
    return form.cleaned_data["money"] if form.is_valid() else form.errors["money"]


def of_limit(programme, text):
    data = {"budget": text, "is_budget_hard": "true"}
    form = LimitForm(data, owner=ConfigOfferFactory(programme=programme), limit=None)
    return form.values()["budget_minor"] if form.is_valid() else form.errors["budget"]


def of_use(programme, text):
    held = give(MemberFactory(programme=programme), ConfigOfferFactory(programme=programme, terms={}))
    data = {"reference": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "reason": "She called", "benefit": text}
    form = RedeemForm(data, assignment=held, user=UserFactory())
    return form.cleaned_data["benefit"] if form.is_valid() else form.errors["benefit"]


def of_ledger(programme, text):
    request = RequestFactory().get("/", {"least": text})
    request.programme = programme
    found = LedgerFilter(request.GET, queryset=ledger.entries(programme=programme), request=request)
    return found.form.cleaned_data["least"] if found.form.is_valid() else found.form.errors["least"]


FORMS = {
    "rules": of_rules,
    "allowance": of_allowance,
    "member's allowance": of_member_allowance,
    "limit": of_limit,
    "mark as used": of_use,
    "ledger": of_ledger,
}


@pytest.mark.parametrize("name", FORMS)
def test_d_08_every_form_reads_money_in_one_way(name, programme):
    """D-08: with comma or point, thousands apart; two meanings, less than nothing and nonsense are refused in words."""
    read = {text: FORMS[name](programme, text) for text in READ if text or name != "rules"}
    assert read == {text: READ[text] for text in read}
    for text in REFUSED:
        [said] = FORMS[name](programme, text)
        assert said.endswith("."), (text, said)


def test_d_08_an_amount_is_shown_as_it_can_be_typed_and_knows_whether_it_changed():
    form = Form(initial={"amount": 1990})
    assert 'value="19.90"' in str(form["amount"])
    assert 'inputmode="decimal"' in str(form["amount"])
    assert Form({"amount": "19,90"}, initial={"amount": 1990}).changed_data == []
    assert Form({"amount": "19,91"}, initial={"amount": 1990}).changed_data == ["amount"]
    again = Form({"amount": "1,234"})
    assert not again.is_valid()
    assert 'value="1,234"' in str(again["amount"]), "what was typed stays"


@pytest.mark.parametrize(
    ("text", "currency", "said"),
    [
        ("100.01", "EUR", "Give an amount of money, at most 100.00 €."),
        ("9" * 60, "EUR", "Give an amount of money, at most 100.00 €."),
        ("-0.01", "EUR", "Give an amount of 0 or more."),
        ("12.50", "JPY", "“12.50” has decimals, and JPY has none."),
    ],
)
def test_d_08_what_cannot_be_is_said_in_the_currency(text, currency, said):
    form = Form({"amount": text}, currency=currency)
    assert form.errors == {"amount": [said]}
