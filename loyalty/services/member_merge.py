"""A staged file of members against those that are there: what is wrong, what would change, and the change; in SQL.

Keys of e-mail addresses and phone numbers are those of `loyalty/contact.py`: what is plain is its own key, and only
what is not is read in Python, once for each different value.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

import orjson
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from loyalty import contact
from loyalty.models import MemberImport, Programme
from loyalty.services import consent, member_columns
from loyalty.services.member_columns import Check, Read
from loyalty.tables import Staging

# No text holds it, so it parts a number from its country.
UNIT = "chr(31)"
DEFAULTS = {
    "status": "'active'", "kind": "'consumer'", "birth_date": "NULL::date", "joined_at": "%(now)s::timestamptz",
}  # fmt: skip
COLUMNS = (
    "first_name", "last_name", "email", "email_key", "phone", "phone_key", "birth_date", "gender", "language",
    "timezone", "city", "country", "tier", "status", "kind", "joined_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counts:
    """What a file does, or would do."""

    created: int
    changed: int
    unchanged: int
    consents: int = 0


class Merge:
    """One staged file in its transaction."""

    def __init__(self, cursor: Any, staging: Staging, read: Read, programme: Programme, now: datetime) -> None:
        self.cursor, self.staging, self.read, self.programme = cursor, staging, read, programme
        self.external_id = f"given.{staging.text('external_id')}"
        self.source = (
            f"{staging.name} AS given LEFT JOIN loyalty_member AS held"
            f" ON held.programme_id = %(programme)s AND held.external_id = {self.external_id}"
        )
        self.parameters: dict[str, Any] = {
            "programme": programme.pk, "now": now, "zone": programme.timezone, "zones": sorted(available_timezones()),
        }  # fmt: skip
        self.checks = [*self._of_ids(), *read.checks]
        # The expressions of what is written, for a line that gives them; `held` stands for what it does not.
        self.new = dict(read.fields)
        # How many rows there are, and that ids are unlike each other, is all that plans depend on.
        cursor.execute(f"ANALYZE {staging.name} ({staging.text('external_id')})")
        # Sorting and hashing a million rows in memory is twice as quick as on disk.
        cursor.execute("SET LOCAL work_mem = '128MB'")
        if "email" in read.fields:
            self._read_emails(read.fields["email"])
        if "phone" in read.fields or "country" in read.fields:
            self._read_phones()

    # --- What is wrong ------------------------------------------------------------------------------------------------
    def _of_ids(self) -> list[Check]:
        cell = self.external_id
        return [
            Check("external_id", "missing", f"coalesce({cell}, '') = ''", "''"),
            Check("external_id", "too_long", f"char_length({cell}) > 200", cell, "200"),
            Check("external_id", "member_erased", "held.status = 'erased'", cell),
        ]

    def problems(self, member_import: MemberImport) -> int:
        """Write every problem of every line, and say how many there are."""
        self.parameters["import"] = member_import.pk
        count = self._duplicates()
        if self._has(" OR ".join(f"({check.sql})" for check in self.checks)):
            count += sum(self._write(check) for check in self.checks)
        return count

    def _has(self, condition: str) -> bool:
        self.cursor.execute(f"SELECT EXISTS (SELECT FROM {self.source} WHERE {condition})", self.parameters)
        return bool(self.cursor.fetchone()[0])

    def _write(self, check: Check) -> int:
        self.cursor.execute(
            f"""
            INSERT INTO loyalty_memberimportproblem (member_import_id, line, field, code, value, needed)
            SELECT %(import)s, given.line, %(field)s, %(code)s, left({check.value}, 200), %(needed)s
              FROM {self.source} WHERE {check.sql} ORDER BY given.line
            """,
            self.parameters | {"field": check.field[:200], "code": check.code, "needed": check.needed},
        )
        return int(self.cursor.rowcount)

    def _duplicates(self) -> int:
        """Write a problem for each further line of a member, with the line before it."""
        cell = self.external_id
        self.cursor.execute(
            f"""
            INSERT INTO loyalty_memberimportproblem (member_import_id, line, field, code, value, needed)
            SELECT %(import)s, line, 'external_id', 'given_twice', left(id, 200), before::text
              FROM (SELECT given.line, {cell} AS id,
                           lag(given.line) OVER (PARTITION BY {cell} ORDER BY given.line) AS before
                      FROM {self.staging.name} AS given
                     WHERE {cell} IN (SELECT {cell} FROM {self.staging.name} AS given WHERE {cell} <> ''
                                       GROUP BY {cell} HAVING count(*) > 1)) AS seen
             WHERE before IS NOT NULL ORDER BY line
            """,
            self.parameters,
        )
        return int(self.cursor.rowcount)

    # --- Keys ---------------------------------------------------------------------------------------------------------
    def _read_emails(self, cell: str) -> None:
        self.new["email_key"] = plain = f'lower({cell} COLLATE "C")'
        if "email" in self.read.proven:
            return
        is_odd = f"({cell} !~ '{member_columns.PLAIN_EMAIL}' OR octet_length({cell}) > {member_columns.PLAIN_LENGTH})"
        self.cursor.execute(
            f"SELECT DISTINCT {cell} FROM {self.staging.name} AS given WHERE {cell} <> '' AND {is_odd}", self.parameters
        )
        keys = {}
        odd = self.cursor.fetchall()
        for [email] in odd:
            try:
                validate_email(email)
            except ValidationError:
                continue
            keys[email] = contact.email_key(email)
        self.parameters["emails"] = orjson.dumps(keys).decode()
        if keys:
            self.new["email_key"] = f"CASE WHEN {is_odd} THEN %(emails)s::jsonb ->> {cell} ELSE {plain} END"
        if len(keys) == len(odd):
            # Every one is an address: nothing to look for again.
            return
        known = f"NOT %(emails)s::jsonb ? {cell}"
        self.checks.append(Check("email", "invalid_email", f"{cell} <> '' AND {is_odd} AND {known}", cell))

    def _read_phones(self) -> None:
        given = self.read.fields.get("phone", "NULL")
        phone = f"coalesce({given}, held.phone, '')"
        country = f"coalesce({self.read.fields.get('country', 'NULL')}, held.country, '')"
        self.cursor.execute(f"SELECT DISTINCT left({phone}, 4) FROM {self.source}", self.parameters)
        begun = [found[0].removeprefix("+") for found in self.cursor.fetchall() if found[0].startswith("+")]
        codes = [code for code in contact.calling_codes() if any(one.startswith(str(code)) for one in begun)]
        patterns = "|".join(filter(None, map(contact.plain_pattern, codes)))
        is_plain = f"{phone} ~ {member_columns.literal(f'^[+](?:{patterns})$')}" if patterns else "false"
        self.cursor.execute(
            f"SELECT DISTINCT {phone}, {country} FROM {self.source} WHERE {phone} <> '' AND NOT {is_plain}",
            self.parameters,
        )
        zone = contact.regions_of_zone(self.programme.timezone)
        keys = {
            f"{number}\x1f{region}": contact.phone_key(number, regions=[*([region] if region else []), *zone])
            for number, region in self.cursor.fetchall()
        }
        self.parameters["phones"] = orjson.dumps(keys).decode()
        looked_up = f"%(phones)s::jsonb ->> ({phone} || {UNIT} || {country})"
        self.new["phone_key"] = (
            f"CASE WHEN {phone} = '' THEN '' WHEN {is_plain} THEN {phone} ELSE {looked_up} END"
            if keys
            else f"CASE WHEN {phone} = '' THEN '' ELSE {phone} END"
        )
        if keys and "phone" in self.read.fields:
            wrong = f"{given} <> '' AND NOT {is_plain} AND {looked_up} = ''"
            self.checks.append(Check("phone", "invalid_phone", wrong, given))

    # --- What changes -------------------------------------------------------------------------------------------------
    def _assigned(self) -> dict[str, str]:
        """Return by column what a member that is there already becomes."""
        found = {}
        for column, expression in self.new.items():
            kept = f"held.{column}"
            if column in ("birth_date", "joined_at"):
                cell = f"given.{self.staging.text(column)}" if self.staging.text(column) else "NULL"
                found[column] = f"CASE WHEN {cell} IS NULL THEN {kept} ELSE {expression} END"
            else:
                found[column] = f"coalesce({expression}, {kept})"
        if self.read.attributes:
            patch, emptied = member_columns.patch(self.read)
            found["attributes"] = f"((held.attributes - {emptied}) || {patch})"
        return found

    def _differs(self) -> str:
        assigned = self._assigned()
        held = ", ".join(f"held.{column}" for column in assigned)
        return f"(({held}) IS DISTINCT FROM ({', '.join(assigned.values())}))" if assigned else "false"

    def count(self) -> Counts:
        """Say what writing would do."""
        self.cursor.execute(
            f"""
            SELECT count(*) FILTER (WHERE held.id IS NULL),
                   count(*) FILTER (WHERE held.id IS NOT NULL AND {self._differs()}), count(*)
              FROM {self.source}
            """,
            self.parameters,
        )
        created, changed, rows = self.cursor.fetchone()
        return Counts(created, changed, rows - created - changed, self._count_consents())

    def _count_consents(self) -> int:
        if not self.read.consents:
            return 0
        answers = [f"count(*) FILTER (WHERE ({value}) IS NOT NULL)" for value in self.read.consents.values()]
        self.cursor.execute(f"SELECT {' + '.join(answers)} FROM {self.staging.name} AS given", self.parameters)
        return int(self.cursor.fetchone()[0])

    def write(self, member_import: MemberImport, *, actor_id: int | None, client_id: str | None) -> Counts:
        """Make new members, change those that differ, note consents; former values are kept for an undo."""
        self.parameters["import"] = member_import.pk
        created = self._insert()
        changed = self._update() if created < self.staging.rows else 0
        noted = self._note_consents(member_import, actor_id, client_id) if self.read.consents else 0
        return Counts(created, changed, self.staging.rows - created - changed, noted)

    def _insert(self) -> int:
        values = [self._fresh(column) for column in COLUMNS]
        patch = member_columns.patch(self.read)[0] if self.read.attributes else "'{}'::jsonb"
        self.cursor.execute(
            f"""
            INSERT INTO loyalty_member
                   (programme_id, external_id, {", ".join(COLUMNS)}, attributes, created_at, updated_at)
            SELECT %(programme)s, {self.external_id}, {", ".join(values)}, {patch}, %(now)s, %(now)s
              FROM {self.source} WHERE held.id IS NULL
             ORDER BY {self.external_id} COLLATE "C"
                ON CONFLICT (programme_id, external_id) DO NOTHING
            """,
            self.parameters,
        )
        return int(self.cursor.rowcount)

    def _fresh(self, column: str) -> str:
        """Return what a new member gets."""
        default, given = DEFAULTS.get(column, "''"), self.new.get(column)
        if given is None:
            return default
        if column == "joined_at":
            return f"CASE WHEN given.{self.staging.text(column)} IS NULL THEN {default} ELSE {given} END"
        return given if column == "birth_date" else f"coalesce({given}, {default})"

    def _update(self) -> int:
        assigned = self._assigned()
        if not assigned:
            return 0
        before = ", ".join(f"'{column}', held.{column}" for column in assigned)
        names = ", ".join(f"{expression} AS new_{column}" for column, expression in assigned.items())
        becomes = ", ".join(f"{column} = target.new_{column}" for column in assigned)
        # Whoever was made by this file carries its moment, and is as she should be.
        self.cursor.execute(
            f"""
            WITH target AS MATERIALIZED (
                SELECT held.id, jsonb_build_object({before}) AS before, {names}
                  FROM {self.staging.name} AS given
                  JOIN loyalty_member AS held
                    ON held.programme_id = %(programme)s AND held.external_id = {self.external_id}
                 WHERE held.created_at <> %(now)s AND held.status <> 'erased' AND {self._differs()}
                 ORDER BY held.id FOR NO KEY UPDATE OF held
            ), kept AS (
                INSERT INTO loyalty_memberimportchange (member_import_id, member_id, before)
                SELECT %(import)s, id, before FROM target
            )
            UPDATE loyalty_member AS member SET {becomes}, updated_at = %(now)s
              FROM target WHERE member.id = target.id
            """,
            self.parameters,
        )
        return int(self.cursor.rowcount)

    def _note_consents(self, member_import: MemberImport, actor_id: int | None, client_id: str | None) -> int:
        answers = " UNION ALL ".join(
            f"SELECT held.id AS member_id, {channel}::bigint AS channel_id, {value} AS is_granted,"
            f" %(now)s::timestamptz AS changed_at FROM {self.source} WHERE ({value}) IS NOT NULL"
            for channel, value in self.read.consents.items()
        )
        more = {"source": source_of(member_import), "user": actor_id, "client": client_id}
        self.cursor.execute(consent.WRITE.format(given=f"({answers})"), self.parameters | more)
        return int(self.cursor.rowcount)


def source_of(member_import: MemberImport) -> str:
    """Return the source of the consents that an import notes."""
    return f"import {member_import.pk}"
