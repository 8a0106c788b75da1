"""Going on from a run, and beginning another like it, on its page and in the API (B-03)."""

import json
import re

import pytest
from django.urls import reverse

from offers.models import MassAssignment
from tests.factories import (
    ApiClientFactory,
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    TargetingFactory,
    import_codes,
    plan_run,
    work,
)
from tests.offers.views.marketer import a_run, sign_in, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(programme):
    MemberFactory.create_batch(2, programme=programme)
    offer = ConfigOfferFactory(programme=programme, name="Coffee", require_vouchers=True)
    import_codes(offer, 5)
    run = work(plan_run(offer, targeting=TargetingFactory(programme=programme), name="Autumn"))
    MemberFactory.create_batch(3, programme=programme)
    return run


def address(run, name):
    return reverse(f"offers:{name}", args=[run.pk])


def test_b_03_the_dialog_says_how_many_are_new_and_a_double_click_launches_once(
    programme, run, rung, django_capture_on_commit_callbacks
):
    marketer = sign_in(programme)
    assert 'data-dialog="diff-dialog"' in words(marketer.get(address(run, "run")))
    dialog = words(marketer.get(address(run, "run_diff_preview")))
    assert "<strong>3</strong> match now and are new" in dialog
    assert "Assign to 3 new members</button>" in dialog
    [reference] = re.findall(r'name="reference" value="([^"]+)"', dialog)
    with django_capture_on_commit_callbacks(execute=True):
        first = marketer.post(address(run, "run_diff"), {"reference": reference})
        again = marketer.post(address(run, "run_diff"), {"reference": reference})
    made = MassAssignment.objects.exclude(pk=run.pk).get()
    assert first.headers["Location"] == again.headers["Location"] == address(made, "run")
    assert rung[0] == made.pk
    work(made)
    after = words(marketer.get(address(made, "run")))
    assert f'Goes on from <a href="{address(run, "run")}">Autumn</a>' in after
    assert "3 of 3" in after
    before = words(marketer.get(address(run, "run")))
    assert f'Gone on with in <a href="{address(made, "run")}">Autumn: new members</a>' in before
    assert "0 to assign" in words(marketer.get(address(run, "run_diff_preview")))


@pytest.mark.usefixtures("rung")
def test_b_03_with_too_few_codes_the_button_waits(programme, run):
    MemberFactory.create_batch(9, programme=programme)
    dialog = words(sign_in(programme).get(address(run, "run_diff_preview")))
    assert "12 codes needed of 3 left" in dialog
    assert re.search(r"<button[^>]* disabled>.*Assign to 12 new members", dialog)


@pytest.mark.usefixtures("rung")
def test_b_03_a_draft_has_nobody_who_is_new(programme, run):
    draft = a_run(run.template, run.targeting_version.targeting)
    marketer = sign_in(programme)
    assert "diff-dialog" not in words(marketer.get(address(draft, "run")))
    assert "has no frozen audience yet" in words(marketer.get(address(draft, "run_diff_preview")))
    assert "has no frozen audience yet" in words(marketer.post(address(draft, "run_diff"), follow=True))
    assert MassAssignment.objects.count() == 2


def test_b_03_a_clone_opens_the_launch_page_filled_in_as_the_run_was(programme, run):
    """Terms in major units, campaign, hold-out and rank; nothing is made."""
    campaign = CampaignFactory(programme=programme)
    terms = {"benefit": {"type": "amount", "size": 250}, "products": {"skus": ["A", "B"]}}
    MassAssignment.objects.filter(pk=run.pk).update(campaign=campaign, terms=terms, rank=7, hold_out_percent="2.50")
    marketer = sign_in(programme)
    answer = marketer.get(address(run, "run_clone"), follow=True)
    page = words(answer)
    query = answer.request["QUERY_STRING"]
    for part in ("benefit__type=amount", "benefit__size=2.50", f"campaign={campaign.pk}", "hold_out=2.50", "rank=7"):
        assert part in query
    assert "Autumn, again" in page
    assert MassAssignment.objects.count() == 1


def test_b_03_machines_go_on_from_a_run_too(programme, run, client):
    """B-03: a draft like it, to launch as any other; its dry run counts the new ones."""
    _client, key = ApiClientFactory(programme=programme, scopes=["targetings"])

    def post(path):
        headers = {"Authorization": f"Api-Key {key}"}
        return client.post(f"/api/v1/mass-assignments/{path}", json.dumps({}), "application/json", headers=headers)

    assert post(f"{run.pk}/diff/dry-run").json()["eligible"] == 3
    made = post(f"{run.pk}/diff")
    assert (made.status_code, made.json()["state"], made.json()["follows"]) == (201, "draft", run.pk)
    refused = post(f"{made.json()['id']}/diff")
    assert (refused.status_code, refused.json()["code"]) == (409, "mass_assignment_state")
