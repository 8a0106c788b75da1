"""What can become of a grant, in words: agents, members, tills and logs all show the same (DESIGN 1.6)."""

from django.utils.translation import gettext_lazy as _

# By outcome code: a short label, and what it means with what to do next.
OUTCOME_LABELS = {
    "assigned": _("assigned"),
    "already_held": _("already holds it"),
    "ineligible": _("not eligible"),
    "unknown_member": _("unknown member"),
    "member_inactive": _("member is not active"),
    "offer_closed": _("offer is closed"),
    "missing_rule": _("a rule is missing"),
    "invalid_value": _("a value is not valid"),
    "cap_reached": _("the limit is reached"),
    "budget_reached": _("the budget is used up"),
    "out_of_codes": _("no codes left"),
    "held_out": _("held out"),
}
OUTCOME_SENTENCES = {
    "assigned": _("The member has the offer."),
    "already_held": _(
        "The member already holds this offer, and may not hold it again. Look at it under “Now” or “Before”."
    ),
    "ineligible": _("The member does not meet what the offer asks for."),
    "unknown_member": _("There is no such member in this programme."),
    "member_inactive": _("The member is not active, so nothing can be given to her."),
    "offer_closed": _("This offer cannot be given now."),
    "missing_rule": _("The template asks for a value that was not given."),
    "invalid_value": _("A value is not acceptable."),
    "cap_reached": _("As many as allowed were given already."),
    "budget_reached": _("The budget of this offer is used up."),
    "out_of_codes": _(
        "The offer's bank has no voucher code left. Ask a marketer to import codes, or choose another offer."
    ),
    "held_out": _("The member is in the group that was held out, to measure what offers do."),
}

# Why somebody is not eligible, after a count and beside a member: by the reason's code.
REASON_LABELS = {
    "not_in_audience": _("not whom the offer is for"),
    "conditions_not_met": _("not meeting what the offer asks for"),
    "campaign_per_member": _("given as many by the campaign as it gives one member"),
    "cut": _("cut off: there was too little for all"),
}

# By the refusal's code: why a verb on one assignment was not done, for agents and machines alike.
VERB_REFUSALS = {
    "already_revoked": _("It was revoked before."),
    "revoked": _("It was revoked, so there is nothing to change."),
    "used_up": _("It is used up, so there is nothing to take back or to change."),
    "redeemed": _("It was used already. Grant a new one, or revoke it with a reason."),
    "closed": _("It is closed already."),
    "expired": _("It is over already."),
    "upcoming": _("It cannot be used yet: it begins later."),
    "waiting_for_till": _("The till has not confirmed it yet, so it cannot have been used."),
    "waiting_for_acceptance": _(
        "She has not accepted it yet. She accepts it on her page or in the app, then it counts."
    ),
    "in_the_future": _("That moment has not come yet. Give the moment at which it was used."),
    "before_issue": _("It was given later than that. Give the moment at which it was used."),
    "receipt_counted": _("This receipt is counted for this offer already."),
    "unknown_receipt": _(
        "She has no receipt with this number. Look it up under “Purchases”, or say why there is none."
    ),
    "reference_used": _("Another use has this reference. Reload the page and try again."),
    "already_returned": _("This use was given back before."),
    "too_late": _("It is too late to undo this. Open the offer and revoke it, with a reason."),
    "imported": _("An import made it, from the member's data. Change the data, and the next import changes the offer."),
    "without_end": _("It has no end, so there is nothing to extend."),
    "in_the_past": _("The new end is over already. Give a later one."),
    "not_later": _("The new end is before the present one. Give a later one, or close it."),
    "beyond_offer": _("The offer itself ends earlier. Give an end within its period, or publish a longer one."),
    "beyond_code": _("Its code expires earlier. Give an end before that, or reissue it with another code."),
}

# Why an import of personal offers ended an assignment, or let it stand as accepted (D-14).
REASONS_OF_IMPORTS = {
    "attribute_changed": _("An import changed the member's attribute."),
    "attribute_withdrawn": _("The newest import has no attribute of the member."),
    "attribute_unchanged_in_what_was_accepted": _("Kept: an import changed nothing that she had accepted."),
}
