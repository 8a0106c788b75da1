"""Members by the million for benchmarks: made inside the database, the same ones every time."""

from collections.abc import Iterator
from datetime import datetime

from loyalty.database import execute
from loyalty.models import AttributeDefinition, Programme, ValueType
from loyalty.services.demo import people

SLICE = 100_000
TIERS = ["bronze", "bronze", "bronze", "silver", "silver", "gold"]
ATTRIBUTES: tuple[tuple[str, ValueType, str, list[str]], ...] = (
    ("segment", ValueType.TEXT, "Segment", ["family", "single", "couple", "student", "senior"]),
    ("children", ValueType.NUMBER, "Children", []),
    ("newsletter", ValueType.BOOLEAN, "Newsletter", []),
    ("interests", ValueType.LIST, "Interests", ["coffee", "wine", "garden", "sports", "baking", "pets", "travel"]),
)
# Each trait has a seed of its own, so that traits are independent of each other.
INSERT = """
    INSERT INTO loyalty_member
           (programme_id, external_id, first_name, last_name, email, email_key, phone, phone_key, birth_date, gender,
            language, timezone, city, country, tier, status, joined_at, attributes, created_at, updated_at)
    SELECT %(programme)s, 'M-' || lpad(n::text, 8, '0'), person.first_name, person.last_name, email, email,
           phone, phone,
           DATE '1940-01-01' + (draw.birth %% 24000)::int,
           CASE WHEN draw.gender %% 2 = 0 THEN 'female' ELSE 'male' END,
           'en', %(timezone)s, (%(cities)s::text[])[1 + draw.city %% cardinality(%(cities)s::text[])], 'US',
           (%(tiers)s::text[])[1 + draw.tier %% cardinality(%(tiers)s::text[])], 'active',
           TIMESTAMPTZ '2016-01-01 00:00:00+00' + (draw.joined %% 300000000) * INTERVAL '1 second',
           jsonb_build_object(
               'segment', (%(segments)s::text[])[1 + draw.segment %% cardinality(%(segments)s::text[])],
               'children', draw.children %% 4,
               'newsletter', draw.newsletter %% 3 = 0,
               'interests', jsonb_build_array(
                   (%(interests)s::text[])[1 + draw.interest %% cardinality(%(interests)s::text[])])),
           %(now)s, %(now)s
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
     CROSS JOIN LATERAL (
           SELECT abs(hashint8extended(n, 1) / 2) AS first_name, abs(hashint8extended(n, 2) / 2) AS last_name,
                  abs(hashint8extended(n, 3) / 2) AS birth, abs(hashint8extended(n, 4) / 2) AS gender,
                  abs(hashint8extended(n, 5) / 2) AS city, abs(hashint8extended(n, 6) / 2) AS tier,
                  abs(hashint8extended(n, 7) / 2) AS joined, abs(hashint8extended(n, 8) / 2) AS segment,
                  abs(hashint8extended(n, 9) / 2) AS children, abs(hashint8extended(n, 10) / 2) AS newsletter,
                  abs(hashint8extended(n, 11) / 2) AS interest
           ) AS draw
     CROSS JOIN LATERAL (
           SELECT CASE WHEN draw.gender %% 2 = 0
                       THEN (%(female)s::text[])[1 + draw.first_name %% cardinality(%(female)s::text[])]
                       ELSE (%(male)s::text[])[1 + draw.first_name %% cardinality(%(male)s::text[])] END AS first_name,
                  (%(last_names)s::text[])[1 + draw.last_name %% cardinality(%(last_names)s::text[])] AS last_name,
                  'member' || n || '@example.com' AS email,
                  -- Area code 555 is assigned to nobody.
                  '+1555' || lpad(n::text, 7, '0') AS phone
           ) AS person
        ON CONFLICT (programme_id, external_id) DO NOTHING
"""


def generate(*, programme: Programme, count: int, now: datetime) -> Iterator[int]:
    """Make members M-00000001 … of the programme that are missing; yields how many each slice made, committed.

    The members depend on their number alone. Their statistics are gathered at the end.
    """
    AttributeDefinition.objects.bulk_create(
        [
            AttributeDefinition(programme=programme, name=name, type=kind, label=label, choices=choices)
            for name, kind, label, choices in ATTRIBUTES
        ],
        ignore_conflicts=True,
    )
    choices = {name: values for name, _, _, values in ATTRIBUTES}
    parameters = {
        "programme": programme.pk,
        "timezone": programme.timezone,
        "cities": list(people.CITIES),
        "tiers": TIERS,
        "female": people.FEMALE,
        "male": people.MALE,
        "last_names": people.LAST,
        "segments": choices["segment"],
        "interests": choices["interests"],
        "now": now,
    }
    for first in range(1, count + 1, SLICE):
        yield execute(INSERT, parameters | {"first": first, "last": min(first + SLICE - 1, count)})
    execute("ANALYZE loyalty_member")
