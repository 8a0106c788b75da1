"""An offer of personal terms: set up once, and given by its import alone (S1-01, S1-02)."""

import pytest
from django.db import transaction

from loyalty import clock
from offers.models import Source
from offers.services import assignment, catalogue
from offers.services.catalogue_values import InvalidOffer
from tests.factories import ConfigOfferFactory, DraftOfferFactory, MemberFactory

pytestmark = pytest.mark.django_db
ITEMS = [{"external_id": "COFFEE", "name": "Coffee", "benefit": {"type": "amount", "size": 100}}]


def test_an_offer_with_personal_terms_is_published_once_for_everybody_s1_01() -> None:
    offer = ConfigOfferFactory(terms={"personal": {"mechanic": "products"}, "validity": {"days": 30}})
    assert offer.is_published


def test_no_door_gives_it_without_the_members_own_terms_s1_02() -> None:
    offer = ConfigOfferFactory(terms={"personal": {"mechanic": "products"}})
    member = MemberFactory(programme=offer.programme)
    template = offer.templates.get(is_default=True)
    grants = [
        assignment.Grant(template_id=template.pk, member_id=member.pk, terms=terms)
        for terms in ({}, {"personal": {"mechanic": "products", "items": ITEMS}})
    ]
    with transaction.atomic():
        without, with_items = assignment.assign(
            programme=offer.programme, grants=grants, source=Source.ATTRIBUTE, actor=None, now=clock.now()
        )
    assert without.code == "offer_closed"
    assert [reason.message for reason in without.reasons] == [
        "Personal terms: it is set for each member by an import. No other door gives this offer."
    ]
    assert with_items.is_assigned


def test_an_offer_says_what_it_gives_or_leaves_it_to_the_members_terms_s1_01() -> None:
    offer = DraftOfferFactory(terms={"personal": {"mechanic": "products"}, "benefit": {"type": "percent", "size": 5}})
    with pytest.raises(InvalidOffer) as refusal:
        catalogue.publish(offer=offer, actor=None, now=clock.now())
    assert [(one["rule"], one["code"]) for one in refusal.value.problems] == [("benefit", "not_beside_personal")]
