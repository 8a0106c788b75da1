"""Setting what agents may grant alone, and what a member may be given; by the administrator, audited (B-05)."""

from collections.abc import Mapping

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from loyalty.errors import Conflict, NotFound
from loyalty.models import Programme, User
from loyalty.services import audit
from support.models import Allowance, MemberAllowance
from support.models.allowance import LIMITS


def put(
    *,
    programme: Programme,
    user: User | None,
    role: Group | None,
    limits: Mapping[str, int | None],
    actor: User,
) -> Allowance:
    """Set the row of a person, of a role, or (neither) of everybody; minor units, None is no limit.

    Raises Conflict where somebody set the same one at this moment.
    """
    wanted = {name: limits.get(name) for name in LIMITS}
    try:
        with transaction.atomic():
            row, _made = Allowance.objects.update_or_create(programme=programme, user=user, role=role, defaults=wanted)
            audit.record(action="allowance.set", actor=actor, programme=programme, target=row, data=wanted)
    except IntegrityError as error:
        raise Conflict(_("Somebody set this allowance at the same moment. Look at it and save again.")) from error
    return row


def remove(*, programme: Programme, allowance_id: int, actor: User) -> None:
    """Take a row away: what stands behind it counts from now on. Raises NotFound for another programme's."""
    with transaction.atomic():
        row = Allowance.objects.select_for_update(of=("self",)).filter(programme=programme, pk=allowance_id).first()
        if row is None:
            raise NotFound(_("There is no such allowance here."))
        audit.record(action="allowance.removed", actor=actor, programme=programme, target=row)
        row.delete()


def put_members(
    *, programme: Programme, days: int, number: int | None, amount_minor: int | None, actor: User
) -> MemberAllowance | None:
    """Set what one member may be given within some days by the whole desk; without either there is no limit."""
    wanted = {"days": days, "number": number, "amount_minor": amount_minor}
    with transaction.atomic():
        row = None
        if number is None and amount_minor is None:
            MemberAllowance.objects.filter(programme=programme).delete()
        else:
            row, _made = MemberAllowance.objects.update_or_create(programme=programme, defaults=wanted)
        audit.record(action="allowance.of_members_set", actor=actor, programme=programme, target=row, data=wanted)
    return row
