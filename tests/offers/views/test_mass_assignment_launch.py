"""Preparing and launching a mass assignment: what it costs, what it refuses (S4-22..28)."""

import re
import threading
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from loyalty.models import AuditEvent
from offers.models import MassAssignment
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    TargetingFactory,
    UserFactory,
    import_codes,
    work,
)
from tests.offers.views.marketer import filled_in, sign_in, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


def test_a_form_sent_twice_starts_one_run(programme, coffee, everyone, rung, django_capture_on_commit_callbacks):
    """S4-27: a double click launches once, and leads to the same run."""
    marketer = sign_in(programme)
    values = filled_in(coffee.templates.get(), everyone)
    with django_capture_on_commit_callbacks(execute=True):
        first = marketer.post(reverse("offers:run_new"), values)
        again = marketer.post(reverse("offers:run_new"), values)

    run = MassAssignment.objects.get()
    assert first.headers["Location"] == again.headers["Location"] == reverse("offers:run", args=[run.pk])
    assert (run.state, run.name, rung) == ("scheduled", "Coffee → Everyone", [run.pk])
    assert "It started one run" in words(marketer.get(again.headers["Location"]))
    assert AuditEvent.objects.filter(action="mass_assignment.launched").count() == 1


def test_a_rule_left_empty_is_named_and_nothing_is_written(programme, coffee, everyone):
    """S0-07: the launch without a required value shows its field with the reason."""
    template = OfferTemplateFactory(config_offer=coffee, required_rules=["benefit"])
    answer = sign_in(programme).post(reverse("offers:run_new"), filled_in(template, everyone))

    assert answer.status_code == 422
    assert "Something is still missing" in words(answer)
    assert 'id="id_benefit__type"' in words(answer)
    assert "errorlist" in words(answer)
    assert not MassAssignment.objects.exists()


def test_values_given_replace_the_offers_own_and_the_rest_stays(programme, coffee, everyone):
    """S0-08: an override of the redemption limit; the benefit stays the offer's."""
    values = filled_in(coffee.templates.get(), everyone, redemption_limit__limit="3")
    answer = sign_in(programme).post(reverse("offers:run_new"), values)
    run = MassAssignment.objects.get()
    assert run.terms == {"redemption_limit": {"limit": 3}}
    assert "set for this run" in words(sign_in(programme).get(answer.headers["Location"]))


def test_numbers_of_an_audience_that_changed_since_are_looked_at_again(programme, coffee, everyone):
    """S4-25, B-03: what was shown is what is launched."""
    answer = sign_in(programme).post(
        reverse("offers:run_new"), filled_in(coffee.templates.get(), everyone, version=everyone.current_version_id + 1)
    )
    assert answer.status_code == 409
    assert "was changed since these numbers were shown" in words(answer)
    assert not MassAssignment.objects.exists()


def test_the_address_is_the_draft(programme, coffee, everyone):
    """Nothing is lost on reload: offer, terms, audience and options come back from the address alone."""
    template = OfferTemplateFactory(config_offer=coffee, name="Win-back", required_rules=["benefit"])
    fall = CampaignFactory(programme=programme, name="Fall")
    marketer = sign_in(programme)
    begun = marketer.get(reverse("offers:run_new"), {"offer": coffee.pk})
    assert "reference=" in begun.headers["Location"]
    page = words(
        marketer.get(
            reverse("offers:run_new"),
            {
                "reference": str(uuid.uuid4()),
                "template": template.pk,
                "terms": "set",
                "benefit__type": "percent",
                "benefit__size": "33",
                "targeting": everyone.pk,
                "campaign": fall.pk,
                "name": "Mine",
            },
        )
    )
    for part in ("Win-back", "33 % off", "Everyone", "campaign Fall", "“Mine”", "Dry run"):
        assert part in page


def test_an_offer_with_one_template_is_chosen_by_its_own_id(programme, coffee):
    """S4-24, D-11: "assign" in the catalogue begins with the offer chosen."""
    answer = sign_in(programme).get(reverse("offers:run_new"), {"offer": coffee.pk}, follow=True)
    assert f"template={coffee.templates.get().pk}" in answer.request["QUERY_STRING"]


def test_the_dry_run_names_each_reason_and_asks_to_check_the_target(programme, everyone):
    """S4-25, S4-28, B-01: exclusions, codes needed, left and short; the button repeats the number and is off."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    MemberFactory(programme=programme, status="inactive")
    import_codes(offer, 2)
    page = words(
        sign_in(programme).get(
            reverse("offers:run_dry_run"), {"template": offer.templates.get().pk, "targeting": everyone.pk}
        )
    )
    assert "3 needed of 2 left" in page
    assert "1 code is missing." in page
    assert "Check the target before you launch" in page
    assert "Launch 3 assignments" in page
    assert 'disabled aria-describedby="why-not"' in page


def test_unpublished_archived_and_everyones_offers_cannot_be_chosen(programme, coffee):
    """S4-24, S0-34."""
    ConfigOfferFactory(programme=programme, name="For all", audience="everyone", terms={})
    gone = ConfigOfferFactory(programme=programme, name="Gone")
    gone.state = "archived"
    gone.save(update_fields=["state"])
    ConfigOfferFactory(name="Theirs")
    page = words(sign_in(programme).get(reverse("offers:run_offers")))
    assert "Coffee" in page
    for name in ("For all", "Gone", "Theirs"):
        assert name not in page


def test_who_may_prepare_but_not_launch_keeps_drafts(programme, coffee, everyone):
    """C-05: launching is a permission of its own."""
    client = Client()
    user = UserFactory(programmes=[programme])
    from django.contrib.auth.models import Permission

    user.user_permissions.set(Permission.objects.filter(codename__in=["view_massassignment", "add_massassignment"]))
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    values = filled_in(coffee.templates.get(), everyone)
    assert client.post(reverse("offers:run_new"), values).status_code == 403
    assert not MassAssignment.objects.exists()
    kept = client.post(reverse("offers:run_new"), values | {"do": "keep"})
    run = MassAssignment.objects.get()
    assert (kept.status_code, run.state) == (302, "draft")
    assert client.post(reverse("offers:run_act", args=[run.pk, "launch"])).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_the_same_moment_start_one_run():
    """A form that reaches two web workers at once: the second waits, and finds the first one's run."""
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme)
    MemberFactory(programme=programme)
    values = filled_in(offer.templates.get(), TargetingFactory(programme=programme))
    marketer = sign_in(programme)
    together = threading.Barrier(4)
    answers = []

    def click() -> None:
        client = Client()
        client.cookies = marketer.cookies.copy()
        together.wait()
        answers.append(client.post(reverse("offers:run_new"), values).headers["Location"])
        connection.close()

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert answers == [reverse("offers:run", args=[MassAssignment.objects.get().pk])] * 4


def test_b_13_a_share_is_held_out_as_the_numbers_said(programme, coffee, everyone):
    """D-19: shown before the launch and on the run's page, kept in the address; what is no share is refused."""
    marketer = sign_in(programme)
    MemberFactory.create_batch(60, programme=programme)
    values = filled_in(coffee.templates.get(), everyone, hold_out="50")
    shown = words(marketer.get(reverse("offers:run_dry_run"), values))
    [held] = re.findall(r"<strong>(\d+)</strong> held out to compare with", shown)
    marketer.post(reverse("offers:run_new"), values)
    run = work(MassAssignment.objects.get())
    assert run.excluded["held_out"] == int(held) > 10
    assert "50 %" in words(marketer.get(reverse("offers:run", args=[run.pk])))
    for wrong in ("100", "-1", "a few", "33.333"):
        answer = marketer.post(reverse("offers:run_new"), values | {"hold_out": wrong, "reference": str(uuid.uuid4())})
        assert answer.status_code == 422
    assert MassAssignment.objects.count() == 1
