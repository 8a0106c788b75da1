"""Which channels an offer can be told and used in: the places, and the programme's own list, which is data (S1-20)."""

from collections.abc import Iterator, Sequence

from loyalty.models import Channel, Programme
from offers.rules.channels import PLACES


def choices(*, programme: Programme) -> Iterator[tuple[str, str]]:
    """Yield code and label: store and web shop, then the programme's channels in its order; asks when first needed."""
    yield from ((code, str(label)) for code, label in PLACES)
    yield from Channel.objects.filter(programme=programme, is_active=True).order_by("id").values_list("code", "name")


def codes(*, programme: Programme) -> Sequence[str] | None:
    """Return the codes of `choices`; None where the programme keeps no channel, and every code is taken."""
    found = dict(choices(programme=programme))
    return sorted(found) if len(found) > len(PLACES) else None
