"""Error pages that say what happened and what to do next; machines get problem details (RFC 9457)."""

import sys
from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.urls import Resolver404, resolve
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


def with_method_pages(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give a page to whoever asks an address in a way that it does not take, where Django answers with nothing.

    After a refusal the address bar holds what the form was sent to: Enter in it is such a GET. Status and `Allow` stay.
    A middleware, for there is no `handler405`.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and not response.content and not _is_machine(request):
            is_looking = request.method in ("GET", "HEAD")
            context = {"is_looking": is_looking, "above": _above(request) if is_looking else request.path}
            response.content = loader.render_to_string("405.html", context, request)
        return response

    return answer


def _above(request: HttpRequest) -> str:
    """Return the page under which an address stands, such as the audience's of `…/34/archive`; empty without one."""
    above = request.path_info.rstrip("/").rpartition("/")[0]
    for address in (above, f"{above}/") if above else ():
        try:
            resolve(address)
        except Resolver404:
            continue
        return address
    return ""


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
