"""`members/{external_id}/explain`: the same answer for machines (B-02)."""

import pytest
from rest_framework.test import APIClient

from loyalty.models import AuditEvent
from tests.factories import ApiClientFactory, ConfigOfferFactory, MemberFactory, ProgrammeFactory, give, import_codes
from tests.offers.services.explanation_given import held_out
from tests.offers.services.explanation_story import NOBODY, Story

pytestmark = pytest.mark.django_db
SCOPES = ["assignments:read", "members"]


@pytest.fixture
def programme():
    return ProgrammeFactory(timezone="Europe/Paris")


@pytest.fixture
def ann(programme):
    # Any text is an external id (S0-28), slashes included.
    return MemberFactory(programme=programme, external_id="eu/west:1", first_name="Ann", city="Lyon")


def ask(programme, member, scopes=SCOPES, **given):
    client, key = ApiClientFactory(programme=programme, scopes=scopes)
    api = APIClient(HTTP_AUTHORIZATION=f"Api-Key {key}")
    return client, api.get(f"/api/v1/members/{member}/explain", given)


def test_b_02_a_machine_gets_the_verdict_its_sentences_and_the_steps(programme, ann):
    offer = ConfigOfferFactory(programme=programme, name="Coffee", offer_reference="COFFEE", terms={})
    held = give(ann, offer)
    client, answer = ask(programme, "eu/west:1", offer="COFFEE")
    assert answer.status_code == 200
    told = answer.json()
    assert {name: told[name] for name in told if name not in {"steps", "actions"}} == {
        "member": "eu/west:1",
        "offer": "COFFEE",
        "assignment": str(held.pk),
        "code": "usable",
        "to_member": "You have “Coffee”, and you can use it at any time.",
        "to_agent": "She has it, sees it and can use it; it has no end.",
        "has": True,
        "sees": True,
        "can_use": True,
        "grant_code": "assigned",
    }
    assert told["steps"][0] == {
        "question": "programme",
        "label": "The programme has offers",
        "code": "offers_module_on",
        "state": "passed",
        "text": "The offers module is on.",
        "has": "",
        "needed": "",
        "clauses": [],
    }
    assert told["actions"] == [
        {
            "code": "open",
            "text": "Open it",
            "assignment": str(held.pk),
            "template": None,
            "run": None,
            "until": None,
        }
    ]
    look = AuditEvent.objects.get(action="member.explained")
    assert (look.api_client, look.object_id, look.data) == (client, str(ann.pk), {"offer": offer.pk})


def test_b_02_a_code_alone_is_asked_about_and_whose_it_is_is_never_told(programme, ann):
    offer = ConfigOfferFactory(programme=programme, offer_reference="COFFEE", require_vouchers=True)
    import_codes(offer, ["ABCD-1"])
    give(MemberFactory(programme=programme, external_id="BOB", first_name="Bob"), offer)
    _client, answer = ask(programme, "eu/west:1", code="ABCD-1")
    assert answer.json()["code"] == "code_of_another"
    assert "BOB" not in answer.text.upper()
    assert ask(programme, "eu/west:1", code="COFFEE")[1].json()["code"] == "unknown_code"


@pytest.mark.parametrize(
    ("scopes", "given", "status", "code"),
    [
        (["members"], {"offer": "COFFEE"}, 403, "permission_denied"),
        (["assignments:read"], {"offer": "COFFEE"}, 403, "missing_scope"),
        (SCOPES, {}, 422, "invalid_input"),
        (SCOPES, {"offer": "COFFEE", "code": "ABCD"}, 422, "invalid_input"),
        (SCOPES, {"offer": "x" * 201}, 422, "invalid_input"),
        (SCOPES, {"offer": "NOTHING"}, 404, "unknown_offer"),
    ],
)
def test_b_02_what_cannot_be_answered_says_why_and_is_not_noted(scopes, given, status, code, programme, ann):
    ConfigOfferFactory(programme=programme, offer_reference="COFFEE")
    _client, answer = ask(programme, "eu/west:1", scopes, **given)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not AuditEvent.objects.filter(action="member.explained").exists()


def test_b_02_an_unknown_member_and_another_programmes_are_the_same(programme, ann):
    ConfigOfferFactory(programme=programme, offer_reference="COFFEE")
    MemberFactory(external_id="elsewhere")
    for external_id in ("nobody", "elsewhere"):
        _client, answer = ask(programme, external_id, offer="COFFEE")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_member")


def test_d_19_a_key_learns_of_hold_outs_only_with_the_scope_that_reads_runs(programme, ann):
    story = Story(programme, ann)
    held_out(story)
    offer = story.made["offer"].offer_reference
    _client, answer = ask(programme, "eu/west:1", offer=offer)
    assert answer.json()["code"] == "not_targeted"
    assert "held_out" not in answer.text
    _client, answer = ask(programme, "eu/west:1", [*SCOPES, "targetings"], offer=offer)
    assert answer.json()["code"] == "held_out"
    assert answer.json()["to_member"] == "You were not part of this campaign."


def test_b_02_clauses_with_her_values_need_the_scope_of_targetings(programme, ann):
    from offers.services import eligibility_settings

    offer = ConfigOfferFactory(programme=programme, offer_reference="COFFEE")
    eligibility_settings.put_conditions(offer=offer, criteria=NOBODY, actor=None)
    _client, answer = ask(programme, "eu/west:1", offer="COFFEE")
    assert "Lyon" not in answer.text
    _client, answer = ask(programme, "eu/west:1", [*SCOPES, "targetings"], offer="COFFEE")
    [step] = [step for step in answer.json()["steps"] if step["question"] == "eligibility"]
    assert (step["has"], step["needed"]) == ("Lyon", "City is Nowhere")
    assert step["clauses"][1]["value"] == "Lyon"


def test_s4_41_where_the_module_is_off_the_answer_says_so(programme, ann):
    ConfigOfferFactory(programme=programme, offer_reference="COFFEE")
    programme.offers_enabled = False
    programme.save()
    assert ask(programme, "eu/west:1", offer="COFFEE")[1].json()["code"] == "offers_module_off"
