"""The page that shows the API's description; its parts come from this server."""

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def documentation(request: HttpRequest) -> HttpResponse:
    """Show the documentation to staff, and to everyone where the demo runs."""
    if not (settings.DEMO or request.user.is_staff):
        return redirect_to_login(request.get_full_path())
    return render(request, "api/documentation.html")
