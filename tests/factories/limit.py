from loyalty import clock
from offers.models import Campaign, ConfigOffer, Limit
from offers.services import limit_settings


def limit_of(owner: ConfigOffer | Campaign, **values: int | bool | None) -> Limit:
    """Limit an offer or a campaign the way its page does: `limit_of(offer, cap=100, budget_minor=50_000)`."""
    limit = limit_settings.put(owner=owner, values=values, actor=None, now=clock.now())
    if limit is None:
        raise AssertionError("Nothing is limited.")
    return limit
