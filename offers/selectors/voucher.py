"""What a voucher bank has left (S4-22): subtractions on segments, never a count of codes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from loyalty.errors import NotFound
from loyalty.models import Programme
from offers.models import VoucherBank, VoucherBatch, VoucherSegment

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class Left(TypedDict):
        left: int | None


_UNDRAWN = F("segments__size") - F("segments__cursor")


class BankNotFound(NotFound):
    """The programme has no such bank."""

    code = "unknown_voucher_bank"


@dataclass(frozen=True)
class Stock:
    """A bank's codes: `left` can be drawn now; `expired` were never drawn and are too late."""

    imported: int
    drawn: int
    left: int
    expired: int

    def is_low(self, bank: VoucherBank) -> bool:
        """Say whether the bank asks for more codes."""
        return self.left < bank.low_stock_at


def banks(*, programme: Programme) -> QuerySet[VoucherBank]:
    """Return the programme's banks with their offers."""
    return VoucherBank.objects.filter(programme=programme).select_related("config_offer", "programme")


def find(*, programme: Programme, by: str = "offer_reference", key: str) -> VoucherBank:
    """Return the bank of the offer with that reference, or with that id of its own. Raises BankNotFound."""
    field = "config_offer__offer_reference" if by == "offer_reference" else "pk"
    bank = None
    if field != "pk" or (key.isascii() and key.isdigit() and len(key) < 19):
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
    """Add what each bank has left, as `left`; none is null."""
    return found.annotate(left=Sum(_UNDRAWN, filter=_drawable_segments(now)))


def search(*, programme: Programme, text: str = "", is_low: bool = False, now: datetime) -> QuerySet[VoucherBank]:
    """Return the programme's banks with what each has `left` (0 for none), filtered."""
    found = banks(programme=programme).exclude(config_offer__state="archived")
    found = found.annotate(left=Coalesce(Sum(_UNDRAWN, filter=_drawable_segments(now)), 0))
    for word in text.split():
        found = found.filter(Q(config_offer__name__icontains=word) | Q(config_offer__offer_reference__icontains=word))
    return found.filter(left__lt=F("low_stock_at")) if is_low else found  # type: ignore[misc]


def codes_left_by_offer(*, offer_ids: Iterable[int], now: datetime) -> dict[int, int]:
    """Return the codes left of many offers in one query; an offer without a bank is missing."""
    found = with_codes_left(VoucherBank.objects.filter(config_offer__in=list(offer_ids)), now=now)
    return {offer: left or 0 for offer, left in found.values_list("config_offer_id", "left")}


def stock(*, bank: VoucherBank, now: datetime) -> Stock:
    """Return all of the bank's numbers."""
    sums = VoucherSegment.objects.filter(bank=bank).aggregate(
        imported=Sum("size"),
        drawn=Sum("cursor"),
        left=Sum(F("size") - F("cursor"), filter=drawable(now=now)),
        expired=Sum(F("size") - F("cursor"), filter=Q(expires_at__lte=now)),
    )
    return Stock(**{name: value or 0 for name, value in sums.items()})


def batches(*, bank: VoucherBank) -> QuerySet[VoucherBatch]:
    """Return the bank's imports, the newest first, each with what is left of it."""
    return (
        VoucherBatch.objects.filter(bank=bank)
        .select_related("imported_by")
        .annotate(left=Sum(_UNDRAWN))
        .order_by("-id")
    )


def segments(*, bank: VoucherBank) -> QuerySet[VoucherSegment]:
    """Return the bank's segments in the order in which they are drawn: earliest expiry first."""
    return VoucherSegment.objects.filter(bank=bank).order_by(F("expires_at").asc(nulls_last=True), "id")


def _drawable_segments(now: datetime) -> Q:
    return Q(segments__expires_at__isnull=True) | Q(segments__expires_at__gt=now)
