"""Saved targetings: made, changed by a new version, archived (S4-24..26)."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from loyalty.errors import Conflict, InvalidInput
from loyalty.models import Programme, User
from loyalty.services import audit
from offers.models import Targeting, TargetingVersion
from offers.selectors import targeting as selector

NAME_CONSTRAINT = "a_targeting_name_is_used_once_per_programme"


class NameTaken(Conflict):
    """Another targeting in use has this name."""

    code = "targeting_name_taken"


class Archived(Conflict):
    """The targeting is no longer in use."""

    code = "targeting_archived"


def create(*, programme: Programme, name: str, criteria: Any, actor: User | None, description: str = "") -> Targeting:
    """Save criteria under a name, as version 1.

    Raises targeting.InvalidCriteria with every problem of the tree, InvalidInput without a name, NameTaken.
    (S4-24, S4-26)
    """
    checked = selector.read(criteria, programme=programme)
    with transaction.atomic():
        saved = Targeting(programme=programme, name=_name(name), description=description.strip(), owner=actor)
        _save(saved)
        _add_version(saved, number=1, criteria=checked.data(), actor=actor)
        audit.record(action="targeting.created", actor=actor, programme=programme, target=saved)
    return saved


def update(
    *,
    targeting: Targeting,
    actor: User | None,
    name: str | None = None,
    description: str | None = None,
    criteria: Any = None,
) -> Targeting:
    """Change what is given. Other criteria make a new version: what was launched keeps the one it had.

    Returns the targeting as it is now. Raises targeting.InvalidCriteria, InvalidInput without a name, NameTaken,
    Archived. (S4-26)
    """
    checked = selector.read(criteria, programme=targeting.programme) if criteria is not None else None
    with transaction.atomic():
        # The lock orders two editors, so that each version number is given once.
        saved = Targeting.objects.select_for_update().get(pk=targeting.pk)
        if saved.archived_at is not None:
            raise Archived(_("“%(name)s” is archived. Make a new targeting instead.") % {"name": saved.name})
        saved.name = _name(name) if name is not None else saved.name
        saved.description = description.strip() if description is not None else saved.description
        _save(saved)
        current = saved.current_version
        if checked is not None and (current is None or checked.data() != current.criteria):
            number = current.number + 1 if current else 1
            _add_version(saved, number=number, criteria=checked.data(), actor=actor)
            audit.record(
                action="targeting.changed",
                actor=actor,
                programme=saved.programme,
                target=saved,
                data={"version": number},
            )
    return saved


def archive(*, targeting: Targeting, actor: User | None, now: datetime) -> bool:
    """Take a targeting out of use, and free its name; runs keep their versions. False when it was archived already."""
    with transaction.atomic():
        archived = Targeting.objects.filter(pk=targeting.pk, archived_at__isnull=True).update(
            archived_at=now, updated_at=now
        )
        if archived:
            audit.record(action="targeting.archived", actor=actor, programme=targeting.programme, target=targeting)
    return bool(archived)


def _name(name: str) -> str:
    stripped = name.strip()
    if not stripped or len(stripped) > 200:
        message = _("Give the targeting a name of at most 200 characters.")
        raise InvalidInput(message, problems=[{"code": "name", "field": "name", "message": message}])
    return stripped


def _save(targeting: Targeting) -> None:
    try:
        with transaction.atomic():
            targeting.save()
    except IntegrityError as error:
        if NAME_CONSTRAINT not in str(error):
            raise
        message = _("There is a targeting called “%(name)s” already. Choose another name.") % {"name": targeting.name}
        raise NameTaken(message, problems=[{"code": "name_taken", "field": "name", "message": message}]) from error


def _add_version(targeting: Targeting, *, number: int, criteria: Any, actor: User | None) -> None:
    targeting.current_version = TargetingVersion.objects.create(
        targeting=targeting, number=number, criteria=criteria, created_by=actor
    )
    targeting.save(update_fields=["current_version"])
