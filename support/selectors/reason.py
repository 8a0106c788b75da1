"""The desk's reasons: those that may be chosen, and what a code that was kept is called."""

from collections.abc import Mapping

from loyalty.models import Programme
from support.models import GrantReason


def choices(*, programme: Programme) -> list[tuple[str, str]]:
    """Return code and label of the reasons that are offered, in the administrator's order."""
    return list(GrantReason.objects.filter(programme=programme, is_active=True).values_list("code", "label"))


def labels(*, programme: Programme) -> Mapping[str, str]:
    """Return each reason's label by its code, those included that are no longer offered."""
    return dict(GrantReason.objects.filter(programme=programme).values_list("code", "label"))
