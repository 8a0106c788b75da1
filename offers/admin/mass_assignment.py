from typing import Any

from django.contrib import admin
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from loyalty.admin.scoped import ReadOnlyAdmin
from offers.models import MassAssignment


@admin.register(MassAssignment)
class MassAssignmentAdmin(ReadOnlyAdmin):
    list_display = ["name", "config_offer", "state", "matched", "eligible", "launched_at", "finished_at", "page"]
    list_select_related = ["config_offer"]
    list_filter = ["state"]
    search_fields = ["name"]
    exclude = ["holding_key", "leased_until", "planning_attempts"]
    readonly_fields = ["page"]

    @admin.display(description=_("run"))
    def page(self, run: MassAssignment) -> Any:
        """Link to where a run is watched, paused and cancelled."""
        try:
            address = reverse("offers:run", args=[run.pk])
        except NoReverseMatch:
            return ""
        return format_html('<a href="{}">{}</a>', address, _("Open the run"))
