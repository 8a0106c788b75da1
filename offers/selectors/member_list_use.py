"""Where an uploaded list of members is used: by audiences, and by runs and schedules (issue 4, S1-01, S4-26)."""

from dataclasses import dataclass

from django.db.models import Q

from offers.models import MassAssignment, MemberList, RunSchedule, Targeting
from offers.selectors.member_list import names_it, takes_it

# Of each kind, the newest ones.
MOST = 20


@dataclass(frozen=True)
class Uses:
    """The newest of each kind, and how many there are in all.

    `targetings` are in use and their current version names the list. `runs` are of any state: members, or what each is
    given, come from it. `schedules` are those that are not over, likewise. `taking` are the runs that take values.
    """

    targetings: list[Targeting]
    targeting_count: int
    runs: list[MassAssignment]
    run_count: int
    schedules: list[RunSchedule]
    schedule_count: int
    taking: frozenset[int]

    def __bool__(self) -> bool:
        return bool(self.targetings or self.runs or self.schedules)


def of(member_list: MemberList) -> Uses:
    """Return where the list is used, named itself: seven queries, whatever its size."""
    programme = member_list.programme
    targetings = Targeting.objects.filter(programme=programme, archived_at__isnull=True)
    targetings = targetings.filter(names_it(member_list, "current_version__criteria"))
    uses_it = _uses_it(member_list)
    runs = MassAssignment.objects.filter(uses_it, programme=programme)
    schedules = RunSchedule.objects.filter(uses_it, programme=programme, ended_at__isnull=True)
    newest = list(runs.order_by("-pk")[:MOST])
    taking = MassAssignment.objects.filter(pk__in=[run.pk for run in newest]).filter(takes_it(member_list))
    return Uses(
        targetings=list(targetings.order_by("-pk")[:MOST]),
        targeting_count=targetings.count(),
        runs=newest,
        run_count=runs.count(),
        schedules=list(schedules.order_by("-pk")[:MOST]),
        schedule_count=schedules.count(),
        taking=frozenset(taking.values_list("pk", flat=True)),
    )


def _uses_it(member_list: MemberList) -> Q:
    return Q(names_it(member_list, "targeting_version__criteria")) | Q(takes_it(member_list))
