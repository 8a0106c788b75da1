"""The roles and what they may do, for those who look after them."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from loyalty import staff
from support.selectors import role as selectors


@require_safe
@staff.required("auth.view_group")
def roles(request: staff.StaffRequest) -> HttpResponse:
    """Show every role, who is in it and what it may do, as the groups are now."""
    return render(request, "support/roles.html", {"matrix": selectors.matrix(programme=request.programme)})
