import itertools

from loyalty import clock
from offers.models import Assignment, Redemption

_numbers = itertools.count(1)


def redeem(held: Assignment, *, is_used_up: bool = False) -> Redemption:
    """Write down that the member used it once at a till; `is_used_up` says that she may not again."""
    if is_used_up:
        Assignment.objects.filter(pk=held.pk).update(used_up_at=clock.now(), updated_at=clock.now())
    return Redemption.objects.create(
        programme_id=held.config_offer.programme_id,
        member_id=held.member_id,
        config_offer_id=held.config_offer_id,
        assignment=held,
        external_id=f"till-{next(_numbers)}",
        redeemed_at=clock.now(),
        benefit_minor=held.exposure_minor,
    )
