"""How these tests read a refusal."""

from typing import Any

import pytest

from offers import rules


def of(terms: Any, **options: Any) -> list[tuple[str, str, str, str]]:
    """Return rule, field, code and message of each problem of the terms."""
    with pytest.raises(rules.InvalidTerms) as refusal:
        rules.parse(terms, **options)
    assert refusal.value.code == "invalid_terms"
    return [(one["rule"], one["field"], one["code"], one["message"]) for one in refusal.value.problems]
