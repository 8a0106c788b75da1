"""Writes under an `Idempotency-Key` happen once (DESIGN 6, R3).

The key is locked first: whoever comes while the first one still works is told so (409). Then the answer is written in
the transaction of the effect, so there is never one without the other; refusals (4xx) are answers too and are
repeated, failures (5xx) are not kept, and another request under the same key is refused (422).
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty.api.authentication import ActingMember
from loyalty.api.documentation import IDEMPOTENCY
from loyalty.api.problems import PROBLEM
from loyalty.api.renderers import OrjsonRenderer
from loyalty.database import in_transaction
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, IdempotencyKey

HEADER = "Idempotency-Key"
Handler = Callable[..., Response]


def verb(operation_id: str, responses: Mapping[int, Any]) -> Callable[[Handler], Any]:
    """Decorate a `post` without a body, which does one thing to one object: described, and done once under one key."""
    described = extend_schema(
        operation_id=operation_id, request=None, responses=dict(responses), parameters=[IDEMPOTENCY]
    )
    return lambda post: described(idempotent(post))


def idempotent(handler: Handler) -> Callable[..., HttpResponse]:
    """Let a view's method answer a repeated key as it did the first time; without the header it simply runs."""

    @wraps(handler)
    def answer(view: APIView, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        key = request.headers.get(HEADER)
        if key is None:
            return handler(view, request, *args, **kwargs)
        if not (0 < len(key) <= 200 and key.isascii() and key.isprintable()):
            raise InvalidInput(f"{HEADER} is 1 to 200 printable ASCII characters.", code="invalid_idempotency_key")
        client = request.auth.api_client if isinstance(request.auth, ActingMember) else request.auth
        if not isinstance(client, ApiClient):
            raise InvalidInput(f"{HEADER} is for API clients.", code="invalid_idempotency_key")
        digest = _digest(request)
        return in_transaction(lambda: _once(client, key, digest, lambda: _run(handler, view, request, *args, **kwargs)))

    return answer


def _once(client: ApiClient, key: str, digest: str, run: Callable[[], Response]) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"idempotency:{client.prefix}:{key}"]
        )
        if not cursor.fetchone()[0]:
            raise Conflict(
                "The first request with this key is still at work. Ask again shortly.", code="idempotency_in_progress"
            )
    kept = IdempotencyKey.objects.filter(api_client=client, key=key).first()
    if kept is not None:
        if kept.body_hash != digest:
            raise InvalidInput(
                "This key was used for another request. Use a new key for each.", code="idempotency_key_reused"
            )
        return _written(kept.status, kept.body, is_replayed=True)
    response = run()
    if response.status_code >= 500:
        transaction.set_rollback(True)
        return response
    # As text within the JSON column: the column itself would reorder the members, and the answers would differ.
    body = OrjsonRenderer().render(response.data).decode()
    IdempotencyKey.objects.create(api_client=client, key=key, body_hash=digest, status=response.status_code, body=body)
    return _written(response.status_code, body, is_replayed=False)


def _run(handler: Handler, view: APIView, request: Request, *args: Any, **kwargs: Any) -> Response:
    try:
        # A refusal undoes what was begun, and is kept.
        with transaction.atomic():
            return handler(view, request, *args, **kwargs)
    except DatabaseError:
        # The outermost door tries again, or answers 503; nothing is kept.
        raise
    except Exception as error:  # whatever the API's handler knows is an answer, the rest it raises again
        return view.handle_exception(error)


def _digest(request: Request) -> str:
    # The parsed body is read by the handler later; the raw one is what the client repeats.
    whole = b"\n".join([str(request.method).encode(), request.get_full_path().encode(), request._request.body])
    return hashlib.sha256(whole).hexdigest()


def _written(status: int, body: str, *, is_replayed: bool) -> HttpResponse:
    answer = HttpResponse(body, status=status, content_type=PROBLEM if status >= 400 else "application/json")
    answer["Idempotency-Replayed"] = "true" if is_replayed else "false"
    return answer
