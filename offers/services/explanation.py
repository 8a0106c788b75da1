"""Why does a member not have, not see, or could not use an offer: the answer to read out, and what stands behind it.

One function for every door: the desk's panel, the machines' API, and whatever asks later. It reads a fixed number of
times and writes the audit of the look, nothing else. (B-02, S0-10, S0-11, D-10, D-19)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from loyalty.models import Member
from offers.models import Audience, ConfigOffer, MassAssignment, OfferTemplate, RepeatPolicy, Source
from offers.models.explanation import ACTIONS, VERDICTS, Verdict
from offers.selectors import code_lookup
from offers.selectors import explanation as selectors
from offers.selectors.explanation import Facts, Held, Waiting
from offers.selectors.explanation_subject import Subject
from offers.services import door, explanation_verdict, explanation_words, extension, personal_offer_report, verb
from offers.services.assignment import Grant
from offers.services.door import Preview
from offers.services.explanation_steps import Step, Steps
from offers.services.explanation_verdict import Decided
from offers.services.explanation_words import filled, from_when, until_when
from offers.services.verb import By


@dataclass(frozen=True)
class Sees:
    """What the person may know: with her values, clause by clause; who was held out of runs, and what runs plan."""

    clauses: bool = False
    runs: bool = False


@dataclass(frozen=True)
class Action:
    """What to do next: a code of `ACTIONS`, and what it is about."""

    code: str
    assignment_id: UUID | None = None
    template_id: int | None = None
    run_id: int | None = None
    until: datetime | None = None
    text: str = ""
    url: str = ""
    """Where the door that knows of it shows it."""


@dataclass(frozen=True)
class Explanation:
    """The answer. `code` is stable; `to_member` can be read out; `to_agent` and `steps` are for staff.

    `has`, `sees` and `can_use` say whether she holds it, whether her list shows it, and whether she can use it;
    `grant_code` is what granting it to her would answer now, None where there is nothing to grant.
    """

    member: Member
    code: str
    to_member: str
    to_agent: str
    has: bool
    sees: bool
    can_use: bool
    grant_code: str | None
    steps: Sequence[Step]
    actions: Sequence[Action]
    offer: ConfigOffer | None = None
    template: OfferTemplate | None = None
    assignment_id: UUID | None = None
    owner: Member | None = None
    """Whose it is instead, where it is another member's: for who may see members."""

    @property
    def can_be_granted(self) -> bool:
        return self.grant_code == "assigned"


def explain(
    *, member: Member, subject: Subject, sees: Sees, by: By, now: datetime, waiting: Sequence[Waiting] = ()
) -> Explanation:
    """Say why the member does not have, see or use what is asked about, and what can be done.

    `member` comes with her programme, of which the subject is. `waiting` are the grants of it to her that wait for a
    second person, as far as the door knows of them (B-05). The look is audited, under `by`.
    """
    found = _explained(member, subject, sees, waiting, now)
    data: dict[str, Any] = {"offer": found.offer.pk} if found.offer else {}
    if found.owner is not None:
        data["owner"] = found.owner.pk
    verb.audited("member.explained", member, programme=member.programme, by=by, data=data)
    if found.owner is not None:
        # It stands with her, too, whose it is: she was named on another member's page.
        about = {"offer": found.offer.pk} if found.offer else {}
        verb.audited("member.named_as_owner", found.owner, programme=member.programme, by=by, data=about)
    return found


def _explained(member: Member, subject: Subject, sees: Sees, waiting: Sequence[Waiting], now: datetime) -> Explanation:
    if subject.offer is None:
        verdict = VERDICTS[subject.problem]
        actions = [Action("ask_again", text=str(ACTIONS["ask_again"]))]
        return Explanation(
            member, subject.problem, str(verdict.to_member), str(verdict.to_agent), *_flags(verdict), None, [], actions
        )
    hers = subject.assignment if subject.assignment and subject.assignment.member_id == member.pk else None
    facts = selectors.facts(
        member=member, offer_id=subject.offer.pk, template=subject.template, asked=hers, waiting=waiting, now=now
    )
    if not sees.runs:
        facts = explanation_verdict.veiled(facts)
    preview = _preview(facts, now)
    decided = explanation_verdict.decide(
        facts=facts, subject=subject, preview=preview, bearer_may=_bearer_may(facts, subject, now), now=now
    )
    verdict = VERDICTS[decided.key]
    is_another = subject.assignment is not None and hers is None
    steps = Steps(
        facts=facts, subject=subject, decided=decided, preview=preview, sees_clauses=sees.clauses, now=now
    ).all()
    own, programme = explanation_words.zone_of(member), member.programme.zone
    return Explanation(
        member,
        decided.code,
        filled(verdict.to_member, _words(decided, facts, own, now)),
        filled(verdict.to_agent, _words(decided, facts, programme, now)),
        *_flags(verdict if facts.offer.audience != Audience.EVERYONE else _of_everyones(decided)),
        preview.code if preview else None,
        steps,
        [] if is_another else list(_actions(facts, decided, preview, programme, now)),
        offer=facts.offer,
        template=subject.template,
        assignment_id=decided.held.assignment.pk if decided.held else None,
        owner=subject.assignment.member if subject.assignment is not None and is_another else None,
    )


def _flags(verdict: Verdict) -> tuple[bool, bool, bool]:
    return verdict.has, verdict.sees, verdict.can_use


def _of_everyones(decided: Decided) -> Verdict:
    """Return the flags of an offer for everyone: it is shown, and nobody holds it."""
    is_shown = decided.code in {"usable", "upcoming"}
    return Verdict("", "", has=is_shown, sees=is_shown, can_use=decided.code == "usable")


def _bearer_may(facts: Facts, subject: Subject, now: datetime) -> bool:
    """Say whether a code of another member's works for whoever brings it now (D-13)."""
    asked = subject.assignment
    if not subject.by_code or subject.code is None or asked is None or asked.member_id == facts.member.pk:
        return False
    found = code_lookup.by_code(
        programme=facts.member.programme, code=subject.code.code, now=now, offer=facts.offer.offer_reference
    )
    return found.is_usable


def _preview(facts: Facts, now: datetime) -> Preview | None:
    """Return what granting would answer now; None for what nobody is granted."""
    offer = facts.offer
    if facts.template is None or not offer.programme.offers_enabled or offer.audience == Audience.EVERYONE:
        return None
    own = offer.current_revision.terms if offer.current_revision else {}
    given = {kind: own[kind] for kind in facts.template.required_rules if kind in own}
    grant = Grant(member_id=facts.member.pk, template_id=facts.template.pk, terms=given)
    return door.preview(programme=offer.programme, grant=grant, now=now)


def _words(decided: Decided, facts: Facts, zone: ZoneInfo, now: datetime) -> Mapping[str, Any]:
    """Return what fills the verdict's sentences, moments in that zone."""
    offer, held, attempt = facts.offer, decided.held, decided.attempt
    when = from_when(decided.at, zone=zone, now=now) if decided.at else ""
    words: dict[str, Any] = {
        "offer": (offer.current_revision or offer).name,
        "when": when,
        "from": when,
        "since": when,
        "code_until": when,
        "until": until_when(decided.until, zone=zone, now=now) if decided.until else "",
        "uses": decided.uses,
        "limit": decided.limit,
        "run": decided.name or (decided.run.name if decided.run else ""),
        "state": "",
        "asked_by": decided.waiting.asked_by if decided.waiting else "",
        "who": explanation_words.who(held.ending, _run_name(held)) if held else "",
        "reason": explanation_words.reason_of(held.ending) if held else "",
    }
    if decided.run is not None:
        words["state"] = _state(decided.run.state)
    if attempt is not None:
        words["reason"] = explanation_words.refused(attempt.code, attempt.reasons)
        if attempt.run is not None:
            words["reason"] = explanation_words.left_out(attempt.code, attempt.run.reason)
        elif attempt.row is not None:
            words["reason"] = personal_offer_report.why(attempt.row)
    return words


def _run_name(held: Held) -> str:
    return held.assignment.run.name if held.assignment.run else ""


def _state(state: str) -> str:
    return str(MassAssignment.State(state).label)


# Granting it would be a second one, or is not what helps.
ON_ITS_WAY = {"being_given", "reissued", "code_not_given", "waiting_for_approval"}


def _actions(
    facts: Facts, decided: Decided, preview: Preview | None, zone: ZoneInfo, now: datetime
) -> Iterator[Action]:
    """Yield what can be done next, the most fitting first."""
    held = decided.held

    def action(code: str, **about: Any) -> Action:
        words = {"until": from_when(about["until"], zone=zone, now=now)} if about.get("until") else {}
        return Action(code, text=filled(ACTIONS[code], words), **about)

    if decided.code in {"upcoming", "planned"} and decided.at:
        yield action("wait", until=decided.at)
    if decided.code == "waiting_for_till":
        yield action("wait_for_till")
    if decided.code == "waiting_for_acceptance":
        yield action("ask_to_accept")
    if decided.code == "reissued" and held and held.successor:
        yield action("open_successor", assignment_id=held.successor)
    if held and decided.code == "expired" and _can_extend(facts, held, now):
        yield action("extend", assignment_id=held.assignment.pk)
    if held and _can_reissue(held, decided.code, preview):
        yield action("reissue", assignment_id=held.assignment.pk)
    if facts.waiting:
        # The one that is told of; of several that cannot be approved any more the oldest.
        yield action("open_waiting", url=(decided.waiting or facts.waiting[0]).url)
    is_without = not VERDICTS[decided.key].has and decided.code not in ON_ITS_WAY
    if is_without and preview and preview.code == "assigned" and facts.template and not facts.still_open(now):
        yield action("grant", template_id=facts.template.pk)
    if preview and preview.code == "out_of_codes" and is_without:
        yield action("import_codes")
    if preview and preview.code in {"cap_reached", "budget_reached"} and is_without:
        yield action("look_at_limits")
    if decided.code in {"offer_draft", "offer_archived", "offer_over", "ineligible"}:
        yield action("open_offer")
    if decided.run is not None and decided.code in {"being_given", "run_stopped", "planned"}:
        yield action("open_run", run_id=decided.run.id)
    if decided.code == "code_not_given":
        yield action("ask_again")
    if held:
        yield action("open", assignment_id=held.assignment.pk)


def _can_extend(facts: Facts, held: Held, now: datetime) -> bool:
    one = held.assignment
    if one.source == Source.ATTRIBUTE or one.ends_at is None or not facts.offer.is_published:
        return False
    latest = extension.bound(one)
    if latest.at is not None and latest.at <= now:
        return False
    # One open at a time: another open one stands against it (D-01).
    has_other = any(other.is_live for other in facts.held)
    return not (facts.offer.repeat_policy == RepeatPolicy.ONE_OPEN and has_other)


def _can_reissue(held: Held, code: str, preview: Preview | None) -> bool:
    """Say whether reissuing would do; what it frees may be held again, so `already_held` does not stand against it."""
    if held.assignment.source == Source.ATTRIBUTE or held.uses or preview is None:
        return False
    is_fitting = code in {"code_expired", "code_void", "expired", "waiting_for_till"}
    return is_fitting and preview.code in {"assigned", "already_held"}
