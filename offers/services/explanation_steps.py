"""The questions behind a verdict, in their order, each with its answer, her value and what is needed (B-02)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from offers.models import Audience, ConfigOffer, MassAssignment, Source
from offers.models.assignment import STATUS_LABELS
from offers.models.explanation import QUESTIONS, SENTENCES, VERDICTS
from offers.selectors.explanation import Facts, Held, Run
from offers.selectors.explanation_subject import Subject
from offers.selectors.targeting_explanation import Clause, Explanation
from offers.services import eligibility, explanation_words, personal_offer_report
from offers.services.door import Preview
from offers.services.explanation_verdict import Decided, attempts, code_problem
from offers.services.explanation_words import filled, from_when, until_when
from offers.services.reason import Reason

PASSED, FAILED, NOT_ASKED = "passed", "failed", "not_asked"
ENDED = {
    "revoked": gettext_lazy("revoked"),
    "undone": gettext_lazy("undone"),
    "reissued": gettext_lazy("reissued"),
    "closed": gettext_lazy("closed"),
    "declined": gettext_lazy("declined"),
}


@dataclass(frozen=True)
class Step:
    """One question and its answer. `state` is passed, failed, or not_asked where nothing hangs on it.

    `has` is her value and `needed` what it should be, where both can be said. `links` name things by kind:
    `assignment`, `run`, `import`, `audience`, `waiting`.
    """

    question: str
    code: str
    state: str
    text: str
    has: str = ""
    needed: str = ""
    clauses: Sequence[Clause] = ()
    links: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return str(QUESTIONS[self.question])


class Steps:
    """Builds the steps of one explanation; `now` and the zone are those of whoever reads it: the programme's."""

    def __init__(
        self,
        *,
        facts: Facts,
        subject: Subject,
        decided: Decided,
        preview: Preview | None,
        sees_clauses: bool,
        now: datetime,
    ) -> None:
        self.facts, self.subject, self.decided, self.preview = facts, subject, decided, preview
        self.sees_clauses, self.now = sees_clauses, now
        self.zone = facts.offer.programme.zone
        self.is_for_everyone = facts.offer.audience == Audience.EVERYONE

    def all(self) -> list[Step]:
        """Return every step, in the order of `QUESTIONS`."""
        return [
            *self.brought(),
            self.programme(),
            self.member(),
            self.offer(),
            self.eligibility(),
            *self.targeted(),
            *self.doors(),
            *self.waiting(),
            *self.held(),
            *self.code(),
            *self.reachable(),
            self.grant(),
        ]

    def step(self, question: str, code: str, state: str, /, sentence: str = "", **words: Any) -> Step:
        more = {name: words.pop(name) for name in ("has", "needed", "clauses", "links") if name in words}
        text = filled(SENTENCES[sentence or code], words)
        return Step(question, code, state, text, **more)

    def when(self, moment: datetime) -> str:
        return from_when(moment, zone=self.zone, now=self.now)

    def until(self, moment: datetime) -> str:
        return until_when(moment, zone=self.zone, now=self.now)

    def brought(self) -> Iterator[Step]:
        asked = self.subject.assignment
        if asked is None and not self.subject.by_code:
            return
        if self.decided.code in {"code_of_another", "bearer_code_of_another", "offer_of_another", "code_not_given"}:
            said = filled(VERDICTS[self.decided.code].to_agent, {"offer": self.facts.offer.name})
            state = PASSED if self.decided.code == "bearer_code_of_another" else FAILED
            yield Step("brought", self.decided.code, state, said)
        else:
            yield self.step("brought", "hers", PASSED)

    def programme(self) -> Step:
        if self.facts.offer.programme.offers_enabled:
            return self.step("programme", "offers_module_on", PASSED)
        said = str(VERDICTS["offers_module_off"].to_agent)
        return Step("programme", "offers_module_off", FAILED, said)

    def member(self) -> Step:
        member = self.facts.member
        if member.status == "active":
            return self.step("member", "member_active", PASSED)
        said = str(VERDICTS["member_inactive"].to_agent)
        values: dict[str, Any] = {"has": str(member.get_status_display()), "needed": _("active")}
        return Step("member", "member_inactive", FAILED, said, **values)

    def offer(self) -> Step:
        offer, revision = self.facts.offer, self.facts.offer.current_revision
        published: dict[str, Any] = {
            "needed": str(ConfigOffer.State.PUBLISHED.label),
            "has": str(offer.get_state_display()),
        }
        if offer.state == ConfigOffer.State.ARCHIVED:
            return Step("offer", "offer_archived", FAILED, str(VERDICTS["offer_archived"].to_agent), **published)
        if revision is None or not offer.is_published:
            return Step("offer", "offer_draft", FAILED, str(VERDICTS["offer_draft"].to_agent), **published)
        if self.decided.code == "offer_over" and self.decided.until:
            until = self.until(self.decided.until)
            text = filled(VERDICTS["offer_over"].to_agent, {"until": until})
            return Step("offer", "offer_over", FAILED, text, has=until)
        if revision.starts_at and revision.starts_at > self.now:
            begins = self.when(revision.starts_at)
            return self.step("offer", "offer_upcoming", FAILED, offer=offer.name, **{"from": begins})
        if revision.ends_at:
            return self.step(
                "offer", "offer_open", PASSED, "offer_open_until", offer=offer.name, until=self.until(revision.ends_at)
            )
        return self.step("offer", "offer_open", PASSED, offer=offer.name)

    def eligibility(self) -> Step:
        if self.is_for_everyone:
            return self.step("eligibility", "for_everyone", NOT_ASKED)
        version = self.facts.offer.eligibility
        if version is None:
            return self.step("eligibility", "for_all", PASSED)
        links = {} if version.targeting.config_offer_id else {"audience": version.targeting_id}
        found = self.facts.audiences.get(version.pk)
        if found is None:
            return self.step("eligibility", "audience_unreadable", FAILED, links=links)
        clauses = self.clauses(found)
        if found.is_meant:
            return self.step("eligibility", "eligible", PASSED, clauses=clauses, links=links)
        code = eligibility.code_of(version)
        parameters = {"audience": version.targeting.name, "version": version.number}
        text = found.sentence
        if code == eligibility.NOT_IN_AUDIENCE:
            text = Reason(code, parameters=parameters).message
        return Step("eligibility", code, FAILED, text, clauses=clauses, links=links, **_values(clauses))

    def clauses(self, found: Explanation | None) -> Sequence[Clause]:
        return tuple(found.clauses) if found and self.sees_clauses else ()

    def targeted(self) -> Iterator[Step]:
        if self.is_for_everyone:
            yield self.step("targeted", "for_everyone", NOT_ASKED)
            return
        for run in self.facts.runs:
            yield self.run(run)
        for one in self.facts.schedules:
            found = self.facts.audiences.get(one.targeting_version_id)
            if one.next_at:
                text = filled(SENTENCES["schedule"], {"run": one.name, "when": self.when(one.next_at)})
                yield self.asked(text, "schedule", found, {"schedule": one.pk})
        if not self.facts.runs and not self.facts.schedules:
            yield self.step("targeted", "no_run", NOT_ASKED)

    def run(self, run: Run) -> Step:
        where, found = run.where, self.facts.audiences.get(run.version_id or 0)
        words = {"run": run.name, "when": self.when(run.at), "state": str(MassAssignment.State(run.state).label)}
        links = {"run": run.id}
        if where == "planned":
            words["when"] = self.when(run.launch_at) if run.launch_at else ""
            sentence = SENTENCES["run_planned" if run.launch_at else "run_planned_soon"]
            return self.asked(filled(sentence, words), "run_planned", found, links)
        if where == "out":
            clauses = self.clauses(found)
            text = filled(SENTENCES["run_out"], words)
            if found and self.sees_clauses:
                text = f"{text} {_('Now:')} {found.sentence}"
            return Step("targeted", "run_out", FAILED, text, clauses=clauses, links=links, **_values(clauses))
        if where in {"given", "waiting"}:
            return self.step("targeted", f"run_{where}", PASSED, links=links, **words)
        if where in {"nothing", "stopped"}:
            state = NOT_ASKED if where == "nothing" else FAILED
            return self.step("targeted", f"run_{where}", state, links=links, **words)
        words["reason"] = explanation_words.left_out(where, run.reason)
        return self.step("targeted", where, FAILED, "run_refused", links=links, **words)

    def asked(self, text: str, code: str, found: Explanation | None, links: Mapping[str, Any]) -> Step:
        """Return the step of what is still to come: whether she is meant as things stand."""
        if found is None:
            return Step("targeted", code, NOT_ASKED, text, links=links)
        clauses = self.clauses(found)
        said = str(SENTENCES["in_audience"]) if found.is_meant else found.sentence
        if not found.is_meant and not self.sees_clauses:
            said = _("She is not in its audience as things stand.")
        state = PASSED if found.is_meant else FAILED
        return Step("targeted", code, state, f"{text} {said}", clauses=clauses, links=links, **_values(clauses))

    def doors(self) -> Iterator[Step]:
        found = False
        for attempt in attempts(self.facts):
            words = {"when": self.when(attempt.at)}
            if attempt.row is not None:
                words |= {"import": str(attempt.row.upload), "reason": personal_offer_report.why(attempt.row)}
                links = {"import": attempt.row.upload_id}
                yield self.step("door", attempt.code, FAILED, "import_refused", links=links, **words)
            elif attempt.entry is not None:
                door = str(Source(attempt.entry.door).label)
                words |= {
                    "door": f"{attempt.entry.actor}, {door}" if attempt.entry.actor else door,
                    "reason": explanation_words.refused(attempt.code, attempt.reasons),
                }
                yield self.step("door", attempt.code, FAILED, "door_refused", **words)
            found = found or attempt.run is None
        if not found:
            yield self.step("door", "no_refusal", NOT_ASKED)

    def waiting(self) -> Iterator[Step]:
        for one in self.facts.waiting:
            words = {"when": self.when(one.asked_at), "asked_by": one.asked_by}
            links = {"waiting": one.url} if one.url else {}
            code = "approval_too_late" if one.is_over(self.facts.offer, self.now) else "approval_waiting"
            yield self.step("approval", code, FAILED, links=links, **words)

    def held(self) -> Iterator[Step]:
        if self.is_for_everyone:
            yield self.step("held", "for_everyone", NOT_ASKED)
        elif not self.facts.held:
            yield self.step("held", "never_held", FAILED)
        for one in self.facts.held:
            yield self.holding(one)

    def holding(self, held: Held) -> Step:
        one = held.assignment
        door = str(one.get_source_display())
        words: dict[str, Any] = {
            "when": self.when(one.issued_at),
            "door": f"{one.actor}, {door}" if one.actor else door,
            "status": str(STATUS_LABELS[held.status]),
            "until": self.until(one.ends_at) if one.ends_at else "",
            "uses": len(held.uses),
            "limit": held.limit,
        }
        links = {"assignment": one.pk} | ({"successor": held.successor} if held.successor else {})
        state, sentence = PASSED if held.is_live else FAILED, "held_until" if one.ends_at else "held_since"
        if held.status in {"revoked", "closed"} and held.ending:
            sentence = "held_ended"
            words |= {
                "status": str(ENDED[held.ending.verb]),
                "ended": self.when(held.ending.at),
                "who": explanation_words.who(held.ending, one.run.name if one.run else ""),
                "reason": explanation_words.reason_of(held.ending),
            }
        elif held.uses:
            last = held.uses[-1]
            store = last.purchase.store if last.purchase else None
            sentence = "held_used"
            at = _(" at %(store)s") % {"store": store.name} if store else ""
            words |= {"ended": self.when(last.redeemed_at), "at": at}
        return self.step("held", held.ended_by, state, sentence, links=links, **words)

    def code(self) -> Iterator[Step]:
        brought = self.subject.code
        if self.subject.problem == "code_not_given" and brought is not None:
            expired = brought.segment.expires_at if brought.segment else None
            if brought.voided_at:
                yield self.step("code", "code_void", FAILED, when=self.when(brought.voided_at))
            elif expired and expired <= self.now:
                yield self.step("code", "code_expired", FAILED, "code_left_expired", when=self.when(expired))
            else:
                yield self.step("code", "code_left", FAILED)
            return
        if self.decided.code in {"code_of_another", "bearer_code_of_another", "offer_of_another"}:
            # Hers is another one: what she brought is what is asked about.
            return
        held = self.decided.held or (self.facts.held[0] if self.facts.held else None)
        if held is None or self.is_for_everyone:
            if not self.facts.offer.require_vouchers:
                yield self.step("code", "without_code", NOT_ASKED)
            return
        code = held.assignment.voucher_code
        if code is None:
            gave_back = held.ending and "voucher_code" in held.ending.data
            is_needed = self.facts.offer.require_vouchers
            yield self.step(
                "code",
                "code_given_back" if gave_back else "no_code" if is_needed else "without_code",
                FAILED if is_needed else NOT_ASKED,
            )
            return
        problem = code_problem(held, self.now)
        if problem == "code_void" and code.voided_at:
            yield self.step("code", problem, FAILED, when=self.when(code.voided_at))
        elif problem and code.segment and code.segment.expires_at:
            yield self.step("code", problem, FAILED, when=self.when(code.segment.expires_at))
        elif held.assignment.exposed_at:
            yield self.step("code", "code_shown", PASSED, when=self.when(held.assignment.exposed_at))
        else:
            yield self.step("code", "code_not_shown", PASSED)

    def reachable(self) -> Iterator[Step]:
        revision = self.facts.offer.current_revision
        told = (revision.terms if revision else {}).get("channels", {}).get("channels")
        found = False
        for one in self.facts.consents:
            if not one.channel.is_active or (told is not None and one.channel.code not in told):
                continue
            found = True
            code = f"channel_{one.word}"
            if one.is_granted and not one.is_reachable:
                code = "channel_without_address"
            yield self.step("reachable", code, PASSED if one.is_reachable else FAILED, channel=one.channel.name)
        if not found:
            yield self.step("reachable", "no_channel", NOT_ASKED)

    def grant(self) -> Step:
        if self.preview is None:
            return self.step("grant", "grant_not_asked", NOT_ASKED)
        left = self.preview.codes_left
        has = ngettext("%(left)d code left", "%(left)d codes left", left) % {"left": left} if left is not None else ""
        if self.preview.code == "assigned":
            return self.step("grant", "grant_possible", PASSED, has=has)
        text = explanation_words.refused(self.preview.code, self.preview.reasons)
        return Step("grant", self.preview.code, FAILED, text, has=has)


def _values(clauses: Sequence[Clause]) -> dict[str, Any]:
    """Return her value and what is needed, where one condition alone keeps her out."""
    against = [clause for clause in clauses if clause.kind == "condition" and not clause.holds]
    return {"has": against[0].value, "needed": against[0].text} if len(against) == 1 else {}
