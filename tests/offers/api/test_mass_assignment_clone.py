"""Another run like a former one, over the API and from its page, with its values per member (S1-01, S1-05, S4-24)."""

import io
import uuid
from decimal import Decimal

import pytest
from django.urls import reverse

from loyalty.models import AttributeDefinition, AuditEvent
from offers.models import Assignment, MassAssignment, MemberList, Targeting
from offers.services import member_list
from tests.factories import (
    ApiClientFactory,
    AttributeDefinitionFactory,
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    TargetingFactory,
    draft_run,
    launch_run,
    work,
)
from tests.offers.views.marketer import sign_in, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    programme = ProgrammeFactory()
    AttributeDefinitionFactory(programme=programme, name="loyalty_score", type="number", label="Loyalty score")
    for number, score in enumerate((60, 120)):
        MemberFactory(programme=programme, external_id=f"M-{number}", attributes={"loyalty_score": score})
    return programme


@pytest.fixture
def spring(programme):
    file = io.BytesIO(b"member,Days\nM-0,10\nM-1,20\n")
    return member_list.upload(programme=programme, name="Spring", file=file, file_name="spring.csv", actor=None)


@pytest.fixture
def template(programme):
    offer = ConfigOfferFactory(programme=programme, name="Coffee", terms={"validity": {"days": 30}})
    return OfferTemplateFactory(config_offer=offer, name="Win-back")


@pytest.fixture
def run(programme, template, spring):
    """A run that is over: a formula with money, days from a list, a campaign, a rank, a hold-out, and to be cut."""
    own = {
        "benefit": {
            "type": "amount",
            "size": {"expression": "loyalty_score / 40", "minimum": 1.5, "maximum": 30, "default": 2},
        },
        "validity": {"days": {"list": spring.pk, "column": "Days", "minimum": 7, "maximum": 90}},
    }
    made = launch_run(
        template,
        targeting=TargetingFactory(programme=programme, name="Everyone"),
        name="Autumn",
        terms={"products": {"products": ["A", "B"]}},
        member_values=own,
        campaign=CampaignFactory(programme=programme),
        rank=7,
        hold_out_percent=Decimal("2.50"),
    )
    MassAssignment.objects.filter(pk=made.pk).update(on_shortfall="cut", wait_days=3)
    return work(made)


@pytest.fixture
def api(programme, client):
    made, key = ApiClientFactory(programme=programme, scopes=["targetings"])

    def call(path, data=None, **headers):
        return client.post(
            f"/api/v1/mass-assignments/{path}", data={} if data is None else data, content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"} | headers,
        )  # fmt: skip

    call.client = made
    return call


def test_s1_01_a_clone_over_the_api_is_a_draft_with_all_that_the_run_had(api, run):
    """S1-01, S4-24: also its values per member and its plan for too little; once under one key; audited; launchable."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    answer = api(f"{run.pk}/clone", **key)
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["state"], made["name"], made["left_out"]) == ("draft", "Autumn, again", [])
    assert (made["on_shortfall"], made["wait_days"], made["launch_at"], made["follows"]) == ("cut", 3, None, None)
    former, clone = MassAssignment.objects.get(pk=run.pk), MassAssignment.objects.get(pk=made["id"])
    assert made["campaign"] == run.campaign.external_id
    for name in ("template", "terms", "member_values", "rank", "hold_out_percent", "campaign"):
        assert getattr(clone, name) == getattr(former, name), name
    assert api(f"{run.pk}/clone", **key).json()["id"] == made["id"]
    assert MassAssignment.objects.count() == 2
    event = AuditEvent.objects.get(action="mass_assignment.cloned")
    assert (event.api_client, event.object_id, event.data["of"]) == (api.client, str(clone.pk), run.pk)
    named = api(f"{run.pk}/clone", {"name": "Winter"}).json()
    assert named["name"] == "Winter"


def test_s1_01_a_clone_asks_the_audience_as_it_is_saved_now(api, run, programme):
    """B-03: the former run keeps its version; its clone takes the current one."""
    targeting = run.targeting_version.targeting
    later = TargetingFactory(programme=programme).current_version
    later.targeting, later.number = targeting, 2
    later.save()
    Targeting.objects.filter(pk=targeting.pk).update(current_version=later)
    assert api(f"{run.pk}/clone").json()["targeting_version"] == 2
    run.refresh_from_db()
    assert run.targeting_version.number == 1


def test_s1_01_what_is_gone_is_left_out_and_named_and_the_rest_is_copied(api, run, spring):
    """S1-01, B-02: an attribute that is no more; an archived list still holds."""
    AttributeDefinition.objects.all().delete()
    MemberList.objects.update(archived_at=run.created_at)
    made = api(f"{run.pk}/clone").json()
    assert list(made["member_values"]) == ["validity"]
    [left_out] = made["left_out"]
    assert (left_out["field"], left_out["code"]) == ("member_values.benefit.size", "not_a_formula")
    assert "loyalty_score" in left_out["message"]
    assert MassAssignment.objects.get(pk=made["id"]).member_values["validity"]["days"]["list"] == spring.pk


def test_s1_01_where_the_template_asks_for_what_is_gone_nothing_is_made(api, run, template):
    """S0-07, S1-01: one answer with both causes."""
    template.required_rules = ["benefit"]
    template.save()
    AttributeDefinition.objects.all().delete()
    refused = api(f"{run.pk}/clone")
    assert refused.status_code == 422
    fields = [one.get("field") for one in refused.json()["problems"]]
    assert fields[0] == "member_values.benefit.size"
    assert len(fields) == 2
    assert MassAssignment.objects.count() == 1


def test_s4_24_an_archived_audience_is_named_and_nothing_is_made(api, run):
    """S4-26: the audience may be taken out of the archive; until then there is nobody to ask for."""
    Targeting.objects.update(archived_at=run.created_at)
    refused = api(f"{run.pk}/clone")
    assert (refused.status_code, refused.json()["problems"][0]["field"]) == (422, "targeting")
    assert "is archived" in refused.json()["detail"]
    assert MassAssignment.objects.count() == 1


@pytest.mark.parametrize("body", [{"name": "x" * 201}, {"name": "a\x00b"}, {"name": ["no"]}, []])
def test_s4_24_a_name_that_cannot_be_kept_is_named(api, run, body):
    """S4-24, bad input: too long, or nothing that can be stored."""
    assert api(f"{run.pk}/clone", body).status_code in {400, 422}
    assert MassAssignment.objects.count() == 1


def test_d_21_another_programmes_run_is_neither_cloned_nor_moved(api):
    """D-21: it is not found."""
    other = draft_run(ConfigOfferFactory(programme=ProgrammeFactory()))
    assert api(f"{other.pk}/clone").status_code == 404
    assert api(f"{other.pk}/reschedule", {"launch_at": "2027-01-01T00:00:00Z"}).status_code == 404


def test_s1_01_the_page_opens_filled_in_with_the_values_per_member_and_launches_the_same(run, programme):
    """S1-01, S1-05: what the form holds is what the run had: sources, bounds, defaults, and the rule's fixed part."""
    marketer = sign_in(programme)
    answer = marketer.get(reverse("offers:run_clone", args=[run.pk]), follow=True)
    page = words(answer)
    assert "loyalty_score / 40" in page
    assert "Not copied" not in page
    query = dict(answer.wsgi_request.GET.items())
    assert query["benefit__size__formula"] == "loyalty_score / 40"
    assert (query["benefit__size__least"], query["benefit__size__else"]) == ("1.5", "2")
    sent = answer.wsgi_request.GET.copy()
    sent["version"], sent["do"] = run.targeting_version_id, "keep"
    marketer.post(reverse("offers:run_new"), sent)
    clone = MassAssignment.objects.exclude(pk=run.pk).get()
    assert (clone.member_values, clone.terms, clone.name) == (run.member_values, run.terms, "Autumn, again")
    assert not Assignment.objects.filter(run=clone).exists()


def test_s1_01_the_page_says_what_it_could_not_copy_and_why(run, programme):
    """S1-01, B-02: one sentence for each, and the rest is filled in."""
    AttributeDefinition.objects.all().delete()
    page = words(sign_in(programme).get(reverse("offers:run_clone", args=[run.pk]), follow=True))
    assert "Not copied. Benefit, Size:" in page
    assert "“Days” in the list “Spring”" in page
