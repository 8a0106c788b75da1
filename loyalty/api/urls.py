"""The API: what the ground floor offers, and the apps above it by their names."""

from django.urls import include, path

from loyalty.api import documentation, member

urlpatterns = [
    path("v1/", include("offers.api.urls")),
    path("schema/", documentation.SchemaView.as_view(), name="schema"),
    path("v1/members", member.Members.as_view(), name="members"),
    # The converter takes slashes too: external ids are any text.
    path("v1/members/<path:external_id>", member.OneMember.as_view(), name="member"),
]
