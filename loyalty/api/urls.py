"""The API: what the ground floor offers, and the apps above it by their names."""

from django.urls import include, path

from loyalty.api import documentation
from loyalty.views.documentation import documentation as documentation_page

urlpatterns = [
    path("schema/", documentation.SchemaView.as_view(), name="schema"),
    path("docs/", documentation_page, name="api-documentation"),
    path("v1/", include("offers.api.urls")),
]
