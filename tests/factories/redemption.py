import itertools
from datetime import datetime

from loyalty import clock
from offers.models import Assignment, Redemption
from offers.services import redemption
from offers.services.redemption import Use
from offers.services.verb import By

_numbers = itertools.count(1)


def redeem(held: Assignment, *, is_used_up: bool = False, now: datetime | None = None) -> Redemption:
    """Write down that the member used it once at a till; `is_used_up` says that she may not again.

    The last use goes through the service. One that leaves others is written down as it is, whatever the terms allow:
    tests look at what is used in part, and most offers allow a single use.
    """
    now = now or clock.now()
    if is_used_up:
        answer = redemption.redeem(
            programme=held.config_offer.programme,
            assignment_id=held.pk,
            use=Use(external_id=f"till-{next(_numbers)}", redeemed_at=now, benefit_minor=held.exposure_minor),
            by=By(),
            now=now,
        )
        assert answer.redemption is not None, answer
        assert answer.left == 0
        return answer.redemption
    return Redemption.objects.create(
        programme_id=held.config_offer.programme_id,
        member_id=held.member_id,
        config_offer_id=held.config_offer_id,
        assignment=held,
        external_id=f"till-{next(_numbers)}",
        redeemed_at=now,
        benefit_minor=held.exposure_minor,
    )
