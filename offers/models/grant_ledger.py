"""The ledger of what people gave at the desk, with its worst case in money: append-only (B-05).

It stands with the offers, below the desk that writes it, because whoever takes an assignment back, through whatever
door, writes its counter-row.
"""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from offers.models.assignment import relation


class GrantLedgerEntry(models.Model):
    """One grant of an agent (`n` is 1), or that it was taken back (-1). Reissuing keeps it: one grant, one count.

    The sums of `n` and `exposure_minor` over an agent's or a member's rows are what an allowance has counted.
    """

    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("programme")
    )
    at = models.DateTimeField(_("at"))
    # The programme's day (D-09) whose allowance it counts in: a counter-row has that of the grant, so that what is
    # taken back next week gives nothing to that week.
    day = models.DateField(_("day"))
    agent = relation("loyalty.User", _("agent"), related_name="+")
    approved_by = relation("loyalty.User", _("approved by"), related_name="+", null=True)
    member = relation("loyalty.Member", _("member"), related_name="+")
    config_offer = relation("offers.ConfigOffer", _("config offer"), related_name="+")
    template = relation("offers.OfferTemplate", _("template"), related_name="+")
    # The one that was granted; what it was reissued as is found by `replaces`.
    assignment = relation("offers.Assignment", _("assignment"), related_name="+")
    # The code of the desk's reason, as the door's entry has it.
    reason = models.CharField(_("reason"), max_length=40, blank=True)
    ticket = models.CharField(_("ticket"), max_length=60, blank=True)
    # The ticket without its sign and case: "#48213" and "48213" are one complaint.
    ticket_key = models.CharField(_("ticket's key"), max_length=120, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    n = models.SmallIntegerField(_("grants"))
    # Minor units of the programme's currency; negative where it was taken back.
    exposure_minor = models.BigIntegerField(_("costs at most"))
    # What was granted together, to many members.
    batch = models.UUIDField(_("batch"), null=True)

    class Meta:
        verbose_name = _("ledger entry of the desk")
        verbose_name_plural = _("ledger of the desk")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["assignment", "n"], name="a_grant_is_counted_once_and_taken_back_once"),
            models.CheckConstraint(
                condition=Q(n=1, exposure_minor__gte=0) | Q(n=-1, exposure_minor__lte=0),
                name="a_ledger_entry_gives_or_takes_back",
            ),
        ]
        indexes = [
            # An agent's day and week: read under her lock, from the index alone.
            models.Index(fields=["agent", "programme", "day"], include=["n", "exposure_minor"], name="ledger_by_agent"),
            # What a member was given within the last days.
            models.Index(fields=["member", "day"], include=["n", "exposure_minor"], name="ledger_by_member"),
            # Supervision: everything of some days.
            models.Index(fields=["programme", "day", "id"], name="ledger_by_day"),
            # The list of grants by when they were granted, and how many there are.
            models.Index(fields=["programme", "at", "id"], name="ledger_by_moment", condition=Q(n=1)),
            # Who gave something for the same complaint.
            models.Index(fields=["programme", "ticket_key"], name="ledger_by_ticket", condition=~Q(ticket_key="")),
            models.Index(fields=["batch"], name="ledger_by_batch", condition=Q(batch__isnull=False)),
        ]
        triggers = [pgtrigger.Protect(name="the_ledger_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.day} {self.n:+d} {self.ticket}".strip()


def ticket_key(ticket: str) -> str:
    """Return what two spellings of one ticket's number share: without sign, spaces around it and case."""
    return ticket.strip().lstrip("# ").lower()
