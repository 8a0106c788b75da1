"""Errors are RFC 9457 problem details with a stable `code`; one handler makes them all."""

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from loyalty.database import is_away
from loyalty.errors import DomainError

log = structlog.get_logger(__name__)
PROBLEM = "application/problem+json"


def problem(*, status: int, code: str, detail: str, **members: Any) -> Response:
    """Return one problem document; `members` are its extension members."""
    body = {"type": "about:blank", "title": code.replace("_", " "), "status": status, "code": code, "detail": detail}
    body.update({name: value for name, value in members.items() if value})
    return Response(body, status=status, content_type=PROBLEM)


def flatten(errors: Any, field: str = "") -> list[dict[str, str]]:
    """Turn a serializer's nested errors into a flat list with one entry a problem."""
    if isinstance(errors, dict):
        return [
            entry
            for name, value in errors.items()
            for entry in flatten(value, f"{field}.{name}" if field and name != "non_field_errors" else str(name))
        ]
    if isinstance(errors, list):
        if errors and isinstance(errors[0], dict):
            return [e for index, value in enumerate(errors) for e in flatten(value, f"{field}[{index}]")]
        return [entry for value in errors for entry in flatten(value, field)]
    return [{"field": field, "code": getattr(errors, "code", "invalid"), "message": str(errors)}]


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer every expected error of an API view; anything else stays a 500."""
    if isinstance(error, DomainError):
        return problem(
            status=error.status, code=error.code, detail=error.message, problems=error.problems, **error.details
        )
    if isinstance(error, Http404):
        return problem(status=404, code="not_found", detail="There is no such thing here.")
    if isinstance(error, PermissionDenied):
        return problem(status=403, code="forbidden", detail="This key may not do that.")
    if isinstance(error, exceptions.ValidationError):
        return problem(
            status=422, code="invalid_input", detail="Some fields are not acceptable.", problems=flatten(error.detail)
        )
    if isinstance(error, exceptions.APIException):
        codes = error.get_codes()
        code = codes if isinstance(codes, str) else error.default_code
        answer = problem(status=error.status_code, code=code, detail=str(error.detail))
        if header := getattr(error, "auth_header", None):
            answer["WWW-Authenticate"] = header
        if wait := getattr(error, "wait", None):
            answer["Retry-After"] = str(int(wait) + 1)
        return answer
    if is_away(error):
        log.warning("database.away", exc_info=error)
        answer = problem(status=503, code="unavailable", detail="The database does not answer. Try again shortly.")
        answer["Retry-After"] = "5"
        return answer
    return None
