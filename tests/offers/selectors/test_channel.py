"""One list of channels for offers, launches, grants and personal offers (S1-20)."""

import pytest
from django.urls import reverse

from loyalty import clock
from loyalty.models import Channel
from offers.selectors import channel
from offers.services import personal_offer_check
from tests.factories import ProgrammeFactory, UserFactory
from tests.offers.personal_offers import offer_of

pytestmark = pytest.mark.django_db


def test_s1_20_every_door_takes_the_places_and_the_programmes_own_channels(client):
    """S1-20: what a form offers is what an import takes: store and web shop, then the rows that the programme keeps."""
    offer = offer_of()
    programme = offer.programme
    Channel.objects.create(programme=programme, code="kiosk", name="Kiosk at the door")
    Channel.objects.filter(programme=programme, code="sms").update(is_active=False)
    codes = [code for code, _label in channel.choices(programme=programme)]
    assert codes[:2] == ["store", "web"]
    assert codes[-1] == "kiosk"
    assert sorted(codes) == ["app", "email", "kiosk", "push", "receipt", "store", "web"]
    assert set(personal_offer_check.context(offer=offer, now=clock.now()).channels) == set(codes)
    user = UserFactory(role="marketer", programmes=[programme])
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get(reverse("offers:offer_new"))
    assert "Kiosk at the door" in answer.text
    assert "SMS" not in answer.text


def test_s1_20_a_programme_without_channels_takes_every_code():
    programme = ProgrammeFactory()
    Channel.objects.filter(programme=programme).delete()
    assert channel.codes(programme=programme) is None
