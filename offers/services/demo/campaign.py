"""The 27 campaigns, moved with everything else, each with a saved targeting of its targets."""

from datetime import datetime, timedelta

from loyalty.models import Programme, User
from loyalty.services.demo.programme import Dates
from loyalty.services.demo.source import Campaign as Told
from loyalty.services.demo.source import Source
from offers.models import Campaign, Targeting, TargetingVersion
from offers.services import targeting


def load(*, programme: Programme, source: Source, dates: Dates, now: datetime) -> int:
    """Make the campaigns that are missing; returns how many there are."""
    Campaign.objects.bulk_create(
        [
            Campaign(
                programme=programme,
                external_id=str(one.number),
                name=f"Campaign {one.number}",
                type=one.type,
                starts_at=dates.moved(one.starts_on),
                # The last day counts whole.
                ends_at=dates.moved(one.ends_on + timedelta(days=1)),
            )
            for one in source.campaigns.values()
        ],
        ignore_conflicts=True,
    )
    return Campaign.objects.filter(programme=programme, is_of_run=False).count()


def audience_of(*, programme: Programme, told: Told, actor: User) -> TargetingVersion:
    """Return the first version of the saved targeting of the campaign's targets, made where it is missing."""
    name = f"Targets of campaign {told.number}"
    saved = Targeting.objects.filter(programme=programme, name=name, archived_at=None).first() or targeting.create(
        programme=programme,
        name=name,
        description=f"The households that campaign {told.number} ({told.type}) was sent to.",
        criteria={
            "op": "and",
            "items": [{"field": "attribute.campaigns", "is": "contains", "value": str(told.number)}],
        },
        actor=actor,
    )
    # The first: whatever a marketer made of it since, these runs go to the campaign's targets.
    return saved.versions.get(number=1)
