"""Where a saved targeting is named: in other ones, by offers and by runs that have not begun (S4-26)."""

from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, F, Func, Q, Value

from offers.models import ConfigOffer, MassAssignment, Targeting
from offers.selectors import targeting as selector

NOT_BEGUN = (
    MassAssignment.State.DRAFT,
    MassAssignment.State.AWAITING_APPROVAL,
    MassAssignment.State.SCHEDULED,
)


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
    programme = targeting.programme
    offers = ConfigOffer.objects.filter(programme=programme).exclude(state=ConfigOffer.State.ARCHIVED)
    runs = MassAssignment.objects.filter(programme=programme, state__in=NOT_BEGUN)
    return Uses(
        audiences=[one.name for one in naming(targeting)],
        offers=_names(
            offers.filter(Q(eligibility__targeting=targeting) | Q(_names_it("eligibility__criteria", targeting)))
        ),
        runs=_names(
            runs.filter(
                Q(targeting_version__targeting=targeting) | Q(_names_it("targeting_version__criteria", targeting))
            )
        ),
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
