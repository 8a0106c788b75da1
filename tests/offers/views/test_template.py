"""The templates' pages (S0-05, S0-06, B-15)."""

import pytest
from django.urls import reverse

from offers.models import OfferTemplate
from tests.factories import ConfigOfferFactory, OfferTemplateFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    return ConfigOfferFactory(name="Coffee")


@pytest.fixture
def marketer(offer, client):
    user = UserFactory(role="marketer", programmes=[offer.programme])
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_s0_06_a_template_is_made_with_the_rules_that_must_be_given(marketer, offer):
    response = marketer.post(
        reverse("offers:template_new"),
        {"config_offer": offer.pk, "name": "Win back", "required_rules": ["benefit", "validity"]},
    )

    template = OfferTemplate.objects.get(is_default=False)
    assert response.url == reverse("offers:template", args=[template.pk])
    assert (template.name, template.config_offer, template.required_rules) == (
        "Win back",
        offer,
        ["validity", "benefit"],
    )


def test_s0_05_a_template_without_an_offer_is_refused_at_the_field(marketer):
    response = marketer.post(reverse("offers:template_new"), {"name": "Win back"})

    assert response.status_code == 422
    assert "config_offer" in response.context["form"].errors
    assert not OfferTemplate.objects.filter(is_default=False).exists()


def test_s0_34_only_personalized_offers_of_the_programme_can_be_chosen(marketer, offer):
    ConfigOfferFactory(programme=offer.programme, audience="everyone", name="For all", terms={})
    ConfigOfferFactory(name="Of another brand")

    form = marketer.get(reverse("offers:template_new"), {"offer": offer.pk}).context["form"]

    assert list(form.fields["config_offer"].queryset) == [offer]
    assert str(form["config_offer"].value()) == str(offer.pk)


def test_the_form_that_others_will_get_follows_the_ticked_rules(marketer):
    response = marketer.post(reverse("offers:template_preview"), {"required_rules": ["benefit", "minimum_spend"]})

    text = response.content.decode()
    assert 'name="benefit__size"' in text
    assert 'name="minimum_spend__amount_minor"' in text
    assert 'name="validity__days"' not in text
    assert "minimum_spend.amount_minor" in text
    nothing = marketer.post(reverse("offers:template_preview"), {}).content.decode()
    assert "No rule has to be given" in nothing


def test_a_template_is_changed_and_archived(marketer, offer):
    template = OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])

    marketer.post(reverse("offers:template", args=[template.pk]), {"name": "Other", "required_rules": ["channels"]})
    template.refresh_from_db()
    assert (template.name, template.required_rules) == ("Other", ["channels"])
    marketer.post(reverse("offers:template_archive", args=[template.pk]))
    template.refresh_from_db()
    assert template.archived_at is not None
    marketer.post(reverse("offers:template", args=[template.pk]), {"name": "Again"})
    template.refresh_from_db()
    assert template.name == "Other"


def test_d_11_the_default_template_is_shown_and_stays(marketer, offer):
    default = offer.templates.get(is_default=True)

    text = marketer.get(reverse("offers:template", args=[default.pk])).content.decode()
    assert "Publishing made this template" in text
    marketer.post(reverse("offers:template", args=[default.pk]), {"name": "Mine", "required_rules": ["benefit"]})
    marketer.post(reverse("offers:template_archive", args=[default.pk]))
    default.refresh_from_db()
    assert (default.required_rules, default.archived_at) == ([], None)


def test_the_list_filters_by_rule_and_state(marketer, offer):
    OfferTemplateFactory(config_offer=offer, name="A", required_rules=["benefit"])
    OfferTemplateFactory(config_offer=offer, name="B", archived_at="2026-01-01T00:00:00Z")

    def names(**query):
        listing = marketer.get(reverse("offers:templates"), query).context["listing"]
        return [template.name for template in listing.page.object_list]

    assert names() == ["A", "Coffee"]
    assert names(rule="benefit") == ["A"]
    assert names(state="archived") == ["B"]
    assert names(q="coffee", state="all") == ["A", "B", "Coffee"]


def test_another_programmes_template_is_not_there(marketer):
    other = OfferTemplateFactory()

    assert marketer.get(reverse("offers:template", args=[other.pk])).status_code == 404
    assert marketer.post(reverse("offers:template_archive", args=[other.pk])).status_code == 404


def test_an_agent_may_look_and_not_change(client, offer):
    client.force_login(
        UserFactory(role="support agent", programmes=[offer.programme]),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    template = OfferTemplateFactory(config_offer=offer, name="Kept")

    assert client.get(reverse("offers:template", args=[template.pk])).status_code == 200
    client.post(reverse("offers:template", args=[template.pk]), {"name": "Mine"})
    template.refresh_from_db()
    assert template.name == "Kept"
    assert client.get(reverse("offers:template_new")).status_code == 403
    assert client.post(reverse("offers:template_archive", args=[template.pk])).status_code == 403
