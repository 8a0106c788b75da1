"""What was decided about one's own grants that waited, and that one has read it."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from loyalty import clock, staff, toasts, whole_number
from support.selectors import decision as selectors
from support.services import decision as service

Key = TypeVar("Key", int, UUID)


@require_POST
@staff.required("offers.grant_assignment")
def mark_read(request: staff.StaffRequest) -> HttpResponse:
    """Note that what stood on the page was read, and go back to it."""
    requests, batches = _shown(request, "request", whole_number.read), _shown(request, "batch", _uuid)
    if requests is None or batches is None or not (requests or batches):
        toasts.say(request, _("Nothing was marked. Open the page anew and try again."), level="error")
    else:
        service.mark_read(
            programme=request.programme, user=request.user, requests=requests, batches=batches, now=clock.now()
        )
    is_own = request.POST.get("from") == "my_grants"
    return HttpResponseRedirect(reverse("support:my_grants" if is_own else "support:home"))


def _shown(request: staff.StaffRequest, name: str, read: Callable[[str], Key | None]) -> set[Key] | None:
    """Return the keys that were sent; None where one is none, or there are more than a page shows."""
    sent = request.POST.getlist(name)
    keys = {key for text in sent[: selectors.MOST] if (key := read(text)) is not None}
    return keys if len(keys) == len(sent) else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
