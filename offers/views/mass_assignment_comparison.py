"""Two runs side by side (SCREENS, "A run")."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from loyalty import clock, whole_number
from loyalty.staff import StaffRequest
from offers.selectors import audience as audiences
from offers.selectors import mass_assignment as selectors
from offers.selectors import mass_assignment_comparison as comparison
from offers.selectors.mass_assignment_comparison import Figures
from offers.views.access import staff

# The latest ones; an older one is found by its address.
CHOICES = 100
# What is compared, in its order; the second is what it is a share of.
LINES: tuple[tuple[str, Any, str], ...] = (
    ("matched", _("Matched by the audience"), ""),
    ("assigned", _("Assigned"), "matched"),
    ("seen", _("Seen"), "assigned"),
    ("accepted", _("Accepted"), "assigned"),
    ("used", _("Used"), "assigned"),
    ("revoked", _("Taken back"), "assigned"),
    ("codes", _("Codes given and not given back"), "assigned"),
    ("codes_seen", _("Codes seen"), "codes"),
    ("per_minute", _("Members processed a minute, about"), ""),
)


@dataclass(frozen=True)
class Line:
    """One number of each run; shares are of what `of` names, None where that is nobody."""

    label: str | Promise
    one: int | None
    other: int | None
    one_of: int | None = None
    other_of: int | None = None


@require_safe
@staff("offers.view_massassignment")
def compare(request: StaffRequest, run_id: int) -> HttpResponse:
    """Show a run beside another one of the programme; `?with=` names it, and a list offers the others."""
    run = selectors.find(programme=request.programme, run_id=run_id)
    planned = selectors.runs(programme=request.programme).filter(planned_at__isnull=False)
    choices = list(planned.exclude(pk=run.pk)[:CHOICES])
    context: dict[str, Any] = {"run": run, "choices": choices}
    key = whole_number.read(request.GET.get("with"))
    if key is not None and key != run.pk:
        other = selectors.find(programme=request.programme, run_id=key)
        if other not in choices:
            choices.append(other)
        found = comparison.compare(run=run, other=other, now=clock.now())
        context |= {"found": found, "other": other, "lines": _lines(found.one, found.other)}
    return render(request, "offers/run_comparison.html", context)


def _lines(one: Figures, other: Figures) -> list[Line]:
    lines = [
        Line(
            label,
            getattr(one, name),
            getattr(other, name),
            getattr(one, of) if of else None,
            getattr(other, of) if of else None,
        )
        for name, label, of in LINES
    ]
    refused = [
        Line(
            audiences.COUNTED.get(code, code),
            one.refused.get(code, 0),
            other.refused.get(code, 0),
            one.matched,
            other.matched,
        )
        for code in sorted(one.refused.keys() | other.refused.keys())
    ]
    # Who was left out, and why, between whom it matched and whom it was given to.
    return lines[:1] + refused + lines[1:]
