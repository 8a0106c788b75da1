"""Imports of members: the list, one of them, and what is wrong with it, in words."""

from collections.abc import Iterator
from typing import Any

import orjson
from django.db.models import F, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.errors import NotFound
from loyalty.models import MemberImport, MemberImportProblem, Programme
from loyalty.tables.problem import SENTENCES as OF_TABLES

SENTENCES: dict[str, str | Promise] = {
    "given_up": _("Nothing of the file was written. The administrator finds the cause in the log; then give it again."),
    "unknown_column": _("There is no such field, attribute or channel. Take the column out, or define the attribute."),
    "missing_column": _("There is no such column, so nobody knows whose the lines are."),
    "missing": _("The cell is empty. Every line needs one."),
    "given_twice": _("This member is on line %(needed)s too. Give each one once."),
    "member_erased": _("This member was erased and stays so. Give her a new external id."),
    "too_long": _("The text is too long: at most %(needed)s characters."),
    "wrong_type": _("Give a text, not a list or an object."),
    "invalid_email": _("This is no e-mail address."),
    "invalid_phone": _("This is no phone number. Write it as +33 1 23 45 67 89."),
    "invalid_language": _("Give a language such as en."),
    "invalid_country": _("Give a country by its two letters, such as FR."),
    "unknown_zone": _("Use a time zone such as Europe/Paris."),
    "unknown_choice": _("Give one of: %(needed)s."),
    "not_a_date": _("Write a date as 1985-12-10."),
    "not_a_moment": _("Write a moment as 2026-11-30T12:00:00+01:00."),
    "year_out_of_range": _("Give a year of these: %(needed)s."),
    "not_a_number": _("Write a number such as 12.5, with a point."),
    "too_large": _("The number is too large: at most %(needed)s, above zero or below."),
    "too_many_decimals": _("The number is too exact: at most %(needed)s digits after the point."),
    "not_yes_or_no": _("Give one of: %(needed)s."),
    "not_a_list_of_texts": _('Write a list as a|b, or as ["a", "b"].'),
    "changed_since": _("Somebody changed this member since, so she stays as she is."),
    "made_and_changed_since": _("The import made this member and somebody changed her since, so she stays."),
}


def of_programme(*, programme: Programme) -> QuerySet[MemberImport]:
    """Return the programme's imports, newest first."""
    return MemberImport.objects.filter(programme=programme).select_related("received_by", "api_client", "undone_by")


def get(*, programme: Programme, import_id: int) -> MemberImport:
    """Return one import. Raises NotFound, also for another programme's."""
    found = of_programme(programme=programme).filter(pk=import_id).first() if import_id < 2**63 else None
    if found is None:
        raise NotFound(str(_("There is no such import here.")), code="unknown_import")
    return found


def problems(*, member_import: MemberImport) -> QuerySet[MemberImportProblem]:
    """Return what is wrong, by line; what is wrong with the whole file first."""
    return member_import.problems.order_by(F("line").asc(nulls_first=True), "id")


def message(problem: MemberImportProblem) -> str:
    """Say what is wrong, in the language of now."""
    if problem.code in SENTENCES:
        return str(SENTENCES[problem.code]) % {"needed": problem.needed}
    if problem.code in OF_TABLES and problem.needed.startswith("{"):
        try:
            return str(OF_TABLES[problem.code]) % orjson.loads(problem.needed)
        except (orjson.JSONDecodeError, KeyError):
            # Cut short, because a part of it was too long to keep.
            return problem.needed
    return problem.needed


def said(problem: MemberImportProblem) -> dict[str, Any]:
    """Return a problem as plain values."""
    return {
        "line": problem.line,
        "field": problem.field,
        "code": problem.code,
        "value": problem.value,
        "message": message(problem),
    }


def report(*, member_import: MemberImport) -> Iterator[list[Any]]:
    """Yield the lines of the report: line, field, value, code and sentence of each problem."""
    for problem in problems(member_import=member_import).iterator(chunk_size=2000):
        yield [problem.line or "", problem.field, problem.value, problem.code, message(problem)]
