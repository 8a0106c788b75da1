"""Relations that the database does not guard (`db_constraint=False`): each row's other side must exist.

Read from the models, so that a relation added there is checked here.
"""

from collections.abc import Iterator

from django.apps import apps
from django.db import models

from offers.selectors.integrity.check import Check

APPS = ("loyalty", "offers", "support")


def unguarded() -> Iterator[models.ForeignKey]:
    """Give each relation of the product's tables that has no constraint in the database."""
    for app in APPS:
        for model in apps.get_app_config(app).get_models():
            for field in model._meta.concrete_fields:
                # The stubs do not know the option.
                if isinstance(field, models.ForeignKey) and not getattr(field, "db_constraint", True):
                    yield field


def name(field: models.ForeignKey) -> str:
    return f"orphan:{field.model._meta.db_table}.{field.column}"


def checks() -> list[Check]:
    """Return a check for each unguarded relation."""
    return [_check(field) for field in unguarded()]


def _check(field: models.ForeignKey) -> Check:
    child, parent = field.model._meta, field.related_model._meta
    key = " || '/' || ".join(f"child.{each.column}::text" for each in child.pk_fields)
    return Check(
        name(field),
        f"Every {child.verbose_name}'s {field.verbose_name} exists.",
        f"""
        SELECT {key} AS id
          FROM {child.db_table} AS child
         WHERE child.{field.column} IS NOT NULL
           AND NOT EXISTS (
                SELECT FROM {parent.db_table} AS parent WHERE parent.{field.target_field.column} = child.{field.column}
           )
        """,
    )
