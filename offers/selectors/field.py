"""The two tables' fields, as the programme names them (S4-03, S4-11)."""

from django.db.models import QuerySet
from django.utils.translation import gettext

from loyalty.models import Programme
from offers.models import FieldDefinition
from offers.models.field import DEFAULTS


def own(*, programme: Programme, table: str) -> QuerySet[FieldDefinition]:
    """Return the fields that the programme added to a table."""
    return FieldDefinition.objects.filter(programme=programme, table=table, is_default=False).order_by("label")


def labels(*, programme: Programme, table: str) -> dict[str, str]:
    """Return the display names of a table's default fields; those that nobody renamed follow the reader's language."""
    renamed = dict(
        FieldDefinition.objects.filter(programme=programme, table=table, is_default=True).values_list("name", "label")
    )
    return {
        name: gettext(first) if renamed.get(name, first) == first else renamed[name]
        for name, _type, first in DEFAULTS[table]
    }
