import pytest

from tests.factories import ConfigOfferFactory, MemberFactory, OfferTemplateFactory, give, import_codes

pytestmark = pytest.mark.django_db


def test_factories_publish_import_and_assign_through_the_services():
    member = MemberFactory()
    offer = ConfigOfferFactory(programme=member.programme, require_vouchers=True)
    template = OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])
    import_codes(offer, 3)

    plain = give(member, offer)
    better = give(member, template, terms={"benefit": {"type": "amount", "size": 500}})

    assert offer.current_revision.number == 1
    assert offer.templates.filter(is_default=True).count() == 1
    assert {plain.voucher_code_id, better.voucher_code_id} <= set(offer.voucher_bank.codes.values_list("pk", flat=True))
    assert plain.voucher_code_id != better.voucher_code_id
    assert better.terms["benefit"]["size"] == 500
