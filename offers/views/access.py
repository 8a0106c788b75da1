"""Who may open a staff page of the offers module."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http.response import HttpResponseBase
from django.shortcuts import render

from loyalty.staff import StaffRequest, View, required


def staff(*permissions: str) -> Callable[[View], View]:
    """Let in staff who work in a programme, have every permission, and whose programme has the module on (S4-41)."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: StaffRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.programme.offers_enabled:
                return render(request, "offers/module_off.html", status=409)
            return view(request, *args, **kwargs)

        return required(*permissions)(checked)

    return decorate
