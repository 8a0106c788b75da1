"""For machines that watch: alive, ready, and numbers.

Strangers learn nothing: `/metrics` answers loopback and the bearer of METRICS_TOKEN only.
"""

import hmac
import ipaddress

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


@never_cache
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Say that the process answers; it asks no one else, so a slow database does not get the web killed."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Say whether the database and the cache answer; 503 names those that do not."""
    checks = {"database": _database, "cache": _cache}
    failing = [name for name, check in checks.items() if not check()]
    return JsonResponse({"ready": not failing, "failing": failing}, status=503 if failing else 200)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus."""
    if not _may_read_metrics(request):
        return HttpResponse("not found\n", content_type="text/plain", status=404)
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(request: HttpRequest) -> bool:
    token = getattr(settings, "METRICS_TOKEN", "")
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if token and given and hmac.compare_digest(token.encode(), given.encode()):
        return True
    # Behind a proxy every caller is loopback: one that was forwarded is a stranger.
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        # A unix socket has no address: only the machine itself reaches it.
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR") or "127.0.0.1").is_loopback
    except ValueError:
        return False


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        return False
    return True


def _cache() -> bool:
    try:
        cache.get("readyz")
    except Exception:
        return False
    return True
