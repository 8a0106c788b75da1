"""Conditions on consents: by EXISTS, which is joined where it can be, and looked up in an index where not."""

from typing import Any

from offers.targeting.catalogue import ConsentTo, ReachableOn
from offers.targeting.compiler import Compiler

GIVEN, REFUSED = "given", "refused"


def condition(source: ConsentTo | ReachableOn, operator: str, value: Any, state: Compiler, *, negated: bool) -> str:
    """Return the condition that one comparison is, or its complement. `operator` is a positive one."""
    if isinstance(source, ConsentTo):
        return _exists(source.channel_id, _granted(operator, value), state, negated=negated)
    if operator == "exists":
        # Each channel reaches a member or does not.
        return "FALSE" if negated else "TRUE"
    return reaches(source, state, negated=negated != (value is False))


def _granted(operator: str, value: Any) -> tuple[bool, ...]:
    """Return which answers satisfy the comparison."""
    if operator == "exists":
        return (True, False)
    wanted = value if operator == "in" else (value,)
    return tuple(one == GIVEN for one in wanted)


def reaches(source: ReachableOn, state: Compiler, *, negated: bool = False) -> str:
    """Return the condition that the channel reaches the member, or that it does not."""
    if not source.is_active:
        return "TRUE" if negated else "FALSE"
    agreed = _exists(source.channel_id, (True,), state, negated=negated)
    if source.address is None:
        return agreed
    known = f"member.{source.address.name} {'=' if negated else '<>'} ''"
    return f"({known} {'OR' if negated else 'AND'} {agreed})"


def value(source: ConsentTo | ReachableOn, state: Compiler) -> str:
    """Return the expression of what a member has there."""
    if isinstance(source, ReachableOn):
        return reaches(source, state)
    channel = state.parameter(source.channel_id, "bigint")
    return (
        f"(SELECT CASE WHEN consent.is_granted THEN '{GIVEN}'::text ELSE '{REFUSED}' END"
        f" FROM loyalty_consent AS consent WHERE consent.member_id = member.id AND consent.channel_id = {channel})"
    )


def _exists(channel_id: int, granted: tuple[bool, ...], state: Compiler, *, negated: bool) -> str:
    channel = state.parameter(channel_id, "bigint")
    answer = "" if len(set(granted)) == 2 else f" AND {'' if granted[0] else 'NOT '}consent.is_granted"
    return (
        f"{'NOT ' if negated else ''}EXISTS (SELECT FROM loyalty_consent AS consent"
        f" WHERE consent.channel_id = {channel} AND consent.member_id = member.id{answer})"
    )
