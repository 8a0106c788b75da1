"""“Why doesn't she have …?” on the desk: the panel, its links by permission, and the audit of each look (B-02)."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import DoorEntry, MassAssignment, Source
from offers.services import revocation
from tests.factories import (
    ConfigOfferFactory,
    DraftOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    TargetingFactory,
    UserFactory,
    give,
    import_codes,
    launch_run,
    work,
)
from tests.offers.services.explanation_given import held_out
from tests.offers.services.explanation_story import NOBODY, Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(programme):
    return MemberFactory(programme=programme, external_id="M-1", first_name="Ann", last_name="Lee", city="Lyon")


def explain(client, member, **given):
    return client.get(reverse("support:explain", args=[member.pk]), given)


@pytest.mark.parametrize("name", ["offer_reference", "external_id", "public_id", "template", "code", "assignment"])
def test_s0_10_an_offer_is_found_by_every_name_it_has(name, agent, programme, ann):
    """S0-10, B-02: reference, external and public id, template's id, code as typed, Personalized Offer ID."""
    offer = ConfigOfferFactory(
        programme=programme, name="Coffee", offer_reference="COFFEE", external_id="cms-7", require_vouchers=True
    )
    OfferTemplateFactory(config_offer=offer, external_id="win-back")
    import_codes(offer, ["ABCD-1"])
    held = give(ann, offer)
    names = {"template": "win-back", "code": "abcd-1", "assignment": str(held.pk)}
    found = explain(agent, ann, offer=names.get(name) or str(getattr(offer, name))).context["found"]
    assert (found.offer, found.code, found.assignment_id) == (offer, "usable", held.pk)


def test_b_02_the_panel_asks_which_offer_is_meant_and_hers_come_first(agent, programme, ann):
    """All of the programme's, in any state; nobody else's."""
    for name in ("Apple", "Bread"):
        ConfigOfferFactory(programme=programme, name=name)
    DraftOfferFactory(programme=programme, name="Cheese", offer_reference="CHEESE")
    give(ann, ConfigOfferFactory(programme=programme, name="Tea"))
    ConfigOfferFactory(name="Elsewhere")
    page = explain(agent, ann)
    assert [(offer.name, is_hers) for offer, is_hers in page.context["choices"]] == [
        ("Tea", True),
        ("Apple", False),
        ("Bread", False),
        ("Cheese", False),
    ]
    page = agent.get(reverse("support:explain_choices", args=[ann.pk]), {"offer": "chee"})
    assert [offer.name for offer, _is_hers in page.context["choices"]] == ["Cheese"]
    assert not AuditEvent.objects.filter(action="member.explained").exists()


def test_b_02_each_answer_is_noted_in_the_audit(agent, user, programme, ann):
    offer = ConfigOfferFactory(programme=programme, name="Coffee", offer_reference="COFFEE")
    page = explain(agent, ann, offer="COFFEE")
    assert "You have not been given “Coffee”." in page.text
    look = AuditEvent.objects.get(action="member.explained")
    assert (look.user, look.object_id, look.data) == (user, str(ann.pk), {"offer": offer.pk})


def test_b_02_what_no_offer_is_called_is_looked_up_as_a_code(agent, ann):
    assert explain(agent, ann, offer="WHAT-1").context["found"].code == "unknown_code"


def test_b_02_another_programmes_offers_codes_and_ids_are_unknown_here(agent, ann):
    offer = ConfigOfferFactory(offer_reference="ELSEWHERE", require_vouchers=True)
    import_codes(offer, ["ABCD-1"])
    held = give(MemberFactory(programme=offer.programme), offer)
    for text in ("ELSEWHERE", "ABCD-1", str(held.pk), str(offer.public_id)):
        assert explain(agent, ann, offer=text).context["found"].code == "unknown_code"
    assert explain(agent, ann, template=offer.templates.get().pk).status_code == 404


def test_b_02_the_next_step_is_a_link_where_the_person_may_take_it(client, agent, user, programme, ann):
    offer = ConfigOfferFactory(programme=programme, offer_reference="COFFEE")
    page = explain(agent, ann, offer="COFFEE")
    [button] = page.context["buttons"]
    grant = f"{reverse('support:grant', args=[ann.pk])}?template={offer.templates.get().pk}"
    assert (button.code, button.url) == ("grant", grant)
    looker = UserFactory(programmes=[programme])
    for name in ("loyalty.view_member", "offers.view_assignment", "offers.view_configoffer"):
        app, codename = name.split(".")
        looker.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client.force_login(looker)
    [button] = explain(client, ann, offer="COFFEE").context["buttons"]
    assert (button.code, button.url) == ("grant", ""), "it is said, and nobody is led to a refusal"


def test_b_02_an_agent_is_told_clause_by_clause_with_her_value(agent, programme, ann):
    from offers.services import eligibility_settings

    offer = ConfigOfferFactory(programme=programme, name="Coffee", offer_reference="COFFEE")
    eligibility_settings.put_conditions(offer=offer, criteria=NOBODY, actor=None)
    text = explain(agent, ann, offer="COFFEE").text
    for said in ("City is Nowhere", "is:", "Lyon", "needed:", "conditions_not_met"):
        assert said in text


def test_d_19_an_agent_never_reads_that_somebody_is_held_out(client, agent, programme, ann):
    """D-19, B-13: staff with permission are told, and what is read out is the same for both."""
    story = Story(programme, ann)
    held_out(story)
    given = {"offer": story.made["offer"].offer_reference}
    text = explain(agent, ann, **given).text
    assert "held out" not in text
    assert "held_out" not in text
    assert "You were not part of this campaign." in text
    client.force_login(UserFactory(role="administrator", programmes=[programme]))
    text = explain(client, ann, **given).text
    assert "Do not tell her." in text
    assert "You were not part of this campaign." in text


def test_b_02_whose_the_code_is_is_linked_for_who_may_see_members_and_noted(agent, programme, ann):
    offer = ConfigOfferFactory(programme=programme, name="Coffee", require_vouchers=True)
    import_codes(offer, ["ABCD-1"])
    bob = MemberFactory(programme=programme, first_name="Bob", last_name="Ray")
    give(bob, offer)
    page = explain(agent, ann, offer="ABCD-1")
    assert page.context["found"].code == "code_of_another"
    assert reverse("support:member", args=[bob.pk]) in page.text
    assert AuditEvent.objects.get(action="member.explained").data["owner"] == bob.pk


def test_b_02_holdings_the_assignment_and_refused_entries_lead_to_their_explanation(agent, programme, ann):
    """S0-11: now, before, the record itself, and what a door refused."""
    offer = ConfigOfferFactory(programme=programme, name="Coffee")
    held, gone = give(ann, offer), give(ann, offer)
    revocation.revoke(programme=programme, assignment_id=gone.pk, reason="-", now=clock.now())
    template = OfferTemplateFactory(config_offer=offer)
    DoorEntry.objects.create(
        programme=programme,
        door=Source.API,
        instance="crm",
        reference="1",
        member=ann,
        answer={"outcome": "out_of_codes", "template": template.pk},
    )
    page = agent.get(reverse("support:member", args=[ann.pk])).text
    address = reverse("support:explain", args=[ann.pk])
    for link in (f"{address}?offer={held.pk}", f"{address}?offer={gone.pk}", f"{address}?template={template.pk}"):
        assert f'href="{link}"' in page
    assert f'href="{address}"' in page
    assert f"{address}?offer={held.pk}" in agent.get(reverse("support:assignment", args=[held.pk])).text
    assert explain(agent, ann, offer=str(gone.pk)).context["found"].code == "revoked"
    refused = explain(agent, ann, template=template.pk).context["found"]
    assert "out_of_codes" in {step.code for step in refused.steps}


def test_b_02_a_run_that_left_her_out_says_by_which_clause_to_who_may_see_runs(client, agent, programme, ann):
    nobody = TargetingFactory(programme=programme, name="Nobody", criteria=NOBODY)
    offer = ConfigOfferFactory(programme=programme, offer_reference="COFFEE")
    run = work(launch_run(offer, name="Autumn", targeting=nobody))
    assert MassAssignment.objects.get(pk=run.pk).state == "finished"
    [step] = [one for one in explain(agent, ann, offer="COFFEE").context["found"].steps if one.question == "targeted"]
    assert (step.code, step.clauses) == ("run_out", ())
    client.force_login(UserFactory(role="administrator", programmes=[programme]))
    [step] = [one for one in explain(client, ann, offer="COFFEE").context["found"].steps if one.question == "targeted"]
    assert (step.has, step.needed) == ("Lyon", "City is Nowhere")
