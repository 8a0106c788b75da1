"""A template may name the roles that may grant it at the desk (B-05, C-03)."""

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.errors import InvalidInput
from offers.models import Assignment, OfferTemplate
from offers.services import template as templates
from support.services import grant_request
from tests.factories import OfferTemplateFactory, UserFactory
from tests.factories.allowance import allow
from tests.support.test_allowance import ask
from tests.support.test_grant import filled, send, template

__all__ = ["template"]

pytestmark = pytest.mark.django_db


def only(template, *roles):
    OfferTemplate.objects.filter(pk=template.pk).update(desk_roles=list(roles))


def choices(client, member):
    found = client.get(reverse("support:grant", args=[member.pk])).context["templates"]
    return {each.name for each in found if not each.is_default}


def of_role(role, programme, **options):
    client = Client()
    client.force_login(UserFactory(role=role, programmes=[programme], **options))
    return client


def test_b_05_choices_form_preview_and_sending_obey_the_roles_of_a_template(agent, programme, ann, template):
    """Not only hidden: each of them is a 404 for another role, and nothing is given."""
    free = OfferTemplateFactory(config_offer=template.config_offer, name="For all")
    only(template, "support lead")
    lead = of_role("support lead", programme)
    assert choices(agent, ann) == {free.name}
    assert choices(lead, ann) == {free.name, template.name}
    page, preview = reverse("support:grant", args=[ann.pk]), reverse("support:grant_preview", args=[ann.pk])
    for client, status in ((agent, 404), (lead, 200)):
        assert client.get(page, {"template": template.pk}).status_code == status
        assert client.post(preview, filled(template)).status_code == status
    assert send(agent, ann, filled(template)).status_code == 404
    assert not Assignment.objects.exists()
    send(lead, ann, filled(template))
    assert Assignment.objects.count() == 1


def test_b_05_one_of_several_roles_is_enough_and_superusers_have_all(agent, programme, ann, template, user):
    only(template, "support lead", "support agent")
    assert choices(agent, ann) == {template.name}
    only(template, "support lead")
    assert choices(of_role("", programme, is_superuser=True), ann) == {template.name}


def test_b_05_what_waits_is_not_given_when_its_agents_role_may_no_longer_grant_it(programme, user, ann, template):
    allow(programme, user=user, per_day=0)
    asked = ask(ann, template, user).request
    only(template, "support lead")
    lead = UserFactory(role="support lead", programmes=[programme])
    with pytest.raises(grant_request.NotApprovable, match="can no longer be granted"):
        grant_request.approve(programme=programme, request_id=asked.pk, actor=lead, now=asked.asked_at)
    assert not Assignment.objects.exists()


def test_b_05_a_marketer_names_the_roles_on_the_templates_form(programme, template):
    marketer = of_role("marketer", programme)
    address = reverse("offers:template", args=[template.pk])
    assert 'value="support lead"' in marketer.get(address).text
    data = {"name": "Make good", "required_rules": ["benefit"], "desk_roles": ["support lead", "administrator"]}
    marketer.post(address, data)
    template.refresh_from_db()
    assert template.desk_roles == ["administrator", "support lead"]
    # A role that grants nothing is no choice.
    assert marketer.post(address, data | {"desk_roles": ["marketer"]}).status_code == 422
    marketer.post(address, data | {"desk_roles": []})
    template.refresh_from_db()
    assert template.desk_roles == []


@pytest.mark.parametrize("given", ["support lead", [7], ["nobody"], None])
def test_b_05_an_unknown_role_is_refused_by_name(template, given):
    """As over the API, whose values the same service checks."""
    with pytest.raises(InvalidInput) as refused:
        templates.update(template=template, values={"desk_roles": given}, actor=None)
    assert refused.value.problems[0]["field"] == "desk_roles"
    template.refresh_from_db()
    assert template.desk_roles == []


def test_b_02_the_explanation_leads_to_no_grant_that_another_role_makes(agent, programme, ann, template):
    """B-05: the next step is said, with who takes it, and nobody is led to a 404."""
    default = template.config_offer.templates.get(is_default=True)
    address = reverse("support:explain", args=[ann.pk])
    panel = f"{reverse('support:grant', args=[ann.pk])}?template={default.pk}"

    def button(client):
        buttons = client.get(address, {"template": default.pk}).context["buttons"]
        return next((each.url, each.text) for each in buttons if each.code == "grant")

    assert button(agent) == (panel, "Grant it to her")
    only(default, "support lead")
    assert button(agent) == ("", "Another role grants it to her")
    assert agent.get(panel).status_code == 404
    lead = of_role("support lead", programme)
    assert button(lead) == (panel, "Grant it to her")
    assert lead.get(panel).status_code == 200
