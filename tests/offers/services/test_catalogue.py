"""Config offers: what may be stored, published, archived (S0-04, S0-32, S0-34, S4-05..07, S4-40, S4-41, D-01, D-11)."""

from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, transaction

from loyalty.models import AuditEvent, OutboxEvent
from offers.models import ConfigOffer, OfferTemplate, VoucherBank
from offers.services import catalogue, field
from offers.services.module import OffersModuleOff
from tests.factories import CategoryFactory, ConfigOfferFactory, DraftOfferFactory, ProductFactory, ProgrammeFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
VALUES = {
    "offer_reference": "coffee-20",
    "external_id": "sanity:coffee",
    "name": "Coffee 20 % off",
    "description": "All coffee.",
    "image_url": "https://example.com/coffee.png",
    "web_page_url": "https://example.com/coffee",
    "to_synchronize": True,
    "require_vouchers": True,
    "repeat_policy": "one_open",
    "terms": {"validity": {"days": 14}, "benefit": {"type": "percent", "size": 20}},
    "texts": {"en": {"name": "Coffee", "how_to_use": "Show the code."}},
}
pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


def create(programme, **values):
    return catalogue.create(programme=programme, values={**VALUES, **values}, actor=None)


def publish(offer):
    revision = catalogue.publish(offer=offer, actor=None, now=NOW)
    offer.refresh_from_db()
    return revision


def refused(call, **arguments):
    with pytest.raises(catalogue.InvalidOffer) as caught:
        call(**arguments)
    return [(problem.get("rule", problem["field"]), problem["code"]) for problem in caught.value.problems]


def test_s4_05_to_07_an_offer_keeps_what_it_is_given(programme):
    offer = create(programme)

    offer.refresh_from_db()
    assert offer.state == "draft"
    assert {name: getattr(offer, name) for name in VALUES if name != "terms"} == {
        name: value for name, value in VALUES.items() if name != "terms"
    }
    assert offer.terms["validity"]["days"] == 14
    assert AuditEvent.objects.filter(action="offer.created", object_id=str(offer.pk)).count() == 1


def test_s4_05_name_and_reference_are_mandatory_the_rest_is_optional(programme):
    assert refused(catalogue.create, programme=programme, values={}, actor=None) == [
        ("offer_reference", "blank"),
        ("name", "blank"),
    ]
    offer = catalogue.create(programme=programme, values={"offer_reference": "a", "name": "A"}, actor=None)
    assert (offer.description, offer.image_url, offer.web_page_url) == ("", "", "")
    assert (offer.to_synchronize, offer.require_vouchers) == (False, False)


def test_all_problems_are_told_at_once_and_nothing_is_written(programme):
    problems = refused(
        catalogue.create,
        programme=programme,
        values={
            "offer_reference": "x" * 101,
            "name": " ",
            "image_url": "javascript:alert(1)",
            "rank": "high",
            "repeat_policy": "often",
            "colour": "red",
            "terms": {"benefit": {"type": "percent", "size": 101}, "magic": {}},
            "texts": {"xx": {"name": "X"}, "en": {"slogan": "S", "name": "n" * 201}},
            "fields": {"offer_validity": 5},
        },
        actor=None,
    )

    assert problems == [
        ("colour", "unknown_field"),
        ("benefit", "too_large"),
        ("magic", "unknown_rule"),
        ("fields.offer_validity", "unknown_field"),
        ("texts.xx", "unknown_language"),
        ("texts.en.slogan", "unknown_field"),
        ("texts.en.name", "too_long"),
        ("offer_reference", "max_length"),
        ("name", "blank"),
        ("image_url", "invalid"),
        ("repeat_policy", "invalid_choice"),
        ("rank", "invalid"),
    ]
    assert ConfigOffer.objects.count() == 0


def test_s4_05_the_offer_reference_is_a_key_within_its_programme(programme):
    create(programme)

    assert refused(create, programme=programme) == [("offer_reference", "taken"), ("external_id", "taken")]
    assert create(ProgrammeFactory()).pk is not None


def test_s0_34_an_offer_for_everyone_has_neither_codes_nor_template_nor_acceptance(programme):
    assert ("require_vouchers", "not_for_everyone") in refused(create, programme=programme, audience="everyone")
    offer = create(
        programme,
        audience="everyone",
        require_vouchers=False,
        terms={"validity": {"days": 3}, "acceptance": {"required": True}},
    )

    assert refused(publish, offer=offer) == [("validity", "needs_fixed_dates"), ("acceptance", "not_for_everyone")]
    catalogue.update(
        offer=offer, values={"terms": {"validity": {"starts_at": "2026-11-01", "ends_at": "2026-11-30"}}}, actor=None
    )
    revision = publish(offer)
    assert (revision.starts_at, revision.ends_at) == (
        datetime(2026, 11, 1, tzinfo=UTC),
        datetime(2026, 12, 1, tzinfo=UTC),
    )
    assert not OfferTemplate.objects.filter(config_offer=offer).exists()


def test_d_11_publishing_makes_the_default_template_and_the_bank(programme):
    offer = create(programme)

    revision = publish(offer)

    assert (offer.state, offer.current_revision, offer.published_at) == ("published", revision, NOW)
    assert (revision.number, revision.name, revision.terms) == (1, offer.name, offer.terms)
    [template] = OfferTemplate.objects.all()
    assert (template.config_offer, template.is_default, template.required_rules) == (offer, True, [])
    assert VoucherBank.objects.filter(config_offer=offer).count() == 1


def test_publishing_again_makes_the_next_revision_and_no_second_template(programme):
    offer = create(programme)
    first = publish(offer)
    catalogue.update(offer=offer, values={"name": "Coffee 30 % off"}, actor=None)
    offer.refresh_from_db()
    assert catalogue.unpublished_changes(offer=offer) == ("name",)

    second = publish(offer)

    assert (second.number, second.name) == (2, "Coffee 30 % off")
    first.refresh_from_db()
    assert first.name == "Coffee 20 % off"
    assert catalogue.unpublished_changes(offer=offer) == ()
    assert OfferTemplate.objects.filter(config_offer=offer).count() == 1
    assert VoucherBank.objects.count() == 1


def test_a_published_revision_is_immutable_in_the_database():
    revision = ConfigOfferFactory().current_revision

    with pytest.raises(DatabaseError), transaction.atomic():
        type(revision).objects.filter(pk=revision.pk).update(name="Other")


def test_publishing_names_products_that_nobody_knows(programme):
    ProductFactory(programme=programme, external_id="beans")
    CategoryFactory(programme=ProgrammeFactory(), external_id="coffee")
    offer = create(programme, terms={"products": {"products": ["beans", "tea"], "categories": ["coffee"]}})

    with pytest.raises(catalogue.InvalidOffer) as caught:
        publish(offer)

    assert [problem["message"] for problem in caught.value.problems] == [
        "Products: 1 unknown products: tea. Remove them, or import them first.",
        "Products: 1 unknown categories: coffee. Remove them, or import them first.",
    ]
    offer.refresh_from_db()
    assert offer.state == "draft"


def test_d_01_policy_audience_and_reference_are_fixed_by_the_first_publication(programme):
    offer = create(programme)
    catalogue.update(offer=offer, values={"repeat_policy": "once_ever"}, actor=None)
    publish(offer)

    problems = refused(
        catalogue.update,
        offer=offer,
        values={"repeat_policy": "unlimited", "offer_reference": "other", "audience": "everyone", "rank": 5},
        actor=None,
    )

    assert problems == [
        ("offer_reference", "fixed_once_published"),
        ("audience", "fixed_once_published"),
        ("repeat_policy", "fixed_once_published"),
    ]
    offer.refresh_from_db()
    assert (offer.repeat_policy, offer.rank) == ("once_ever", 100)


def test_a_bank_is_made_when_a_published_offer_begins_to_require_vouchers(programme):
    offer = create(programme, require_vouchers=False)
    publish(offer)
    assert not VoucherBank.objects.exists()

    catalogue.update(offer=offer, values={"require_vouchers": True}, actor=None)

    assert VoucherBank.objects.filter(config_offer=offer).exists()


def test_an_archived_offer_changes_no_more_and_archiving_again_is_harmless(programme):
    offer = create(programme)
    publish(offer)

    catalogue.archive(offer=offer, actor=None, now=NOW)
    catalogue.archive(offer=offer, actor=None, now=NOW)

    with pytest.raises(catalogue.OfferIsArchived):
        catalogue.update(offer=offer, values={"name": "New"}, actor=None)
    with pytest.raises(catalogue.OfferIsArchived):
        publish(offer)
    assert AuditEvent.objects.filter(action="offer.archived").count() == 1


@pytest.mark.parametrize("key", [{"offer_reference": "coffee-20"}, {"external_id": "sanity:coffee"}])
def test_s0_32_putting_the_same_offer_again_changes_nothing(programme, key):
    first = catalogue.put(programme=programme, key=key, values=VALUES, actor=None)
    events = AuditEvent.objects.count()

    again = catalogue.put(programme=programme, key=key, values=VALUES, actor=None)
    changed = catalogue.put(programme=programme, key=key, values={"name": "Tea"}, actor=None)

    assert (first.is_created, again.is_created, again.changed) == (True, False, ())
    assert (changed.is_created, changed.changed, changed.offer.pk) == (False, ("name",), first.offer.pk)
    assert AuditEvent.objects.count() == events + 1
    assert ConfigOffer.objects.count() == 1


def test_s4_40_the_till_hears_of_publishing_changing_and_archiving(programme):
    offer = create(programme)
    assert OutboxEvent.objects.count() == 0

    publish(offer)
    catalogue.update(offer=offer, values={"rank": 1}, actor=None)
    catalogue.update(offer=offer, values={"name": "New"}, actor=None)
    publish(offer)
    catalogue.archive(offer=offer, actor=None, now=NOW)

    events = OutboxEvent.objects.order_by("id")
    assert [event.type for event in events] == ["offer.published", "offer.changed", "offer.changed", "offer.archived"]
    assert {event.data["offer_reference"] for event in events} == {"coffee-20"}


def test_s4_41_the_catalogue_rests_where_the_module_is_off(programme):
    offer = create(programme)
    programme.offers_enabled = False
    programme.save()
    offer.refresh_from_db()

    for call in (
        lambda: create(programme, offer_reference="b", external_id=None),
        lambda: catalogue.update(offer=offer, values={"name": "x"}, actor=None),
        lambda: publish(offer),
        lambda: catalogue.archive(offer=offer, actor=None, now=NOW),
    ):
        with pytest.raises(OffersModuleOff, match="is off"):
            call()


def test_s4_11_own_fields_are_typed(programme):
    for name, type_ in [("offer_validity", "date"), ("burned", "boolean"), ("cost", "number"), ("tags", "list")]:
        field.create(programme=programme, table="offers", name=name, type=type_, label=name, actor=None)
    offer = create(programme, fields={"offer_validity": "2026-12-31", "burned": True, "cost": 1.5, "tags": ["a"]})

    assert offer.fields == {"offer_validity": "2026-12-31", "burned": True, "cost": 1.5, "tags": ["a"]}
    problems = refused(
        catalogue.update,
        offer=offer,
        values={"fields": {"offer_validity": "soon", "burned": "yes", "cost": True, "tags": "a"}},
        actor=None,
    )
    assert problems == [
        ("fields.offer_validity", "wrong_type"),
        ("fields.burned", "wrong_type"),
        ("fields.cost", "wrong_type"),
        ("fields.tags", "wrong_type"),
    ]


def test_two_programmes_never_see_each_other(programme):
    other = DraftOfferFactory(offer_reference="coffee-20")

    made = catalogue.put(programme=programme, key={"offer_reference": "coffee-20"}, values=VALUES, actor=None)

    assert made.is_created
    assert made.offer.pk != other.pk
