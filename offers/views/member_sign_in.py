"""How a member gets to her pages: with a token from her app or shop; in the demo, by choosing who to be."""

import re
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from loyalty import clock, colour
from loyalty.models import Programme
from loyalty.services import member_session, member_token, rate_limit
from offers.selectors import demo_members

# Where signing in may lead.
OWN_PAGES = re.compile(r"/rewards/offers(/[0-9a-f-]{36})?", re.ASCII)


def page(request: HttpRequest, *, now: Any, problem: str = "", status: int = 401) -> HttpResponse:
    """Say what to do: nobody is signed in, or the time has passed."""
    is_over = member_session.is_over(session=request.session, now=now)
    people = demo_members.choices(now=now) if settings.DEMO else []
    path = request.get_full_path() if request.method == "GET" else reverse("rewards-offers")
    context = {"is_over": is_over, "people": people, "next": path, "problem": problem}
    return render(request, "rewards/sign_in.html", context, status=status)


@csrf_exempt  # The signed token is the proof: the form that posts it stands on another site, the shop's.
@require_POST
def session(request: HttpRequest) -> HttpResponse:
    """Take a member's token and open her pages."""
    now = clock.now()
    if not rate_limit.take(name="sign_in", key=request.META.get("REMOTE_ADDR", "")).is_allowed:
        return page(request, now=now, problem="too_many", status=429)
    try:
        claims = member_token.verify(token=request.POST.get("token", ""), now=now)
    except member_token.InvalidToken as error:
        return page(request, now=now, problem=error.code)
    return _begin(request, claims, now=now)


@require_POST
def demo_session(request: HttpRequest) -> HttpResponse:
    """Continue as one of the demo's made-up members; exists only where the demo runs."""
    if not settings.DEMO:
        raise Http404
    now = clock.now()
    member = demo_members.found(external_id=request.POST.get("member", ""))
    if member is None:
        return page(request, now=now, problem="unknown_member")
    claims = member_token.verify(token=member_token.mint(member=member, now=now), now=now)
    return _begin(request, claims, now=now)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    member_session.end(session=request.session)
    return redirect("rewards-offers")


@require_safe
def theme(request: HttpRequest) -> HttpResponse:
    """The programme's colour as a stylesheet: inline styles are forbidden."""
    programme = _programme(request)
    accent = colour.readable_on_white(programme.accent) if programme else ""
    text = f":root {{ --brand: {accent}; }}\n" if accent else ""
    response = HttpResponse(text, content_type="text/css")
    response["Cache-Control"] = "private, max-age=300"
    response["Vary"] = "Cookie"
    return response


def _programme(request: HttpRequest) -> Programme | None:
    found = member_session.read(session=request.session, now=clock.now())
    return Programme.objects.filter(pk=found.programme_id).first() if found else None


def _begin(request: HttpRequest, claims: member_token.Claims, *, now: Any) -> HttpResponse:
    # A session that someone planted before must not become hers.
    request.session.cycle_key()
    member_session.begin(session=request.session, claims=claims, now=now)
    target = request.POST.get("next", "")
    if not OWN_PAGES.fullmatch(target):
        target = reverse("rewards-offers")
    return HttpResponseRedirect(target, status=303)
