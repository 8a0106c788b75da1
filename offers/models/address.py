import re

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

on_the_web = URLValidator(schemes=["http", "https"])
# One slash: two would begin another site's address.
ON_THIS_SITE = re.compile(r"/(?![/\\])[\w./~%+-]*")


def web_address(value: str) -> None:
    """Accept `https://…` and a path on this site, such as `/static/offers/demo/bakery.svg`."""
    if ON_THIS_SITE.fullmatch(value):
        return
    try:
        on_the_web(value)
    except ValidationError:
        raise ValidationError(
            _("Give an address that begins with https://, or a path on this site that begins with /."), code="invalid"
        ) from None
