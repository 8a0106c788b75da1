"""Choosing the programme to work in."""

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from loyalty import middleware, staff, toasts


@staff.required()
@require_POST
def choose(request: staff.StaffRequest) -> HttpResponse:
    """Work in another of one's own programmes from now on; others' do not exist for this person."""
    chosen = next((each for each in request.programmes if str(each.pk) == request.POST.get("programme")), None)
    if chosen is None:
        raise Http404
    request.session[middleware.SESSION_KEY] = chosen.pk
    toasts.say(request, _("You now work in %(programme)s.") % {"programme": chosen.name}, level="info")
    following = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(
        following, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        following = "/"
    return HttpResponseRedirect(following)
