"""What a member agreed to, channel by channel, and whether each reaches her."""

from dataclasses import dataclass
from datetime import datetime

from loyalty.models import Channel, Consent, Member


@dataclass(frozen=True, slots=True)
class State:
    """One channel for one member. `is_granted` None: nobody asked her."""

    channel: Channel
    is_granted: bool | None
    changed_at: datetime | None
    source: str
    # The channel is in use, she agreed, and there is the address that it needs.
    is_reachable: bool

    @property
    def word(self) -> str:
        """Return the stable word: given, refused, not_asked."""
        return "not_asked" if self.is_granted is None else "given" if self.is_granted else "refused"


def of_member(*, member: Member) -> list[State]:
    """Return the states of the programme's channels, in their order; those out of use last. Two queries."""
    held = {one.channel_id: one for one in Consent.objects.filter(member=member)}
    channels = Channel.objects.filter(programme_id=member.programme_id).order_by("-is_active", "id")
    return [_state(channel, held.get(channel.pk), member) for channel in channels]


def _state(channel: Channel, held: Consent | None, member: Member) -> State:
    if held is None:
        return State(channel, None, None, "", is_reachable=False)
    has_address = not channel.address or bool(getattr(member, channel.address))
    is_reachable = channel.is_active and held.is_granted and has_address
    return State(channel, held.is_granted, held.changed_at, held.source, is_reachable)
