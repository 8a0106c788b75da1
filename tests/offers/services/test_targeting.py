"""Saved targetings: versions, names, archive (S4-24..26)."""

from typing import Any

import pytest

from loyalty import clock
from loyalty.errors import InvalidInput
from loyalty.models import AuditEvent
from offers import targeting as criteria_package
from offers.models import Targeting, TargetingVersion
from offers.services import targeting
from tests.factories import ProgrammeFactory, UserFactory

pytestmark = pytest.mark.django_db

LONDON = {"field": "member.city", "is": "equals", "value": "London"}
PARIS = {"field": "member.city", "is": "equals", "value": "Paris"}


def create(**given: Any) -> Targeting:
    programme = given.pop("programme", None) or ProgrammeFactory()
    return targeting.create(programme=programme, **({"name": "Locals", "criteria": LONDON, "actor": None} | given))


def test_a_targeting_is_saved_with_its_first_version_and_an_audit_row_s4_26() -> None:
    user = UserFactory()
    saved = create(name=" Locals ", actor=user, description="Near the shop")
    assert (saved.name, saved.description, saved.owner) == ("Locals", "Near the shop", user)
    assert (saved.current_version.number, saved.current_version.criteria) == (1, LONDON)
    assert AuditEvent.objects.filter(action="targeting.created", object_id=str(saved.pk), user=user).count() == 1


def test_other_criteria_make_a_new_version_and_the_old_one_stays_s4_26() -> None:
    saved = create()
    first = saved.current_version
    changed = targeting.update(targeting=saved, criteria=PARIS, actor=None)
    assert (changed.current_version.number, changed.current_version.criteria) == (2, PARIS)
    first.refresh_from_db()
    assert first.criteria == LONDON


def test_the_same_criteria_or_another_name_make_no_version() -> None:
    saved = create()
    targeting.update(targeting=saved, criteria=dict(LONDON), name="Neighbours", actor=None)
    saved.refresh_from_db()
    assert (saved.name, saved.current_version.number) == ("Neighbours", 1)
    assert TargetingVersion.objects.count() == 1


def test_bad_criteria_and_a_missing_name_write_nothing() -> None:
    with pytest.raises(criteria_package.InvalidCriteria) as refusal:
        create(criteria={"op": "and", "items": []})
    assert refusal.value.problems[0]["code"] == "empty_group"
    with pytest.raises(InvalidInput, match="Give the targeting a name of at most 200 characters"):
        create(name="  ")
    assert Targeting.objects.count() == TargetingVersion.objects.count() == AuditEvent.objects.count() == 0


def test_a_name_is_used_once_in_a_programme_and_free_again_after_archiving() -> None:
    saved = create()
    with pytest.raises(targeting.NameTaken, match="There is a targeting called “Locals” already"):
        create(programme=saved.programme)
    create()
    assert targeting.archive(targeting=saved, actor=None, now=clock.now())
    assert not targeting.archive(targeting=saved, actor=None, now=clock.now())
    create(programme=saved.programme)
    assert AuditEvent.objects.filter(action="targeting.archived").count() == 1


def test_an_archived_targeting_changes_no_more() -> None:
    saved = create()
    targeting.archive(targeting=saved, actor=None, now=clock.now())
    with pytest.raises(targeting.Archived, match="“Locals” is archived"):
        targeting.update(targeting=saved, criteria=PARIS, actor=None)
    assert TargetingVersion.objects.count() == 1
