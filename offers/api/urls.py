"""The offers' addresses below `/api/v1/`."""

from django.urls import path

from offers.api import member_offer

urlpatterns = [
    path("me/offers", member_offer.MyOffers.as_view(), name="my-offers"),
    path("me/offers/<uuid:offer_id>", member_offer.MyOffer.as_view(), name="my-offer"),
    path("me/offers/<uuid:offer_id>/accept", member_offer.AcceptMyOffer.as_view(), name="accept-my-offer"),
    path("me/offers/<uuid:offer_id>/products", member_offer.MyOfferProducts.as_view(), name="my-offer-products"),
]
