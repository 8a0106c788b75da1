"""Offer templates (S0-05, S0-06, S0-09, S0-32, D-11)."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from loyalty.models import AuditEvent
from offers.models import OfferTemplate
from offers.services import template
from tests.factories import ConfigOfferFactory, DraftOfferFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    return ConfigOfferFactory(offer_reference="coffee")


def create(offer, **values):
    given = {"config_offer": offer, "name": "Win back", "required_rules": ["validity", "benefit"], **values}
    return template.create(programme=offer.programme, values=given, actor=None)


def refused(call, **arguments):
    with pytest.raises(template.InvalidTemplate) as caught:
        call(**arguments)
    return [(problem["field"], problem["code"]) for problem in caught.value.problems]


def test_s0_06_a_template_names_the_rules_that_must_be_given(offer):
    made = create(offer, required_rules=["benefit", "validity", "benefit"])

    made.refresh_from_db()
    assert made.required_rules == ["validity", "benefit"]
    assert (made.config_offer, made.is_default) == (offer, False)
    assert AuditEvent.objects.filter(action="template.created").count() == 1


def test_s0_05_a_template_without_its_config_offer_cannot_be_saved(offer):
    assert refused(create, offer=offer, config_offer=None) == [("config_offer", "required")]
    with pytest.raises(IntegrityError), transaction.atomic():
        OfferTemplate.objects.create(programme=offer.programme, name="Loose")


def test_s0_05_the_config_offer_is_of_the_same_programme_and_in_use(offer):
    assert refused(create, offer=offer, config_offer=ConfigOfferFactory()) == [("config_offer", "required")]
    archived = DraftOfferFactory(programme=offer.programme, state="archived")
    assert refused(create, offer=offer, config_offer=archived) == [("config_offer", "offer_archived")]


def test_s0_34_an_offer_for_everyone_has_no_template(offer):
    everyone = DraftOfferFactory(programme=offer.programme, audience="everyone")

    assert refused(create, offer=offer, config_offer=everyone) == [("config_offer", "not_personalized")]


def test_s0_06_an_unknown_rule_is_refused_by_name_with_every_other_problem(offer):
    with pytest.raises(template.InvalidTemplate) as caught:
        create(offer, name="", required_rules=["benefit", "magic"], external_id="x" * 201)

    assert [(p["field"], p["code"]) for p in caught.value.problems] == [
        ("required_rules", "unknown_rule"),
        ("external_id", "max_length"),
        ("name", "blank"),
    ]
    assert caught.value.problems[0]["message"] == (
        "There is no rule “magic”. Use some of: validity, benefit, personal, products, minimum_spend, "
        "redemption_limit, channels, acceptance."
    )
    assert OfferTemplate.objects.filter(is_default=False).count() == 0


def test_a_template_stays_with_its_offer(offer):
    made = create(offer)
    other = ConfigOfferFactory(programme=offer.programme)

    assert refused(template.update, template=made, values={"config_offer": other}, actor=None) == [
        ("config_offer", "fixed")
    ]


def test_s0_32_putting_the_same_template_again_changes_nothing(offer):
    values = {"config_offer": offer, "name": "Win back", "required_rules": ["benefit"]}
    arguments = {"programme": offer.programme, "external_id": "sanity:win", "actor": None}

    first = template.put(values=values, **arguments)
    again = template.put(values=values, **arguments)
    changed = template.put(values={"required_rules": []}, **arguments)

    assert (first.is_created, again.is_created, again.changed) == (True, False, ())
    assert (changed.is_created, changed.changed) == (False, ("required_rules",))
    assert AuditEvent.objects.filter(action="template.updated").count() == 1


def test_an_external_id_belongs_to_one_template(offer):
    create(offer, external_id="win")

    assert refused(create, offer=offer, external_id="win") == [("external_id", "taken")]


def test_d_11_the_default_template_requires_nothing_and_goes_with_its_offer(offer):
    default = offer.templates.get(is_default=True)

    assert refused(template.update, template=default, values={"required_rules": ["benefit"]}, actor=None) == [
        ("required_rules", "default_template")
    ]
    with pytest.raises(template.DefaultTemplate, match="Archive the offer instead"):
        template.archive(template=default, actor=None, now=NOW)


def test_an_archived_template_changes_no_more(offer):
    made = create(offer)

    template.archive(template=made, actor=None, now=NOW)
    template.archive(template=made, actor=None, now=NOW)

    made.refresh_from_db()
    assert made.archived_at == NOW
    with pytest.raises(template.TemplateIsArchived):
        template.update(template=made, values={"name": "x"}, actor=None)
    assert AuditEvent.objects.filter(action="template.archived").count() == 1
