"""Why an assignment is changed, until when, and when it was used."""

import uuid
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from loyalty import money, years
from loyalty.models import Programme, Purchase, User
from offers.forms.day import DayField
from offers.forms.money import MoneyField, in_currency
from offers.models import Assignment
from offers.models.outcome import VERB_REFUSALS
from offers.rules import moment
from offers.services.redemption import Use
from support.selectors import purchase as purchases


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=200, help_text=_("Kept with the offer's history."))

    def __init__(self, *args: Any, assignment: Assignment, user: User, **options: Any) -> None:
        self.assignment, self.user = assignment, user
        super().__init__(*args, **options)
        self.prepare()
        # Where its dialog begins: at the first field that is wrong, else at the first of all.
        wrong = [name for name in self.fields if self.is_bound and name in self.errors]
        first = (wrong or list(self.fields))[0]
        self.fields[first].widget.attrs["autofocus"] = True

    def prepare(self) -> None:
        """Fit the fields to the assignment and to who fills them in."""


class RevokeForm(ReasonForm):
    pass


class CloseForm(ReasonForm):
    pass


class LastDayForm(ReasonForm):
    """A reason, and the last day on which the offer may be used."""

    last_day = DayField(
        label=_("Last day"),
        help_text=_("Usable to the end of it."),
    )
    field_order = ("last_day", "reason")

    def ends_at(self, zone: ZoneInfo) -> datetime | None:
        """Return the half-open end of the chosen day in the programme's zone, once the form is valid."""
        day: date | None = self.cleaned_data["last_day"]
        return moment.after(day, zone) if day else None


class ExtendForm(LastDayForm):
    def end_of_last_day(self, zone: ZoneInfo) -> datetime:
        """Return the half-open end of the chosen day, which this form demands."""
        return moment.after(self.cleaned_data["last_day"], zone)


class ReissueForm(LastDayForm):
    last_day = DayField(
        label=_("Last day"),
        required=False,
        help_text=_("Empty: as the offer has it."),
    )


# No receipt is worth more, and what is typed stays a number that the database holds.
MOST_MINOR = 10**14


class RedeemForm(ReasonForm):
    """When an offer was used, on which receipt of hers, or why there is none at hand; what it was worth, if known."""

    # Made with the form: sent twice, it is the same use.
    reference = forms.UUIDField(widget=forms.HiddenInput)
    receipt = forms.ChoiceField(label=_("Receipt"), required=False)
    receipt_number = forms.CharField(
        label=_("Or its number"), required=False, max_length=200, help_text=_("Of a receipt that is not in the list.")
    )
    benefit = MoneyField(
        label=_("What it was worth"),
        required=False,
        most=MOST_MINOR,
        help_text=_("As the receipt says. Empty: not known."),
    )
    used_at = forms.DateTimeField(
        label=_("Used at"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    field_order = ("receipt", "receipt_number", "benefit", "used_at", "reason")

    def prepare(self) -> None:
        """Offer her latest receipts to who may see them; without one the reason is asked for."""
        programme = self.assignment.config_offer.programme
        self.receipts: dict[str, Purchase] = {}
        self.sees_receipts = self.user.has_perm("loyalty.view_purchase")
        if self.sees_receipts:
            self.receipts = {str(one.pk): one for one in purchases.receipts(member=self.assignment.member)[0]}
        in_currency(self, programme.currency)
        fields: Any = self.fields
        if self.sees_receipts:
            fields["receipt"].choices = [
                ("", _("No receipt at hand")),
                *((key, _said(one, programme)) for key, one in self.receipts.items()),
            ]
        else:
            # A number that she reads out can still be typed.
            del fields["receipt"]
            fields["receipt_number"].label = _("The receipt's number")
            fields["receipt_number"].help_text = _("If she has the receipt at hand.")
        fields["reference"].initial = uuid.uuid4
        fields["reason"].required = False
        fields["reason"].help_text = _("Without a receipt: how we know of it. Kept with the offer's history.")
        fields["used_at"].help_text = _("Empty: when the receipt was written, or now. The time of %(zone)s.") % {
            "zone": programme.timezone
        }

    def clean_used_at(self) -> datetime | None:
        """Read the moment in the programme's zone (D-09)."""
        used_at: datetime | None = self.cleaned_data["used_at"]
        if used_at is None:
            return None
        if not years.are_kept(used_at):
            raise forms.ValidationError(_("Give the moment at which it was used."))
        return used_at.replace(tzinfo=self.assignment.config_offer.programme.zone)

    def clean(self) -> dict[str, Any]:
        """Find the receipt, which has to be hers; without one there has to be a reason."""
        given = dict(super().clean() or {})
        number = (given.get("receipt_number") or "").strip()
        if number and given.get("receipt"):
            self.add_error("receipt_number", _("Choose a receipt, or type a number, not both."))
        elif number:
            programme = self.assignment.config_offer.programme
            found = purchases.by_number(programme=programme, number=number)
            # Somebody else's is none from here on: nobody learns that there is one, nor its total (S0-01).
            given["purchase"] = found if found and found.member_id == self.assignment.member_id else None
            if given["purchase"] is None:
                self.add_error("receipt_number", VERB_REFUSALS["unknown_receipt"])
        else:
            given["purchase"] = self.receipts.get(given.get("receipt") or "")
        self._bound(given.get("benefit"), given.get("purchase"))
        if not given.get("purchase") and not number and not given.get("reason") and "receipt" not in self.errors:
            missing = _("Choose the receipt, or say why there is none.")
            if not self.sees_receipts:
                missing = _("Give the receipt's number, or say why there is none.")
            self.add_error("reason", missing)
        return given

    def _bound(self, benefit: int | None, purchase: Purchase | None) -> None:
        """Refuse a worth above the receipt's, or above what the offer can be worth: 240 was meant as 2.40.

        The receipt's total bounds only who may see it: anybody else would find it by trying.
        """
        currency, most = self.assignment.config_offer.programme.currency, self.assignment.exposure_minor
        if benefit is None:
            return
        seen = purchase if self.sees_receipts else None
        if seen is not None and benefit > seen.total_minor + seen.discount_minor:
            self.add_error("benefit", _("The receipt is for less than that. Look at the amount once more."))
        elif most and benefit > most:
            worth = money.display(most, currency)
            self.add_error(
                "benefit", _("The offer is worth at most %(worth)s. Give what was taken off.") % {"worth": worth}
            )

    def use(self, now: datetime) -> Use:
        """Return what was said, once the form is valid."""
        said = self.cleaned_data
        purchase: Purchase | None = said["purchase"]
        return Use(
            external_id=f"desk-{said['reference']}",
            redeemed_at=said["used_at"] or (purchase.purchased_at if purchase else now),
            purchase=purchase,
            benefit_minor=said["benefit"],
        )


def _said(receipt: Purchase, programme: Programme) -> str:
    at = date_format(receipt.purchased_at.astimezone(programme.zone), "j M Y H:i")
    total = money.display(receipt.total_minor, programme.currency)
    return " · ".join(
        part for part in (at, receipt.store.name if receipt.store else "", total, receipt.external_id) if part
    )
