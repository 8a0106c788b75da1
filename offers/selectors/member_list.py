"""Uploaded lists of members: those in use, what they left out, which audiences name them, and which
runs take values from them (issue 4, S1-01)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, F, Func, QuerySet, Value

from loyalty import whole_number
from loyalty.errors import NotFound
from loyalty.models import Programme
from offers.models import MassAssignment, MemberList, MemberListLine, RunSchedule, Targeting


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


def with_columns(*, programme: Programme, chosen: Collection[str], most: int) -> list[MemberList]:
    """Return the newest lists in use that say more than ids, and those chosen, archived ones too (S1-01)."""
    found = MemberList.objects.filter(programme=programme).exclude(columns=[]).only("pk", "name", "columns")
    ids = {number for one in chosen if (number := whole_number.read(one)) is not None}
    newest = list(found.filter(archived_at__isnull=True)[:most])
    missing = ids - {one.pk for one in newest}
    return newest + (list(found.filter(pk__in=missing)) if missing else [])


def left_out(member_list: MemberList) -> QuerySet[MemberListLine]:
    """Return the lines that added nobody, in the file's order."""
    return MemberListLine.objects.filter(member_list=member_list).order_by("line")


def targetings_naming(member_list: MemberList) -> list[str]:
    """Return the names of the targetings in use whose current version names the list."""
    known = Targeting.objects.filter(programme=member_list.programme, archived_at__isnull=True)
    return list(
        known.filter(names_it(member_list, "current_version__criteria")).order_by("name").values_list("name", flat=True)
    )


@dataclass(frozen=True)
class Takers:
    """What is still to take rule values from a list's columns (S1-01)."""

    runs: list[MassAssignment]
    schedules: list[RunSchedule]

    @property
    def names(self) -> list[str]:
        return [*(run.name for run in self.runs), *(schedule.name for schedule in self.schedules)]


def takers(member_list: MemberList) -> Takers:
    """Return the runs that have not begun and the schedules that are not over whose values come from the list."""
    runs = MassAssignment.objects.filter(programme=member_list.programme, state__in=MassAssignment.NOT_BEGUN)
    schedules = RunSchedule.objects.filter(programme=member_list.programme, ended_at__isnull=True)
    return Takers(
        list(runs.filter(takes_it(member_list)).order_by("name", "pk")),
        list(schedules.filter(takes_it(member_list)).order_by("name", "pk")),
    )


def takes_it(member_list: MemberList) -> Any:
    """Return the condition that values of a run's or a schedule's members come from the list."""
    return Func(
        F("member_values"),
        Value("$.*.*.list ? (@ == $id)"),
        Value(f'{{"id": {member_list.pk}}}'),
        function="jsonb_path_exists",
        output_field=BooleanField(),
    )


def names_it(member_list: MemberList, criteria: str) -> Any:
    """Return the condition that the criteria in a field name the list."""
    return Func(
        F(criteria),
        Value("$.**.list ? (@ == $id)"),
        Value(f'{{"id": {member_list.pk}}}'),
        function="jsonb_path_exists",
        output_field=BooleanField(),
    )
