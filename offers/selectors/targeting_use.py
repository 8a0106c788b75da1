"""Where a saved targeting is named: in other ones, by offers and by runs that have not begun (S4-26)."""

from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, F, Func, Q, QuerySet, Value

from offers.models import ConfigOffer, MassAssignment, Targeting
from offers.selectors import targeting as selector

NOT_BEGUN = (
    MassAssignment.State.DRAFT,
    MassAssignment.State.AWAITING_APPROVAL,
    MassAssignment.State.SCHEDULED,
)


MOST_RUNS = 20


@dataclass(frozen=True)
class Places:
    """What names a targeting: audiences in use, offers, and the newest runs of any state with how many there are.

    A run's `targeting_version` is a version of the targeting itself, or of one that names it.
    """

    audiences: list[Targeting]
    offers: list[ConfigOffer]
    runs: list[MassAssignment]
    run_count: int


@dataclass(frozen=True)
class Uses:
    """The names of whatever names a targeting, each in order."""

    audiences: list[str]
    offers: list[str]
    runs: list[str]

    def __bool__(self) -> bool:
        return bool(self.audiences or self.offers or self.runs)


def of(targeting: Targeting) -> Uses:
    """Return where the targeting is named, itself or within criteria: three queries."""
    return Uses(
        audiences=[one.name for one in naming(targeting)],
        offers=_names(_offers(targeting)),
        runs=_names(_runs(targeting).filter(state__in=NOT_BEGUN)),
    )


def places(targeting: Targeting) -> Places:
    """Return what names the targeting, runs that are over too: four queries."""
    runs = _runs(targeting)
    return Places(
        audiences=naming(targeting),
        offers=list(_offers(targeting).order_by("name", "pk")),
        runs=list(runs.select_related("targeting_version__targeting").order_by("-pk")[:MOST_RUNS]),
        run_count=runs.count(),
    )


def _offers(targeting: Targeting) -> QuerySet[ConfigOffer]:
    offers = ConfigOffer.objects.filter(programme=targeting.programme).exclude(state=ConfigOffer.State.ARCHIVED)
    return offers.filter(Q(eligibility__targeting=targeting) | Q(_names_it("eligibility__criteria", targeting)))


def _runs(targeting: Targeting) -> QuerySet[MassAssignment]:
    return MassAssignment.objects.filter(programme=targeting.programme).filter(
        Q(targeting_version__targeting=targeting) | Q(_names_it("targeting_version__criteria", targeting))
    )


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


def _names(found: Any) -> list[str]:
    return list(found.order_by("name", "pk").values_list("name", flat=True))
