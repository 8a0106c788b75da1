"""The API: what the ground floor offers, and the apps above it by their names."""

from django.urls import include, path

from loyalty.api import consent, documentation, member, store

urlpatterns = [
    path("v1/", include("offers.api.urls")),
    path("schema/", documentation.SchemaView.as_view(), name="schema"),
    path("v1/consents", consent.Consents.as_view(), name="consents"),
    path("v1/channels", consent.Channels.as_view(), name="channels"),
    path("v1/channels/<str:code>", consent.OneChannel.as_view(), name="channel"),
    path("v1/members", member.Members.as_view(), name="members"),
    # The converter takes slashes too: external ids are any text.
    path("v1/members/<path:external_id>", member.OneMember.as_view(), name="member"),
    path("v1/stores/<path:external_id>", store.OneStore.as_view(), name="store"),
]
