"""The table that `./run chaos` prints at its end: what each test counted, and that nothing was broken."""

from types import SimpleNamespace

from tests import fault_table


def test_a_row_for_each_fault_with_its_counts_its_violations_and_its_place():
    """Issue 3, Show."""
    reports = [
        SimpleNamespace(
            nodeid="tests/faults/test_killed_worker.py::test_large",
            user_properties=[("fault", ["killed 20 times", "200 members", "200 assignments"]), ("violations", 0)],
        ),
        SimpleNamespace(nodeid="tests/faults/test_other.py::test_small", user_properties=[("violations", 0)]),
        SimpleNamespace(
            nodeid="tests/faults/test_broken.py::test_it",
            user_properties=[("fault", ["a bad one", "2", "3"]), ("violations", 7)],
        ),
    ]
    assert fault_table.table(reports)[2:] == [
        "| killed 20 times | 200 members | 200 assignments | 0 | `faults/test_killed_worker` |",
        "| a bad one | 2 | 3 | 7 | `faults/test_broken` |",
    ]
    assert fault_table.table(reports[1:2]) == []
