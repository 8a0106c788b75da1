"""Offer templates over the API (S0-05..07, S0-32, B-15)."""

import json

import pytest

from offers.models import OfferTemplate
from tests.factories import ApiClientFactory, ConfigOfferFactory, OfferTemplateFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    return ConfigOfferFactory(offer_reference="coffee")


@pytest.fixture
def api(offer, client):
    _client, key = ApiClientFactory(programme=offer.programme, scopes=["catalogue:read", "catalogue:write"])

    def call(method, path, data=None):
        return client.generic(
            method,
            f"/api/v1/{path}",
            data=json.dumps(data) if data is not None else b"",
            content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"},
        )

    return call


VALUES = {"config_offer": "coffee", "name": "Win back", "required_rules": ["benefit"]}


def test_s0_32_a_template_is_put_by_its_external_id_and_again_without_effect(api):
    first = api("PUT", "offer-templates/sanity:win", VALUES)
    again = api("PUT", "offer-templates/sanity:win", VALUES)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["config_offer"] == "coffee"


def test_s0_06_a_template_says_which_rules_must_be_given_as_json_schema(api):
    schema = api("PUT", "offer-templates/win", VALUES).json()["schema"]

    assert schema["required"] == ["benefit"]
    assert set(schema["properties"]) == {"benefit"}
    assert "size" in schema["properties"]["benefit"]["properties"]


@pytest.mark.parametrize("reference", [None, "tea", {"a": 1}])
def test_s0_05_a_template_without_a_known_config_offer_is_refused(api, reference):
    answer = api("PUT", "offer-templates/win", {**VALUES, "config_offer": reference})

    assert answer.status_code == 422
    assert answer.json()["problems"] == [
        {
            "field": "config_offer",
            "code": "required",
            "message": "Choose the config offer: a template cannot be saved without one.",
        }
    ]
    assert not OfferTemplate.objects.filter(is_default=False).exists()


def test_s0_06_an_unknown_rule_is_refused(api):
    answer = api("PUT", "offer-templates/win", {**VALUES, "required_rules": ["magic"]})

    assert (answer.status_code, answer.json()["problems"][0]["code"]) == (422, "unknown_rule")


def test_d_11_the_default_template_is_reached_by_its_id(api, offer):
    default = offer.templates.get(is_default=True)

    assert api("GET", f"offer-templates/{default.pk}?by=id").json()["is_default"] is True
    answer = api("PUT", f"offer-templates/{default.pk}?by=id", {"required_rules": ["benefit"]})
    assert (answer.status_code, answer.json()["problems"][0]["code"]) == (422, "default_template")
    assert api("POST", f"offer-templates/{default.pk}/archive?by=id").json()["code"] == "default_template"


def test_templates_are_listed_without_archived_ones(api, offer):
    api("PUT", "offer-templates/win", VALUES)
    api("PUT", "offer-templates/lose", {**VALUES, "name": "Lose"})

    assert api("POST", "offer-templates/lose/archive").json()["archived_at"] is not None
    listed = api("GET", "offer-templates").json()["results"]
    assert [template["external_id"] for template in listed] == ["win", None]
    assert [template["name"] for template in api("GET", "offer-templates?q=win").json()["results"]] == ["Win back"]


def test_another_programmes_template_is_not_there(api):
    other = OfferTemplateFactory(external_id="secret")

    assert api("GET", "offer-templates/secret").json()["code"] == "unknown_template"
    assert api("GET", f"offer-templates/{other.pk}?by=id").status_code == 404
    assert api("GET", "offer-templates/99999999999999999999?by=id").status_code == 404


def test_b_05_the_roles_that_may_grant_at_the_desk_are_set_and_told(api, offer):
    """Through the API as on the page; unknown ones are named."""
    done = api("PUT", "offer-templates/win", {**VALUES, "desk_roles": ["support lead"]})
    assert done.json()["desk_roles"] == ["support lead"]
    refused = api("PUT", "offer-templates/win", {**VALUES, "desk_roles": ["support lead", "nobody"]})
    assert refused.status_code == 422
    assert [(each["field"], each["code"]) for each in refused.json()["problems"]] == [("desk_roles", "unknown_role")]
    assert api("GET", "offer-templates/win").json()["desk_roles"] == ["support lead"]
