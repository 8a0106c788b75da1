"""One story for each way to say a verdict: what is done, what is asked, and what is answered (B-02)."""

from tests.offers.services.explanation_asked import ASKED
from tests.offers.services.explanation_given import GIVEN
from tests.offers.services.explanation_held import HELD

# By the verdict's key.
CASES = HELD | GIVEN | ASKED
