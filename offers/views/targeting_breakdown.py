"""Of whom an audience is made, by a field that the marketer chooses, while she builds it (issue 4)."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from loyalty import clock
from loyalty.errors import InvalidInput
from loyalty.staff import StaffRequest
from offers.selectors import targeting_breakdown, targeting_catalogue
from offers.views.access import staff
from offers.views.targeting_builder import read_criteria


@staff("offers.view_targeting")
@require_POST
def breakdown(request: StaffRequest) -> HttpResponse:
    """Count the members meant by what is built, by the field that was chosen."""
    programme, key = request.programme, request.POST.get("by", "")
    context: dict[str, object] = {"fields": targeting_breakdown.fields(programme), "chosen": key}
    if key:
        try:
            checked = targeting_catalogue.read(read_criteria(request), programme=programme)
            context["found"] = targeting_breakdown.breakdown(checked, programme=programme, key=key, now=clock.now())
        except InvalidInput as error:
            context["problems"] = error.problems
    return render(request, "offers/_targeting_breakdown.html", context)
