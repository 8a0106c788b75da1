"""Rules are typed data (DESIGN 1.4): pure, without models, settings or the clock.

`KINDS` has every kind by its name, in form order. Each is one file of this package: a new file is a new kind.
"""

import importlib
import pkgutil

from offers.rules.rule import KINDS, Rule

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
_ordered = sorted(KINDS.items(), key=lambda item: item[1].order)
KINDS.clear()
KINDS.update(_ordered)

from offers.rules import description  # noqa: E402
from offers.rules.description import columns, fields, from_row, schema  # noqa: E402
from offers.rules.field import Field  # noqa: E402
from offers.rules.problem import InvalidTerms  # noqa: E402
from offers.rules.terms import Line, Settled, Terms, effective, explain, fixed_end, missing, parse, settle  # noqa: E402

__all__ = [
    "KINDS",
    "Field",
    "InvalidTerms",
    "Line",
    "Rule",
    "Settled",
    "Terms",
    "columns",
    "description",
    "effective",
    "explain",
    "fields",
    "fixed_end",
    "from_row",
    "missing",
    "parse",
    "schema",
    "settle",
]
