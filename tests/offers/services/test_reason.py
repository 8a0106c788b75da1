"""Refusals are kept by code and said when they are read: DESIGN 4 (replays, refusals included), B-02."""

import datetime
import importlib
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from django.utils.translation import trans_real

from loyalty import clock
from offers.models import DoorEntry, Source
from offers.services import door, eligibility_settings, reason, reissue
from offers.services.assignment import Grant
from offers.services.reason import Reason
from offers.services.verb import By
from support.templatetags import desk
from tests.factories import (
    AttributeDefinitionFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    give,
    limit_of,
)

pytestmark = pytest.mark.django_db

migration = importlib.import_module("offers.migrations.0010_refusals_by_code")


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def in_german():
    """German words for one sentence of each kind, as a translator's file would bring them."""
    catalogue = trans_real.translation("de")
    words = {
        "The template “%(template)s” requires a value for “%(rule)s”.": "Vorlage „%(template)s“ braucht „%(rule)s“.",
        "Benefit": "Vorteil",
        "%(value)s is too large. Give at most %(limit)s.": "%(value)s ist zu viel. Höchstens %(limit)s.",
        "The offer has a budget of %(limit)s, and what is left does not cover this.": "Budget %(limit)s ist fort.",
        "The offer asks of its members: %(conditions)s. That does not hold for this one.": "Verlangt: %(conditions)s.",
        "city": "wohnort",
        "%(label)s %(operator)s %(value)s": "%(label)s: %(value)s",
        "what can no longer be told": "niemand weiß es",
    }
    before = dict(catalogue._catalog._catalogs[0])
    catalogue._catalog._catalogs[0].update(words)
    yield
    catalogue._catalog._catalogs[0].clear()
    catalogue._catalog._catalogs[0].update(before)


def ask(programme, template, member, **grant):
    return door.grant(
        programme=programme,
        door=Source.API,
        instance="till",
        grant=Grant(template_id=template.pk, member_id=member.pk, reference="r-1", **grant),
        actor=None,
        now=clock.now(),
    ).outcome


def missing_rule(programme):
    offer = ConfigOfferFactory(programme=programme)
    return OfferTemplateFactory(config_offer=offer, required_rules=["benefit"], name="Standard"), {}


def invalid_value(programme):
    template = ConfigOfferFactory(programme=programme).templates.get()
    return template, {"terms": {"benefit": {"type": "percent", "size": 900}}}


def over_budget(programme):
    offer = ConfigOfferFactory(programme=programme, terms={"benefit": {"type": "amount", "size": 500}})
    limit_of(offer, budget_minor=100)
    return offer.templates.get(), {}


def not_meeting_conditions(programme):
    offer = ConfigOfferFactory(programme=programme)
    criteria = {"field": "member.city", "is": "equals", "value": "Lyon"}
    eligibility_settings.put_conditions(offer=offer, criteria=criteria, actor=None)
    return offer.templates.get(), {}


REFUSALS = [
    (
        not_meeting_conditions,
        "The offer asks of its members: City is Lyon. That does not hold for this one.",
        "Verlangt: Wohnort: Lyon.",
    ),
    (missing_rule, "The template “Standard” requires a value for “Benefit”.", "Vorlage „Standard“ braucht „Vorteil“."),
    (
        invalid_value,
        "Benefit, Size: “900” is too large. Give at most 100.",
        "Vorteil, Size: “900” ist zu viel. Höchstens 100.",
    ),
    (
        over_budget,
        "The offer has a budget of 1.00 €, and what is left does not cover this.",
        "Budget 1,00 € ist fort.",
    ),
]


@pytest.mark.parametrize(("refused", "english", "german"), REFUSALS)
def test_a_refusal_is_replayed_as_before_and_said_in_the_readers_language(
    programme, in_german, refused, english, german
):
    """DESIGN 4: the same reference answers as before, refusals included; B-02: with the reason, for whoever reads."""
    template, given = refused(programme)
    member = MemberFactory(programme=programme)
    with translation.override("en"):
        first = ask(programme, template, member, **given)
        again = ask(programme, template, member, **given)
    assert first == again
    assert [one.message for one in again.reasons] == [english]
    with translation.override("de"):
        other = ask(programme, template, member, **given)
        entry = DoorEntry.objects.get()
        assert (other.code, [one.message for one in other.reasons]) == (first.code, [german])
        assert desk.messages_of(entry) == [german]
    kept = entry.answer["reasons"]
    assert not any(word in str(kept) for word in ("message", english, german)), "no sentence is stored"


def test_a_refused_reissue_is_said_in_the_readers_language_and_changes_nothing(programme, in_german):
    """B-06, B-02: the new grant's reasons come as codes; the desk says them when its page is drawn."""
    offer = ConfigOfferFactory(programme=programme, terms={"benefit": {"type": "amount", "size": 500}})
    held = give(MemberFactory(programme=programme), offer)
    limit_of(offer, budget_minor=100, is_budget_hard=True)
    template = offer.templates.get()
    template.required_rules = ["benefit"]
    template.save()
    with translation.override("en"):
        answer = reissue.reissue(
            programme=programme, assignment_id=held.pk, reason="lost", by=By(Source.SUPPORT), now=clock.now()
        )
        said = [one.message for one in answer.reasons]
    assert (answer.code, answer.is_reissued) == ("missing_rule", False)
    assert said == [f"The template “{template.name}” requires a value for “Benefit”."]
    with translation.override("de"):
        assert [one.message for one in answer.reasons] == [f"Vorlage „{template.name}“ braucht „Vorteil“."]
    held.refresh_from_db()
    assert held.revoked_at is None


def test_conditions_of_before_are_said_as_they_were_and_those_that_are_gone_say_so(programme, in_german):
    """B-02, DESIGN 4: rows that kept the sentence keep it; what cannot be read any more breaks no page."""
    old = {"code": "conditions_not_met", "parameters": {"conditions": "City is Lyon", "version": 1}}
    assert reason.read(old).message == "The offer asks of its members: City is Lyon. That does not hold for this one."
    definition = AttributeDefinitionFactory(programme=programme, name="club", type="text")
    offer = ConfigOfferFactory(programme=programme)
    criteria = {"field": "attribute.club", "is": "equals", "value": "wine"}
    eligibility_settings.put_conditions(offer=offer, criteria=criteria, actor=None)
    stored = {"code": "conditions_not_met", "parameters": {"targeting_version": offer.conditions.current_version_id}}
    definition.delete()
    for gone in (stored, {"code": "conditions_not_met", "parameters": {"targeting_version": 999_999_999}}):
        with translation.override("de"):
            assert reason.read(gone).message == "Verlangt: niemand weiß es."


def test_a_refusal_is_said_in_the_language_of_its_reader_also_right_after_it_came(programme, in_german):
    """B-02: the same answer, first in one language and then in another."""
    template, given = not_meeting_conditions(programme)
    with translation.override("en"):
        outcome = ask(programme, template, MemberFactory(programme=programme), **given)
        [english] = [one.message for one in outcome.reasons]
    with translation.override("de"):
        assert [one.message for one in outcome.reasons] == ["Verlangt: Wohnort: Lyon."]
    assert english == "The offer asks of its members: City is Lyon. That does not hold for this one."


def test_many_replayed_refusals_look_up_once_what_the_offer_asks_for(programme):
    """B-02, S0-36: a set that is sent again is answered with the queries of one."""
    template, _given = not_meeting_conditions(programme)
    version = template.config_offer.conditions.current_version_id
    stored = {"code": "conditions_not_met", "parameters": {"targeting_version": version, "version": 1}}
    counts = []
    for number in (1, 20):
        known: dict[int, reason.Conditions] = {}
        outcomes = [door.read(None, {"outcome": "ineligible", "reasons": [stored]}, known) for _n in range(number)]
        with CaptureQueriesContext(connection) as asked:
            assert all("City is Lyon" in str(one.as_dict()) for one in outcomes)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_every_reason_says_itself_from_its_code_and_parameters():
    """B-02: none of the sentences is left with a hole."""
    filled = {
        "offer": "Tea",
        "state": "draft",
        "template": "Standard",
        "audience": "Locals",
        "conditions": "City is Lyon",
        "version": 2,
        "limit": 3,
        "given": 3,
        "ended_at": "2026-11-01T23:00:00+00:00",
    }
    for code in reason.SENTENCES:
        parameters = filled | ({"currency": "EUR"} if code.endswith("budget") else {})
        one = Reason(code, rule="benefit", parameters=parameters)
        assert "%(" not in one.message
        assert reason.read(one.as_stored()) == one
    assert Reason("campaign_per_member").message.startswith("The campaign gave")


# As they stand in the rows of before: what was said, and what a row holds of it afterwards.
OLD = [
    ({"code": "unknown_template", "message": "There is no such template."}, {"code": "unknown_template"}),
    (
        {"code": "offer_not_published", "message": "“Tea “5”” is archived. Publish it before assigning it."},
        {"code": "offer_not_published", "parameters": {"offer": "Tea “5”", "state": "archived"}},
    ),
    (
        {
            "code": "missing_rule",
            "rule": "benefit",
            "message": "The template “Standard” requires a value for “Benefit”.",
        },
        {"code": "missing_rule", "rule": "benefit", "parameters": {"template": "Standard"}},
    ),
    (
        {
            "code": "period_over",
            "rule": "validity",
            "message": "The period is already over: it ended at 2026-11-01 23:00 UTC.",
        },
        {"code": "period_over", "rule": "validity", "parameters": {"ended_at": "2026-11-01T23:00:00+00:00"}},
    ),
    (
        {
            "code": "offer_daily_budget",
            "parameters": {"limit": 5000},
            "message": "The offer has a budget of 50.00 € a day. Try again tomorrow.",
        },
        {"code": "offer_daily_budget", "parameters": {"limit": 5000, "currency": "EUR"}},
    ),
    (
        {
            "code": "not_in_audience",
            "parameters": {"audience": "Locals", "version": 2},
            "message": "The offer is only for members of “Locals”, and she is not one.",
        },
        {"code": "not_in_audience", "parameters": {"audience": "Locals", "version": 2}},
    ),
    (
        {"code": "too_large", "rule": "benefit", "field": "size", "message": "Benefit, Size: 900 is too large."},
        {"code": "too_large", "rule": "benefit", "field": "size", "said": "Benefit, Size: 900 is too large."},
    ),
]


def test_rows_of_before_answer_exactly_as_they_did(programme):
    """DESIGN 4: the migration keeps every old refusal readable, word for word."""
    member = MemberFactory(programme=programme)
    untouched = {"outcome": "already_held", "template": 1, "asked": "x"}
    rows = [{"outcome": "invalid_value", "reasons": [old]} for old, _new in OLD] + [untouched]
    for number, answer in enumerate(rows):
        DoorEntry.objects.create(
            programme=programme,
            door=Source.API,
            instance="till",
            reference=str(number),
            member=member,
            answer=answer,
            created_at=datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC),
        )
    migration.convert(apps, SimpleNamespace(connection=connection))
    *refusals, held = DoorEntry.objects.order_by("pk")
    for entry, (old, new) in zip(refusals, OLD, strict=True):
        assert entry.answer["reasons"] == [new]
        assert desk.messages_of(entry) == [old["message"]]
    assert held.answer == untouched
    assert desk.messages_of(held)[0].startswith("The member already holds this offer")
