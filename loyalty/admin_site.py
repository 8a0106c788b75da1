"""Django's admin as one of Laurel's pages: the same sign-in, header and navigation.

Outside the package `loyalty.admin`, because importing that registers models with this very site.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from loyalty import staff

FIRST = ("loyalty", "offers", "support", "auth")
HIDDEN = {"account", "mfa", "rest_framework_api_key"}


class LaurelAdminSite(admin.AdminSite):
    site_title = "Laurel"
    site_header = "Laurel"
    index_title = _("Settings")
    site_url = None
    enable_nav_sidebar = False

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """List our own things first; sign-in's inner tables are managed on each person's own pages."""
        apps = super().get_app_list(request, app_label)
        if app_label:
            return apps
        return sorted(
            (app for app in apps if app["app_label"] not in HIDDEN),
            key=lambda app: FIRST.index(app["app_label"]) if app["app_label"] in FIRST else len(FIRST),
        )

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in as every staff page does: not without the second factor that the person's role must have."""
        return self._is_staff(request) and not staff.lacks_second_factor(request.user)

    def _is_staff(self, request: HttpRequest) -> bool:
        return super().has_permission(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign in where everyone signs in: there a second factor and the rate limits hold."""
        following = request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index", current_app=self.name)
        if self._is_staff(request) and staff.lacks_second_factor(request.user):
            return staff.to_second_factor(request)
        if request.user.is_authenticated and not self.has_permission(request):
            # Signed in, but no member of staff: signing in again would go round in circles.
            return HttpResponseForbidden(render(request, "403.html").content)
        if self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index", current_app=self.name))
        return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({REDIRECT_FIELD_NAME: following})}")

    def logout(  # type: ignore[override]  # Django's types know its own page only
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("account_logout")

    def password_change(  # type: ignore[override]  # likewise
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("account_change_password")
