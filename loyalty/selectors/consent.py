"""What a member agreed to, channel by channel, and whether each reaches her: now, and as was known at a past moment."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from loyalty.models import Channel, Consent, ConsentEvent, Member, MemberImport


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


@dataclass(frozen=True, slots=True)
class Then:
    """One channel for one member, as her answer was known at a past moment."""

    channel: Channel
    answer: ConsentEvent | None
    """The last that had been heard by then."""
    is_told: bool
    """Whether the history tells it: an answer from before one was kept has none."""
    heard_since: ConsentEvent | None
    """What she had answered by then as well, but was heard later."""

    @property
    def word(self) -> str:
        """Return the stable word: given, refused, not_asked, unknown."""
        if self.answer is None:
            return "not_asked" if self.is_told else "unknown"
        return "given" if self.answer.is_granted else "refused"


def as_of(*, member: Member, at: datetime) -> list[Then]:
    """Return what had been heard of the member's consents by a moment, in the channels' order.

    Whether a channel reached her is not told: neither addresses of then nor which channels were in use are kept. A
    fixed number of queries, however often she changed her mind.
    """
    history = ConsentEvent.objects.filter(member=member)
    heard = _last(history.filter(at__lte=at))
    taken_back = _taken_back(heard.values(), at)
    later = _last(history.filter(at__gt=at, changed_at__lte=at))
    known = set(history.values_list("channel_id", flat=True).distinct())
    untold = set(Consent.objects.filter(member=member).values_list("channel_id", flat=True)) - known
    channels = Channel.objects.filter(programme_id=member.programme_id).order_by("-is_active", "id")
    return [
        Then(
            channel,
            None if channel.pk in taken_back else heard.get(channel.pk),
            channel.pk not in untold,
            later.get(channel.pk),
        )
        for channel in channels
    ]


def _last(events: QuerySet[ConsentEvent]) -> dict[int, ConsentEvent]:
    """Return the last event of each channel; they are written in the order in which they were heard."""
    return {one.channel_id: one for one in events.order_by("channel_id", "-id").distinct("channel_id")}


def _taken_back(heard: Iterable[ConsentEvent], at: datetime) -> set[int]:
    """Return the channels whose last answer was an import's that was undone by then.

    Where she had answered before, undoing wrote that answer anew; where she had not, it took the answer away and wrote
    nothing.
    """
    imports = {one.channel_id: one.source.removeprefix("import ") for one in heard if one.source.startswith("import ")}
    named = {key: int(text) for key, text in imports.items() if text.isdecimal() and len(text) < 19}
    if not named:
        return set()
    undone = MemberImport.objects.filter(pk__in=named.values(), undone_at__lte=at).values_list("pk", flat=True)
    return {key for key, import_id in named.items() if import_id in set(undone)}
