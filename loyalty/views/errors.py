"""Error pages that say what happened and what to do next; machines get problem details (RFC 9457)."""

import sys

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.utils.translation import gettext as _
from redis.exceptions import ConnectionError as ValkeyAway

from loyalty.database import is_away
from loyalty.middleware import request_id


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, BadRequest) and not _is_machine(request):
        # In words already; what Django suspects (a host, a cookie) is for the log alone.
        return render(request, "400.html", {"said": str(exception)}, status=400)
    return _answer(request, 400, "bad_request", _("The request could not be understood."))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, 403, "forbidden", _("You may not do this."))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, 404, "not_found", _("There is no such page."))


def failed(request: HttpRequest) -> HttpResponse:
    """Answer an unexpected error without asking the database anything: it may be what failed.

    Only what may work in a moment is a 503. Anything else is a 500 with the number under which the log has its
    traceback.
    """
    error = sys.exc_info()[1]
    away = is_away(error) or isinstance(error, ValkeyAway)
    status = 503 if away else 500
    code = "unavailable" if away else "internal_error"
    text = _("Laurel cannot reach its database just now.") if away else _("Something went wrong on our side.")
    response: HttpResponse
    if _is_machine(request):
        response = _problem(status, code, text, request_id=request_id())
    else:
        response = HttpResponse(loader.render_to_string(f"{status}.html", {"request_id": request_id()}), status=status)
    if away:
        response.headers["Retry-After"] = "15"
    return response


def _answer(request: HttpRequest, status: int, code: str, text: str) -> HttpResponse:
    if _is_machine(request):
        return _problem(status, code, text)
    return render(request, f"{status}.html", status=status)


def _is_machine(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def _problem(status: int, code: str, text: str, **members: str) -> JsonResponse:
    return JsonResponse(
        {"type": "about:blank", "title": text, "status": status, "code": code, **members},
        status=status,
        content_type="application/problem+json",
    )
