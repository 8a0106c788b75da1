"""Stores, written from outside by their external ids."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from django.db import transaction
from django.utils.translation import gettext as _

from loyalty.errors import InvalidInput
from loyalty.models import ApiClient, Programme, Store, User
from loyalty.services import audit
from loyalty.storable import UNSTORABLE

LONGEST = {"name": 200, "city": 100, "timezone": 64}


def put(
    *,
    programme: Programme,
    external_id: str,
    values: Mapping[str, Any],
    actor: User | None = None,
    api_client: ApiClient | None = None,
) -> tuple[Store, bool]:
    """Make a store, or change what is given of one; say whether it is new. A new one needs a name.

    Raises InvalidInput with every problem.
    """
    with transaction.atomic():
        store = Store.objects.select_for_update().filter(programme=programme, external_id=external_id).first()
        clean = _checked(external_id, values, is_new=store is None)
        is_new = store is None
        if store is None:
            store, is_new = Store.objects.get_or_create(programme=programme, external_id=external_id, defaults=clean)
        changed = {name: value for name, value in clean.items() if getattr(store, name) != value}
        for name, value in changed.items():
            setattr(store, name, value)
        if changed:
            store.save(update_fields=list(changed))
        if changed or is_new:
            audit.record(
                action="store.put", actor=actor, api_client=api_client, programme=programme, target=store, data=clean
            )
    return store, is_new


def _checked(external_id: str, values: Mapping[str, Any], *, is_new: bool) -> dict[str, str]:
    """Return the texts that are given, without blanks around them."""
    problems: list[dict[str, Any]] = []

    def refuse(field: str, code: str, message: str) -> None:
        problems.append({"field": field, "code": code, "message": message})

    if not 0 < len(external_id) <= 200 or UNSTORABLE.search(external_id):
        refuse("external_id", "invalid", _("Give 1 to 200 characters."))
    clean: dict[str, str] = {}
    for name, value in values.items():
        if name not in LONGEST:
            refuse(str(name), "unknown_field", _("There is no such field."))
            continue
        text = "" if value is None else value
        if not isinstance(text, str) or UNSTORABLE.search(text):
            refuse(name, "wrong_type", _("Give a text."))
            continue
        clean[name] = text.strip()
        if len(clean[name]) > LONGEST[name]:
            message = _("Give at most %(longest)d characters.") % {"longest": LONGEST[name]}
            refuse(name, "too_long", message)
    if not clean.get("name") and (is_new or "name" in values) and not any(one["field"] == "name" for one in problems):
        refuse("name", "required", _("Give the store a name."))
    if clean.get("timezone") and clean["timezone"] not in available_timezones():
        refuse("timezone", "unknown_zone", _("Use a time zone such as Europe/Paris."))
    if problems:
        raise InvalidInput(_("Some fields are not acceptable; nothing was written."), problems=problems)
    return clean
