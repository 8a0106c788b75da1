"""Writing members, one or many, from outside: checked as a whole, written as a set."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty import clock, contact, years
from loyalty.errors import InvalidInput
from loyalty.models import ApiClient, AttributeDefinition, Member, Programme, User
from loyalty.services import attribute, audit
from loyalty.storable import UNSTORABLE

MOST_AT_ONCE = 1000
# Longest texts, as the table has them.
TEXTS = {"first_name": 100, "last_name": 100, "gender": 20, "city": 100, "tier": 40}
STATUSES = (Member.Status.ACTIVE, Member.Status.INACTIVE)
KINDS = tuple(Member.Kind)
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?", re.ASCII)
COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


class InvalidMembers(InvalidInput):
    """Something given is not acceptable: every problem is named, and nothing was written."""

    code = "invalid_member"


@dataclass(frozen=True, slots=True)
class Written:
    external_id: str
    is_created: bool


def put(
    *,
    programme: Programme,
    members: Sequence[Mapping[str, Any]],
    now: datetime,
    actor: User | None = None,
    api_client: ApiClient | None = None,
) -> list[Written]:
    """Create members, or change the given fields of those that exist; in order, and the same again changes nothing.

    Each has an `external_id`. A field left out stays as it is, null empties it; attributes are put one by one, and
    null takes one away. Raises InvalidMembers with every problem of every member. Four queries, however many.
    """
    if len(members) > MOST_AT_ONCE:
        message = _("Send at most %(most)d members at once.") % {"most": MOST_AT_ONCE}
        raise InvalidMembers(message, code="too_many_members")
    definitions = {found.name: found for found in AttributeDefinition.objects.filter(programme=programme)}
    problems: list[dict[str, Any]] = []
    cleaned: dict[str, dict[str, Any]] = {}
    for place, given in enumerate(members):
        prefix = f"members[{place}]." if len(members) > 1 else ""
        check = _Check(programme=programme, definitions=definitions)
        external_id, values = check.clean(given)
        if external_id in cleaned:
            check.refuse("external_id", "given_twice", _("This member is given twice. Send each one once."))
        problems += [{**found, "field": prefix + found["field"]} for found in check.problems]
        cleaned[external_id] = values
    if problems:
        raise InvalidMembers(_("Some fields are not acceptable; nothing was written."), problems=problems)
    with transaction.atomic():
        return _write(programme, cleaned, now=now, actor=actor, api_client=api_client)


def _write(
    programme: Programme,
    cleaned: Mapping[str, Mapping[str, Any]],
    *,
    now: datetime,
    actor: User | None,
    api_client: ApiClient | None,
) -> list[Written]:
    of_set = Member.objects.filter(programme=programme, external_id__in=list(cleaned))
    before = set(of_set.values_list("external_id", flat=True))
    blank = [Member(programme=programme, external_id=key, joined_at=now) for key in cleaned if key not in before]
    # Two callers may bring the same new member at once: both find her here, and the second one waits below.
    Member.objects.bulk_create(blank, ignore_conflicts=True)
    found = list(of_set.select_for_update().order_by("pk"))
    if erased := [member.external_id for member in found if member.status == Member.Status.ERASED]:
        message = _("An erased member stays erased. Give her a new external id.")
        raise InvalidMembers(
            message,
            code="member_erased",
            problems=[
                {"field": "external_id", "code": "member_erased", "message": message, "value": one} for one in erased
            ],
        )
    changed = [member for member in found if _apply(member, cleaned[member.external_id], programme)]
    for member in changed:
        member.updated_at = now
    names = [
        field.name
        for field in Member._meta.concrete_fields
        if field.name not in ("id", "programme", "external_id", "created_at")
    ]
    # An upsert by key: one statement, where an UPDATE with a CASE for each field and row takes seconds.
    Member.objects.bulk_create(changed, update_conflicts=True, unique_fields=["id"], update_fields=names)
    audit.record(
        action="members.put",
        actor=actor,
        api_client=api_client,
        programme=programme,
        target=found[0] if len(found) == 1 else None,
        data={"created": len(cleaned) - len(before), "changed": len(changed)},
    )
    return [Written(key, is_created=key not in before) for key in cleaned]


def _apply(member: Member, values: Mapping[str, Any], programme: Programme) -> bool:
    """Set what was given and say whether anything is different now."""
    before = {name: getattr(member, name) for name in (*values, "email_key", "phone_key")}
    for name, value in values.items():
        if name == "attributes":
            merged = {**member.attributes, **value}
            value = {key: kept for key, kept in merged.items() if kept is not None}
        setattr(member, name, value)
    set_keys(member, programme=programme)
    return any(getattr(member, name) != value for name, value in before.items())


def cleaned(*, programme: Programme, external_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a member's values as they are stored, attributes aside. Raises InvalidMembers with every problem."""
    check = _Check(programme=programme, definitions={})
    _key, clean = check.clean({**values, "external_id": external_id})
    if check.problems:
        raise InvalidMembers(_("Some fields are not acceptable; nothing was written."), problems=check.problems)
    return clean


def set_keys(member: Member, *, programme: Programme) -> None:
    """Set what she is found by to what her e-mail address and phone number are; saves nothing."""
    member.email_key = contact.email_key(member.email)
    member.phone_key = contact.phone_key(member.phone, regions=_regions(member.country, programme))


def _regions(country: str, programme: Programme) -> list[str]:
    return [*([country] if country else []), *contact.regions_of_zone(programme.timezone)]


class _Check:
    """The problems of one member, all of them."""

    def __init__(self, *, programme: Programme, definitions: Mapping[str, AttributeDefinition]) -> None:
        self.programme = programme
        self.definitions = definitions
        self.problems: list[dict[str, Any]] = []

    def refuse(self, field: str, code: str, message: str) -> None:
        self.problems.append({"field": field, "code": code, "message": message})

    def clean(self, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        if not isinstance(given, Mapping):
            self.refuse("", "not_an_object", _("Send each member as an object."))
            return "", {}
        external_id = given.get("external_id")
        if not isinstance(external_id, str) or not 0 < len(external_id) <= 200 or UNSTORABLE.search(external_id):
            self.refuse("external_id", "invalid", _("Give 1 to 200 characters."))
            external_id = ""
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name == "external_id":
                continue
            if name in TEXTS:
                values[name] = self.text(name, value, longest=TEXTS[name])
            elif name in CHECKS:
                values[name] = CHECKS[name](self, name, value)
            else:
                self.refuse(str(name), "unknown_field", _("There is no such field."))
        if values.get("phone"):
            country = values.get("country") or ""
            if not contact.phone_key(values["phone"], regions=_regions(country, self.programme)):
                self.refuse("phone", "invalid", _("This is no phone number. Write it as +33 1 23 45 67 89."))
        return external_id, values

    def text(self, name: str, value: Any, *, longest: int) -> str:
        if value is None:
            return ""
        if not isinstance(value, str) or UNSTORABLE.search(value):
            self.refuse(name, "wrong_type", _("Give a text."))
            return ""
        if len(value) > longest:
            self.refuse(name, "too_long", _("Give at most %(longest)d characters.") % {"longest": longest})
        return value.strip()

    def email(self, name: str, value: Any) -> str:
        text = self.text(name, value, longest=254)
        if text:
            try:
                validate_email(text)
            except ValidationError:
                self.refuse(name, "invalid", _("This is no e-mail address."))
        return text

    def phone(self, name: str, value: Any) -> str:
        return self.text(name, value, longest=40)

    def matching(self, name: str, value: Any) -> str:
        pattern, longest, message = PATTERNS[name]
        text = self.text(name, value, longest=longest)
        if text and not pattern.fullmatch(text):
            self.refuse(name, "invalid", str(message))
        return text

    def zone(self, name: str, value: Any) -> str:
        text = self.text(name, value, longest=64)
        if text and text not in available_timezones():
            self.refuse(name, "unknown_zone", _("Use a time zone such as Europe/Paris."))
        return text

    def status(self, name: str, value: Any) -> str:
        if value not in STATUSES:
            self.refuse(name, "unknown_choice", _("Give one of: %(all)s.") % {"all": ", ".join(STATUSES)})
            return Member.Status.ACTIVE
        return value

    def kind(self, name: str, value: Any) -> str:
        if value not in KINDS:
            self.refuse(name, "unknown_choice", _("Give one of: %(all)s.") % {"all": ", ".join(KINDS)})
            return Member.Kind.CONSUMER
        return value

    def day(self, name: str, value: Any) -> date | None:
        if value is None:
            return None
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            self.refuse(name, "not_a_date", _("Write a date as 1985-12-10."))
            return None

    def moment(self, name: str, value: Any) -> datetime | None:
        """A date without a time, and a time without an offset, mean the programme's zone (D-09)."""
        if value is None:
            return None
        zone: ZoneInfo = self.programme.zone
        try:
            is_day = len(value) == 10
            read = date.fromisoformat(value) if is_day else datetime.fromisoformat(value)
        except (TypeError, ValueError):
            self.refuse(name, "not_a_moment", _("Write a moment as 2026-11-30T12:00:00+01:00."))
            return None
        if not years.are_kept(read):
            text = _("Give a year from %(first)d to %(last)d.") % {"first": years.FIRST, "last": years.LAST}
            self.refuse(name, "year_out_of_range", text)
            return None
        if not isinstance(read, datetime):
            return clock.start_of_day(read, zone)
        return read if read.tzinfo else read.replace(tzinfo=zone)

    def attributes(self, name: str, value: Any) -> dict[str, Any]:
        clean, problems = attribute.check(definitions=self.definitions, values=value)
        self.problems += problems
        return clean


PATTERNS = {
    "language": (LANGUAGE, 8, gettext_lazy("Give a language such as en.")),
    "country": (COUNTRY, 2, gettext_lazy("Give a country by its two letters, such as FR.")),
}
CHECKS: dict[str, Callable[[_Check, str, Any], Any]] = {
    "email": _Check.email,
    "phone": _Check.phone,
    "language": _Check.matching,
    "country": _Check.matching,
    "timezone": _Check.zone,
    "status": _Check.status,
    "kind": _Check.kind,
    "birth_date": _Check.day,
    "joined_at": _Check.moment,
    "attributes": _Check.attributes,
}
