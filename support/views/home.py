"""Home: each role its own (SCREENS)."""

from django.contrib.admin.views.decorators import staff_member_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from loyalty import clock
from loyalty.models import Programme
from support.selectors import home as selectors

# Counting millions of rows is worth a minute's patience; the page says when they were counted.
FIGURES_SECONDS = 60


@staff_member_required(login_url="account_login")
def home(request: HttpRequest) -> HttpResponse:
    """Show what this person's role needs first; without a programme, say how to get one."""
    if request.programme is None:
        return render(request, "support/home_without_programme.html")
    now = clock.now()
    context = {
        "now": now,
        "desk": selectors.desk(programme=request.programme, user=request.user, now=now),
        "board": selectors.board(programme=request.programme, user=request.user, now=now),
    }
    if context["board"]:
        context["runs"] = selectors.running(programme=request.programme, now=now)
        context["figures"] = cache.get(_key(request.programme))
    return render(request, "support/home.html", context)


@staff_member_required(login_url="account_login")
def running(request: HttpRequest) -> HttpResponse:
    """Return the part of Home that moves: the runs and their progress, asked for again every two seconds."""
    runs = []
    if request.programme is not None and request.user.has_perm("offers.view_massassignment"):
        runs = selectors.running(programme=request.programme, now=clock.now())
    return render(request, "support/_home_runs.html", {"runs": runs})


@staff_member_required(login_url="account_login")
def figures(request: HttpRequest) -> HttpResponse:
    """Return the part of Home that counts: assignments in all and by week."""
    counted = None
    if request.programme is not None and request.user.has_perm("offers.view_massassignment"):
        programme = request.programme
        counted = cache.get_or_set(
            _key(programme),
            lambda: selectors.figures(programme=programme, now=clock.now()),
            FIGURES_SECONDS,
        )
    return render(request, "support/_home_figures.html", {"figures": counted})


def _key(programme: Programme) -> str:
    return f"home-figures-{programme.pk}"
