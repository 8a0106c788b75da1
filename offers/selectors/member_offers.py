"""What a member sees: her list in one query, and one offer of it (S0-01, S0-12, S0-13, D-15).

The list is compiled SQL on a cursor, no ORM: query building was its largest cost (PERFORMANCE.md, goal D). It walks
the index that carries the repeat policy, which begins with the member, so its cost does not grow with the table.

Not listed is what waits for the till: until the till has confirmed an offer, a member who came with it would be
refused at the counter. It appears the moment it can be used, and her detail page is "not found" until then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from django.db import connection

from loyalty.database import prepared_rows
from loyalty.errors import NotFound
from offers.models import Assignment

# More than a member can look through; a bound, so that no list is ever without one.
MOST = 500

# Who asks, if she may: an active member of a programme whose offers module is on (S4-41). `languages` is what the
# reader prefers, best first; what the programme does not write in is passed over.
_WHO = """
who AS (
  SELECT member.id AS member_id, programme.id AS programme_id, programme.currency,
    programme.timezone AS programme_timezone,
    COALESCE(NULLIF(member.timezone, ''), programme.timezone) AS timezone,
    COALESCE(
      (SELECT wanted.code FROM string_to_table(%(languages)s, ',') WITH ORDINALITY AS wanted (code, place)
       WHERE wanted.code = ANY (programme.languages) ORDER BY wanted.place LIMIT 1),
      CASE WHEN member.language = ANY (programme.languages) THEN member.language END,
      programme.languages[1], 'en'
    ) AS language
  FROM loyalty_member AS member
  JOIN loyalty_programme AS programme ON programme.id = member.programme_id
  WHERE member.id = %(member_id)s AND programme.id = %(programme_id)s
    AND member.status = 'active' AND programme.offers_enabled
)
"""

# Texts and image follow the current revision, terms the one under which it was given (DESIGN 4).
_TEXTS = """
  COALESCE(NULLIF(shown.texts -> who.language ->> 'name', ''), shown.name) AS name,
  COALESCE(NULLIF(shown.texts -> who.language ->> 'description', ''), shown.description) AS description,
  shown.image_url AS image_url,
  shown.web_page_url AS web_page_url
"""

_COLUMNS = (
    "id",
    "is_personal",
    "name",
    "description",
    "image_url",
    "web_page_url",
    "benefit",
    "personal",
    "status",
    "starts_at",
    "ends_at",
    "acceptance_required",
    "accepted_at",
    "has_code",
    "rank",
)

_LIST = f"""
WITH {_WHO},
moment AS (SELECT COALESCE(%(now)s, statement_timestamp()) AS now),
hers AS (
  SELECT assignment.id, true AS is_personal, {_TEXTS},
    COALESCE(assignment.terms -> 'benefit', given.terms -> 'benefit') AS benefit,
    assignment.terms -> 'personal' AS personal,
    CASE
      WHEN assignment.acceptance_required AND assignment.accepted_at IS NULL THEN 'waiting_for_acceptance'
      WHEN assignment.starts_at > moment.now THEN 'upcoming'
      ELSE 'usable'
    END AS status,
    assignment.starts_at, assignment.ends_at, assignment.acceptance_required, assignment.accepted_at,
    assignment.voucher_code_id IS NOT NULL AS has_code, assignment.rank
  FROM who CROSS JOIN moment
  -- Hers first, and by her index: planned freely, a programme of few offers is asked offer by offer.
  CROSS JOIN LATERAL (
    SELECT * FROM offers_assignment WHERE member_id = who.member_id
      AND synchronized_at IS NOT NULL AND revoked_at IS NULL AND closed_at IS NULL AND used_up_at IS NULL
    OFFSET 0
  ) AS assignment
  JOIN offers_configoffer AS offer
    ON offer.id = assignment.config_offer_id AND offer.programme_id = who.programme_id
  JOIN offers_offerrevision AS shown ON shown.id = offer.current_revision_id
  JOIN offers_offerrevision AS given ON given.id = assignment.revision_id
  WHERE assignment.ends_at IS NULL OR assignment.ends_at > moment.now
),
everyones AS (
  SELECT offer.public_id AS id, false AS is_personal, {_TEXTS},
    shown.terms -> 'benefit' AS benefit, NULL::jsonb AS personal,
    CASE WHEN shown.starts_at > moment.now THEN 'upcoming' ELSE 'usable' END AS status,
    shown.starts_at, shown.ends_at, false AS acceptance_required, NULL::timestamptz AS accepted_at,
    false AS has_code, offer.rank
  FROM who CROSS JOIN moment
  JOIN offers_configoffer AS offer ON offer.programme_id = who.programme_id
  JOIN offers_offerrevision AS shown ON shown.id = offer.current_revision_id
  WHERE offer.audience = 'everyone' AND offer.state = 'published'
    AND (shown.ends_at IS NULL OR shown.ends_at > moment.now)
    AND (
      NOT shown.terms ? 'redemption_limit'
      OR (shown.terms -> 'redemption_limit' ->> 'limit')::int > (
        SELECT count(*) FROM offers_redemption AS redemption
        WHERE redemption.member_id = who.member_id AND redemption.config_offer_id = offer.id
          AND redemption.assignment_id IS NULL AND redemption.returned_at IS NULL
      )
    )
)
SELECT who.currency, who.language, {", ".join(f"item.{name}" for name in _COLUMNS)}
FROM who
LEFT JOIN (SELECT * FROM hers UNION ALL SELECT * FROM everyones) AS item ON true
ORDER BY item.is_personal DESC, item.rank, item.ends_at NULLS LAST, item.id
LIMIT {MOST}
"""

_DETAIL_OF_HERS = f"""
WITH {_WHO}
SELECT who.currency, who.timezone, who.programme_timezone, who.language, who.member_id,
  assignment.id, true AS is_personal, {_TEXTS},
  shown.texts -> who.language ->> 'how_to_use' AS how_to_use,
  given.terms || COALESCE(assignment.terms, '{{}}') AS terms,
  assignment.starts_at, assignment.ends_at, assignment.acceptance_required, assignment.accepted_at,
  assignment.synchronized_at, assignment.revoked_at, assignment.closed_at, assignment.used_up_at,
  assignment.seen_at, assignment.replaces_id AS replaces, assignment.voucher_code_id IS NOT NULL AS has_code,
  offer.is_bearer
FROM who
JOIN offers_assignment AS assignment ON assignment.member_id = who.member_id AND assignment.id = %(id)s
JOIN offers_configoffer AS offer ON offer.id = assignment.config_offer_id AND offer.programme_id = who.programme_id
JOIN offers_offerrevision AS shown ON shown.id = offer.current_revision_id
JOIN offers_offerrevision AS given ON given.id = assignment.revision_id
WHERE assignment.synchronized_at IS NOT NULL AND assignment.revoked_at IS NULL
"""

_DETAIL_OF_EVERYONES = f"""
WITH {_WHO}
SELECT who.currency, who.timezone, who.programme_timezone, who.language, who.member_id,
  offer.public_id AS id, false AS is_personal, {_TEXTS},
  shown.texts -> who.language ->> 'how_to_use' AS how_to_use,
  shown.terms, shown.starts_at, shown.ends_at, false AS acceptance_required, NULL::timestamptz AS accepted_at,
  NULL::timestamptz AS closed_at,
  CASE WHEN shown.terms ? 'redemption_limit' THEN (
    SELECT max(redemption.redeemed_at) FROM offers_redemption AS redemption
    WHERE redemption.member_id = who.member_id AND redemption.config_offer_id = offer.id
      AND redemption.assignment_id IS NULL AND redemption.returned_at IS NULL
    HAVING count(*) >= (shown.terms -> 'redemption_limit' ->> 'limit')::int
  ) END AS used_up_at,
  NULL::timestamptz AS seen_at, NULL::uuid AS replaces, false AS has_code, offer.is_bearer
FROM who
JOIN offers_configoffer AS offer ON offer.programme_id = who.programme_id AND offer.public_id = %(id)s
JOIN offers_offerrevision AS shown ON shown.id = offer.current_revision_id
WHERE offer.audience = 'everyone' AND offer.state = 'published'
"""


@dataclass(frozen=True, slots=True)
class MemberOffers:
    """A member's list as rows of plain values, with what all of them share."""

    currency: str
    language: str
    items: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class MemberOffer:
    """One offer as its member sees it; without its code, which only `assignment_verbs.expose` hands out."""

    id: UUID
    is_personal: bool
    member_id: int
    name: str
    description: str
    image_url: str
    web_page_url: str
    how_to_use: str
    terms: dict[str, Any]
    status: str
    starts_at: datetime | None
    ends_at: datetime | None
    acceptance_required: bool
    accepted_at: datetime | None
    seen_at: datetime | None
    replaces: UUID | None
    has_code: bool
    is_bearer: bool
    currency: str
    # The member's own zone, in which she sees moments; rules mean their dates in the programme's (D-09).
    timezone: str
    programme_timezone: str
    language: str

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def programme_zone(self) -> ZoneInfo:
        return ZoneInfo(self.programme_timezone)

    @property
    def is_over(self) -> bool:
        return self.status in ("expired", "used_up", "closed")


def listed(
    *, member_id: int, programme_id: int, languages: Sequence[str] = (), now: datetime | None = None
) -> MemberOffers:
    """Return what the member sees in her list: hers first, then those for everyone.

    Each part is by rank (lower first, D-16), then by end.

    One query, which reads the database's clock itself unless a `now` is given. It never carries a code (D-10).
    Raises NotFound where the member is not active in that programme, or its offers module is off.
    """
    rows = _rows(_LIST, member_id=member_id, programme_id=programme_id, languages=languages, now=now)
    first = rows[0]
    # A member without offers is one row of nothing.
    items = [dict(zip(_COLUMNS, row[2:], strict=True)) for row in rows] if first[2] is not None else []
    return MemberOffers(currency=first[0], language=first[1], items=items)


def as_json(offers: MemberOffers) -> bytes:
    """Write the list as the API answers it."""
    for item in offers.items:
        # The driver hands JSON over as text, and it leaves as it came.
        item["benefit"] = orjson.Fragment(item["benefit"] or "null")
        item["personal"] = orjson.Fragment(item["personal"] or "null")
    return orjson.dumps({"currency": offers.currency, "language": offers.language, "offers": offers.items})


def detail(
    *, member_id: int, programme_id: int, offer_id: UUID, now: datetime, languages: Sequence[str] = ()
) -> MemberOffer:
    """Return one offer by its Personalized Offer ID, or by the public id of one for everyone.

    Another member's, one taken back, one waiting for the till and one that does not exist are the same NotFound
    (S0-13). One that is over is still hers to look at, and says so.
    """
    given: dict[str, Any] = {
        "member_id": member_id,
        "programme_id": programme_id,
        "languages": ",".join(languages),
        "id": offer_id,
    }
    for query in (_DETAIL_OF_HERS, _DETAIL_OF_EVERYONES):
        with connection.cursor() as cursor:
            cursor.execute(query, given)
            found = cursor.fetchone()
            if found is not None:
                names = [column.name for column in cursor.description]
                return _offer(dict(zip(names, found, strict=True)), now=now)
    successor = replaced_by(member_id=member_id, offer_id=offer_id)
    if successor is not None:
        raise NotFound("This offer was replaced by a new one.", code="replaced", replaced_by=str(successor))
    raise NotFound("There is no such offer for you.")


def replaced_by(*, member_id: int, offer_id: UUID) -> UUID | None:
    """Return what the member holds instead of a reissued offer of hers: one hop, by the index of her own (B-06)."""
    return (
        Assignment.objects.filter(member_id=member_id, replaces_id=offer_id, synchronized_at__isnull=False)
        .values_list("pk", flat=True)
        .first()
    )


def _offer(row: dict[str, Any], *, now: datetime) -> MemberOffer:
    return MemberOffer(
        status=_status(row, now=now),
        terms=orjson.loads(row["terms"]),
        how_to_use=row["how_to_use"] or "",
        **{name: row[name] for name in MemberOffer.__slots__ if name not in ("status", "terms", "how_to_use")},
    )


def _status(row: dict[str, Any], *, now: datetime) -> str:
    if row["used_up_at"]:
        return "used_up"
    if row["closed_at"]:
        return "closed"
    if row["ends_at"] and row["ends_at"] <= now:
        return "expired"
    if row["acceptance_required"] and not row["accepted_at"]:
        return "waiting_for_acceptance"
    if row["starts_at"] and row["starts_at"] > now:
        return "upcoming"
    return "usable"


def _rows(
    query: str, *, member_id: int, programme_id: int, languages: Sequence[str], now: datetime | None
) -> list[tuple[Any, ...]]:
    # Planning this statement costs several times its execution, so sessions prepare it (goal D).
    rows = prepared_rows(
        query, {"member_id": member_id, "programme_id": programme_id, "languages": ",".join(languages), "now": now}
    )
    if not rows:
        raise NotFound("This member is not active, or the programme has no offers now.")
    return rows
