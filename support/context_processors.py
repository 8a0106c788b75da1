"""What every staff page needs: the navigation that the role may see."""

from django.http import HttpRequest


def navigation(request: HttpRequest) -> dict[str, object]:
    """Return the navigation of the signed-in person."""
    return {}
