"""Where a saved targeting is named: in other ones, by offers, schedules and runs that have not begun (S4-26)."""

from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, F, Func, Q, QuerySet, Value

from offers.models import ConfigOffer, MassAssignment, RunSchedule, Targeting
from offers.selectors import targeting as selector

MOST_RUNS = 20


@dataclass(frozen=True)
class Places:
    """What names a targeting: audiences in use, offers, schedules that go on, and the newest runs of any state with
    how many there are.

    A run's or schedule's `targeting_version` is a version of the targeting itself, or of one that names it.
    """

    audiences: list[Targeting]
    offers: list[ConfigOffer]
    schedules: list[RunSchedule]
    runs: list[MassAssignment]
    run_count: int


@dataclass(frozen=True)
class Uses:
    """What keeps a targeting from being archived, each in the order of names.

    Runs are those that have not begun: whatever was planned has its members frozen (B-03).
    """

    audiences: list[Targeting]
    offers: list[ConfigOffer]
    schedules: list[RunSchedule]
    runs: list[MassAssignment]

    def __bool__(self) -> bool:
        return bool(self.audiences or self.offers or self.schedules or self.runs)

    def each(self) -> list[tuple[str, Any]]:
        """Return all of them with the word that the API has for each kind."""
        kinds = ("targeting", self.audiences), ("offer", self.offers), ("schedule", self.schedules), ("run", self.runs)
        return [(kind, one) for kind, found in kinds for one in found]


def of(targeting: Targeting) -> Uses:
    """Return where the targeting is named, itself or within criteria: four queries."""
    return Uses(
        audiences=naming(targeting),
        offers=list(_offers(targeting).order_by("name", "pk")),
        schedules=_schedules(targeting),
        runs=list(not_begun(targeting).order_by("name", "pk")),
    )


def not_begun(targeting: Targeting) -> QuerySet[MassAssignment]:
    """Return the runs that name the targeting and whose members are not frozen yet."""
    return _runs(targeting).filter(state__in=MassAssignment.NOT_BEGUN).select_related("targeting_version__targeting")


def behind(targeting: Targeting) -> int:
    """Count the runs that have not begun and the schedules that are made of an older version of it than it has now."""
    older = Q(targeting_version__targeting=targeting) & ~Q(targeting_version=targeting.current_version_id)
    runs = not_begun(targeting).filter(older).count()
    return runs + RunSchedule.objects.filter(older, ended_at__isnull=True).count()


def places(targeting: Targeting) -> Places:
    """Return what names the targeting, runs that are over too: five queries."""
    runs = _runs(targeting)
    return Places(
        audiences=naming(targeting),
        offers=list(_offers(targeting).order_by("name", "pk")),
        schedules=_schedules(targeting),
        runs=list(runs.select_related("targeting_version__targeting").order_by("-pk")[:MOST_RUNS]),
        run_count=runs.count(),
    )


def _offers(targeting: Targeting) -> QuerySet[ConfigOffer]:
    offers = ConfigOffer.objects.filter(programme=targeting.programme).exclude(state=ConfigOffer.State.ARCHIVED)
    return offers.filter(Q(eligibility__targeting=targeting) | Q(_names_it("eligibility__criteria", targeting)))


def _runs(targeting: Targeting) -> QuerySet[MassAssignment]:
    return MassAssignment.objects.filter(programme=targeting.programme).filter(_of_version(targeting))


def _schedules(targeting: Targeting) -> list[RunSchedule]:
    going_on = RunSchedule.objects.filter(programme=targeting.programme, ended_at__isnull=True)
    found = going_on.filter(_of_version(targeting)).select_related("targeting_version__targeting")
    return list(found.order_by("name", "pk"))


def _of_version(targeting: Targeting) -> Q:
    return Q(targeting_version__targeting=targeting) | Q(_names_it("targeting_version__criteria", targeting))


def naming(targeting: Targeting) -> list[Targeting]:
    """Return the other targetings in use whose current version names this one."""
    known = selector.saved(targeting.programme).exclude(pk=targeting.pk)
    return list(known.filter(_names_it("current_version__criteria", targeting)))


def _names_it(criteria: str, targeting: Targeting) -> Any:
    return Func(
        F(criteria),
        Value("$.**.targeting ? (@ == $id)"),
        Value(f'{{"id": {targeting.pk}}}'),
        function="jsonb_path_exists",
        output_field=BooleanField(),
    )
