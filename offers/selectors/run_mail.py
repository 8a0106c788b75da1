"""What a mail about a run says, in the active language, from the numbers and codes that were kept (S4-27).

Of members it knows how many, never who. Names stand on one line; templates escape them.
"""

from typing import Any

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty import mail, money
from offers.models import MassAssignment, RunApproval, RunNotification
from offers.selectors import audience as audiences

State, Kind = MassAssignment.State, RunNotification.Kind
Facts = list[tuple[str, str]]


def content(*, message: RunNotification) -> dict[str, Any]:
    """Return what the mail's templates show: a subject, a first sentence, the facts, what to do next, addresses."""
    run, data = message.run, message.data
    name = mail.one_line(run.name)
    words = {"run": name, "offer": mail.one_line(run.config_offer.name)}
    return {
        "subject": _subject(message.kind, data["state"]) % words,
        "greeting": _("Hello %(person)s,") % {"person": mail.one_line(message.recipient.get_short_name())}
        if message.recipient.get_short_name()
        else _("Hello,"),
        "lead": _lead(message.kind, data) % words,
        "facts": [(_("Run"), name), (_("Offer"), words["offer"]), *_facts(data, run.programme.currency)],
        "advice": _advice(message.kind, data),
        "programme": mail.one_line(run.programme.name),
        "link": mail.link(reverse("offers:run", args=[run.pk])),
        "settings_link": mail.link(reverse("offers:notifications")),
    }


def _subject(kind: str, state: str) -> str:
    if kind == Kind.APPROVAL:
        return _("Waits for your approval: %(run)s")
    return {
        State.FINISHED: _("Finished: %(run)s"),
        State.FINISHED_WITH_ERRORS: _("Finished with errors: %(run)s"),
        State.UNDONE: _("Undone: %(run)s"),
        State.CANCELLED: _("Declined: %(run)s"),
    }.get(State(state), _("Failed: %(run)s"))


def _lead(kind: str, data: dict[str, Any]) -> str:
    if kind == Kind.APPROVAL:
        return _("“%(run)s” is too large for one person to launch. It waits until somebody else approves it.")
    state = data["state"]
    if state == State.FINISHED:
        return _("Mass assignment is now finished! “%(run)s” gave out “%(offer)s”.")
    if state == State.FINISHED_WITH_ERRORS:
        return _("“%(run)s” is finished, with errors: some members got nothing, and it can be tried again.")
    if state == State.UNDONE:
        return _("“%(run)s” was undone.")
    if state == State.CANCELLED:
        return _("“%(run)s” was declined. Nobody was assigned.")
    return _("“%(run)s” failed. Nobody was assigned.")


def _facts(data: dict[str, Any], currency: str) -> Facts:
    """Return the numbers, each with its name; without those that the state has not."""
    facts: Facts = []
    if "members" in data:
        facts += [(_("Why"), str(RunApproval.Cause(data["cause"]).label)), (_("To assign"), _number(data["members"]))]
        if data["exposure_minor"]:
            facts.append((_("Costs at most"), money.display(data["exposure_minor"], currency)))
    if "matched" in data:
        facts.append((_("Matched"), _number(data["matched"])))
        for code, count in sorted(data["left_out"].items()):
            facts.append((_("Left out: %(reason)s") % {"reason": audiences.COUNTED.get(code, code)}, _number(count)))
        if data["not_done"]:
            facts.append((_("Not assigned, because of errors"), _number(data["not_done"])))
        facts.append((_("Assigned"), _number(data["assigned"])))
        if data["codes"]:
            facts.append((_("Codes given out"), _number(data["codes"])))
        facts += [
            (_("Costs at most"), money.display(data["exposure_minor"], currency)),
            (_("Took"), _duration(data["seconds"])),
        ]
    if undo := data.get("undo"):
        facts += [
            (_("Taken back"), _number(undo["revoked"])),
            (_("Used, so they stay"), _number(undo["redeemed"] + undo["used_up"])),
            (_("Codes given back"), _number(undo["returned"])),
        ]
    if why := _failure(data.get("failure") or {}):
        facts.append((_("Why"), why))
    return facts


def _advice(kind: str, data: dict[str, Any]) -> str:
    if kind == Kind.APPROVAL:
        return _("Look at its numbers, then approve or decline it:")
    return {
        State.FINISHED: _("See who got it, go on to new members, or undo it:"),
        State.FINISHED_WITH_ERRORS: _("See the causes, mend them, then choose “Retry”:"),
        State.UNDONE: _("See what was taken back and what stays:"),
        State.CANCELLED: _("See the run, or clone it for another try:"),
    }.get(State(data["state"]), _("Mend the cause, then launch it again:"))


def _failure(failure: dict[str, Any]) -> str:
    """Say why a run failed: by its numbers where those were kept, so that it follows the reader's language."""
    if failure.get("code") == "out_of_codes":
        words = {"needed": _number(failure.get("needed", 0)), "short": _number(failure.get("short", 0))}
        return _("It needs %(needed)s codes, and %(short)s of them are missing.") % words
    if failure.get("code") == "planning_failed":
        return _("Working out the audience never ended: its workers were lost.")
    return mail.one_line(str(failure.get("message", "")))


def _number(count: int) -> str:
    return number_format(count, use_l10n=True, force_grouping=True)


def _duration(seconds: int) -> str:
    if seconds < 120:
        return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}
    minutes = seconds // 60
    if minutes < 120:
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    return ngettext("%(n)d hour", "%(n)d hours", minutes // 60) % {"n": minutes // 60}
