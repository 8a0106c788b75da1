"""Config offers over the API (S0-32, S4-04, S4-05, S4-40, S4-41)."""

import json

import pytest

from offers.models import ConfigOffer, OfferTemplate
from tests.factories import ApiClientFactory, ConfigOfferFactory, DraftOfferFactory, ProgrammeFactory

VALUES = {"name": "Coffee", "terms": {"benefit": {"type": "percent", "size": 20}}, "require_vouchers": True}
pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def api(programme, client):
    """Call the API with a key that reads and writes the catalogue."""
    _client, key = ApiClientFactory(programme=programme, scopes=["catalogue:read", "catalogue:write"])

    def call(method, path, data=None, *, key=key):
        return client.generic(
            method,
            f"/api/v1/{path}",
            data=b"" if data is None else json.dumps(data),
            content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"},
        )

    return call


def test_s0_32_an_offer_is_put_by_its_reference_and_again_without_effect(api):
    first = api("PUT", "config-offers/coffee-20", VALUES)
    again = api("PUT", "config-offers/coffee-20", VALUES)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["offer_reference"], first.json()["state"], first.json()["published"]) == (
        "coffee-20",
        "draft",
        None,
    )
    assert ConfigOffer.objects.count() == 1


def test_s0_32_an_offer_is_put_by_the_id_of_the_content_system_slashes_included(api):
    path = "config-offers/sanity/drafts.coffee?by=external_id"

    assert api("PUT", path, {**VALUES, "offer_reference": "coffee-20"}).status_code == 201
    assert api("PUT", path, {"name": "Tea"}).json()["name"] == "Tea"
    assert api("GET", path).json()["offer_reference"] == "coffee-20"
    assert api("GET", "config-offers/coffee-20").json()["external_id"] == "sanity/drafts.coffee"


def test_an_offer_is_published_and_archived(api):
    api("PUT", "config-offers/coffee-20", VALUES)

    published = api("POST", "config-offers/coffee-20/publish")
    assert (published.status_code, published.json()["state"], published.json()["published"]["number"]) == (
        200,
        "published",
        1,
    )
    assert OfferTemplate.objects.filter(config_offer__offer_reference="coffee-20", is_default=True).exists()
    assert api("POST", "config-offers/coffee-20/archive").json()["state"] == "archived"
    assert api("POST", "config-offers/coffee-20/archive").status_code == 200
    refused = api("PUT", "config-offers/coffee-20", {"name": "Tea"})
    assert (refused.status_code, refused.json()["code"]) == (409, "offer_archived")


def test_every_problem_is_told_at_once(api):
    answer = api(
        "PUT",
        "config-offers/coffee-20",
        {"name": "", "image_url": "nowhere", "terms": {"benefit": {"type": "percent", "size": 0}}, "color": 1},
    )

    assert (answer.status_code, answer["Content-Type"], answer.json()["code"]) == (
        422,
        "application/problem+json",
        "invalid_offer",
    )
    assert [problem["code"] for problem in answer.json()["problems"]][:2] == ["unknown_field", "too_small"]
    assert {problem["field"] for problem in answer.json()["problems"]} == {"color", "size", "name", "image_url"}
    assert not ConfigOffer.objects.exists()


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_body_that_is_no_object_is_refused(api, body):
    assert api("PUT", "config-offers/coffee-20", body if body is not None else []).status_code == 422


def test_s4_40_the_till_lists_the_catalogue_with_filters_and_pages(api, programme):
    for number in range(3):
        DraftOfferFactory(programme=programme, offer_reference=f"draft-{number}")
    ConfigOfferFactory(programme=programme, offer_reference="tea", name="Green tea")
    ConfigOfferFactory()

    first = api("GET", "config-offers?limit=3").json()
    assert [offer["offer_reference"] for offer in first["results"]] == ["tea", "draft-2", "draft-1"]
    second = api("GET", first["next"].split("/api/v1/")[1]).json()
    assert [offer["offer_reference"] for offer in second["results"]] == ["draft-0"]
    assert [o["offer_reference"] for o in api("GET", "config-offers?state=published").json()["results"]] == ["tea"]
    assert [o["offer_reference"] for o in api("GET", "config-offers?q=green").json()["results"]] == ["tea"]
    assert api("GET", "config-offers?audience=everyone").json()["results"] == []
    assert api("GET", "config-offers?state=gone").status_code == 422


def test_the_list_costs_the_same_number_of_queries_at_any_length(api, programme, django_assert_num_queries):
    for _number in range(12):
        ConfigOfferFactory(programme=programme)

    with django_assert_num_queries(3):
        assert len(api("GET", "config-offers?limit=10").json()["results"]) == 10
    with django_assert_num_queries(2):
        assert len(api("GET", "config-offers?limit=1").json()["results"]) == 1


def test_another_programmes_offer_is_not_there(api):
    other = ConfigOfferFactory(offer_reference="secret")

    for method, path in [("GET", ""), ("POST", "/publish"), ("POST", "/archive")]:
        answer = api(method, f"config-offers/secret{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_offer")
    assert api("PUT", "config-offers/secret", {"name": "Mine"}).status_code == 201
    other.refresh_from_db()
    assert other.name != "Mine"


def test_a_key_does_only_what_its_scopes_say(api, programme):
    ConfigOfferFactory(programme=programme, offer_reference="tea")
    _client, reader = ApiClientFactory(programme=programme, scopes=["catalogue:read"])
    _client, stranger = ApiClientFactory(programme=programme, scopes=["vouchers"])

    assert api("GET", "config-offers/tea", key=reader).status_code == 200
    for method, path in [("PUT", "tea"), ("POST", "tea/publish"), ("POST", "tea/archive")]:
        assert api(method, f"config-offers/{path}", {}, key=reader).status_code == 403
    assert api("GET", "config-offers", key=stranger).status_code == 403
    assert api("GET", "config-offers", key="wrong").status_code == 401


def test_s4_41_the_api_says_that_the_module_is_off(api, programme):
    programme.offers_enabled = False
    programme.save()

    for method, path in [("GET", "config-offers"), ("PUT", "config-offers/tea"), ("GET", "offer-templates")]:
        answer = api(method, path, {})
        assert (answer.status_code, answer.json()["code"]) == (409, "offers_module_off")
        assert "An administrator can switch it on" in answer.json()["detail"]


def test_an_unknown_way_to_name_an_offer_is_refused(api):
    assert api("GET", "config-offers/tea?by=password").json()["problems"][0]["field"] == "by"
