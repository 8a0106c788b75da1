"""What every fault and concurrency test ends with: all invariants hold."""

from collections.abc import Callable, Iterator

import pytest

from offers.selectors import integrity


def assert_whole() -> None:
    """Fail with each broken invariant and a few of its rows (`manage.py check_integrity`)."""
    broken = examine()
    if broken:
        raise AssertionError(f"Broken invariants: {broken}")


def examine() -> dict[str, tuple[int, list[object]]]:
    """Return each broken invariant with how many rows break it, and a few of them."""
    return {
        finding.check.name: (finding.violations, list(finding.samples))
        for finding in integrity.examine()
        if finding.violations
    }


@pytest.fixture(autouse=True)
def whole_at_the_end(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Check the database when a test that has one is over; a folder's `conftest.py` imports this to have it so."""
    has_database = request.node.get_closest_marker("django_db") is not None
    if has_database:
        # Asked for here so that it is still there at the end.
        request.getfixturevalue("transactional_db")
    yield
    if has_database:
        broken = examine()
        record_property("violations", sum(violations for violations, _ in broken.values()))
        if broken:
            raise AssertionError(f"Broken invariants: {broken}")
