"""Mails about runs: following one, and which mails a person wants ("My notifications")."""

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from loyalty import clock, mail, toasts
from loyalty.staff import StaffRequest
from offers.models import RunNotification
from offers.selectors import mass_assignment as runs
from offers.selectors import run_notification as selectors
from offers.services import run_notification as service
from offers.views.access import staff

Kind = RunNotification.Kind
# Each kind of mail, and who gets it.
KINDS = {
    Kind.FINISHED: gettext_lazy("A run that I launched or follow is finished"),
    Kind.TROUBLED: gettext_lazy("A run that I launched or follow failed, was declined, or finished with errors"),
    Kind.UNDONE: gettext_lazy("A run that I launched, follow or took back is undone"),
    Kind.APPROVAL: gettext_lazy("A run waits for an approval that I may give"),
}


@require_http_methods(["GET", "HEAD", "POST"])
@staff("offers.view_massassignment")
def notifications(request: StaffRequest) -> HttpResponse:
    """Show which mails the person wants and what became of the latest ones; keep what she chooses."""
    user = request.user
    if request.method == "POST":
        service.prefer(user=user, wanted=request.POST.getlist("wanted"), language=request.POST.get("language", ""))
        toasts.say(request, _("Saved."))
        return HttpResponseRedirect(reverse("offers:notifications"))
    context = {
        "kinds": [(kind.value, words, kind not in user.muted_mails) for kind, words in KINDS.items()],
        "languages": settings.LANGUAGES,
        "own_language": user.language,
        "files": mail.kept_in_files(),
        "messages_sent": selectors.of_person(user=user, programme=request.programme),
    }
    return render(request, "offers/notifications.html", context)


@require_POST
@staff("offers.view_massassignment")
def follow(request: StaffRequest, run_id: int) -> HttpResponse:
    """Follow a run, or stop following it."""
    run = runs.find(programme=request.programme, run_id=run_id)
    is_following = request.POST.get("following") == "1"
    service.follow(run=run, user=request.user, is_following=is_following, now=clock.now())
    if is_following:
        toasts.say(request, _("You get a mail when this run ends."))
    else:
        toasts.say(request, _("You follow this run no more."))
    return HttpResponseRedirect(reverse("offers:run", args=[run.pk]))
