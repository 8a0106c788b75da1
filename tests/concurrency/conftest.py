"""Every test here ends with all invariants holding."""

from tests.integrity import whole_at_the_end

__all__ = ["whole_at_the_end"]
