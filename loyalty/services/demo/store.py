"""The shops; the data has only their numbers."""

import pyarrow as pa
import pyarrow.compute as pc
from django.db import transaction

from loyalty.models import Programme, Store
from loyalty.services.demo import people
from loyalty.services.demo.source import Source


def load(*, programme: Programme, source: Source) -> int:
    """Make the stores that are missing; returns how many."""
    numbers = sorted(pc.unique(source.of_households(source.facts)["store_id"]).to_pylist())
    stores = [
        Store(
            programme=programme,
            external_id=str(number),
            name=f"Laurel Market {people.city_of_store(number)} {number}",
            city=people.city_of_store(number),
            timezone=programme.timezone,
        )
        for number in numbers
    ]
    with transaction.atomic():
        before = Store.objects.filter(programme=programme).count()
        Store.objects.bulk_create(stores, ignore_conflicts=True)
        return Store.objects.filter(programme=programme).count() - before


def ids(programme: Programme) -> tuple[pa.Array, pa.Array]:
    """Return the stores' numbers and their ids."""
    found = [
        (int(number), pk) for number, pk in Store.objects.filter(programme=programme).values_list("external_id", "pk")
    ]
    return pa.array([one[0] for one in found], pa.int64()), pa.array([one[1] for one in found], pa.int64())
