"""Why a member does not have, see or use an offer: every code of an explanation, in words (B-02).

A verdict's code is stable. `to_member` is read out to her, `to_agent` is for whoever reads it out. What a door, a run
or a verb refuses is said by the sentences that stand in `outcome` and in `services.reason`.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Verdict:
    """What an explanation comes to. `has`, `sees` and `can_use` say the same for machines."""

    to_member: str | Promise
    to_agent: str | Promise
    has: bool = False
    sees: bool = False
    can_use: bool = False


NOT_PART = _("You were not part of this campaign.")
RUN_OUT = _("“%(offer)s” has run out.")
OUR_MISTAKE = _("“%(offer)s” could not be given to you because of a mistake on our side.")

# By code; what stands behind a colon is another way to say the same, and no part of the code.
VERDICTS: dict[str, Verdict] = {
    # She has it.
    "usable": Verdict(
        _("You have “%(offer)s”, and you can use it until %(until)s."),
        _("She has it, sees it and can use it."),
        has=True,
        sees=True,
        can_use=True,
    ),
    "usable:endless": Verdict(
        _("You have “%(offer)s”, and you can use it at any time."),
        _("She has it, sees it and can use it; it has no end."),
        has=True,
        sees=True,
        can_use=True,
    ),
    "upcoming": Verdict(
        _("You have “%(offer)s”. You can use it from %(from)s."),
        _("She has it and sees it. It opens %(from)s."),
        has=True,
        sees=True,
    ),
    "waiting_for_acceptance": Verdict(
        _("You have “%(offer)s”, and you have to accept it before you use it: open it in your list by %(until)s."),
        _("She has it and sees it, but has not accepted it. Ask her to open it and to accept it."),
        has=True,
        sees=True,
    ),
    "waiting_for_acceptance:endless": Verdict(
        _("You have “%(offer)s”, and you have to accept it before you use it: open it in your list."),
        _("She has it and sees it, but has not accepted it. Ask her to open it and to accept it."),
        has=True,
        sees=True,
    ),
    "waiting_for_till": Verdict(
        _("“%(offer)s” is on its way to you. You will see it as soon as our tills know it."),
        _("She was given it %(since)s, but the till has not confirmed it yet. Until then she does not see it."),
        has=True,
    ),
    "code_expired": Verdict(
        _("The code of “%(offer)s” expired %(code_until)s, so it is no longer taken."),
        _("She holds it, but its code expired %(code_until)s. Reissue it: she gets another code."),
        has=True,
        sees=True,
    ),
    "code_void": Verdict(
        _("The code of “%(offer)s” was cancelled %(when)s, so it is no longer taken."),
        _("She holds it, but its code was voided %(when)s. Reissue it: she gets another code."),
        has=True,
        sees=True,
    ),
    # She had it.
    "used_up": Verdict(
        _("You have used “%(offer)s” as often as it can be used; the last time was %(when)s."),
        _("She used it %(uses)s of %(limit)s times, the last time %(when)s. It is used up."),
    ),
    "used_up:unknown": Verdict(
        _("You have used “%(offer)s” as often as it can be used."),
        _("It was marked as used up %(when)s; no single use is known."),
    ),
    "expired": Verdict(
        _("“%(offer)s” was valid until %(until)s. It is over now."),
        _("She held it until %(until)s and did not use it."),
    ),
    "expired:used": Verdict(
        _("“%(offer)s” was valid until %(until)s. It is over now."),
        _("She held it until %(until)s and used it %(uses)s of %(limit)s times."),
    ),
    "revoked": Verdict(
        _("“%(offer)s” was taken back %(when)s."), _("It was revoked %(when)s, by %(who)s. Reason: %(reason)s")
    ),
    "undone": Verdict(
        _("“%(offer)s” had been given to you by mistake, and was taken back %(when)s."),
        _("Giving it was undone %(when)s, by %(who)s."),
    ),
    "closed": Verdict(
        _("“%(offer)s” was closed %(when)s, so it can no longer be used."),
        _("It was closed %(when)s, by %(who)s. Reason: %(reason)s"),
    ),
    "declined": Verdict(
        _("You declined “%(offer)s” %(when)s."), _("She declined it herself %(when)s. She may be given it anew.")
    ),
    "reissued": Verdict(
        _("That was replaced %(when)s by a new “%(offer)s”. Please use the new one."),
        _("It was reissued %(when)s, by %(who)s, so it is void. Look at the one in its place."),
    ),
    # Somebody asked for it, and a second person decides.
    "waiting_for_approval": Verdict(
        _("“%(offer)s” was asked for on your behalf %(when)s. It is being looked at and not decided yet."),
        _("A grant of it waits for approval since %(since)s, asked by %(asked_by)s. Nothing is given meanwhile."),
    ),
    # She never had it, and somebody tried, tries or will try to give it.
    "being_given": Verdict(
        _("“%(offer)s” is being given out just now. Please look again in a few minutes."),
        _("The run “%(run)s” is to give it to her, and has not come to her yet."),
    ),
    "run_stopped": Verdict(
        _("“%(offer)s” is meant for you, but could not be given out so far."),
        _("The run “%(run)s” is to give it to her, but stands still: %(state)s."),
    ),
    "planned": Verdict(
        _("“%(offer)s” is given out %(when)s, and as things stand you are among those who get it."),
        _("“%(run)s” gives it %(when)s, and she is in its audience as things stand."),
    ),
    "not_targeted": Verdict(NOT_PART, _("It was given out by runs, and she was not part of any of them.")),
    "held_out": Verdict(
        NOT_PART,
        _("She is in the group that was held out, to measure what the offer does. Do not tell her."),
    ),
    "never_given": Verdict(
        _("You have not been given “%(offer)s”."),
        _("She was never given it: no run, campaign, import or person tried to."),
    ),
    "import_refused": Verdict(OUR_MISTAKE, _("An import of personal offers left her out: %(reason)s")),
    # What doors and runs answered: by the outcome's own code.
    "ineligible": Verdict(
        _("“%(offer)s” is for members who meet certain conditions, and they are not met at the moment."),
        _("She may not have it: %(reason)s"),
    ),
    "ineligible:then": Verdict(
        _("“%(offer)s” is for members who meet certain conditions, and they were not met when it was given out."),
        _("It was refused %(when)s: %(reason)s"),
    ),
    "already_held": Verdict(
        _("You have had “%(offer)s” already, and it is given to each member once."),
        _("It was refused %(when)s: %(reason)s"),
    ),
    "offer_closed": Verdict(
        _("“%(offer)s” was not available when it was to be given to you."), _("It was refused %(when)s: %(reason)s")
    ),
    "missing_rule": Verdict(OUR_MISTAKE, _("It was refused %(when)s: %(reason)s")),
    "invalid_value": Verdict(OUR_MISTAKE, _("It was refused %(when)s: %(reason)s")),
    "cap_reached": Verdict(RUN_OUT, _("It was refused %(when)s: %(reason)s")),
    "budget_reached": Verdict(RUN_OUT, _("It was refused %(when)s: %(reason)s")),
    "out_of_codes": Verdict(RUN_OUT, _("It was refused %(when)s: %(reason)s")),
    # It is nobody's now.
    "offers_module_off": Verdict(
        _("There are no personal offers at the moment."),
        _("The programme's offers module is off, so nobody sees or gets offers."),
    ),
    "member_inactive": Verdict(
        _("Your membership is not active, so no offers are shown to you."),
        _("The member is not active: she sees no offers, and nothing can be given to her."),
    ),
    "member_inactive:then": Verdict(
        _("Your membership was not active when “%(offer)s” was given out."),
        _("It was refused %(when)s, because she was not active then. She is now."),
    ),
    "offer_draft": Verdict(
        _("“%(offer)s” is not available."), _("It is a draft: a marketer publishes it before anybody can have it.")
    ),
    "offer_archived": Verdict(
        _("“%(offer)s” is no longer available."), _("It was archived, so nobody is given it any more.")
    ),
    "offer_over": Verdict(
        _("“%(offer)s” was valid until %(until)s, and is over now."),
        _("Its period is over: it was valid until %(until)s."),
    ),
    # What she brought is not hers.
    "unknown_code": Verdict(
        _("We do not know this code. Please check that you read it out as it is printed."),
        _("No offer has this code."),
    ),
    "ambiguous_code": Verdict(
        _("This code belongs to several offers. Please tell me which one is meant."),
        _("Several offers have this code. Name the offer, then type the code again."),
    ),
    "code_not_given": Verdict(
        _("This code was not given to anybody, so it cannot be used."),
        _("The code lies in the bank of “%(offer)s” and was given to nobody."),
    ),
    "code_of_another": Verdict(
        _("This code does not belong to your membership, so it cannot be used with it."),
        _("The code was given to another member, and only she can use it."),
    ),
    "bearer_code_of_another": Verdict(
        _("This code can be used by whoever has it: show it at the till."),
        _("The code was given to another member, but this offer's codes work for whoever brings them."),
        can_use=True,
    ),
    "offer_of_another": Verdict(
        _("This offer does not belong to your membership."), _("This Personalized Offer ID is another member's.")
    ),
}

# Each question that is asked, in its order: what it is about.
QUESTIONS: dict[str, str | Promise] = {
    "brought": _("What she brought"),
    "programme": _("The programme has offers"),
    "member": _("She is an active member"),
    "offer": _("The offer is published and open"),
    "eligibility": _("She may have it"),
    "targeted": _("It was given out to her"),
    "door": _("What doors answered for her"),
    "approval": _("A grant of it waits"),
    "held": _("She holds or held it"),
    "code": _("Its code"),
    "reachable": _("She can be told of it"),
    "grant": _("It can be granted to her now"),
}

# What a step says, by its code; refusals of doors, runs and grants have their own sentences already.
SENTENCES: dict[str, str | Promise] = {
    "hers": _("It is hers."),
    "offers_module_on": _("The offers module is on."),
    "member_active": _("She is active."),
    "offer_open": _("“%(offer)s” is published."),
    "offer_open_until": _("“%(offer)s” is published, and ends %(until)s."),
    "offer_upcoming": _("“%(offer)s” is published, and begins %(from)s."),
    "for_all": _("The offer asks nothing of its members."),
    "for_everyone": _("The offer is for everyone: it is shown to all members and given to nobody in particular."),
    "eligible": _("She meets what the offer asks for."),
    "audience_unreadable": _("Its audience speaks of what is no more, so nobody can tell."),
    "no_run": _("No run gives it out."),
    "run_given": _("The run “%(run)s” gave it to her %(when)s."),
    "run_out": _("She was not part of the run “%(run)s” of %(when)s."),
    "run_waiting": _("The run “%(run)s” has not come to her yet."),
    "run_stopped": _("The run “%(run)s” did not come to her: %(state)s."),
    "run_planned": _("The run “%(run)s” is to give it out %(when)s."),
    "run_planned_soon": _("The run “%(run)s” is to give it out: %(state)s."),
    "run_nothing": _("The run “%(run)s” gave it to nobody: %(state)s."),
    "run_refused": _("The run “%(run)s” of %(when)s left her out: %(reason)s"),
    "schedule": _("“%(run)s” gives it out again and again, next %(when)s."),
    "in_audience": _("She is in its audience as things stand."),
    "no_refusal": _("No door refused it to her."),
    "door_refused": _("Refused %(when)s to %(door)s: %(reason)s"),
    "import_refused": _("The import “%(import)s” left her out %(when)s: %(reason)s"),
    "approval_waiting": _("A grant of it waits for approval since %(when)s, asked by %(asked_by)s."),
    "approval_too_late": _(
        "A grant of it was asked for %(when)s by %(asked_by)s and still waits, but its last day has passed since: it"
        " cannot be approved any more."
    ),
    "never_held": _("She never held it."),
    "held_since": _("Given %(when)s through %(door)s: %(status)s."),
    "held_until": _("Given %(when)s through %(door)s: %(status)s, until %(until)s."),
    "held_ended": _("Given %(when)s through %(door)s; %(status)s %(ended)s by %(who)s. Reason: %(reason)s"),
    "held_used": _(
        "Given %(when)s through %(door)s: %(status)s, used %(uses)s of %(limit)s times, last %(ended)s%(at)s."
    ),
    "without_code": _("The offer works without a code."),
    "no_code": _("No code was given with it."),
    "code_given_back": _("Its code was seen by nobody and went back to the bank."),
    "code_not_shown": _("She has a code, which was not shown to anybody yet."),
    "code_shown": _("She has a code, first shown %(when)s."),
    "code_expired": _("Its code expired %(when)s."),
    "code_void": _("Its code was voided %(when)s."),
    "code_left": _("The code lies in the bank and was given to nobody."),
    "code_left_expired": _("The code was given to nobody, and expired %(when)s."),
    "channel_given": _("%(channel)s: she agreed, and it reaches her."),
    "channel_without_address": _("%(channel)s: she agreed, but her address for it is missing."),
    "channel_refused": _("%(channel)s: she does not want to be written to."),
    "channel_not_asked": _("%(channel)s: nobody asked her."),
    "no_channel": _("The programme writes to nobody."),
    "grant_possible": _("It can be granted to her."),
    "grant_not_asked": _("That was not tried: the answers above settle it."),
}

# What to do next, by code; pages make buttons of those that the person may press.
ACTIONS: dict[str, str | Promise] = {
    "wait": _("Wait until %(until)s"),
    "wait_for_till": _("Wait for the till"),
    "ask_to_accept": _("Ask her to accept it"),
    "open_waiting": _("Open the grant that waits"),
    "open": _("Open it"),
    "open_successor": _("Open the one in its place"),
    "extend": _("Extend it"),
    "reissue": _("Reissue it"),
    "grant": _("Grant it to her"),
    "open_offer": _("Open the offer"),
    "open_run": _("Open the run"),
    "import_codes": _("Import codes"),
    "look_at_limits": _("Look at its limits"),
    "ask_again": _("Ask for the code again"),
}
