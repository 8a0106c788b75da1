"""The offers' addresses below `/api/v1/`."""

from django.urls import path

from offers.api import member_offers

urlpatterns = [
    path("me/offers", member_offers.MyOffers.as_view(), name="my-offers"),
    path("me/offers/<uuid:offer_id>", member_offers.MyOffer.as_view(), name="my-offer"),
    path("me/offers/<uuid:offer_id>/accept", member_offers.AcceptMyOffer.as_view(), name="accept-my-offer"),
    path("me/offers/<uuid:offer_id>/products", member_offers.MyOfferProducts.as_view(), name="my-offer-products"),
]
