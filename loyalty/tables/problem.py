"""What is wrong with a file: codes and what fills their sentences, said in the language of whoever reads them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from loyalty.errors import DomainError, InvalidInput

# A file with more is not repaired by hand, and a list of them has to fit into memory: the rest is counted.
MOST_LISTED = 100_000
# An answer is read by people.
MOST_SAID = 1000
LONGEST_VALUE = 80
# An id is no longer.
LONGEST_ONLY_CELL = 200

SENTENCES: dict[str, str | Promise] = {
    # The file
    "unknown_format": _("“%(name)s” is no table that can be read. Give a .csv, .jsonl, .parquet or .xlsx file."),
    "name_and_content_differ": _(
        "“%(name)s” is %(content)s by its content. Name it by what it is, or save it again as what it is named."
    ),
    "compressed": _("“%(name)s” is compressed. Unpack it and give the file inside."),
    "encrypted_or_old": _("“%(name)s” is encrypted, or in the old .xls format. Save it as .xlsx without a password."),
    "wrong_encoding": _("“%(name)s” is %(encoding)s. Save it as UTF-8."),
    "empty_file": _("“%(name)s” is empty."),
    "cell_with_error": _("Cell %(cell)s holds an error such as #N/A. Mend its formula, or empty the cell."),
    "unreadable": _("“%(name)s” is damaged: %(cause)s. Write it again."),
    "no_rows": _("“%(name)s” has a header but no rows."),
    "too_many_columns": _("The file has %(given)d columns; at most %(most)d can be read."),
    "one_json_array": _("“%(name)s” is one JSON array. Write one object a line, without brackets and commas between."),
    "one_line_without_end": _("Line 1 does not end. End lines with a line feed."),
    # The header
    "empty_column_name": _("Column %(place)d has no name."),
    "repeated_column": _("The column “%(column)s” is there twice: %(first)d and %(second)d."),
    "unsupported_column": _("The column “%(column)s” is of the type %(type)s, which cannot be read. Write it as text."),
    # Lines
    "ragged_row": _("The line has %(given)d cells; the header has %(needed)d."),
    "not_utf8": _("The line is not UTF-8."),
    "unstorable_character": _("The line holds a character that cannot be stored. Take it out."),
    "stray_quote": _(
        'A quote stands inside a cell. Write cells that hold quotes in quotes, with each one doubled: "5"""'
    ),
    "unclosed_quote": _("A quote is opened here and never closed."),
    "lone_carriage_return": _("A carriage return stands alone. End lines with a line feed, or quote the cell."),
    "line_too_long": _("The line has more than %(most)d bytes."),
    "cell_too_long": _("A cell has more than %(most)d bytes."),
    "number_not_exact": _(
        "“%(column)s” holds the number %(value)s, whose last digits are lost. Write it as text where the file is made."
    ),
    "not_json": _("The line is no JSON: %(cause)s."),
    "not_an_object": _("The line is no JSON object. Write one object a line."),
    "unstorable_value": _("%(column)s: %(cause)s"),
}


class InvalidTable(InvalidInput):
    """The file is not acceptable; `problems` names each line, and nothing of it was written."""

    code = "invalid_table"


class TableTooLarge(DomainError):
    """The file, or what it unpacks to, is above the limit."""

    code = "table_too_large"
    status = 413


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; `line` None means the whole file."""

    line: int | None
    code: str
    parameters: Mapping[str, Any]

    @property
    def message(self) -> str:
        """Say it in the language of now."""
        return str(SENTENCES[self.code]) % self.parameters

    def said(self) -> dict[str, Any]:
        """Return it as the problem of an error."""
        return {"line": self.line, "code": self.code, "message": self.message}


@dataclass
class Problems:
    """Everything that is wrong with one file: all of it counted, the first hundred thousand listed."""

    listed: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return self.counts.total()

    @property
    def only_line(self) -> str | None:
        """Return the one cell of a file that has nothing else, where that is all that is wrong: a header, or a row."""
        if self.counts != {"no_rows": 1}:
            return None
        return self.listed[0].parameters.get("only_cell")

    def add(self, line: int | None, code: str, **parameters: Any) -> None:
        self.counts[code] += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(Problem(line, code, parameters))

    def no_rows(self, name: str, header: Sequence[str]) -> None:
        """Say that there is a header and nothing else; of one cell, keep what it says."""
        only = {"only_cell": header[0]} if len(header) == 1 and len(header[0]) <= LONGEST_ONLY_CELL else {}
        self.add(None, "no_rows", name=name, **only)

    def refuse(self) -> None:
        """Raise InvalidTable when anything is wrong."""
        if not self.counts:
            return
        count = self.count
        message = ngettext(
            "The file has %(count)d problem. Nothing was written.",
            "The file has %(count)d problems. Nothing was written.",
            count,
        ) % {"count": count}
        said = [problem.said() for problem in sorted(self.listed, key=lambda one: one.line or 0)[:MOST_SAID]]
        raise InvalidTable(
            message, problems=said, problem_count=count, more=count - len(said), counts=dict(self.counts)
        )


def damaged(name: str, error: Exception) -> InvalidTable:
    """Return the error for a file that its reader cannot read, with what the reader said."""
    lines = str(error).strip().splitlines()
    return refusal("unreadable", name=name, cause=lines[0][:200] if lines else _("its end is missing"))


def refusal(code: str, **parameters: Any) -> InvalidTable:
    """Return the error for a file that is no table at all."""
    problem = Problem(None, code, parameters)
    return InvalidTable(problem.message, code=code, problems=[problem.said()])
