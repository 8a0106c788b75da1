"""Whom an offer may be given to, in words (S0-02)."""

from dataclasses import dataclass

from offers import targeting as criteria_language
from offers.models import ConfigOffer, TargetingVersion
from offers.selectors import targeting as targeting_selector


@dataclass(frozen=True)
class Asked:
    """What an offer asks of members: a version of a saved audience, or conditions of its own."""

    version: TargetingVersion
    sentence: str
    is_readable: bool

    @property
    def is_own(self) -> bool:
        return self.version.targeting.config_offer_id is not None

    @property
    def newer(self) -> int | None:
        """The number of the audience's current version, where it went on since it was chosen (S4-26)."""
        current = self.version.targeting.current_version
        return current.number if current is not None and current.pk != self.version.pk and not self.is_own else None


def of(offer: ConfigOffer) -> Asked | None:
    """Return what the offer asks of its members, or None where it asks nothing."""
    if offer.eligibility is None:
        return None
    try:
        checked = targeting_selector.read(offer.eligibility.criteria, programme=offer.programme)
    except criteria_language.InvalidCriteria as error:
        # What it speaks of may be gone since; then nobody is given the offer (`services.eligibility`).
        return Asked(offer.eligibility, error.message, is_readable=False)
    return Asked(offer.eligibility, str(criteria_language.sentence(checked)), is_readable=True)
