"""Who may open a staff page of the offers module."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

View = Callable[..., HttpResponse]


def staff(*permissions: str) -> Callable[[View], View]:
    """Let in staff who work in a programme, have every permission, and whose programme has the module on (S4-41)."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.has_perms(permissions):
                raise PermissionDenied
            if request.programme is None:  # type: ignore[attr-defined]
                return redirect("support:home")
            if not request.programme.offers_enabled:  # type: ignore[attr-defined]
                return render(request, "offers/module_off.html", status=409)
            return view(request, *args, **kwargs)

        return staff_member_required(login_url="account_login")(guarded)  # type: ignore[no-any-return]

    return decorate
