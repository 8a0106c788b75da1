"""What the stories of explanations have in common: the programme, Ann, when it is, and what a case is (B-02)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from loyalty.models import Member, Programme
from offers.models import Assignment, ConfigOffer, Source
from offers.selectors import explanation_subject
from offers.selectors.explanation_subject import Subject
from offers.services import door
from offers.services.assignment import Grant
from offers.services.verb import By
from tests.factories import ConfigOfferFactory, UserFactory, give

# A Monday, 11:00 in Paris.
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
DAY = timedelta(days=1)
NOBODY = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Nowhere"}]}
DOORS = By(Source.SUPPORT)


@dataclass
class Story:
    """The programme, Ann, and what the case made."""

    programme: Programme
    ann: Member
    now: datetime = NOW
    made: dict[str, Any] = field(default_factory=dict)

    def offer(self, **values: Any) -> ConfigOffer:
        values = {"name": "Coffee", "terms": {"validity": {"days": 6}}, "repeat_policy": "unlimited"} | values
        self.made["offer"] = offer = ConfigOfferFactory(programme=self.programme, **values)
        return offer

    def held(self, *, now: datetime = NOW, **values: Any) -> Assignment:
        self.made["held"] = held = give(self.ann, self.offer(**values), now=now)
        return held

    def person(self) -> Any:
        return UserFactory(programmes=[self.programme], first_name="Ola", last_name="Agent")

    def refused(self, code: str, *, offer: ConfigOffer | None = None, **grant: Any) -> ConfigOffer:
        """Have the API's door refuse it to her yesterday."""
        offer = offer or self.made.get("offer") or self.offer()
        values = {"template_id": offer.templates.get(is_default=True).pk, "member_id": self.ann.pk} | grant
        answer = door.grant(
            programme=self.programme,
            door=Source.API,
            instance="crm",
            grant=Grant(**({"reference": f"crm-{code}"} | values)),
            actor=None,
            now=NOW - DAY,
        )
        assert answer.outcome.code == code, answer
        return offer

    def subject(self) -> Subject:
        found = self.made.get("subject")
        if isinstance(found, Subject):
            return found
        return explanation_subject.by_id(programme=self.programme, offer_id=self.made["offer"].pk)


# A story, what is read out to her, what the agent reads. `{when}` is the story's own.
Case = tuple[Callable[[Story], None], str, str]
