"""The offers module is optional (S4-01): a programme can have it switched off."""

from django.utils.translation import gettext as _

from loyalty.errors import Conflict
from loyalty.models import Programme


class OffersModuleOff(Conflict):
    """The programme works without offers: nothing is assigned, imported or changed."""

    code = "offers_module_off"


def require(*, programme: Programme) -> None:
    """Refuse what needs the offers module where it is off (S4-41). Raises OffersModuleOff."""
    if not programme.offers_enabled:
        raise OffersModuleOff(
            _("The offers module of “%(programme)s” is off. An administrator can switch it on in its settings.")
            % {"programme": programme.name}
        )
