"""Parameters of addresses: read, or refused by their name."""

from django.utils.translation import gettext as _
from rest_framework.request import Request

from loyalty import whole_number
from loyalty.errors import InvalidInput


def whole(request: Request, name: str, *, default: int, least: int = 0, most: int = whole_number.LARGEST) -> int:
    """Return a whole number within its bounds. Raises InvalidInput."""
    text = request.query_params.get(name)
    number = default if text is None else whole_number.read(text, most=most)
    if number is None or number < least:
        message = _("Give a whole number from %(least)d to %(most)d.") % {"least": least, "most": most}
        raise InvalidInput(message, problems=[{"field": name, "code": "not_a_number", "message": message}])
    return number


def flag(request: Request, name: str) -> bool:
    """Return whether it is `true`; left out, it is not. Raises InvalidInput for anything but true and false."""
    given = request.query_params.get(name, "false").lower()
    if given not in ("true", "false"):
        message = _("Give true or false.")
        raise InvalidInput(message, problems=[{"field": name, "code": "not_yes_or_no", "message": message}])
    return given == "true"
