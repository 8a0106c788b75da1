"""Every test here ends with all invariants holding; most begin with a programme of their own."""

import pytest

from tests.factories import ProgrammeFactory
from tests.integrity import whole_at_the_end

__all__ = ["whole_at_the_end"]


@pytest.fixture
def programme():
    return ProgrammeFactory()
