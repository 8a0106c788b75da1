"""What reading a file of members shows already: columns in which every cell is as it should be.

Arrow looks at a cell in a tenth of the time of PostgreSQL's regular expressions, so SQL looks only at columns that were
not proven clean. A proof is careful: what it does not show is not wrong, only looked at again, line by line.
"""

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from loyalty import years
from loyalty.tables import Batch

Proof = Callable[[pa.Array], bool]

FIRST, LAST = f"{years.FIRST}", f"{years.LAST}"
# As PostgreSQL and Arrow both read them; offsets as far as any zone has them.
PLAIN_MOMENT = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9]))?$"


class Proofs:
    """Looks at each batch on its way to the staging table. `proof_of` says what a column's cells have to show."""

    def __init__(self, proof_of: Callable[[str], Proof | None]) -> None:
        self.proof_of = proof_of
        self.proven: set[str] = set()
        self.unproven: set[str] = set()

    def watch(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Hand the batches on."""
        for batch in batches:
            for column, values in zip(batch.columns, batch.values, strict=True):
                if column.name not in self.unproven:
                    self._look(column.name, values, is_json=column.is_json)
            yield batch

    def _look(self, name: str, values: pa.Array, *, is_json: bool) -> None:
        proof = None if is_json else self.proof_of(name)
        if proof is not None and proof(values):
            self.proven.add(name)
        else:
            self.unproven.add(name)
            self.proven.discard(name)


def matches(pattern: str) -> Proof:
    """Prove that each filled cell matches the pattern as a whole."""
    whole = f"^$|{pattern}"
    return lambda values: pc.all(pc.match_substring_regex(values, whole)).as_py() is not False


def is_short(longest: int) -> Proof:
    """Prove that no cell has more bytes, so that none has more characters."""
    return lambda values: (pc.max(pc.binary_length(values)).as_py() or 0) <= longest


def both(first: Proof, second: Proof) -> Proof:
    """Prove one and the other."""
    return lambda values: first(values) and second(values)


def is_day(values: pa.Array) -> bool:
    """Prove that each filled cell is a day that there is, in the years that are taken."""
    filled = _filled(values)
    lengths = pc.min_max(pc.binary_length(filled))
    if lengths["min"].as_py() is None:
        return True
    return lengths["min"].as_py() == lengths["max"].as_py() == 10 and _casts(filled, pa.date32()) and _in_years(filled)


def is_moment(values: pa.Array) -> bool:
    """Prove that each filled cell is a moment with its offset, in the years that are taken."""
    filled = _filled(values)
    return matches(PLAIN_MOMENT)(values) and _casts(filled, pa.timestamp("us", "UTC")) and _in_years(filled)


def _filled(values: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)


def _casts(values: pa.Array, kind: pa.DataType) -> bool:
    try:
        pc.cast(values, kind)
    except pa.ArrowInvalid:
        return False
    return True


def _in_years(filled: pa.Array) -> bool:
    found = pc.min_max(pc.utf8_slice_codeunits(filled, 0, 4))
    least = found["min"].as_py()
    return least is None or (least >= FIRST and found["max"].as_py() <= LAST)
