"""Whether the demo is there: known without its packages, so that every start may ask."""

from loyalty.models import AuditEvent, Programme
from loyalty.services import audit

SLUG = "laurel-market"
QUICK, FULL = "demo.loaded", "demo.loaded_in_full"


def is_loaded() -> bool:
    """Say whether a load, quick or full, has come to its end here; an interrupted one has not."""
    return AuditEvent.objects.filter(programme__slug=SLUG, action__in=[QUICK, FULL]).exists()


def remember(*, programme: Programme, is_full: bool) -> None:
    """Note the end of a load, once of each kind."""
    action = FULL if is_full else QUICK
    if not AuditEvent.objects.filter(programme=programme, action=action).exists():
        audit.record(action=action, actor=None, programme=programme, target=programme)
