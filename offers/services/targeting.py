"""Saved targetings: made, changed by a new version, archived (S4-24..26).

Criteria may name another targeting. A version names it in the version that it had then, so what was chosen or launched
never changes; one that goes on takes along whatever names it, by new versions of those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty import storable
from loyalty.database import execute
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, Programme, User
from loyalty.services import audit
from offers.models import Targeting, TargetingVersion
from offers.selectors import targeting as selector
from offers.selectors import targeting_use
from offers.targeting import Criteria, InvalidCriteria

# Of those that use a targeting, so many are named where it cannot be archived.
MOST_NAMED = 5
LONGEST_NAME = 200
LONGEST_DESCRIPTION = 2000
NAME_CONSTRAINT = "a_targeting_name_is_used_once_per_programme"


class NameTaken(Conflict):
    """Another targeting in use has this name."""

    code = "targeting_name_taken"


class Archived(Conflict):
    """The targeting is no longer in use."""

    code = "targeting_archived"


class InUse(Conflict):
    """Other audiences, offers, schedules or runs name the targeting; each is a problem with its kind and id."""

    code = "targeting_in_use"

    def __init__(self, message: str, uses: targeting_use.Uses) -> None:
        self.uses = uses
        problems = [
            {"code": f"used_by_{kind}", "message": _said(kind, one), "id": one.pk, "name": one.name}
            for kind, one in uses.each()
        ]
        super().__init__(message, problems=problems)


class Changed(Conflict):
    """Somebody else saved the targeting meanwhile; `version` is the one that it has now."""

    code = "targeting_changed"


class Unreadable(Conflict):
    """What the targeting speaks of is gone, so it cannot come back."""

    code = "targeting_unreadable"


@dataclass(frozen=True)
class Seen:
    """What an editor saw when she began: the version's number, and the moment of the last change where she knows it."""

    version: int
    updated_at: datetime | None = None


def create(
    *,
    programme: Programme,
    name: str,
    criteria: Any,
    actor: User | None,
    description: str = "",
    api_client: ApiClient | None = None,
) -> Targeting:
    """Save criteria under a name, as version 1.

    Raises targeting.InvalidCriteria with every problem of the tree, InvalidInput for name or description, NameTaken.
    (S4-24, S4-26)
    """
    by = _By(actor, api_client)
    with transaction.atomic():
        _one_after_the_other(programme)
        checked = selector.as_now(criteria, programme=programme)
        texts = {"name": _name(name), "description": _description(description)}
        saved = Targeting(programme=programme, owner=actor, **texts)
        _save(saved)
        _add_version(saved, number=1, criteria=checked.data(), by=by)
        by.record("targeting.created", saved)
    return saved


def update(
    *,
    targeting: Targeting,
    actor: User | None,
    name: str | None = None,
    description: str | None = None,
    criteria: Any = None,
    seen: Seen | None = None,
    api_client: ApiClient | None = None,
) -> Targeting:
    """Change what is given. Other criteria make a new version: what was launched keeps the one it had.

    The targetings that name this one get a new version too, so that they mean it as it is now. Returns the targeting
    as it is now. Raises Changed where it is no longer what was `seen`; targeting.InvalidCriteria, also where it would
    mean itself; InvalidInput for name or description, or where one that names it could not be read any more;
    NameTaken, Archived. (S4-26)
    """
    by = _By(actor, api_client)
    with transaction.atomic():
        saved = _locked(targeting)
        if saved.archived_at is not None:
            raise Archived(_archived(saved))
        _compare(saved, seen)
        checked = None
        if criteria is not None:
            checked = selector.as_now(criteria, programme=saved.programme, saving=saved.pk)
        saved.name = _name(name) if name is not None else saved.name
        saved.description = _description(description) if description is not None else saved.description
        _save(saved)
        if checked is not None and _go_on(saved, checked, by):
            _take_along(saved, by)
    return saved


def restore(*, targeting: Targeting, number: int, actor: User | None, seen: Seen | None = None) -> Targeting:
    """Go back to the criteria of an old version, as a new one: whatever was since stays in the history.

    Where it is what the targeting means already, nothing changes. Raises what `update` raises, and InvalidInput where
    there is no such version. (S4-26)
    """
    old = targeting.versions.filter(number=number).first()
    if old is None:
        message = _("There is no version %(number)d.") % {"number": number}
        raise InvalidInput(message, problems=[{"code": "unknown_version", "field": "version", "message": message}])
    return update(targeting=targeting, actor=actor, criteria=old.criteria, seen=seen)


def archive(*, targeting: Targeting, actor: User | None, now: datetime, api_client: ApiClient | None = None) -> bool:
    """Take a targeting out of use, and free its name; runs keep their versions. False when it was archived already.

    Raises InUse where another targeting in use, an offer, a schedule that goes on, or a run that has not begun names
    it. (S4-26, B-03)
    """
    with transaction.atomic():
        _one_after_the_other(targeting.programme)
        # Whoever makes a run or a schedule of it in this moment is waited for, and then stands among its uses.
        execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_archiving(targeting.programme_id)])
        if uses := targeting_use.of(targeting):
            raise InUse(_in_use(targeting, uses), uses)
        archived = Targeting.objects.filter(pk=targeting.pk, archived_at__isnull=True).update(
            archived_at=now, updated_at=now
        )
        if archived:
            _By(actor, api_client).record("targeting.archived", targeting)
    return bool(archived)


def unarchive(*, targeting: Targeting, actor: User | None, api_client: ApiClient | None = None) -> bool:
    """Bring an archived targeting back into use, naming others as they are now. False when it is in use.

    Raises NameTaken where another one has its name since; Unreadable where what it speaks of is gone. (S4-26)
    """
    by = _By(actor, api_client)
    with transaction.atomic():
        saved = _locked(targeting)
        if saved.archived_at is None:
            return False
        stored = saved.current_version.criteria if saved.current_version else None
        try:
            checked = selector.as_now(stored, programme=saved.programme, saving=saved.pk)
        except InvalidCriteria as error:
            words = {"name": saved.name, "message": error.message}
            message = _("“%(name)s” cannot be brought back: %(message)s") % words
            raise Unreadable(message, problems=error.problems) from error
        saved.archived_at = None
        _save(saved)
        by.record("targeting.unarchived", saved)
        _go_on(saved, checked, by)
    return True


def hold(*, version: TargetingVersion) -> None:
    """Keep the version's targeting from being archived until the transaction ends: a run or schedule is made of it.

    Raises Archived where it is already. Nobody who saves an audience waits for this. (S4-26, B-03)
    """
    programme_id = version.targeting.programme_id
    execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [_archiving(programme_id)])
    saved = Targeting.objects.get(pk=version.targeting_id)
    if saved.archived_at is not None:
        raise Archived(_archived(saved))


def _archiving(programme_id: int) -> str:
    return f"archiving of targetings of {programme_id}"


def _archived(saved: Targeting) -> str:
    return _("“%(name)s” is archived. Bring it back first, or make a new one.") % {"name": saved.name}


@dataclass(frozen=True)
class _By:
    """Who changes it: a person or a machine."""

    actor: User | None
    api_client: ApiClient | None = None

    def record(self, action: str, targeting: Targeting, **data: Any) -> None:
        audit.record(
            action=action,
            actor=self.actor,
            api_client=self.api_client,
            programme=targeting.programme,
            target=targeting,
            data=data,
        )


def _locked(targeting: Targeting) -> Targeting:
    _one_after_the_other(targeting.programme)
    # The lock orders two editors, so that each version number is given once.
    return Targeting.objects.select_for_update().get(pk=targeting.pk)


def _compare(saved: Targeting, seen: Seen | None) -> None:
    """Refuse to overwrite what the editor has not seen."""
    number = saved.current_version.number if saved.current_version else 0
    if seen is None or (seen.version == number and seen.updated_at in (None, saved.updated_at)):
        return
    message = _(
        "“%(name)s” was changed meanwhile; it is version %(number)d now. Look at what changed, then save again."
    )
    raise Changed(message % {"name": saved.name, "number": number}, version=number)


def _one_after_the_other(programme: Programme) -> None:
    """Let nobody else save or archive targetings of the programme: two at once could each name the other."""
    execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"targetings of {programme.pk}"])


def _go_on(saved: Targeting, checked: Criteria, by: _By) -> bool:
    """Add a version, unless the criteria are those of the current one. Say whether one was added."""
    current, data = saved.current_version, checked.data()
    if current is not None and data == current.criteria:
        return False
    number = current.number + 1 if current else 1
    _add_version(saved, number=number, criteria=data, by=by)
    by.record("targeting.changed", saved, version=number)
    return True


def _take_along(saved: Targeting, by: _By) -> None:
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
        _go_on(one, checked, by)


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
        _("the schedules %(names)s") % {"names": _quoted(uses.schedules)} if uses.schedules else "",
        _("the runs %(names)s") % {"names": _quoted(uses.runs)} if uses.runs else "",
    ]
    # A run or a schedule keeps the audience that it was made with, so ending it is the way.
    ways = [
        _("take it out of those audiences") if uses.audiences else "",
        _("change who may be given those offers") if uses.offers else "",
        _("end those schedules") if uses.schedules else "",
        _("cancel those runs") if uses.runs else "",
    ]
    message = _("“%(name)s” is named by %(places)s. To archive it, first %(ways)s.")
    return message % {"name": targeting.name, "places": _listed(places), "ways": _listed(ways)}


def _listed(parts: Sequence[str]) -> str:
    return str(get_text_list([one for one in parts if one], _("and")))


def _said(kind: str, one: Any) -> str:
    words = {
        "targeting": _("The audience “%(name)s” is made with it."),
        "offer": _("The offer “%(name)s” is given only to whom it means."),
        "schedule": _("The schedule “%(name)s” makes runs of it."),
        "run": _("The run “%(name)s” has not begun."),
    }
    return words[kind] % {"name": one.name}


def _quoted(found: Sequence[Any]) -> str:
    shown = [f"“{one.name}”" for one in found[:MOST_NAMED]]
    more = len(found) - MOST_NAMED
    if more > 0:
        shown.append(ngettext("%(count)d more", "%(count)d more", more) % {"count": more})
    return ", ".join(shown)


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise _refused("name", _("The audience's name is not text. Write it in quotes."))
    stripped = name.strip()
    if not stripped:
        raise _refused("name", _("The audience has no name. Give it one."))
    if len(stripped) > LONGEST_NAME:
        words = {"limit": LONGEST_NAME}
        raise _refused("name", _("The audience's name is too long. Use at most %(limit)d characters.") % words)
    return _storable("name", stripped)


def _description(text: Any) -> str:
    stripped = text.strip() if isinstance(text, str) else None
    if stripped is None or len(stripped) > LONGEST_DESCRIPTION:
        words = {"limit": LONGEST_DESCRIPTION}
        raise _refused("description", _("Describe it in at most %(limit)d characters, or leave it empty.") % words)
    return _storable("description", stripped)


def _storable(field: str, text: str) -> str:
    for _place, code, message in storable.problems(text):
        raise _refused(field, message, code)
    return text


def _refused(field: str, message: str, code: str = "") -> InvalidInput:
    return InvalidInput(message, problems=[{"code": code or field, "field": field, "message": message}])


def _save(targeting: Targeting) -> None:
    try:
        with transaction.atomic():
            targeting.save()
    except IntegrityError as error:
        if NAME_CONSTRAINT not in str(error):
            raise
        message = _("There is an audience called “%(name)s” already. Choose another name.") % {"name": targeting.name}
        raise NameTaken(message, problems=[{"code": "name_taken", "field": "name", "message": message}]) from error


def _add_version(targeting: Targeting, *, number: int, criteria: Any, by: _By) -> None:
    targeting.current_version = TargetingVersion.objects.create(
        targeting=targeting, number=number, criteria=criteria, created_by=by.actor
    )
    targeting.save(update_fields=["current_version"])
