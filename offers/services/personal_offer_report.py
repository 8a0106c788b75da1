"""What came of an import of personal offers, in words: problems by line, and a line for each member to keep."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty import storable
from loyalty.tables import problem as table_problem
from offers.models import PersonalOfferImport, PersonalOfferRow
from offers.models.outcome import OUTCOME_LABELS
from offers.rules import personal_offer
from offers.selectors import personal_offer as selectors
from offers.services import reason

# An answer or a page is read by people; the report that is kept has all of them.
MOST_NAMED = 500
HEAD = (
    gettext_lazy("Line"),
    gettext_lazy("Member"),
    gettext_lazy("Outcome"),
    gettext_lazy("Acceptance"),
    gettext_lazy("Uses stay"),
    gettext_lazy("Personalized Offer ID"),
    gettext_lazy("In place of"),
    gettext_lazy("Why"),
)
# Outcomes in the order in which people ask for them, with what they say of a count.
ORDER = ("new", "changed", "unchanged", "withdrawn", "left_as_used", "refused", "faulty")


def said(found: Mapping[str, Any]) -> str:
    """Say a stored problem in the active language."""
    if found.get("table"):
        return table_problem.Problem(found.get("line"), found["code"], found["parameters"]).message
    if found["code"] in storable.SENTENCES:
        return str(storable.SENTENCES[found["code"]]) % {"deepest": storable.DEEPEST}
    return personal_offer.again(found)


def problems(*, upload: PersonalOfferImport, most: int = MOST_NAMED) -> list[dict[str, Any]]:
    """Return the first problems of an import: line, field, code, value, message, member; by line."""
    found: list[dict[str, Any]] = []
    rows = selectors.report(upload=upload, has_problems=True).order_by("line", "number")
    for row in rows.only("line", "problems", "member_external_id")[:most]:
        found += [_problem(one, row) for one in row.problems]
    found.sort(key=lambda one: one["line"] or 0)
    return found[:most]


def _problem(found: Mapping[str, Any], row: PersonalOfferRow) -> dict[str, Any]:
    return {
        "line": found.get("line"),
        "field": found.get("field", ""),
        "code": found["code"],
        "value": found.get("value"),
        "message": said(found),
        "member": row.member_external_id,
    }


def sentence(found: Mapping[str, Any]) -> str:
    """Say a problem of `problems` with its place."""
    if found["field"]:
        return _("Line %(line)s, %(field)s: %(message)s") % found
    return _("Line %(line)s: %(message)s") % found


def why(row: PersonalOfferRow) -> str:
    """Say why a row was left out or refused, or nothing."""
    if row.problems:
        return " ".join(sentence(_problem(one, row)) for one in row.problems)
    return " ".join(_reasons(row.reasons or ()))


def _reasons(stored: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in stored:
        if "outcome" in one:
            if len(stored) == 1:
                yield str(OUTCOME_LABELS.get(one["outcome"], one["outcome"]))
        else:
            yield reason.read(one).message


def answer(row: PersonalOfferRow) -> dict[str, Any]:
    """Return a row for machines."""
    said_of: dict[str, Any] = {"member": row.member_external_id, "outcome": row.outcome}
    if row.acceptance:
        said_of["acceptance"] = row.acceptance
    if row.had_uses:
        said_of["had_uses"] = True
    if row.assignment_id:
        said_of["assignment"] = str(row.assignment_id)
    if row.previous_id:
        said_of["in_place_of"] = str(row.previous_id)
    if row.problems:
        said_of["problems"] = [_problem(one, row) for one in row.problems]
    if row.reasons:
        said_of["refusal"] = next((one["outcome"] for one in row.reasons if "outcome" in one), None)
        said_of["reasons"] = [reason.read(one).as_dict() for one in row.reasons if "outcome" not in one]
    return said_of


def lines(*, upload: PersonalOfferImport) -> Iterable[Sequence[Any]]:
    """Yield the lines of the report to keep; read while it is sent."""
    for row in selectors.report(upload=upload).iterator(chunk_size=2_000):
        yield (
            row.line if row.line is not None else "",
            row.member_external_id,
            row.get_outcome_display() or "",
            row.get_acceptance_display() if row.acceptance else "",
            _("yes") if row.had_uses else "",
            row.assignment_id or "",
            row.previous_id or "",
            why(row),
        )


def counted(said_of: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """Return outcome, label and number of each outcome there is, in their order."""
    labels = dict(PersonalOfferRow.Outcome.choices)
    return [(outcome, str(labels[outcome]), said_of[outcome]) for outcome in ORDER if said_of.get(outcome)]


def text(*, upload: PersonalOfferImport) -> list[str]:
    """Return the report as lines of text, as the command line prints it and docs/personal-offers.md shows it."""
    found = [sentence(one) for one in problems(upload=upload, most=100)]
    done = upload.state == PersonalOfferImport.State.FINISHED
    numbers = counted(upload.counts if done else upload.preview)
    if upload.failure:
        found.append(str(upload.failure.get("message") or upload.failure["code"]))
    said_of = ", ".join(f"{n} {label}" for _outcome, label, n in numbers) or _("nothing")
    words = {"counts": said_of, "state": upload.get_state_display()}
    found.append((_("Done: %(counts)s.") if done else _("It would do: %(counts)s.")) % words)
    return found
