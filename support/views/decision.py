"""What was decided about one's own grants that waited, and that one has read it."""

from datetime import datetime

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from loyalty import clock, staff, toasts
from support.services import decision as service


@require_POST
@staff.required("offers.grant_assignment")
def mark_read(request: staff.StaffRequest) -> HttpResponse:
    """Note that what stood on the page was read, and go back to it."""
    until = _moment(request.POST.get("until", ""))
    if until is None:
        toasts.say(request, _("Nothing was marked. Open the page anew and try again."), level="error")
    else:
        service.mark_read(programme=request.programme, user=request.user, until=until, now=clock.now())
    is_own = request.POST.get("from") == "my_grants"
    return HttpResponseRedirect(reverse("support:my_grants" if is_own else "support:home"))


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
