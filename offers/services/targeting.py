"""Saved targetings: made, changed by a new version, archived (S4-24..26).

Criteria may name another targeting. A version names it in the version that it had then, so what was chosen or launched
never changes; one that goes on takes along whatever names it, by new versions of those.
"""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.database import execute
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import Programme, User
from loyalty.services import audit
from offers.models import Targeting, TargetingVersion
from offers.selectors import targeting as selector
from offers.selectors import targeting_use
from offers.targeting import Criteria, InvalidCriteria

# Of those that use a targeting, so many are named where it cannot be archived.
MOST_NAMED = 5
NAME_CONSTRAINT = "a_targeting_name_is_used_once_per_programme"


class NameTaken(Conflict):
    """Another targeting in use has this name."""

    code = "targeting_name_taken"


class Archived(Conflict):
    """The targeting is no longer in use."""

    code = "targeting_archived"


class InUse(Conflict):
    """Other audiences, offers or runs name the targeting."""

    code = "targeting_in_use"


def create(*, programme: Programme, name: str, criteria: Any, actor: User | None, description: str = "") -> Targeting:
    """Save criteria under a name, as version 1.

    Raises targeting.InvalidCriteria with every problem of the tree, InvalidInput without a name, NameTaken.
    (S4-24, S4-26)
    """
    with transaction.atomic():
        _one_after_the_other(programme)
        checked = selector.as_now(criteria, programme=programme)
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

    The targetings that name this one get a new version too, so that they mean it as it is now. Returns the targeting
    as it is now. Raises targeting.InvalidCriteria, also where it would mean itself; InvalidInput without a name or
    where one that names it could not be read any more; NameTaken, Archived. (S4-26)
    """
    with transaction.atomic():
        _one_after_the_other(targeting.programme)
        # The lock orders two editors, so that each version number is given once.
        saved = Targeting.objects.select_for_update().get(pk=targeting.pk)
        if saved.archived_at is not None:
            raise Archived(_("“%(name)s” is archived. Make a new targeting instead.") % {"name": saved.name})
        checked = None
        if criteria is not None:
            checked = selector.as_now(criteria, programme=saved.programme, saving=saved.pk)
        saved.name = _name(name) if name is not None else saved.name
        saved.description = description.strip() if description is not None else saved.description
        _save(saved)
        if checked is not None and _go_on(saved, checked, actor):
            _take_along(saved, actor)
    return saved


def archive(*, targeting: Targeting, actor: User | None, now: datetime) -> bool:
    """Take a targeting out of use, and free its name; runs keep their versions. False when it was archived already.

    Raises InUse where another targeting in use, an offer, or a run that has not begun names it. (S4-26)
    """
    with transaction.atomic():
        _one_after_the_other(targeting.programme)
        if uses := targeting_use.of(targeting):
            raise InUse(_in_use(targeting, uses))
        archived = Targeting.objects.filter(pk=targeting.pk, archived_at__isnull=True).update(
            archived_at=now, updated_at=now
        )
        if archived:
            audit.record(action="targeting.archived", actor=actor, programme=targeting.programme, target=targeting)
    return bool(archived)


def _one_after_the_other(programme: Programme) -> None:
    """Let nobody else save or archive targetings of the programme: two at once could each name the other."""
    execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"targetings of {programme.pk}"])


def _go_on(saved: Targeting, checked: Criteria, actor: User | None) -> bool:
    """Add a version, unless the criteria are those of the current one. Say whether one was added."""
    current, data = saved.current_version, checked.data()
    if current is not None and data == current.criteria:
        return False
    number = current.number + 1 if current else 1
    _add_version(saved, number=number, criteria=data, actor=actor)
    audit.record(
        action="targeting.changed", actor=actor, programme=saved.programme, target=saved, data={"version": number}
    )
    return True


def _take_along(saved: Targeting, actor: User | None) -> None:
    """Give what names the targeting, at however many removes, a version that names it as it is now."""
    for one in _naming(saved):
        stored = one.current_version.criteria if one.current_version else None
        try:
            checked = selector.as_now(stored, programme=saved.programme, saving=one.pk)
        except InvalidCriteria as error:
            if _is_broken(stored, saved.programme):
                # It speaks of what is no more: nothing here made it so, and whoever mends it saves it.
                continue
            words = {"name": one.name, "message": error.message}
            message = _("“%(name)s” is made with this audience and could not be read any more: %(message)s") % words
            found = [{"code": "breaks_another", "field": "criteria", "message": message}]
            raise InvalidInput(message, problems=found) from error
        _go_on(one, checked, actor)


def _naming(saved: Targeting) -> list[Targeting]:
    """Return the targetings that name this one, at however many removes, each after those that it names."""
    seen, found = {saved.pk}, []

    def visit(named: Targeting) -> None:
        for one in targeting_use.naming(named):
            if one.pk not in seen:
                seen.add(one.pk)
                visit(one)
                found.append(one)

    visit(saved)
    return found[::-1]


def _is_broken(criteria: Any, programme: Programme) -> bool:
    try:
        selector.read(criteria, programme=programme)
    except InvalidCriteria:
        return True
    return False


def _in_use(targeting: Targeting, uses: targeting_use.Uses) -> str:
    places = [
        _("the audiences %(names)s") % {"names": _quoted(uses.audiences)} if uses.audiences else "",
        _("the offers %(names)s") % {"names": _quoted(uses.offers)} if uses.offers else "",
        _("the runs %(names)s") % {"names": _quoted(uses.runs)} if uses.runs else "",
    ]
    message = _(
        "“%(name)s” is named by %(places)s. Choose another audience there, or cancel those runs; then archive this one."
    )
    return message % {"name": targeting.name, "places": get_text_list([one for one in places if one], _("and"))}


def _quoted(names: list[str]) -> str:
    shown = [f"“{name}”" for name in names[:MOST_NAMED]]
    more = len(names) - MOST_NAMED
    if more > 0:
        shown.append(ngettext("%(count)d more", "%(count)d more", more) % {"count": more})
    return ", ".join(shown)


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
