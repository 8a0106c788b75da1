"""The ways to serve a member's list, as WSGI applications for the same server.

`bare` is the limit: one prepared SELECT through psycopg, orjson out, nothing else. `usual` is the usual way: DRF with
nested ModelSerializers over a prefetched queryset.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import django
import orjson
import psycopg

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")

LIST = """
SELECT assignment.id, revision.name, revision.description, revision.image_url, revision.web_page_url,
       coalesce(assignment.terms -> 'benefit', given.terms -> 'benefit') AS benefit, assignment.starts_at,
       assignment.ends_at, assignment.acceptance_required, assignment.accepted_at,
       assignment.voucher_code_id IS NOT NULL AS has_code, assignment.rank
  FROM offers_assignment AS assignment
  JOIN offers_configoffer AS offer ON offer.id = assignment.config_offer_id
  JOIN offers_offerrevision AS revision ON revision.id = offer.current_revision_id
  JOIN offers_offerrevision AS given ON given.id = assignment.revision_id
 WHERE assignment.member_id = %s
   AND assignment.revoked_at IS NULL AND assignment.closed_at IS NULL AND assignment.used_up_at IS NULL
   AND assignment.synchronized_at IS NOT NULL
   AND (assignment.ends_at IS NULL OR assignment.ends_at > now())
 ORDER BY assignment.rank, assignment.ends_at
"""
_local = threading.local()


def _connection() -> psycopg.Connection[Any]:
    if not hasattr(_local, "connection"):
        from django.db import connection

        parameters = connection.get_connection_params()
        for name in ("cursor_factory", "context", "prepare_threshold", "options"):
            parameters.pop(name, None)
        _local.connection = psycopg.connect(**parameters, autocommit=True)
    return _local.connection


def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    member_id = int(environ["HTTP_X_MEMBER"])
    cursor = _connection().execute(LIST, [member_id], prepare=True)
    names = [column.name for column in cursor.description or ()]
    body = orjson.dumps([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def laurel(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    from loyalty.wsgi import application

    return application(environ, start_response)


def _usual() -> Callable[..., Any]:
    from django.urls import path
    from django.utils import timezone
    from rest_framework import generics, serializers
    from rest_framework.renderers import JSONRenderer

    from offers.models import Assignment, ConfigOffer, OfferRevision

    class RevisionSerializer(serializers.ModelSerializer[OfferRevision]):
        class Meta:
            model = OfferRevision
            fields = ["number", "name", "description", "image_url", "web_page_url", "terms"]

    class OfferSerializer(serializers.ModelSerializer[ConfigOffer]):
        current_revision = RevisionSerializer()

        class Meta:
            model = ConfigOffer
            fields = ["public_id", "offer_reference", "audience", "current_revision"]

    class AssignmentSerializer(serializers.ModelSerializer[Assignment]):
        config_offer = OfferSerializer()
        revision = RevisionSerializer()

        class Meta:
            model = Assignment
            fields = [
                "id", "config_offer", "revision", "starts_at", "ends_at", "acceptance_required", "accepted_at", "rank",
            ]  # fmt: skip

    class Offers(generics.ListAPIView[Assignment]):
        serializer_class = AssignmentSerializer
        authentication_classes: list[Any] = []
        permission_classes: list[Any] = []
        throttle_classes: list[Any] = []
        pagination_class = None
        filter_backends: list[Any] = []
        renderer_classes = [JSONRenderer]

        def get_queryset(self) -> Any:
            return (
                Assignment.objects.filter(member_id=int(self.request.headers["X-Member"]))
                .visible(timezone.now())
                .select_related("config_offer__current_revision", "revision")
                .order_by("rank", "ends_at")
            )

    urlpatterns.append(path("offers", Offers.as_view()))
    from django.core.handlers.wsgi import WSGIHandler

    return WSGIHandler()


urlpatterns: list[Any] = []


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return WAYS[os.environ["LAUREL_BENCH_WAY"]](environ, start_response)


def _setup() -> dict[str, Callable[..., Any]]:
    way = os.environ.get("LAUREL_BENCH_WAY")
    if way == "laurel":
        return {"laurel": laurel}
    django.setup()
    if way == "usual":
        from django.conf import settings

        settings.ROOT_URLCONF = __name__
        # As every Django project has: it also says how long the answer is, which keeps a connection alive.
        settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
        return {"usual": _usual()}
    return {"bare": bare}


WAYS = _setup()
