"""The households as members: what the data tells becomes attributes, who they are is made up."""

from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, transaction

from loyalty.models import AttributeDefinition, Programme, ValueType
from loyalty.services import consent
from loyalty.services.demo import copying, people
from loyalty.services.demo.programme import Dates
from loyalty.services.demo.source import Source

AGES = ["19-24", "25-34", "35-44", "45-54", "55-64", "65+"]
INCOMES = [
    "Under 15K", "15-24K", "25-34K", "35-49K", "50-74K", "75-99K", "100-124K", "125-149K", "150-174K", "175-199K",
    "200-249K", "250K+",
]  # fmt: skip
# name: (type, label, choices)
ATTRIBUTES: dict[str, tuple[ValueType, str, list[str]]] = {
    "campaigns": (ValueType.LIST, "Target of campaigns", []),
    "has_demographics": (ValueType.BOOLEAN, "Has demographics", []),
    "age_band": (ValueType.TEXT, "Age band", AGES),
    "income": (ValueType.TEXT, "Income", INCOMES),
    "home_ownership": (
        ValueType.TEXT,
        "Home ownership",
        ["Homeowner", "Probable Homeowner", "Renter", "Probable Renter"],
    ),
    "marital_status": (ValueType.TEXT, "Marital status", ["Married", "Unmarried"]),
    "household_composition": (
        ValueType.TEXT,
        "Household composition",
        ["1 Adult No Kids", "1 Adult Kids", "2 Adults No Kids", "2 Adults Kids"],
    ),
    # 5 stands for five and more, 3 for three children and more.
    "household_size": (ValueType.NUMBER, "Household size", []),
    "children": (ValueType.NUMBER, "Children", []),
    "first_purchase_on": (ValueType.DATE, "First purchase", []),
}
# The tenth that spends most, and the third after it.
GOLD, SILVER = 0.10, 0.43


def load(*, programme: Programme, source: Source, dates: Dates, now: datetime) -> int:
    """Make the members and attribute definitions that are missing; returns how many members."""
    AttributeDefinition.objects.bulk_create(
        [
            AttributeDefinition(programme=programme, name=name, type=type_, label=label, choices=choices)
            for name, (type_, label, choices) in ATTRIBUTES.items()
        ],
        ignore_conflicts=True,
    )
    rows = list(_rows(source, dates))
    with transaction.atomic(), connection.cursor() as cursor:
        copying.stage(
            pa.Table.from_pylist(rows),
            "arriving_member",
            {"birth_date": "date", "joined_at": "timestamptz", "attributes": "jsonb"},
        )
        cursor.execute(
            """
            INSERT INTO loyalty_member
                   (programme_id, external_id, first_name, last_name, email, email_key, phone, phone_key, birth_date,
                    gender, city, tier, joined_at, attributes, language, timezone, country, status, created_at,
                    updated_at)
            SELECT %(programme)s, external_id, first_name, last_name, email, email, phone, phone, birth_date,
                   gender, city, tier, joined_at, attributes, 'en', %(timezone)s, 'US', 'active', %(now)s, %(now)s
              FROM arriving_member
             ORDER BY external_id::int
                ON CONFLICT (programme_id, external_id) DO NOTHING
            """,
            {"programme": programme.pk, "timezone": programme.timezone, "now": now},
        )
        made = cursor.rowcount
        _ask_for_consents(cursor, programme, now)
        return made


def _ask_for_consents(cursor: Any, programme: Programme, now: datetime) -> None:
    """Let members answer when they joined; by lot, the same one each time. Who has answered is not asked again.

    Seven in ten agree to e-mail, half to SMS, most to what needs no address; some were never asked.
    """
    given = """
        (SELECT member.id AS member_id, channel.id AS channel_id, lot.drawn < agreed.until AS is_granted,
                coalesce(member.joined_at, %(now)s) AS changed_at
           FROM loyalty_member AS member
           JOIN loyalty_channel AS channel ON channel.programme_id = member.programme_id
           JOIN (VALUES ('email', 70, 85), ('sms', 50, 80), ('push', 30, 45), ('receipt', 90, 95), ('app', 60, 70))
                AS agreed (code, until, asked) ON agreed.code = channel.code
          CROSS JOIN LATERAL (
                SELECT abs(hashtextextended(member.external_id || channel.code, 0) %% 100) AS drawn) AS lot
          WHERE member.programme_id = %(programme)s AND lot.drawn < agreed.asked
            AND NOT EXISTS (SELECT FROM loyalty_consent AS held
                             WHERE held.member_id = member.id AND held.channel_id = channel.id))
    """
    parameters = {"programme": programme.pk, "now": now, "source": "demo", "user": None, "client": None}
    cursor.execute(consent.WRITE.format(given=given), parameters)


def _rows(source: Source, dates: Dates) -> Any:
    told = {row["household_id"]: row for row in source.table("demographics").to_pylist()}
    targets: dict[int, list[str]] = {}
    for campaign in source.campaigns.values():
        for household in campaign.households:
            targets.setdefault(household, []).append(str(campaign.number))
    homes = _homes(source)
    spent = source.facts.group_by("household_id").aggregate([("sales_value", "sum"), ("transaction_timestamp", "min")])
    order = spent["household_id"].take(
        pc.sort_indices(spent, sort_keys=[("sales_value_sum", "descending"), ("household_id", "ascending")])
    )
    place_by_spend = {household: place for place, household in enumerate(order.to_pylist())}
    first = dict(zip(spent["household_id"].to_pylist(), spent["transaction_timestamp_min"].to_pylist(), strict=True))
    for place, household in enumerate(source.households.to_pylist()):
        gender, first_name = people.first_name(household)
        last_name = people.last_name(household)
        demographics = told.get(household, {})
        share = place_by_spend[household] / len(order)
        joined_at = dates.moved(source.local(first[household]))
        yield {
            "external_id": str(household),
            "first_name": first_name,
            "last_name": last_name,
            "email": f"{first_name}.{last_name}.{household}@example.com".lower(),
            "phone": people.phone(place),
            "birth_date": people.birth_date(household, demographics.get("age"), dates.last_day),
            "gender": gender,
            "city": people.city_of_store(homes[household]),
            "tier": "gold" if share < GOLD else "silver" if share < SILVER else "bronze",
            "joined_at": joined_at,
            "attributes": orjson.dumps(
                _attributes(demographics, targets.get(household, []))
                | {"first_purchase_on": joined_at.astimezone(source.zone).date()}
            ).decode(),
        }


def _attributes(demographics: dict[str, Any], campaigns: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {"campaigns": campaigns, "has_demographics": bool(demographics)}
    names = {
        "age_band": "age",
        "income": "income",
        "home_ownership": "home_ownership",
        "marital_status": "marital_status",
        "household_composition": "household_comp",
    }
    values |= {name: demographics[column] for name, column in names.items() if demographics.get(column)}
    for name, column in {"household_size": "household_size", "children": "kids_count"}.items():
        if demographics.get(column):
            values[name] = int(demographics[column].rstrip("+"))
    return values


def _homes(source: Source) -> dict[int, int]:
    """Return the store in which each household bought most often; the lowest number among equals."""
    visits = source.facts.group_by(["household_id", "store_id"]).aggregate([([], "count_all")])
    visits = visits.sort_by([("count_all", "ascending"), ("store_id", "descending")])
    return dict(zip(visits["household_id"].to_pylist(), visits["store_id"].to_pylist(), strict=True))


def ids(programme: Programme) -> tuple[pa.Array, pa.Array]:
    """Return the households' numbers and their members' ids."""
    return copying.ids(
        "SELECT external_id, id FROM loyalty_member WHERE programme_id = %s AND external_id ~ '^[0-9]+$'",
        [programme.pk],
    )
