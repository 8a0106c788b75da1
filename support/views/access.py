"""Who may open a staff page: signed in, staff, with the permission, in a programme of her own."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from loyalty.errors import NotFound

View = Callable[..., HttpResponse]


def needs(*permissions: str) -> Callable[[View], View]:
    """Let only staff with all the permissions pass; what is not found in the person's programme is a 404."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            user = request.user
            if not (user.is_active and user.is_authenticated and user.is_staff):
                if user.is_authenticated:
                    raise PermissionDenied
                return _sign_in(request)
            if not user.has_perms(permissions):
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
        # A part of a page cannot show the sign-in: the whole page is loaded again and leads there.
        return HttpResponse(status=401)
    return redirect_to_login(request.get_full_path(), login_url="account_login")
