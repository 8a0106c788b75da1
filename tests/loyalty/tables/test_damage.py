"""Files that were damaged on their way, anywhere: refused with a reason, never an error of the reader's own (B-17)."""

import random

import pyarrow as pa
import pytest

from loyalty.errors import DomainError
from tests.loyalty.tables.test_reading import parquet, read, xlsx

ROWS = [["id", "name"], *([f"M-{n}", f"Name {n * n}"] for n in range(200))]
FILES = {
    "a.xlsx": xlsx(ROWS),
    "a.parquet": parquet({"id": pa.array([row[0] for row in ROWS]), "n": pa.array(range(len(ROWS)))}),
}


def is_refused(content: bytes, name: str) -> bool:
    """Read it to its end; whatever else than a refusal comes up fails the test."""
    try:
        read(content, name)
    except DomainError:
        return True
    return False


@pytest.mark.parametrize("name", FILES)
def test_b_17_a_file_with_some_wrong_bytes_is_read_or_refused(name: str) -> None:
    """B-17: wherever they are; seeded, so that a failure comes again."""
    chance = random.Random(17)
    refused = 0
    for _ in range(150):
        content = bytearray(FILES[name])
        for _wrong in range(chance.choice((1, 1, 4))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        refused += is_refused(bytes(content), name)
    assert refused > 40


@pytest.mark.parametrize("name", FILES)
def test_b_17_a_file_that_was_cut_off_is_refused(name: str) -> None:
    """B-17: at each of its bytes, a few apart."""
    content = FILES[name]
    assert all(is_refused(content[:end], name) for end in range(0, len(content) - 1, 37))
