"""What no caller means to send: answered as a problem, never as a failure."""

import json

import pytest

from loyalty.api import renderers
from loyalty.models import Scope
from tests.factories import ApiClientFactory, CampaignFactory, ConfigOfferFactory, MemberFactory, ProgrammeFactory

pytestmark = pytest.mark.django_db
ADDRESSES = [
    ("GET", "config-offers/a%00b"),
    ("PUT", "config-offers/a%00b"),
    ("PUT", "config-offers/a%00b/limits"),
    ("PUT", "config-offers/a%00b/eligibility"),
    ("POST", "config-offers/a%00b/publish"),
    ("POST", "config-offers/a%00b/archive"),
    ("PUT", "campaigns/a%00/limits"),
    ("PUT", "offer-templates/a%00"),
    ("POST", "offer-templates/a%00/archive"),
    ("GET", "voucher-banks/a%00/codes"),
    ("POST", "voucher-banks/a%00/codes/find"),
    ("POST", "voucher-banks/a%00/batches/1/undo"),
    ("GET", "members/a%00"),
    ("PUT", "members/a%00"),
    ("GET", "mass-assignments/99999999999999999999"),
    ("POST", "mass-assignments/99999999999999999999/launch"),
    ("POST", "voucher-banks/coffee/batches/99999999999999999999/undo"),
]
QUERIES = [
    ("GET", "voucher-banks/coffee/codes?by=%00"),
    ("POST", "voucher-banks/coffee/codes/dry-run?file_name=%00"),
    ("GET", "config-offers?q=a%00"),
    ("GET", "assignments?member=%00"),
    ("GET", "assignments?%00=1"),
    ("GET", "mass-assignments?cursor=%00"),
]
BODIES = [
    ("PUT", "config-offers/new", "name"),
    ("PUT", "config-offers/new", "terms"),
    ("PUT", "config-offers/new", "texts"),
    ("PUT", "config-offers/new", "fields"),
    ("PUT", "config-offers/new", "rank"),
    ("PUT", "config-offers/coffee/limits", "cap"),
    ("PUT", "config-offers/coffee/eligibility", "targeting"),
    ("PUT", "config-offers/coffee/eligibility", "criteria"),
    ("PUT", "offer-templates/new", "name"),
    ("PUT", "offer-templates/new", "config_offer"),
    ("PUT", "members/ada", "first_name"),
    ("PUT", "members/ada", "attributes"),
    ("POST", "targetings/explain", "targeting"),
    ("POST", "targetings/count", "criteria"),
    ("POST", "mass-assignments", "targeting"),
    ("POST", "assignments", "member"),
    ("POST", "assignments/bulk", "grants"),
    ("POST", "assignments/synchronize", "assignments"),
    ("POST", "voucher-banks/coffee/codes/find", "code"),
    ("POST", "voucher-banks/coffee/batches", "pattern"),
]
STRANGE = {
    "NUL": '"a\\u0000"',
    "half a pair": '"\\ud800"',
    "130 bit": str(10**30),
    "infinite": "1e999",
    "400 levels": "[" * 400 + "]" * 400,
    "name": '{"a\\u0000\\ud800": [1]}',
    "offer": '{"en": {"name": "a\\u0000"}, "benefit": {"type": "amount", "size": 1' + "0" * 30 + "}}",
}


@pytest.fixture
def api(client):
    programme = ProgrammeFactory()
    ConfigOfferFactory(programme=programme, offer_reference="coffee", require_vouchers=True)
    CampaignFactory(programme=programme, external_id="autumn")
    MemberFactory(programme=programme, external_id="ada")
    _client, key = ApiClientFactory(programme=programme, scopes=[scope.value for scope in Scope])
    client.raise_request_exception = False

    def call(method, path, body="{}", **headers):
        kind = "text/plain" if "/dry-run" in path and "voucher" in path else "application/json"
        headers = {"Authorization": f"Api-Key {key}"} | headers
        return client.generic(method, f"/api/v1/{path}", data=body, content_type=kind, headers=headers)

    return call


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_b_02_an_address_that_can_name_nothing_is_not_found(api, method, path):
    """B-02: NUL, and ids beyond 64 bit, in every kind of address."""
    answer = api(method, path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json"), answer.content


@pytest.mark.parametrize(("method", "path"), QUERIES)
def test_b_02_a_query_with_a_nul_is_refused_by_its_name(api, method, path):
    """B-02: 422, whatever the parameter is for."""
    answer = api(method, path)
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json"), answer.content
    assert answer.json()["problems"][0]["code"] == "unstorable_character"


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize(("method", "path", "name"), BODIES)
def test_b_02_a_strange_value_is_refused_as_a_problem_in_every_body(api, method, path, name, strange):
    """B-02: what it says may differ from door to door, but it is an answer."""
    answer = api(method, path, f'{{"{name}": {STRANGE[strange]}}}')
    assert answer.status_code in (404, 409, 422), answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"]


def test_b_02_a_targeting_that_no_number_can_name_is_refused(api):
    """B-02: named with its field."""
    answer = api("POST", "targetings/explain", json.dumps({"targeting": 10**30, "member": "ada"}))
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (422, "targeting")


@pytest.mark.parametrize("levels", [600, 3_000, 100_000])
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_b_02_json_of_thousands_of_levels_is_a_400(api, levels, headers):
    """B-02: before anything is done with it."""
    answer = api("POST", "assignments", '{"terms": ' + "[" * levels + "]" * levels + "}", **headers)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json"), answer.content
    assert "levels deep" in answer.json()["detail"]


def test_b_02_an_answer_that_repeats_what_it_cannot_carry_is_still_an_answer():
    """B-02: integers beyond 64 bit as text, half characters replaced, the deepest levels cut."""
    deep = json.loads("[" * 300 + "]" * 300)
    written = json.loads(
        renderers.OrjsonRenderer().render({"id": 10**30, "a": "\ud800b", "deep": deep, "n": [1, None]})
    )
    assert (written["id"], written["a"], written["n"]) == (str(10**30), "\ufffdb", [1, None])
    assert str(written["deep"]).count("[") == 199


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_b_02_what_is_no_number_of_json_is_a_400(api, word):
    """B-02, docs/api.md: `parse_error`, wherever it stands."""
    for path, body in (("assignments", '{"terms": {"x": %s}}'), ("targetings/count", '{"criteria": {"value": %s}}')):
        answer = api("POST", path, body % word)
        assert (answer.status_code, answer.json()["code"]) == (400, "parse_error"), answer.content


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("targetings/count", '{"criteria": {"field": "member.city", "is": "equals", "value": 1e999}}', "criteria"),
        ("targetings/explain", '{"criteria": {"value": 1e999}, "member": "ada"}', "criteria"),
        ("targetings", '{"name": "x", "criteria": {"value": 1e999}}', "criteria.value"),
    ],
)
def test_b_02_an_infinite_number_in_a_tree_is_refused_as_the_documentation_says(api, path, body, field):
    """B-02, docs/api.md."""
    answer = api("POST", path, body)
    assert answer.status_code == 422, answer.content
    assert [one["field"] for one in answer.json()["problems"]] == [field]


def test_b_02_a_whole_number_beyond_64_bit_in_criteria_is_too_large(api):
    """B-02: by its place, as any number that is too large."""
    tree = {"purchases": "count", "is": "equals", "value": 10**30}
    answer = api("POST", "targetings/count", json.dumps({"criteria": tree}))
    assert answer.status_code == 422, answer.content
    found = answer.json()["problems"][0]
    assert (found["path"], found["code"], found["value"]) == ("value", "too_large", str(10**30))
