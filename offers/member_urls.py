"""The member's pages, below `/rewards/`."""

from django.urls import path
from django.views.generic import RedirectView

from offers.views import member_offers, member_promotions, member_sign_in

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="rewards-offers"), name="rewards"),
    path("offers", member_offers.offers, name="rewards-offers"),
    path("offers/<uuid:offer_id>", member_offers.offer, name="rewards-offer"),
    path("offers/<uuid:offer_id>/accept", member_offers.accept, name="rewards-accept"),
    path("offers/<uuid:offer_id>/decline", member_offers.decline, name="rewards-decline"),
    path("promotions/<uuid:promotion_id>", member_promotions.promotion, name="rewards-promotion"),
    path("promotions/<uuid:promotion_id>/choose", member_promotions.choose, name="rewards-choose"),
    path("session", member_sign_in.session, name="rewards-session"),
    path("session/demo", member_sign_in.demo_session, name="rewards-demo-session"),
    path("sign-out", member_sign_in.sign_out, name="rewards-sign-out"),
    path("theme.css", member_sign_in.theme, name="rewards-theme"),
]
