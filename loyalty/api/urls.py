"""The API: what the ground floor offers, and the apps above it by their names."""

from django.urls import include, path

from loyalty.api import consent, documentation, member, member_import, store

urlpatterns = [
    path("v1/", include("offers.api.urls")),
    path("schema/", documentation.SchemaView.as_view(), name="schema"),
    path("v1/consents", consent.Consents.as_view(), name="consents"),
    path("v1/channels", consent.Channels.as_view(), name="channels"),
    path("v1/channels/<str:code>", consent.OneChannel.as_view(), name="channel"),
    path("v1/members", member.Members.as_view(), name="members"),
    # Before the members themselves: `imports` is no external id here.
    path("v1/members/imports", member_import.MemberImports.as_view(), name="member_imports"),
    path("v1/members/imports/<int:import_id>", member_import.OneMemberImport.as_view(), name="member_import"),
    path(
        "v1/members/imports/<int:import_id>/import",
        member_import.StartMemberImport.as_view(),
        name="member_import_start",
    ),
    path(
        "v1/members/imports/<int:import_id>/undo", member_import.UndoMemberImport.as_view(), name="member_import_undo"
    ),
    # The converter takes slashes too: external ids are any text.
    path("v1/members/<path:external_id>", member.OneMember.as_view(), name="member"),
    path("v1/stores/<path:external_id>", store.OneStore.as_view(), name="store"),
]
