"""One member, as the programme knows her."""

from django.utils.translation import gettext as _

from loyalty.errors import NotFound
from loyalty.models import Member, Programme


class MemberNotFound(NotFound):
    """The programme has no such member."""

    code = "unknown_member"


def find(*, programme: Programme, external_id: str) -> Member:
    """Return the programme's member with that external id, erased ones too. Raises MemberNotFound."""
    found = Member.objects.filter(programme=programme, external_id=external_id).first()
    if found is None:
        raise MemberNotFound(_("There is no member with this external id."))
    return found
