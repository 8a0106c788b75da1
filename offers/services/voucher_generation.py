"""Making codes here (D-07): off until a bank allows it, from the system's random source, too many to guess.

What is made waits for its export: the till has to know a code before a member holds it.
"""

import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from loyalty import patience
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, User
from loyalty.services import audit
from offers.models import VoucherBank, VoucherBatch, VoucherCode, VoucherSegment
from offers.services import voucher, voucher_staging, waiting

# Capitals and digits that nobody takes for another one, by eye or by ear: no I, L, O, 0 and 1.
UNAMBIGUOUS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
RANDOM = "?"
MOST_CODES = 1_000_000
MOST_CHARACTERS = 100
# A guess hits a code of the bank at most once in so many times.
GUESSES = 1_000_000
BLOCK = 10_000


class CodeSpaceTooSmall(InvalidInput):
    """The pattern allows too few codes, so that somebody could guess one."""

    code = "code_space_too_small"


def allow(*, bank: VoucherBank, is_allowed: bool, actor: User | None) -> None:
    """Let codes be made in the bank, or stop it; those that were made stay."""
    with transaction.atomic():
        old, bank.may_generate = bank.may_generate, is_allowed
        bank.save(update_fields=["may_generate", "updated_at"])
        audit.record(
            action="voucher_bank.updated",
            actor=actor,
            programme=bank.programme,
            target=bank,
            data={"may_generate": [old, is_allowed]},
        )


@patience.patient()
def generate(
    *,
    bank: VoucherBank,
    count: int,
    pattern: str,
    characters: str = UNAMBIGUOUS,
    expires_at: datetime | None,
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None = None,
) -> VoucherBatch:
    """Make `count` new codes, in bounded memory; each `?` of the pattern is one of `characters`, the rest stays.

    They are held until they are exported. Raises InvalidInput with every problem, CodeSpaceTooSmall, Conflict where
    the bank does not allow it, ImportRunning, and what an import raises about the offer.
    """
    voucher.takes_codes(bank=bank)
    if not bank.may_generate:
        raise Conflict(
            _("This bank takes codes from outside only. Allow making codes in it first."), code="generation_off"
        )
    voucher.check_expiry(expires_at=expires_at, now=now)
    _check(count=count, pattern=pattern, characters=characters)
    with transaction.atomic(), connection.cursor() as cursor:
        voucher_staging.lock_bank(bank)
        _check_space(bank=bank, count=count, pattern=pattern, characters=characters)
        staging = voucher_staging.create(cursor)
        missing = count
        while missing:
            voucher_staging.fill(cursor, staging, _blocks(missing, pattern, characters))
            missing = count - _fresh(cursor, staging, bank)
        batch = VoucherBatch.objects.create(
            bank=bank,
            lines=count,
            origin=VoucherBatch.Origin.GENERATED,
            pattern=pattern,
            expires_at=expires_at,
            imported_by=actor,
            imported_at=now,
        )
        segment = voucher_staging.merge(cursor, staging, batch)
        voucher_staging.drop(cursor, staging)
        # An end of 0 holds them: nobody draws what the till does not know.
        VoucherSegment.objects.filter(pk=segment.pk if segment else 0).update(size=0)
        audit.record(
            action="voucher.generated",
            actor=actor,
            api_client=api_client,
            programme=bank.programme,
            target=bank,
            data={"batch": batch.pk, "count": count, "pattern": pattern, "characters": len(characters)},
        )
    return batch


@patience.patient()
def export(
    *, batch: VoucherBatch, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> Iterator[tuple[str, datetime | None]]:
    """Record that the batch's codes are shown, let held ones be drawn, and return them with their expiries, as they go.

    The record is committed before the first code leaves (D-10): a code of the batch that a member got does not go back
    into the bank from then on. One that was only reserved still does; nobody had it.
    """
    with transaction.atomic():
        found = VoucherBatch.objects.select_for_update(of=("self",)).get(pk=batch.pk)
        if found.is_held:
            _release(found)
            waiting.wake(now=now, offer_id=found.bank.config_offer_id)
        if found.exported_at is None:
            found.exported_at = now
            found.save(update_fields=["exported_at"])
        audit.record(
            action="voucher.exported",
            actor=actor,
            api_client=api_client,
            programme=found.bank.programme,
            target=found.bank,
            data={"batch": found.pk},
        )
    codes = VoucherCode.objects.filter(segment__batch=found, voided_at__isnull=True)
    return codes.order_by("code").values_list("code", "segment__expires_at").iterator(chunk_size=BLOCK)


def _release(batch: VoucherBatch) -> None:
    """Give the held segment its end: as many codes as were not voided meanwhile, which lie before those that were."""
    for segment in VoucherSegment.objects.select_for_update().filter(batch=batch, size=0):
        segment.size = segment.codes.filter(voided_at__isnull=True).count()
        segment.save(update_fields=["size"])


def _check(*, count: int, pattern: str, characters: str) -> None:
    """Raise InvalidInput with everything that is wrong with what was asked for."""
    found = []
    if not 1 <= count <= MOST_CODES:
        found.append(("count", "out_of_range", _("Make 1 to %(most)s codes at once.") % {"most": f"{MOST_CODES:,}"}))
    if not 1 <= len(pattern) <= MOST_CHARACTERS or not _is_plain(pattern) or RANDOM not in pattern:
        message = _("The pattern is 1 to 100 letters, digits and signs without spaces; each ? becomes a random one.")
        found.append(("pattern", "invalid", message))
    if len(set(characters)) != len(characters) or len(characters) < 2 or not _is_plain(characters):
        message = _("Give at least 2 different letters, digits or signs, each once, without spaces.")
        found.append(("characters", "invalid", message))
    if found:
        problems = [{"field": field, "code": code, "message": message} for field, code, message in found]
        raise InvalidInput(" ".join(message for _field, _code, message in found), problems=problems)


def _is_plain(text: str) -> bool:
    """Say whether a till can read the text: printable ASCII without spaces."""
    return text.isascii() and text.isprintable() and " " not in text


def _check_space(*, bank: VoucherBank, count: int, pattern: str, characters: str) -> None:
    """Refuse a pattern whose codes could be guessed, and say how many more random places would do."""
    there = sum(VoucherBatch.objects.filter(bank=bank).values_list("imported", flat=True))
    places, needed = pattern.count(RANDOM), (there + count) * GUESSES
    space = len(characters) ** places
    if space >= needed:
        return
    enough = places
    while len(characters) ** enough < needed:
        enough += 1
    message = _(
        "“%(pattern)s” allows %(space)s codes. With %(count)s in the bank it must allow %(needed)s, so that "
        "a guess hits once in a million times at most. Use %(enough)d random places."
    ) % {
        "pattern": pattern,
        "space": f"{space:,}",
        "count": f"{there + count:,}",
        "needed": f"{needed:,}",
        "enough": enough,
    }
    raise CodeSpaceTooSmall(
        message,
        problems=[{"field": "pattern", "code": CodeSpaceTooSmall.code, "message": message}],
        allowed=space,
        needed=needed,
        random_places=enough,
    )


def _blocks(count: int, pattern: str, characters: str) -> Iterator[list[str | None]]:
    """Yield `count` random codes in lists."""
    parts = pattern.split(RANDOM)
    places = len(parts) - 1
    letters = _letters(characters)
    for first in range(0, count, BLOCK):
        size = min(BLOCK, count - first)
        drawn = ""
        while len(drawn) < size * places:
            drawn += letters(size * places)
        yield [
            parts[0] + "".join(a + b for a, b in zip(drawn[n * places : (n + 1) * places], parts[1:], strict=True))
            for n in range(size)
        ]


def _letters(characters: str) -> Any:
    """Return a function that draws about so many letters: random bytes, those beyond the last whole round thrown away,
    because keeping them would make the first letters likelier."""
    fair = 256 - 256 % len(characters)
    table = bytes(ord(characters[byte % len(characters)]) for byte in range(256))
    unfair = bytes(range(fair, 256))

    def draw(count: int) -> str:
        return secrets.token_bytes(count).translate(table, unfair).decode()

    return draw


def _fresh(cursor: Any, staging: str, bank: VoucherBank) -> int:
    cursor.execute(
        f"""
        SELECT count(DISTINCT code) FROM {staging} AS given
         WHERE NOT EXISTS (
                SELECT FROM offers_vouchercode AS held WHERE held.code = given.code AND held.bank_id = %s
               )
        """,
        [bank.pk],
    )
    return int(cursor.fetchone()[0])
