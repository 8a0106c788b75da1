"""Config offers in the admin: looked up here, edited on the catalogue's own page, which has the form of the rules."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from loyalty import clock
from loyalty.admin.scoped import ScopedAdmin
from loyalty.errors import DomainError
from offers.models import ConfigOffer
from offers.services import catalogue


@admin.register(ConfigOffer)
class ConfigOfferAdmin(ScopedAdmin):
    list_display = ["name", "offer_reference", "state", "audience", "require_vouchers", "to_synchronize", "updated_at"]
    list_filter = ["state", "audience", "require_vouchers", "to_synchronize"]
    search_fields = ["name", "offer_reference__startswith", "external_id__startswith"]
    actions = ["publish", "archive"]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("offers:offer_new"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("offers:offer", args=[object_id]))

    @admin.action(description=_("Publish the chosen offers"), permissions=["publish"])
    def publish(self, request: HttpRequest, queryset: Any) -> None:
        self._each(request, queryset, catalogue.publish)

    @admin.action(description=_("Archive the chosen offers"), permissions=["publish"])
    def archive(self, request: HttpRequest, queryset: Any) -> None:
        self._each(request, queryset, catalogue.archive)

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("offers.publish_configoffer"))

    def _each(self, request: HttpRequest, queryset: Any, verb: Any) -> None:
        """Do it to each by itself: one that cannot be done does not hold up the others, and says why."""
        now = clock.now()
        for offer in queryset:
            try:
                verb(offer=offer, actor=request.user, now=now)
            except DomainError as error:
                self.message_user(request, f"{offer}: {error.message}", messages.ERROR)
            else:
                self.message_user(request, _("%(offer)s: done.") % {"offer": offer}, messages.SUCCESS)
