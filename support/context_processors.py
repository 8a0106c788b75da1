"""What every staff page needs: the navigation that the role may see, the programme, where to search."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string

from support import navigation as staff_navigation


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Return the shell's parts, lazily: the member's pages and fragments never ask for them."""
    return {
        "navigation": SimpleLazyObject(lambda: staff_navigation.groups(request)),
        "programme": getattr(request, "programme", None),
        "programmes": SimpleLazyObject(lambda: list(getattr(request, "programmes", ()))),
        "search_url": SimpleLazyObject(_search_url),
        "is_demo": settings.DEMO,
        "demo_logins": SimpleLazyObject(_demo_logins),
    }


def _search_url() -> str:
    for name in ("support:search", "support:members"):
        try:
            return reverse(name)
        except NoReverseMatch:
            continue
    return ""


def _demo_logins() -> list[dict[str, str]]:
    """Return the demo's logins, in demo mode only; a production install does not even have the demo's code to ask."""
    if not settings.DEMO:
        return []
    try:
        logins = import_string("loyalty.services.demo.logins")
    except ImportError:
        return []
    return list(logins())
