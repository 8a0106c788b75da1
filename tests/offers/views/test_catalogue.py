"""The catalogue's pages (S0-04, S0-34, S4-03..11, S4-24, S4-41)."""

import csv
import io

import pytest
from django.urls import reverse

from loyalty.models import Programme
from offers.models import ConfigOffer
from offers.services import field
from tests.factories import ConfigOfferFactory, DraftOfferFactory, ProductFactory, ProgrammeFactory, UserFactory

pytestmark = pytest.mark.django_db
FORM = {
    "name": "Coffee 20 % off",
    "offer_reference": "coffee-20",
    "audience": "personalized",
    "repeat_policy": "once_per_campaign",
    "rank": "100",
    "require_vouchers": "on",
    "rule_on": ["validity", "benefit"],
    "validity__days": "14",
    "benefit__type": "percent",
    "benefit__size": "20",
    "text__en__name": "Coffee",
}


@pytest.fixture
def programme():
    return ProgrammeFactory(offers_label="Promos")


@pytest.fixture
def marketer(programme, client):
    user = UserFactory(role="marketer", programmes=[programme])
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(client, name, *arguments, **query):
    response = client.get(reverse(f"offers:{name}", args=arguments), query)
    return response, response.content.decode()


def test_s4_03_the_list_stands_under_the_programmes_own_name(marketer, programme):
    ConfigOfferFactory(programme=programme, name="Coffee")
    ConfigOfferFactory(name="Of another brand")

    response, text = page(marketer, "catalogue")

    assert response.status_code == 200
    assert "<h1>Promos</h1>" in text
    assert "<span>Promos</span>" in text
    assert "Coffee" in text
    assert "Of another brand" not in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, ["Beer", "Coffee", "Tea"]),
        ({"q": "coff"}, ["Coffee"]),
        ({"state": "published"}, ["Coffee"]),
        ({"audience": "everyone"}, ["Tea"]),
        ({"sort": "-name"}, ["Tea", "Coffee", "Beer"]),
        ({"q": "nothing"}, []),
    ],
)
def test_the_list_and_its_export_show_exactly_what_is_filtered(marketer, programme, query, shown):
    ConfigOfferFactory(programme=programme, name="Coffee")
    DraftOfferFactory(programme=programme, name="Beer")
    DraftOfferFactory(programme=programme, name="Tea", audience="everyone")

    response, _text = page(marketer, "catalogue", **query)
    exported = b"".join(marketer.get(reverse("offers:catalogue_export"), query).streaming_content).decode("utf-8-sig")

    assert [offer.name for offer in response.context["listing"].page.object_list] == shown
    assert [row["Name"] for row in csv.DictReader(io.StringIO(exported))] == shown


def test_s4_11_the_export_is_headed_by_display_names_and_holds_own_fields_without_formulas(marketer, programme):
    field.make_defaults(programme=programme)
    field.rename(
        field=programme.field_definitions.get(table="offers", name="offer_reference"), label="Promo key", actor=None
    )
    field.create(programme=programme, table="offers", name="cost_centre", type="text", label="Cost centre", actor=None)
    DraftOfferFactory(programme=programme, name="=1+1", offer_reference="a", fields={"cost_centre": "C-7"})

    exported = b"".join(marketer.get(reverse("offers:catalogue_export")).streaming_content).decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(exported))

    assert (row["Promo key"], row["Cost centre"]) == ("a", "C-7")
    assert row["Name"] != "=1+1"


def test_an_empty_catalogue_says_what_it_is_and_offers_the_first_step(marketer):
    _response, text = page(marketer, "catalogue")

    assert "The catalogue is empty" in text
    assert reverse("offers:offer_new") in text


def test_a_list_of_a_hundred_costs_no_more_queries_than_one_of_one(marketer, programme, django_assert_max_num_queries):
    DraftOfferFactory(programme=programme)
    page(marketer, "catalogue")
    with django_assert_max_num_queries(30) as few:
        page(marketer, "catalogue")
    for _number in range(60):
        DraftOfferFactory(programme=programme)
    with django_assert_max_num_queries(len(few)):
        page(marketer, "catalogue")


def test_an_offer_is_made_with_its_rules_and_texts(marketer, programme):
    response = marketer.post(reverse("offers:offer_new"), FORM)

    offer = ConfigOffer.objects.get()
    assert response.url == reverse("offers:offer", args=[offer.pk])
    assert (offer.state, offer.programme, offer.offer_reference, offer.require_vouchers) == (
        "draft",
        programme,
        "coffee-20",
        True,
    )
    assert offer.terms["validity"]["days"] == 14
    assert offer.terms["benefit"]["size"] == 20
    assert offer.texts == {"en": {"name": "Coffee"}}


def test_a_rule_that_is_switched_off_is_not_kept(marketer):
    marketer.post(reverse("offers:offer_new"), {**FORM, "rule_on": ["benefit"]})

    assert set(ConfigOffer.objects.get().terms) == {"benefit"}


def test_every_problem_stands_at_its_field_and_what_was_typed_stays(marketer):
    response = marketer.post(
        reverse("offers:offer_new"),
        {
            **FORM,
            "name": "",
            "image_url": "nowhere",
            "rule_on": ["validity", "benefit", "channels"],
            "benefit__size": "101",
            "description": "kept",
        },
    )

    form = response.context["form"]
    assert response.status_code == 422
    assert set(form.errors) == {"name", "image_url"}
    assert set(form.rules.errors) == {"benefit__size", "channels__channels"}
    assert form.rules.errors["channels__channels"] == ["Give its values, or switch this rule off."]
    assert "kept" in response.content.decode()
    assert not ConfigOffer.objects.exists()


def test_s4_05_a_reference_that_is_taken_is_said_at_its_field(marketer, programme):
    DraftOfferFactory(programme=programme, offer_reference="coffee-20")

    response = marketer.post(reverse("offers:offer_new"), FORM)

    assert response.context["form"].errors["offer_reference"] == [
        "Another offer has the offer reference “coffee-20”. Choose another."
    ]


def test_s4_11_own_fields_are_in_the_form_by_type_and_default_ones_under_their_display_name(marketer, programme):
    field.make_defaults(programme=programme)
    field.rename(field=programme.field_definitions.get(table="offers", name="name"), label="Title", actor=None)
    for name, type_ in [("until", "date"), ("burned", "boolean"), ("cost", "number"), ("tags", "list")]:
        field.create(programme=programme, table="offers", name=name, type=type_, label=name, actor=None)

    response = marketer.post(
        reverse("offers:offer_new"),
        {**FORM, "own__until": "2026-12-31", "own__burned": "true", "own__cost": "1.5", "own__tags": "a\nb"},
    )

    offer = ConfigOffer.objects.get()
    assert offer.fields == {"until": "2026-12-31", "burned": True, "cost": 1.5, "tags": ["a", "b"]}
    edit, text = page(marketer, "offer_edit", offer.pk)
    assert edit.context["form"]["name"].label == "Title"
    assert 'value="2026-12-31"' in text
    assert response.status_code == 302


def test_an_edited_offer_keeps_what_was_fixed_by_publishing(marketer, programme):
    offer = ConfigOfferFactory(programme=programme, repeat_policy="once_ever", offer_reference="fixed")

    marketer.post(
        reverse("offers:offer_edit", args=[offer.pk]),
        {**FORM, "offer_reference": "other", "repeat_policy": "unlimited", "name": "New name"},
    )

    offer.refresh_from_db()
    assert (offer.name, offer.offer_reference, offer.repeat_policy) == ("New name", "fixed", "once_ever")
    _response, text = page(marketer, "offer", offer.pk)
    assert "changes not published" in text


def test_publishing_archiving_and_taking_it_back(marketer, programme):
    offer = DraftOfferFactory(programme=programme)

    marketer.post(reverse("offers:offer_publish", args=[offer.pk]))
    offer.refresh_from_db()
    assert (offer.state, offer.current_revision.number) == ("published", 1)
    archived = marketer.post(reverse("offers:offer_archive", args=[offer.pk]), follow=True)
    offer.refresh_from_db()
    assert offer.state == "archived"
    assert reverse("offers:offer_restore", args=[offer.pk]) in archived.content.decode()
    marketer.post(reverse("offers:offer_restore", args=[offer.pk]))
    offer.refresh_from_db()
    assert (offer.state, offer.archived_at) == ("published", None)


def test_what_stands_against_publishing_is_shown_before(marketer, programme):
    offer = DraftOfferFactory(programme=programme, terms={"products": {"products": ["nowhere"]}})

    _response, text = page(marketer, "offer", offer.pk)
    assert "1 unknown products: nowhere" in text
    marketer.post(reverse("offers:offer_publish", args=[offer.pk]))
    offer.refresh_from_db()
    assert offer.state == "draft"


def test_the_preview_shows_the_card_and_the_rules_that_are_whole_and_keeps_nothing(marketer):
    response = marketer.post(
        reverse("offers:offer_preview"), {**FORM, "rule_on": ["validity", "benefit"], "validity__days": "x"}
    )

    text = response.content.decode()
    assert "Coffee" in text
    assert "20" in text
    assert "Show code" in text
    assert not ConfigOffer.objects.exists()


def test_pickers_suggest_from_this_programmes_products(marketer, programme):
    ProductFactory(programme=programme, name="Ground coffee", external_id="P-1")
    ProductFactory(name="Coffee of another brand")

    text = marketer.get(reverse("offers:suggestions", args=["products"]), {"q": "coff"}).content.decode()

    assert "Ground coffee" in text
    assert "another brand" not in text
    assert marketer.get("/offers/suggestions/members", {"q": "a"}).status_code == 404


def test_another_programmes_offer_is_not_there(marketer):
    other = ConfigOfferFactory()

    for name in ("offer", "offer_edit"):
        assert page(marketer, name, other.pk)[0].status_code == 404
    for name in ("offer_publish", "offer_archive", "offer_restore"):
        assert marketer.post(reverse(f"offers:{name}", args=[other.pk])).status_code == 404


@pytest.mark.parametrize("role", ["support agent", "integration"])
def test_other_roles_look_and_do_not_touch(client, programme, role):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    client.force_login(
        UserFactory(role=role, programmes=[programme]), backend="django.contrib.auth.backends.ModelBackend"
    )

    assert page(client, "catalogue")[0].status_code == 200
    _response, text = page(client, "offer", offer.pk)
    assert reverse("offers:offer_edit", args=[offer.pk]) not in text
    assert reverse("offers:offer_publish", args=[offer.pk]) not in text
    for name, arguments in [("offer_new", []), ("offer_edit", [offer.pk]), ("voucher_bank", [offer.voucher_bank.pk])]:
        assert page(client, name, *arguments)[0].status_code == 403
    for name in ("offer_publish", "offer_archive", "offer_restore"):
        assert client.post(reverse(f"offers:{name}", args=[offer.pk])).status_code == 403


def test_who_is_not_signed_in_is_asked_to(client):
    assert reverse("account_login") in page(client, "catalogue")[0].url


def test_s4_41_where_the_module_is_off_the_pages_say_so_and_the_navigation_has_no_offers(marketer, programme):
    offer = ConfigOfferFactory(programme=programme)
    _response, on = page(marketer, "catalogue")
    assert reverse("offers:templates") in on
    Programme.objects.update(offers_enabled=False)

    response, text = page(marketer, "offer", offer.pk)

    assert response.status_code == 409
    assert "The offers module is off" in text
    home = marketer.get("/").content.decode()
    for name in ("offers:catalogue", "offers:templates", "offers:vouchers"):
        assert f'href="{reverse(name)}"' not in home
    assert marketer.post(reverse("offers:offer_publish", args=[offer.pk])).status_code == 409
