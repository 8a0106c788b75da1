"""Every page of the admin opens, for one programme only, and a list costs the same at 1, 10 and 100 rows (C-03)."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty.models import Channel, OutboxEvent, Programme
from loyalty.services import audit, outbox
from offers.models import ConfigOffer, FieldDefinition, MassAssignment, OfferTemplate, VoucherBank
from offers.services import field
from support.models import GrantReason
from tests.factories import (
    ApiClientFactory,
    AttributeDefinitionFactory,
    CampaignFactory,
    CategoryFactory,
    ConfigOfferFactory,
    DraftOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProductFactory,
    ProductGroupFactory,
    ProgrammeFactory,
    StoreFactory,
    UserFactory,
    give,
    import_codes,
)
from tests.flows.admin import address

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _run(programme):
    template = OfferTemplate.objects.filter(programme=programme).first()
    template = template or ConfigOfferFactory(programme=programme).templates.get()
    return MassAssignment.objects.create(
        programme=programme, name="Run", template=template, config_offer=template.config_offer
    )


def _field(programme):
    number = FieldDefinition.objects.count()
    return FieldDefinition.objects.create(
        programme=programme, table="offers", name=f"own_{number}", type="text", label=f"Own {number}"
    )


# How each model of ours gets one more row in a programme.
MAKERS = {
    "loyalty.apiclient": lambda programme: ApiClientFactory(programme=programme)[0],
    "loyalty.attributedefinition": lambda programme: AttributeDefinitionFactory(programme=programme),
    "loyalty.channel": lambda programme: programme.channels.create(
        code=f"own_{programme.channels.count()}", name="Own"
    ),
    "loyalty.auditevent": lambda programme: audit.record(action="x.done", actor=None, programme=programme),
    "loyalty.category": lambda programme: CategoryFactory(programme=programme),
    "loyalty.member": lambda programme: MemberFactory(programme=programme),
    "loyalty.outboxevent": lambda programme: outbox.write(programme=programme, type="offer.published"),
    "loyalty.product": lambda programme: ProductFactory(programme=programme),
    "loyalty.productgroup": lambda programme: ProductGroupFactory(programme=programme),
    "loyalty.programme": lambda programme: ProgrammeFactory(),
    "loyalty.store": lambda programme: StoreFactory(programme=programme),
    "loyalty.user": lambda programme: UserFactory(programmes=[programme]),
    "offers.assignment": lambda programme: give(
        MemberFactory(programme=programme), ConfigOfferFactory(programme=programme)
    ),
    "offers.campaign": lambda programme: CampaignFactory(programme=programme),
    "offers.configoffer": lambda programme: DraftOfferFactory(programme=programme),
    "offers.fielddefinition": _field,
    "offers.massassignment": _run,
    "offers.offertemplate": lambda programme: OfferTemplateFactory(
        config_offer=ConfigOfferFactory(programme=programme), required_rules=["benefit"]
    ),
    "offers.voucherbank": lambda programme: ConfigOfferFactory(programme=programme, require_vouchers=True).voucher_bank,
    "support.grantreason": lambda programme: GrantReason.objects.create(
        programme=programme, code=f"own_{GrantReason.objects.count()}", label="Own"
    ),
}
# Edited on the catalogue's own pages, which have the forms of the rules.
ELSEWHERE = {"offers.configoffer"}
# Too dear to make a hundred of.
FEWER = {"offers.assignment": 30, "offers.offertemplate": 30, "offers.voucherbank": 30}


def ours():
    return [
        (model._meta.label_lower, options)
        for model, options in admin.site._registry.items()
        if model._meta.app_label in {"loyalty", "offers", "support"}
    ]


def test_every_registered_model_of_ours_is_known_here():
    assert {label for label, _options in ours()} == set(MAKERS)


@pytest.mark.parametrize("label", sorted(MAKERS))
def test_a_list_costs_the_same_number_of_queries_at_any_length(superuser, programme, label):
    counts = {}
    made = 0
    superuser.get(address(label, "changelist"))
    for length in (1, 10, FEWER.get(label, 100)):
        while made < length:
            MAKERS[label](programme)
            made += 1
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = superuser.get(address(label, "changelist"))
        assert response.status_code == 200
        counts[length] = len(queries)

    assert len(set(counts.values())) == 1, counts


@pytest.mark.parametrize("label", sorted(MAKERS))
def test_the_add_page_opens_or_is_forbidden_where_only_the_engine_writes(superuser, programme, label):
    response = superuser.get(address(label, "add"))

    if label in ELSEWHERE:
        assert response.url == reverse("offers:offer_new")
    else:
        may_add = dict(ours())[label].has_add_permission(response.wsgi_request)
        assert response.status_code == (200 if may_add else 403)


@pytest.mark.parametrize("label", sorted(MAKERS))
def test_the_change_page_opens_with_few_queries(superuser, programme, label, django_assert_max_num_queries):
    thing = MAKERS[label](programme)
    for _number in range(5):
        MAKERS[label](programme)

    if label in ELSEWHERE:
        assert superuser.get(address(label, "change", thing.pk)).url == reverse("offers:offer", args=[thing.pk])
        return
    with django_assert_max_num_queries(30):
        assert superuser.get(address(label, "change", thing.pk)).status_code == 200


@pytest.mark.parametrize("label", sorted(set(MAKERS) - {"loyalty.programme", "loyalty.user"}))
def test_d_21_another_programmes_things_do_not_exist(administrator, programme, label):
    other = MAKERS[label](ProgrammeFactory(name="There"))

    listed = administrator.get(address(label, "changelist"))
    # A programme has channels and reasons of its own from the beginning.
    begun_with = {"loyalty.channel": Channel, "support.grantreason": GrantReason}
    own = begun_with[label].objects.filter(programme=programme) if label in begun_with else []
    assert set(listed.context["cl"].queryset) == set(own)
    if label not in ELSEWHERE:
        assert administrator.get(address(label, "change", other.pk)).status_code == 302


def test_no_list_counts_beyond_ten_thousand_rows(superuser, programme):
    MemberFactory(programme=programme)

    with CaptureQueriesContext(connection) as queries:
        superuser.get(address("loyalty.member", "changelist"))

    # The navigation counts what waits for a second person, which is as much as people decide about in a week.
    of_list = [query["sql"] for query in queries if "loyalty_member" in query["sql"]]
    counts = [sql for sql in of_list if re.search(r"COUNT\(\*\)", sql)]
    assert counts
    assert all("LIMIT 10000" in sql for sql in counts)


def test_s4_11_a_default_field_is_renamed_and_not_deleted(administrator, programme):
    field.make_defaults(programme=programme)
    name = programme.field_definitions.get(table="offers", name="name")

    administrator.post(
        address("offers.fielddefinition", "change", name.pk), {"label": "Title", "name": "other", "type": "number"}
    )

    name.refresh_from_db()
    assert (name.label, name.name, name.type) == ("Title", "name", "text")
    assert administrator.post(address("offers.fielddefinition", "delete", name.pk), {"post": "yes"}).status_code == 403
    assert programme.field_definitions.filter(pk=name.pk).exists()


def test_s4_11_an_own_field_is_added_and_deleted(administrator, programme):
    administrator.post(
        address("offers.fielddefinition", "add"),
        {"table": "assignments", "name": "voucher_burned", "type": "boolean", "label": "Voucher burned"},
    )
    made = programme.field_definitions.get(name="voucher_burned")
    refused = administrator.post(
        address("offers.fielddefinition", "add"),
        {"table": "offers", "name": "offer_reference", "type": "text", "label": "Again"},
    )
    administrator.post(address("offers.fielddefinition", "delete", made.pk), {"post": "yes"})

    assert "already" in refused.content.decode()
    assert not programme.field_definitions.exists()


def test_s4_03_and_41_the_programmes_settings_name_the_tables_and_switch_the_module(administrator, programme):
    administrator.post(
        address("loyalty.programme", "change", programme.pk),
        {
            "name": "Here",
            "slug": programme.slug,
            "timezone": "Europe/Paris",
            "languages": "en,fr",
            "accent": "#2f6f4f",
            "offers_label": "Promos",
            "assignments_label": "Gifts",
        },
    )

    programme.refresh_from_db()
    assert (programme.offers_label, programme.assignments_label, programme.offers_enabled) == ("Promos", "Gifts", False)
    assert programme.languages == ["en", "fr"]
    assert programme.field_definitions.filter(is_default=True).exists()
    assert Programme.objects.count() == 1


def test_s0_05_and_06_a_template_is_made_with_required_rules(administrator, programme):
    offer = ConfigOfferFactory(programme=programme)

    without = administrator.post(address("offers.offertemplate", "add"), {"name": "Win back"})
    administrator.post(
        address("offers.offertemplate", "add"),
        {"config_offer": offer.pk, "name": "Win back", "required_rules": ["benefit", "validity"]},
    )

    assert without.status_code == 200
    assert "config_offer" in without.context["adminform"].form.errors
    template = OfferTemplate.objects.get(is_default=False)
    assert (template.name, template.required_rules, template.programme) == (
        "Win back",
        ["validity", "benefit"],
        programme,
    )
    administrator.post(
        address("offers.offertemplate", "change", template.pk), {"name": "Other", "required_rules": ["channels"]}
    )
    template.refresh_from_db()
    assert (template.name, template.required_rules) == ("Other", ["channels"])


def test_the_chosen_offers_are_published_each_by_itself(administrator, programme):
    good = DraftOfferFactory(programme=programme)
    bad = DraftOfferFactory(programme=programme, terms={"products": {"products": ["nowhere"]}})

    response = administrator.post(
        address("offers.configoffer", "changelist"),
        {"action": "publish", "_selected_action": [good.pk, bad.pk]},
        follow=True,
    )

    assert dict(ConfigOffer.objects.values_list("pk", "state")) == {good.pk: "published", bad.pk: "draft"}
    assert "unknown products: nowhere" in response.content.decode()


def test_s4_22_a_bank_shows_what_is_left_and_leads_to_the_import(administrator, programme):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 7)
    bank = VoucherBank.objects.get()

    assert administrator.get(address("offers.voucherbank", "changelist")).context["cl"].result_list[0].left == 7
    response = administrator.get(reverse("admin:offers_voucherbank_import", args=[bank.pk]))
    assert response.url == reverse("offers:voucher_bank", args=[bank.pk])
    administrator.post(
        address("offers.voucherbank", "change", bank.pk),
        {"low_stock_at": "9", "batches-TOTAL_FORMS": "0", "batches-INITIAL_FORMS": "0"},
    )
    bank.refresh_from_db()
    assert bank.low_stock_at == 9


def test_an_assignment_is_found_by_its_exact_keys(administrator, programme):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["ABC-1", "ABC-2"])
    held = give(MemberFactory(programme=programme, external_id="M-1"), offer)
    give(MemberFactory(programme=programme, external_id="M-2"), offer)

    def found(text):
        listed = administrator.get(address("offers.assignment", "changelist"), {"q": text})
        return [assignment.pk for assignment in listed.context["cl"].queryset]

    assert found(str(held.pk)) == found("M-1") == found(held.voucher_code.code) == [held.pk]
    assert found("nobody") == []


def test_s4_03_the_list_of_assignments_stands_under_the_programmes_own_name(administrator, programme):
    Programme.objects.update(assignments_label="Gifts")

    assert "<h1>Gifts</h1>" in administrator.get(address("offers.assignment", "changelist")).content.decode()


def test_what_only_the_engine_writes_cannot_be_changed(administrator, programme):
    event = outbox.write(programme=programme, type="offer.published")

    response = administrator.post(address("loyalty.outboxevent", "change", event.pk), {"type": "forged"})

    assert response.status_code == 403
    assert OutboxEvent.objects.get().type == "offer.published"
