"""Templates that a process knows: taken as they are while their rows stand, loaded anew after any change (ADR 5)."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from offers.models import ConfigOffer, OfferTemplate, VoucherBank
from offers.services import template_loading
from tests.factories import CampaignFactory, ConfigOfferFactory, ProgrammeFactory, limit_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def template():
    return ConfigOfferFactory(require_vouchers=True).templates.get()


def load(template):
    return template_loading.load(programme=template.programme, ids={template.pk}).templates[template.pk]


def test_what_has_not_changed_is_not_read_again(template):
    known = load(template)
    with CaptureQueriesContext(connection) as queries:
        assert load(template) is known
    assert len(queries) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda t: OfferTemplate.objects.filter(pk=t.pk).update(name="Another"),
        lambda t: ConfigOffer.objects.filter(pk=t.config_offer_id).update(state="paused"),
        lambda t: type(t.programme).objects.filter(pk=t.programme_id).update(timezone="Asia/Kolkata"),
        lambda t: VoucherBank.objects.filter(config_offer=t.config_offer_id).update(low_stock_at=7),
        # To what it was: the row is another one all the same.
        lambda t: OfferTemplate.objects.filter(pk=t.pk).update(name=t.name),
    ],
    ids=["template", "offer", "programme", "bank", "same values"],
)
def test_any_change_of_its_rows_is_seen_at_once_also_twice_in_one_transaction(template, change):
    known = load(template)
    change(template)
    seen = load(template)
    assert seen is not known
    change(template)
    assert load(template) is not seen


def test_a_change_that_is_undone_is_not_remembered(template):
    load(template)

    def rename():
        with transaction.atomic():
            OfferTemplate.objects.filter(pk=template.pk).update(name="For a moment")
            assert load(template).name == "For a moment"
            raise LookupError

    with pytest.raises(LookupError):
        rename()
    assert load(template).name == template.name
    OfferTemplate.objects.filter(pk=template.pk).update(name="For good")
    assert load(template).name == "For good"


def test_templates_of_another_programme_are_not_found(template):
    load(template)
    assert not template_loading.load(programme=ProgrammeFactory(), ids={template.pk}).templates


def test_limits_are_told_in_the_same_statement(template):
    """D-05: of the offer, and per campaign how many offers it gives a member."""
    offer, campaign = template.config_offer, CampaignFactory(programme=template.programme)
    load(template)
    limit_of(offer, cap=10)
    limit_of(campaign, per_member=3)
    with CaptureQueriesContext(connection) as queries:
        loaded = template_loading.load(
            programme=template.programme, ids={template.pk}, campaign_ids={campaign.pk, campaign.pk + 1}
        )
    assert set(loaded.limited_offers) == {offer.pk}
    assert loaded.campaign_limits == {campaign.pk: 3}
    assert len(queries) == 1


def test_a_process_keeps_a_bounded_number_of_them(monkeypatch):
    monkeypatch.setattr(template_loading, "MOST_KEPT", 3)
    monkeypatch.setattr(template_loading, "_kept", {})
    for offer in ConfigOfferFactory.create_batch(5):
        load(offer.templates.get())
        assert len(template_loading._kept) <= 3
