"""Driving Hypothesis' state machines: a few stories with every run, many long ones by `./run chaos`."""

import time
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

# Stories are told so many at a time; after so long no more are begun, that ./run chaos ends on a slow machine too.
AT_A_TIME = 5
LONGEST_SECONDS = 100


def drive(machine: type[RuleBasedStateMachine], *, stories: int, steps: int) -> None:
    """Tell a few stories of at most so many steps, the same ones each time."""
    _tell(machine, stories=stories, steps=steps, is_known=True)


def drive_long(machine: type[RuleBasedStateMachine], *, stories: int, steps: int, say: Callable[[str], None]) -> int:
    """Tell so many stories of at most so many steps, others each time; return for how many there was time."""
    began, told = time.monotonic(), 0
    while told < stories and time.monotonic() - began < LONGEST_SECONDS:
        _tell(machine, stories=AT_A_TIME, steps=steps, is_known=False)
        told += AT_A_TIME
        say(f"{told} of {stories} stories of {steps} steps")
    return told


def _tell(machine: type[RuleBasedStateMachine], *, stories: int, steps: int, is_known: bool) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=stories,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=is_known,
            suppress_health_check=list(HealthCheck),
        ),
    )
