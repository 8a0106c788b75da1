"""What a voucher bank has left (S4-22): subtractions on segments, never a count of codes; and one code by its text."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from loyalty import whole_number
from loyalty.errors import NotFound
from loyalty.models import Programme
from offers.models import (
    Assignment,
    CodeReservation,
    MassAssignmentChunk,
    VoucherBank,
    VoucherBatch,
    VoucherCode,
    VoucherSegment,
)

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class Left(TypedDict):
        left: int


_UNDRAWN = F("segments__size") - F("segments__cursor")


class BankNotFound(NotFound):
    """The programme has no such bank."""

    code = "unknown_voucher_bank"


# Codes that expire within this time, while they could still be given, are worth a warning.
NEAR_EXPIRY = timedelta(days=14)


@dataclass(frozen=True)
class Stock:
    """A bank's codes, each counted once: imported = drawn + left + expired + held + those voided before anybody drew.

    `left` can be drawn now, `expiring` of them not much longer; `expired` were never drawn and are too late; `held`
    were made here and wait for their export. Of those `drawn`, `reserved` belong to a run and nobody yet, the others
    were `given`. `returned` counts how often one came back.
    """

    imported: int
    drawn: int
    given: int
    reserved: int
    returned: int
    voided: int
    held: int
    left: int
    expiring: int
    expired: int

    def is_low(self, bank: VoucherBank) -> bool:
        """Say whether the bank asks for more codes."""
        return self.left < bank.low_stock_at


@dataclass(frozen=True)
class CodeState:
    """A code and where it stands: `left`, `held`, `expired`, `reserved`, `given` or `voided`."""

    code: VoucherCode
    state: str
    assignment: Assignment | None


def banks(*, programme: Programme) -> QuerySet[VoucherBank]:
    """Return the programme's banks with their offers."""
    return VoucherBank.objects.filter(programme=programme).select_related("config_offer", "programme")


def find(*, programme: Programme, by: str = "offer_reference", key: str) -> VoucherBank:
    """Return the bank of the offer with that reference, or with that id of its own. Raises BankNotFound."""
    field = "config_offer__offer_reference" if by == "offer_reference" else "pk"
    bank = None
    if field != "pk" or whole_number.read(key) is not None:
        bank = banks(programme=programme).filter(**{field: key}).first()
    if bank is None:
        raise BankNotFound(f"There is no voucher bank with the {by} “{key}”.", by=by, key=key)
    return bank


def drawable(*, now: datetime) -> Q:
    """Return the condition on a segment whose codes may still be given."""
    return Q(expires_at__isnull=True) | Q(expires_at__gt=now)


def codes_left(*, bank: VoucherBank, now: datetime) -> int:
    """Return how many codes of the bank are unassigned and can be drawn at `now`."""
    return (
        VoucherSegment.objects.filter(drawable(now=now), bank=bank).aggregate(left=Sum(F("size") - F("cursor")))["left"]
        or 0
    )


def with_codes_left(found: QuerySet[VoucherBank], *, now: datetime) -> "QuerySet[WithAnnotations[VoucherBank, Left]]":
    """Add what each bank has left, as `left`."""
    return found.annotate(left=Coalesce(Sum(_UNDRAWN, filter=_drawable_segments(now)), 0))


def search(*, programme: Programme, text: str = "", is_low: bool = False, now: datetime) -> QuerySet[VoucherBank]:
    """Return the programme's banks with what each has `left` (0 for none), filtered."""
    kept = banks(programme=programme).exclude(config_offer__state="archived")
    found = with_expiring(with_codes_left(kept, now=now), now=now)
    for word in text.split():
        found = found.filter(Q(config_offer__name__icontains=word) | Q(config_offer__offer_reference__icontains=word))
    return found.filter(left__lt=F("low_stock_at")) if is_low else found


def codes_left_by_offer(*, offer_ids: Iterable[int], now: datetime) -> dict[int, int]:
    """Return the codes left of many offers in one query; an offer without a bank is missing."""
    found = with_codes_left(VoucherBank.objects.filter(config_offer__in=list(offer_ids)), now=now)
    return dict(found.values_list("config_offer_id", "left"))


def banks_by_offer(*, offer_ids: Iterable[int], now: datetime) -> "dict[int, WithAnnotations[VoucherBank, Left]]":
    """Return the banks of many offers with their `left` and `expiring`, in one query."""
    found = with_expiring(VoucherBank.objects.filter(config_offer__in=list(offer_ids)), now=now)
    return {bank.config_offer_id: bank for bank in with_codes_left(found, now=now)}


def stock(*, bank: VoucherBank, now: datetime) -> Stock:
    """Return all of the bank's numbers."""
    undrawn = F("size") - F("cursor")
    tape = VoucherSegment.objects.filter(bank=bank).aggregate(
        draws=Coalesce(Sum("cursor"), 0),
        without_batch=Coalesce(Sum("size", filter=Q(batch__isnull=True)), 0),
        left=Coalesce(Sum(undrawn, filter=drawable(now=now)), 0),
        expiring=Coalesce(Sum(undrawn, filter=Q(expires_at__gt=now, expires_at__lte=now + NEAR_EXPIRY)), 0),
        expired=Coalesce(Sum(undrawn, filter=Q(expires_at__lte=now)), 0),
    )
    brought = F("imported") - F("removed")
    came = VoucherBatch.objects.filter(bank=bank).aggregate(
        all=Coalesce(Sum(brought), 0), held=Coalesce(Sum(brought, filter=_IS_HELD), 0)
    )
    is_undrawn = Q(position__gte=F("segment__cursor"))
    void = VoucherCode.objects.filter(bank=bank, voided_at__isnull=False).aggregate(
        all=Count("id"),
        undrawn=Count("id", filter=is_undrawn),
        held=Count("id", filter=is_undrawn & Q(segment__batch__in=VoucherBatch.objects.filter(_IS_HELD, bank=bank))),
    )
    imported = came["all"] + tape["without_batch"]
    held = came["held"] - void["held"]
    drawn = imported - tape["left"] - tape["expired"] - held - void["undrawn"]
    reserved = _reserved(bank)
    return Stock(
        imported=imported,
        drawn=drawn,
        given=drawn - reserved,
        reserved=reserved,
        returned=tape["draws"] - drawn,
        voided=void["all"],
        held=held,
        left=tape["left"],
        expiring=tape["expiring"],
        expired=tape["expired"],
    )


_IS_HELD = Q(origin=VoucherBatch.Origin.GENERATED, exported_at__isnull=True, undone_at__isnull=True)


def _reserved(bank: VoucherBank) -> int:
    """Return how many codes runs have reserved and not given yet."""
    open_ones = CodeReservation.objects.filter(segment__bank=bank, released_at__isnull=True)
    reserved = open_ones.aggregate(n=Sum("size"))["n"] or 0
    if not reserved:
        return 0
    chunks = MassAssignmentChunk.objects.filter(run__in=open_ones.values("run"))
    return reserved - (chunks.aggregate(n=Sum("assigned"))["n"] or 0)


def find_code(*, bank: VoucherBank, text: str, now: datetime) -> CodeState | None:
    """Return the code with exactly that text and where it stands, or None.

    Exactly, because who looks has the code already: a search by its beginning would show codes to whoever guesses
    (D-10).
    """
    text = text.strip()
    if not text or "\0" in text:
        return None
    code = VoucherCode.objects.filter(bank=bank, code=text).select_related("segment__batch").first()
    if code is None:
        return None
    assignment = Assignment.objects.filter(voucher_code=code).select_related("member").first()
    return CodeState(code, _code_state(code, assignment, now), assignment)


def _code_state(code: VoucherCode, assignment: Assignment | None, now: datetime) -> str:
    segment = code.segment
    if code.voided_at:
        return "voided"
    if assignment or segment is None or code.position is None:
        return "given"
    if code.position < segment.cursor:
        return "reserved"
    if segment.batch and segment.batch.is_held:
        return "held"
    return "expired" if segment.expires_at and segment.expires_at <= now else "left"


def with_expiring(found: QuerySet[Any], *, now: datetime) -> QuerySet[Any]:
    """Add how many codes of each bank expire soon, as `expiring`, and when the first do, as `expires_first`."""
    soon = Q(
        segments__expires_at__gt=now,
        segments__expires_at__lte=now + NEAR_EXPIRY,
        segments__cursor__lt=F("segments__size"),
    )
    return found.annotate(
        expiring=Coalesce(Sum(_UNDRAWN, filter=soon), 0), expires_first=Min("segments__expires_at", filter=soon)
    )


def needing(*, programme: Programme, now: datetime, limit: int = 5) -> list[VoucherBank]:
    """Return banks of published offers that are low on codes, or whose codes expire soon, emptiest first."""
    drawn = banks(programme=programme).filter(config_offer__state="published", config_offer__require_vouchers=True)
    found = with_expiring(with_codes_left(drawn, now=now), now=now)
    return list(found.filter(Q(left__lt=F("low_stock_at")) | Q(expiring__gt=0)).order_by("left", "pk")[:limit])


def find_batch(*, bank: VoucherBank, batch_id: int) -> VoucherBatch:
    """Return the bank's batch with that id. Raises NotFound."""
    batch = VoucherBatch.objects.filter(bank=bank, pk=batch_id).select_related("bank__programme").first()
    if batch is None:
        raise NotFound("This bank has no such batch.", code="unknown_voucher_batch")
    return batch


def batches(*, bank: VoucherBank) -> QuerySet[VoucherBatch]:
    """Return the bank's imports, the newest first, each with what is left of it, and when its codes expire.

    `expires_first` and `expires_last` are the same, or None, but for a file with an expiry for each code; `endless`
    counts the parts of it that never expire.
    """
    return (
        VoucherBatch.objects.filter(bank=bank)
        .select_related("imported_by")
        .annotate(
            left=Sum(_UNDRAWN),
            expires_first=Min("segments__expires_at"),
            expires_last=Max("segments__expires_at"),
            endless=Count("segments", filter=Q(segments__expires_at__isnull=True)),
        )
        .order_by("-id")
    )


def segments(*, bank: VoucherBank) -> QuerySet[VoucherSegment]:
    """Return the bank's segments in the order in which they are drawn: earliest expiry first."""
    return VoucherSegment.objects.filter(bank=bank).order_by(F("expires_at").asc(nulls_last=True), "id")


def _drawable_segments(now: datetime) -> Q:
    return Q(segments__expires_at__isnull=True) | Q(segments__expires_at__gt=now)
