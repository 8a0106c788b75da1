"""The two tables' fields (S4-03, S4-08, S4-11)."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction

from offers.models import FieldDefinition
from offers.models.field import DEFAULTS
from offers.services import field
from tests.factories import ProgrammeFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    programme = ProgrammeFactory()
    field.make_defaults(programme=programme)
    return programme


def of(programme, table, name):
    return FieldDefinition.objects.get(programme=programme, table=table, name=name)


def test_s4_08_and_11_both_tables_have_their_default_fields(programme):
    field.make_defaults(programme=programme)

    names = list(
        FieldDefinition.objects.filter(programme=programme, is_default=True).values_list("table", "name").order_by("id")
    )
    assert names == [(table, name) for table, fields in DEFAULTS.items() for name, _type, _label in fields]
    for table in ("offers", "assignments"):
        assert {"id", "update_moment", "creation_moment"} <= {name for one, name in names if one == table}


def test_s4_11_a_default_field_changes_only_its_display_name(programme):
    reference = of(programme, "offers", "offer_reference")

    field.rename(field=reference, label="Promo key", actor=None)

    field.make_defaults(programme=programme)
    reference.refresh_from_db()
    assert reference.label == "Promo key"
    with pytest.raises(DatabaseError), transaction.atomic():
        FieldDefinition.objects.filter(pk=reference.pk).update(type="number")
    with pytest.raises(DatabaseError), transaction.atomic():
        FieldDefinition.objects.filter(pk=reference.pk).update(name="key")


def test_s4_11_a_default_field_cannot_be_deleted(programme):
    reference = of(programme, "offers", "offer_reference")

    with pytest.raises(field.DefaultFieldIsFixed, match="cannot be deleted"):
        field.delete(field=reference, actor=None)
    with pytest.raises(DatabaseError), transaction.atomic():
        reference.delete()


def test_s4_11_own_fields_are_added_to_either_table_and_taken_out_again(programme):
    burned = field.create(
        programme=programme,
        table="assignments",
        name="voucher_burned",
        type="boolean",
        label="Voucher burned",
        actor=None,
    )

    field.delete(field=burned, actor=None)

    assert not FieldDefinition.objects.filter(name="voucher_burned").exists()


@pytest.mark.parametrize("name", ["offer_reference", "mine"])
def test_a_fields_name_is_used_once_per_table(programme, name):
    field.create(programme=programme, table="offers", name="mine", type="text", label="Mine", actor=None)

    with pytest.raises(field.InvalidField) as caught:
        field.create(programme=programme, table="offers", name=name, type="text", label="Again", actor=None)

    assert [(p["field"], p["code"]) for p in caught.value.problems] == [("name", "taken")]


def test_a_field_with_a_wrong_name_type_or_label_names_all_three(programme):
    with pytest.raises(field.InvalidField) as caught:
        field.create(programme=programme, table="offers", name="Mine!", type="colour", label="", actor=None)

    assert [problem["field"] for problem in caught.value.problems] == ["name", "type", "label"]


def test_s4_11_values_that_the_database_cannot_keep_are_problems_of_their_fields(programme):
    """S4-11: NUL and half surrogates in text and lists, numbers beyond 64 bit and infinite ones."""
    for name, kind in [("note", "text"), ("tags", "list"), ("weight", "number"), ("size", "number")]:
        field.create(programme=programme, table="offers", name=name, type=kind, label=name, actor=None)

    given = {"note": "a\0", "tags": ["a", "\ud800"], "weight": Decimal("1e30"), "size": Decimal("Infinity")}
    stored, problems = field.check(programme=programme, table="offers", values=given)

    assert stored == {}
    assert [(problem["field"], problem["code"]) for problem in problems] == [
        ("fields.note", "unstorable_character"),
        ("fields.tags[1]", "unstorable_character"),
        ("fields.weight", "number_too_large"),
        ("fields.size", "wrong_type"),
    ]
