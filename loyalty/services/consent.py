"""Members' consents, from outside: checked as a whole, written as a set, each change kept for ever (S1-20, S3-14)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from loyalty import years
from loyalty.errors import InvalidInput
from loyalty.models import ApiClient, Channel, Member, Programme, User
from loyalty.models.consent import CODE, code_validator
from loyalty.services import audit
from loyalty.storable import UNSTORABLE

MOST_AT_ONCE = 1000
LONGEST_SOURCE = 60

# `given` is a relation (member_id, channel_id, is_granted, changed_at). Compared before the upsert: a conflict locks
# rows that stay as they are. What was said earlier than what is known changes nothing.
WRITE = """
    WITH fresh AS MATERIALIZED (
        SELECT given.* FROM {given} AS given
         WHERE NOT EXISTS (
               SELECT FROM loyalty_consent AS held
                WHERE held.member_id = given.member_id AND held.channel_id = given.channel_id
                  AND (held.is_granted = given.is_granted OR held.changed_at > given.changed_at))
         ORDER BY given.member_id, given.channel_id
    ), written AS (
        INSERT INTO loyalty_consent AS held (member_id, channel_id, is_granted, changed_at, source)
        SELECT member_id, channel_id, is_granted, changed_at, %(source)s FROM fresh
            ON CONFLICT (member_id, channel_id) DO UPDATE
           SET is_granted = excluded.is_granted, changed_at = excluded.changed_at, source = excluded.source
         WHERE held.is_granted <> excluded.is_granted AND held.changed_at <= excluded.changed_at
        RETURNING member_id, channel_id, is_granted, changed_at
    )
    INSERT INTO loyalty_consentevent
           (member_id, channel_id, is_granted, changed_at, source, at, user_id, api_client_id)
    SELECT member_id, channel_id, is_granted, changed_at, %(source)s, %(now)s, %(user)s, %(client)s
      FROM written ORDER BY member_id, channel_id
"""
GIVEN = """
    (SELECT * FROM unnest(%(members)s::bigint[], %(channels)s::bigint[], %(granted)s::boolean[],
                          %(moments)s::timestamptz[]) AS one (member_id, channel_id, is_granted, changed_at))
"""


class InvalidConsents(InvalidInput):
    """Something given is not acceptable: every problem is named, and nothing was written."""

    code = "invalid_consent"


@dataclass(frozen=True, slots=True)
class Written:
    """How many consents were given, and how many of them changed anything."""

    given: int
    changed: int


def put(
    *,
    programme: Programme,
    consents: Sequence[Mapping[str, Any]],
    source: str,
    now: datetime,
    actor: User | None = None,
    api_client: ApiClient | None = None,
) -> Written:
    """Note what members agreed to or refused; the same again changes nothing, nor does what was said before the last.

    Each has `member` (an external id), `channel` (a code), `is_granted`, and may have `changed_at`, when she said so.
    Raises InvalidConsents with every problem. Six queries, however many.
    """
    if len(consents) > MOST_AT_ONCE:
        message = _("Send at most %(most)d consents at once.") % {"most": MOST_AT_ONCE}
        raise InvalidConsents(message, code="too_many_consents")
    check = _Check(programme, consents)
    read = [check.read(place, one, now) for place, one in enumerate(consents)]
    if check.problems:
        raise InvalidConsents(_("Some consents are not acceptable; nothing was written."), problems=check.problems)
    rows = [one for one in read if one is not None]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            WRITE.format(given=GIVEN),
            {
                "members": [one[0] for one in rows],
                "channels": [one[1] for one in rows],
                "granted": [one[2] for one in rows],
                "moments": [one[3] for one in rows],
                "source": source[:LONGEST_SOURCE],
                "now": now,
                "user": actor.pk if actor else None,
                "client": api_client.pk if api_client else None,
            },
        )
        changed = cursor.rowcount
        data = {"given": len(rows), "changed": changed, "source": source}
        audit.record(action="consents.put", actor=actor, api_client=api_client, programme=programme, data=data)
    return Written(len(rows), changed)


class _Check:
    """The problems of one set, all of them; members and channels are looked up together."""

    def __init__(self, programme: Programme, consents: Sequence[Any]) -> None:
        self.programme = programme
        self.problems: list[dict[str, Any]] = []
        self.seen: set[tuple[int, int]] = set()
        self.channels = dict(Channel.objects.filter(programme=programme).values_list("code", "pk"))
        named = [one.get("member") for one in consents if isinstance(one, Mapping)]
        ids = {one for one in named if isinstance(one, str) and not UNSTORABLE.search(one)}
        found = Member.objects.filter(programme=programme, external_id__in=ids).exclude(status=Member.Status.ERASED)
        self.members = dict(found.values_list("external_id", "pk"))

    def refuse(self, place: int, field: str, code: str, message: str) -> None:
        self.problems.append({"field": f"consents[{place}].{field}".rstrip("."), "code": code, "message": message})

    def read(self, place: int, given: Any, now: datetime) -> tuple[int, int, bool, datetime] | None:
        before = len(self.problems)
        if not isinstance(given, Mapping):
            self.refuse(place, "", "not_an_object", _("Send each consent as an object."))
            return None
        for name in given.keys() - {"member", "channel", "is_granted", "changed_at"}:
            self.refuse(place, str(name), "unknown_field", _("There is no such field."))
        member = _known(self.members, given.get("member"))
        if member is None:
            self.refuse(place, "member", "unknown_member", _("There is no member with this external id."))
        channel = _known(self.channels, given.get("channel"))
        if channel is None:
            known = ", ".join(self.channels)
            self.refuse(place, "channel", "unknown_channel", _("There is no such channel. Use one of: %s.") % known)
        is_granted = given.get("is_granted")
        if not isinstance(is_granted, bool):
            self.refuse(place, "is_granted", "not_yes_or_no", _("Give true or false."))
        changed_at = self.moment(place, given.get("changed_at"), now)
        if member is not None and channel is not None:
            if (member, channel) in self.seen:
                message = _("This member's consent to the channel is given twice. Send it once.")
                self.refuse(place, "member", "given_twice", message)
            self.seen.add((member, channel))
        if len(self.problems) > before or member is None or channel is None or not isinstance(is_granted, bool):
            return None
        return member, channel, is_granted, changed_at

    def moment(self, place: int, value: Any, now: datetime) -> datetime:
        """A time without an offset means the programme's zone (D-09); none given means now."""
        if value is None:
            return now
        try:
            read = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            message = _("Write a moment as 2026-11-30T12:00:00+01:00.")
            self.refuse(place, "changed_at", "not_a_moment", message)
            return now
        if not years.are_kept(read):
            message = _("Give a year from %(first)d to %(last)d.") % {"first": years.FIRST, "last": years.LAST}
            self.refuse(place, "changed_at", "year_out_of_range", message)
            return now
        moment = read if read.tzinfo else read.replace(tzinfo=self.programme.zone)
        if moment > now:
            self.refuse(place, "changed_at", "in_the_future", _("Nobody has said so yet. Give a moment that is past."))
        return moment


def _known(ids: Mapping[str, int], given: Any) -> int | None:
    return ids.get(given) if isinstance(given, str) else None


def put_channel(
    *,
    programme: Programme,
    code: str,
    values: Mapping[str, Any],
    actor: User | None = None,
    api_client: ApiClient | None = None,
) -> tuple[Channel, bool]:
    """Make a channel, or change what is given of one; say whether it is new. Raises InvalidInput with every problem."""
    problems: list[dict[str, Any]] = []

    def refuse(field: str, problem: str, message: str) -> None:
        problems.append({"field": field, "code": problem, "message": message})

    if not CODE.fullmatch(code):
        refuse("code", "invalid", str(code_validator.message))
    for name in values.keys() - {"name", "address", "is_active"}:
        refuse(str(name), "unknown_field", _("There is no such field."))
    name, address, is_active = values.get("name", ""), values.get("address", ""), values.get("is_active", True)
    if "name" in values and (not isinstance(name, str) or not 0 < len(name.strip()) <= 100 or UNSTORABLE.search(name)):
        refuse("name", "invalid", _("Give 1 to 100 characters."))
    if address not in Channel.Address.values:
        refuse("address", "unknown_choice", _("Give “email”, “phone”, or an empty text for none."))
    if not isinstance(is_active, bool):
        refuse("is_active", "not_yes_or_no", _("Give true or false."))
    if problems:
        raise InvalidInput(_("Some fields are not acceptable; nothing was written."), problems=problems)
    given = {**values, **({"name": name.strip()} if "name" in values else {})}
    with transaction.atomic():
        channel, is_new = Channel.objects.select_for_update().get_or_create(
            programme=programme, code=code, defaults={"name": code, **given}
        )
        changed = {key: value for key, value in given.items() if getattr(channel, key) != value}
        if changed and not is_new:
            Channel.objects.filter(pk=channel.pk).update(**changed)
            channel.refresh_from_db()
        if changed or is_new:
            audit.record(
                action="channel.put",
                actor=actor,
                api_client=api_client,
                programme=programme,
                target=channel,
                data=given,
            )
    return channel, is_new
