"""Home: each role its own (SCREENS)."""

from typing import Any

from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import render

from loyalty import clock, staff
from loyalty.models import Programme
from support.selectors import home as selectors

# Counting millions of rows is worth a minute's patience; the page says when they were counted.
FIGURES_SECONDS = 60


@staff.required()
def home(request: staff.StaffRequest) -> HttpResponse:
    """Show what this person's role needs first."""
    now = clock.now()
    context: dict[str, Any] = {
        "desk": selectors.desk(programme=request.programme, user=request.user, now=now),
        "board": selectors.board(programme=request.programme, user=request.user, now=now),
    }
    if context["board"]:
        context["runs"] = selectors.running(programme=request.programme, now=now)
        context["figures"] = cache.get(_key(request.programme))
    return render(request, "support/home.html", context)


@staff.required("offers.view_massassignment")
def running(request: staff.StaffRequest) -> HttpResponse:
    """Return the part of Home that moves: the runs and their progress, asked for again every two seconds."""
    runs = selectors.running(programme=request.programme, now=clock.now())
    return render(request, "support/_home_runs.html", {"runs": runs})


@staff.required("offers.view_massassignment")
def figures(request: staff.StaffRequest) -> HttpResponse:
    """Return the part of Home that counts: assignments in all and by week."""
    counted = cache.get_or_set(
        _key(request.programme),
        lambda: selectors.figures(programme=request.programme, now=clock.now()),
        FIGURES_SECONDS,
    )
    return render(request, "support/_home_figures.html", {"figures": counted})


def _key(programme: Programme) -> str:
    return f"home-figures-{programme.pk}"
