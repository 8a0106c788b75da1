"""Driving Hypothesis' state machines: a few stories with every run, many long ones by `./run chaos`."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def drive(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Tell so many stories of at most so many steps; where there are few, the same ones each time."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=examples < 20,
            suppress_health_check=list(HealthCheck),
        ),
    )
