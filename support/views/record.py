"""What we know of a member: a page to read out and print, and everything as one file (B-18; issue 5)."""

from collections.abc import Iterator
from datetime import datetime

import orjson
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from loyalty import clock, staff
from loyalty.models import Member
from support.selectors import member as members
from support.selectors import record as records
from support.services import member as service

# Of each part on the page; the file has all.
SHOWN = 20


@require_safe
@staff.required("loyalty.view_member", "loyalty.view_purchase", "offers.view_assignment")
def detail(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Show what we know of her, the first rows of each part; the look is noted."""
    member = members.get(programme=request.programme, member_id=member_id)
    service.record_reading(member=member, actor=request.user)
    parts = records.first_rows(member=member, most=SHOWN, sees_codes=request.user.has_perm("offers.see_voucher_code"))
    context = {
        "member": member,
        "about": records.about(member=member),
        "parts": parts,
        "nothing": [part.label for part, _rows, count in parts if not count],
        "now": clock.now(),
    }
    return render(request, "support/record.html", context)


@require_POST
@staff.required(
    "loyalty.view_member", "loyalty.view_purchase", "offers.view_assignment", "loyalty.export_member_record"
)
def export(request: staff.StaffRequest, member_id: int) -> StreamingHttpResponse:
    """Send all of it as one JSON file, contact data in clear; who took it out is noted first."""
    member = members.get(programme=request.programme, member_id=member_id)
    now = clock.now()
    service.record_export(member=member, actor=request.user)
    answer = StreamingHttpResponse(_written(member, now), content_type="application/json")
    # The key is the database's: an external id may hold what a file's name must not.
    answer.headers["Content-Disposition"] = f'attachment; filename="member-{member.pk}-{now:%Y-%m-%d}.json"'
    return answer


def _written(member: Member, now: datetime) -> Iterator[bytes]:
    """Write the record a row at a time, so that a long history needs no more memory than a short one."""
    begin = b"{\n"
    for key, part in records.document(member=member, now=now):
        yield begin + orjson.dumps(key) + b": "
        if isinstance(part, dict):
            yield orjson.dumps(part, option=orjson.OPT_INDENT_2)
        else:
            between = b"[\n  "
            for row in part:
                yield between + orjson.dumps(row)
                between = b",\n  "
            yield b"[]" if between == b"[\n  " else b"\n]"
        begin = b",\n"
    yield b"\n}\n"
