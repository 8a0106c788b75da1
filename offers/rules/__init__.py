"""Rules are typed data (DESIGN 1.4): pure, without models, settings or the clock.

`KINDS` has every kind by its name, in form order. Each is one file of this package: a new file is a new kind.
"""

import importlib
import pkgutil

from offers.rules import description
from offers.rules.description import columns, fields, from_row, schema
from offers.rules.field import Field
from offers.rules.problem import InvalidTerms
from offers.rules.rule import KINDS, Rule
from offers.rules.terms import Line, Settled, Terms, effective, explain, fixed_end, is_personal, missing, parse, settle

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
_ordered = sorted(KINDS.items(), key=lambda item: item[1].order)
KINDS.clear()
KINDS.update(_ordered)

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
    "is_personal",
    "missing",
    "parse",
    "schema",
    "settle",
]
