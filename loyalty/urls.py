"""Every address of Laurel; each app keeps its own list."""

from django.contrib import admin
from django.urls import include, path

from loyalty.views import documentation, health

urlpatterns = [
    # Addresses are tried in this order: members' apps and tills ask most, and stand first.
    path("api/docs/", documentation.documentation, name="api-documentation"),
    path("api/", include("loyalty.api.urls")),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("rewards/", include("offers.member_urls")),
    path("offers/", include("offers.urls")),
    path("", include("support.urls")),
]

handler400 = "loyalty.views.errors.bad_request"
handler403 = "loyalty.views.errors.forbidden"
handler404 = "loyalty.views.errors.not_found"
handler500 = "loyalty.views.errors.failed"
