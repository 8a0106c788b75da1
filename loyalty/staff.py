"""Who may open a staff page: signed in, staff, with the permission, in a programme of her own."""

import functools
from collections.abc import Callable
from typing import Any, cast

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from loyalty import toasts
from loyalty.errors import NotFound
from loyalty.models import Programme, User


class StaffRequest(HttpRequest):
    """A request as a guarded page sees it (for annotations only)."""

    user: User
    programme: Programme
    programmes: list[Programme]
    htmx: HtmxDetails


def of(request: HttpRequest) -> StaffRequest:
    """Return the request as what it is behind the admin's own guard; Django's admin types know a plain one only."""
    return cast(StaffRequest, request)


View = Callable[..., HttpResponseBase]


def required(*permissions: str) -> Callable[[View], View]:
    """Let in staff with all the permissions who work in a programme; what is not found in it is a 404, and what holds
    a NUL, which PostgreSQL cannot look for, a 400.

    Whose role must have a second factor (MFA_REQUIRED_ROLES) and who has none is led to where she sets one up.

    Not Django's `staff_member_required`: that one sends a signed-in person to sign in again, for ever.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _sign_in(request)
            if not request.user.is_staff or not request.user.has_perms(permissions):
                raise PermissionDenied
            if lacks_second_factor(request.user):
                return to_second_factor(request)
            if request.programme is None:
                return render(request, "support/home_without_programme.html", status=403)
            try:
                return view(request, *args, **kwargs)
            except NotFound as error:
                raise Http404(error.message) from error
            except (DataError, ValueError) as error:
                # Forms refuse what PostgreSQL cannot hold; this is for what a page looks for as it was typed.
                if _has_nul(request):
                    raise BadRequest(_("A character in the address cannot be looked for.")) from error
                raise

        return guarded

    return decorate


def _has_nul(request: HttpRequest) -> bool:
    given = [*request.GET.lists(), *request.POST.lists()]
    return any("\0" in str(value) for _name, values in given for value in values)


def may_learn_addresses(user: User) -> bool:
    """Say whether a person may find by the beginning of an address: she sees addresses, or may have one shown."""
    return user.has_perm("loyalty.see_contact_data") or user.has_perm("loyalty.reveal_contact_data")


def lacks_second_factor(user: Any) -> bool:
    """Say whether one of the person's roles must have a second factor and she has none."""
    roles = settings.MFA_REQUIRED_ROLES
    return bool(roles) and user.groups.filter(name__in=roles).exists() and not is_mfa_enabled(user)


def to_second_factor(request: HttpRequest) -> HttpResponse:
    """Lead to the page where a second factor is set up, and say why."""
    if request.headers.get("HX-Request"):
        # As for the sign-in: the whole page is loaded again, and that one leads there.
        return HttpResponse(status=401)
    toasts.say(request, _("Your role needs a second factor. Set one up here, then go on."), level="warning")
    return redirect("mfa_index")


def _sign_in(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request"):
        # A part of a page cannot show the sign-in: laurel.js loads the whole page again, which leads there.
        return HttpResponse(status=401)
    return redirect_to_login(request.get_full_path())
