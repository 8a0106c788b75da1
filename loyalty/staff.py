"""Who may open a staff page: signed in, staff, with the permission, in a programme of her own."""

import functools
from collections.abc import Callable
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django_htmx.middleware import HtmxDetails

from loyalty.errors import NotFound
from loyalty.models import Programme, User


class StaffRequest(HttpRequest):
    """A request as a guarded page sees it (for annotations only)."""

    user: User  # type: ignore[assignment]
    programme: Programme
    programmes: list[Programme]
    htmx: HtmxDetails


View = Callable[..., HttpResponseBase]


def required(*permissions: str) -> Callable[[View], View]:
    """Let in staff with all the permissions who work in a programme; what is not found in it is a 404.

    Not Django's `staff_member_required`: that one sends a signed-in person to sign in again, for ever.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _sign_in(request)
            if not request.user.is_staff or not request.user.has_perms(permissions):
                raise PermissionDenied
            if request.programme is None:
                return render(request, "support/home_without_programme.html", status=403)
            try:
                return view(request, *args, **kwargs)
            except NotFound as error:
                raise Http404(error.message) from error

        return guarded

    return decorate


def _sign_in(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request"):
        # A part of a page cannot show the sign-in: laurel.js loads the whole page again, which leads there.
        return HttpResponse(status=401)
    return redirect_to_login(request.get_full_path())
