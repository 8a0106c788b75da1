"""Supervision: what agents granted, in figures and row by row, and everybody's own grants (B-05)."""

from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from loyalty import clock, money, staff, table_export
from loyalty.errors import NotFound
from loyalty.listing import Column, Listing
from loyalty.models import Programme
from offers.services.revocation import UNDO_SECONDS
from support.filters.ledger import LedgerFilter
from support.forms.period import PeriodForm, chosen
from support.selectors import decision, ledger, reason, supervision
from support.selectors.supervision import FENCE, FEWEST_AGENTS, FEWEST_GRANTS, Line, Overview
from support.services import ledger_export

SUPERVISE = "support.supervise"
COLUMNS = (
    Column("at", gettext_lazy("Granted"), sort="at"),
    Column("agent", gettext_lazy("By"), sort="agent__username"),
    Column("member", gettext_lazy("To"), sort="member__external_id"),
    Column("offer", gettext_lazy("Offer"), sort="config_offer__name"),
    Column("reason", gettext_lazy("Why"), sort="reason"),
    Column("money", gettext_lazy("Costs at most"), sort="exposure_minor", end=True),
    Column("state", gettext_lazy("State")),
)
OWN_COLUMNS = tuple(column for column in COLUMNS if column.key != "agent")
# So many bars are told apart; the tables have all.
MOST_BARS = 12


@require_safe
@staff.required(SUPERVISE)
def overview(request: staff.StaffRequest) -> HttpResponse:
    """Show the period's figures: by agent, reason, offer and week, and what stands out."""
    now = clock.now()
    form = PeriodForm(request.GET or None)
    period = chosen(form, programme=request.programme, now=now)
    if not form.is_bound or form.is_valid():
        shown = PeriodForm(initial={"period": period.name, "since": period.first, "until": period.last})
    else:
        shown = form
    figures = supervision.overview(programme=request.programme, period=period)
    context = {
        "form": shown,
        "period": period,
        "figures": figures,
        "charts": _charts(figures, request.programme),
        "rule": {"fence": f"{FENCE:g}", "agents": FEWEST_AGENTS, "grants": FEWEST_GRANTS},
    }
    return render(request, "support/supervision.html", context)


@require_safe
@staff.required(SUPERVISE)
def grants(request: staff.StaffRequest) -> HttpResponse:
    """Show the ledger row by row, filtered and sorted by what stands in the address."""
    found = _filtered(request)
    whole = ledger.entries(programme=request.programme)
    # What cannot be asked for finds nothing: all rows would pass for an answer.
    rows = found.qs if found.form.is_valid() else found.qs.none()
    listing = Listing(request, rows, columns=COLUMNS, default_sort="-at", filters=found.form, is_long=True, whole=whole)
    context = {"listing": listing, "reasons": reason.labels(programme=request.programme)}
    return render(request, "support/ledger.html", context)


@require_safe
@staff.required(SUPERVISE)
def export(request: staff.StaffRequest, file_format: table_export.Format) -> HttpResponseBase:
    """Stream what the list's filters keep; the export is audited and holds no contact data."""
    found = _filtered(request)
    if not found.form.is_valid():
        raise NotFound(_("There are no such grants."))
    return ledger_export.export(
        programme=request.programme,
        found=found.qs.order_by("-at", "-id"),
        reasons=reason.labels(programme=request.programme),
        filters={key: str(value) for key, value in request.GET.items() if value},
        file_format=file_format,
        actor=request.user,
    )


@require_safe
@staff.required("offers.grant_assignment")
def mine(request: staff.StaffRequest) -> HttpResponse:
    """Show a person's own grants, what can still be undone, and what of them was taken back."""
    found = ledger.of_agent(programme=request.programme, user=request.user)
    listing = Listing(request, found, columns=OWN_COLUMNS, default_sort="-at", is_long=True)
    now = clock.now()
    context = {
        "listing": listing,
        "reasons": reason.labels(programme=request.programme),
        "undoable_since": now - timedelta(seconds=UNDO_SECONDS),
        "decisions": decision.unread(programme=request.programme, user=request.user),
    }
    return render(request, "support/my_grants.html", context)


def _filtered(request: staff.StaffRequest) -> LedgerFilter:
    return LedgerFilter(request.GET, queryset=ledger.entries(programme=request.programme), request=request)


def _charts(figures: Overview, programme: Programme) -> dict[str, dict[str, Any]]:
    """Return what the charts draw, in whole units of money, each with a sentence for who does not see it."""
    currency = programme.currency

    def major(minor: int) -> float:
        return float(money.to_major(minor, currency))

    def numbers(lines: list[Line]) -> dict[str, Any]:
        series = [
            {"label": _("stand"), "values": [line.kept for line in lines]},
            {"label": _("taken back"), "values": [line.back for line in lines]},
        ]
        return {"labels": [line.label for line in lines], "series": series}

    def largest(lines: list[Line]) -> dict[str, Any]:
        words = {"first": lines[0].label, "n": lines[0].kept} if lines else {}
        alt = _("Most: %(first)s with %(n)d that stand.") % words if lines else _("Nothing was granted.")
        return {**numbers(lines[:MOST_BARS]), "alt": alt}

    weeks = figures.weeks
    words = {"n": figures.total.kept, "money": money.display(figures.total.kept_minor, currency)}
    alt = _("In the whole period %(n)d grants stand, for at most %(money)s.") % words
    cost = [{"label": _("costs at most, %s") % currency, "values": [major(line.kept_minor) for line in weeks]}]
    return {
        "weeks": {**numbers(weeks), "alt": alt},
        "money": {"labels": [line.label for line in weeks], "series": cost, "alt": alt},
        "agents": largest(figures.agents),
        "reasons": largest(figures.reasons),
        "offers": largest(figures.offers),
    }
