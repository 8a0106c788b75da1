"""Which channels a programme has: its own list, which is data (S1-20)."""

from collections.abc import Sequence

from loyalty.models import Channel, Programme


def codes(*, programme: Programme) -> Sequence[str] | None:
    """Return the codes of the programme's channels; None where it keeps none, and every code is taken."""
    found = Channel.objects.filter(programme=programme, is_active=True).order_by("code").values_list("code", flat=True)
    return list(found) or None
