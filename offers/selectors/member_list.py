"""Uploaded lists of members: those in use, what they left out, which audiences name them (issue 4)."""

from collections.abc import Collection
from typing import Any

from django.db.models import BooleanField, F, Func, QuerySet, Value

from loyalty.errors import NotFound
from loyalty.models import Programme
from offers.models import MemberList, MemberListLine, Targeting


class MemberListNotFound(NotFound):
    """The programme has no such list."""

    code = "unknown_member_list"


def saved(programme: Programme) -> QuerySet[MemberList]:
    """Return the programme's lists in use, the newest first."""
    return MemberList.objects.filter(programme=programme, archived_at__isnull=True).select_related("created_by")


def names(programme: Programme, ids: Collection[int]) -> dict[int, str]:
    """Return the names of those of the ids that are lists of the programme, archived ones too.

    A list never changes, so what was saved with it keeps its meaning after it went out of use.
    """
    return dict(MemberList.objects.filter(programme=programme, pk__in=ids).values_list("pk", "name"))


def get(*, programme: Programme, pk: int) -> MemberList:
    """Return a list of the programme. Raises MemberListNotFound."""
    found = MemberList.objects.filter(programme=programme, pk=pk).select_related("created_by").first()
    if found is None:
        raise MemberListNotFound(f"There is no list with the id {pk}.", id=pk)
    return found


def left_out(member_list: MemberList) -> QuerySet[MemberListLine]:
    """Return the lines that added nobody, in the file's order."""
    return MemberListLine.objects.filter(member_list=member_list).order_by("line")


def targetings_naming(member_list: MemberList) -> list[str]:
    """Return the names of the targetings in use whose current version names the list."""
    known = Targeting.objects.filter(programme=member_list.programme, archived_at__isnull=True)
    return list(known.filter(_names_it(member_list)).order_by("name").values_list("name", flat=True))


def _names_it(member_list: MemberList) -> Any:
    return Func(
        F("current_version__criteria"),
        Value("$.**.list ? (@ == $id)"),
        Value(f'{{"id": {member_list.pk}}}'),
        function="jsonb_path_exists",
        output_field=BooleanField(),
    )
