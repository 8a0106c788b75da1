"""Saved targetings: versions, names, archive (S4-24..26)."""

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from loyalty import clock
from loyalty.errors import InvalidInput
from loyalty.models import AuditEvent
from offers import targeting as criteria_package
from offers.models import Targeting, TargetingVersion
from offers.selectors import targeting as selector
from offers.services import eligibility_settings, mass_assignment, targeting
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    TargetingFactory,
    UserFactory,
)
from tests.offers.views.marketer import a_run

pytestmark = pytest.mark.django_db

migration = importlib.import_module("offers.migrations.0015_pinned_targetings")

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
    with pytest.raises(InvalidInput, match=r"^The audience has no name. Give it one.$"):
        create(name="  ")
    with pytest.raises(InvalidInput, match=r"^The audience's name is too long. Use at most 200 characters.$"):
        create(name="x" * 201)
    with pytest.raises(InvalidInput, match=r"^The text holds a character that cannot be stored. Take it out.$"):
        create(name="a\0")
    assert Targeting.objects.count() == TargetingVersion.objects.count() == AuditEvent.objects.count() == 0


def test_a_name_is_used_once_in_a_programme_and_free_again_after_archiving() -> None:
    saved = create()
    with pytest.raises(targeting.NameTaken, match="There is an audience called “Locals” already"):
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


def test_s4_26_whoever_saves_second_upon_what_is_gone_is_told_the_version_of_now() -> None:
    """S4-26: other criteria, another name, a restored version: nothing that one has not seen is overwritten."""
    saved = create()
    seen = targeting.Seen(version=1, updated_at=saved.updated_at)
    targeting.update(targeting=saved, name="Neighbours", actor=None, seen=seen)
    for changes in ({"criteria": PARIS}, {"name": "Mine"}):
        with pytest.raises(targeting.Changed, match="“Neighbours” was changed meanwhile; it is version 1 now") as said:
            targeting.update(targeting=saved, actor=None, seen=seen, **changes)
        assert said.value.details == {"version": 1}
    targeting.update(targeting=saved, criteria=PARIS, actor=None, seen=targeting.Seen(version=1))
    with pytest.raises(targeting.Changed, match="it is version 2 now"):
        targeting.restore(targeting=saved, number=1, actor=None, seen=targeting.Seen(version=1))
    saved.refresh_from_db()
    assert (saved.name, saved.current_version.number) == ("Neighbours", 2)


def test_s4_26_going_back_makes_a_new_version_and_takes_along_who_names_it() -> None:
    """S4-26: others are named as they are now; what it means already makes no version; an unknown one is refused."""
    inner = create()
    outer = create(programme=inner.programme, name="Outer", criteria={"targeting": inner.pk})
    targeting.update(targeting=inner, criteria=PARIS, actor=None)
    restored = targeting.restore(targeting=inner, number=1, actor=None)
    assert (restored.current_version.number, restored.current_version.criteria) == (3, LONDON)
    assert targeting.restore(targeting=inner, number=1, actor=None).current_version.number == 3
    outer.refresh_from_db()
    assert outer.current_version.criteria == named(inner.pk, 3)
    # Its first version named inner's first; going back means inner as it is now.
    assert targeting.restore(targeting=outer, number=1, actor=None).current_version.criteria == named(inner.pk, 3)
    for number in (0, 9):
        with pytest.raises(InvalidInput, match=f"There is no version {number}."):
            targeting.restore(targeting=inner, number=number, actor=None)


def test_s4_26_an_archived_targeting_comes_back_unless_its_name_or_what_it_speaks_of_is_gone() -> None:
    """S4-26: a taken name and a gone audience are named; it comes back naming others as they are now."""
    inner = create()
    programme, now = inner.programme, clock.now()
    outer = create(programme=programme, name="Outer", criteria={"targeting": inner.pk})
    targeting.archive(targeting=outer, actor=None, now=now)
    targeting.update(targeting=inner, criteria=PARIS, actor=None)
    other = create(programme=programme, name="Outer")
    with pytest.raises(targeting.NameTaken, match="There is an audience called “Outer” already"):
        targeting.unarchive(targeting=outer, actor=None)
    targeting.update(targeting=other, name="Another", actor=None)
    user = UserFactory()
    assert targeting.unarchive(targeting=outer, actor=user)
    assert not targeting.unarchive(targeting=outer, actor=user)
    outer.refresh_from_db()
    assert (outer.archived_at, outer.current_version.criteria) == (None, named(inner.pk, 2))
    assert AuditEvent.objects.filter(action="targeting.unarchived", user=user).count() == 1
    targeting.archive(targeting=outer, actor=None, now=now)
    targeting.archive(targeting=inner, actor=None, now=now)
    with pytest.raises(targeting.Unreadable, match="“Outer” cannot be brought back: There is no audience"):
        targeting.unarchive(targeting=outer, actor=None)
    outer.refresh_from_db()
    assert outer.archived_at is not None


def named(targeting_id: int, version: int) -> dict[str, Any]:
    return {"targeting": targeting_id, "version": version}


def test_s4_26_an_audience_cannot_come_to_mean_itself() -> None:
    """S4-26: neither at once nor round about; it stays what it was."""
    inner = create()
    programme = inner.programme
    outer = create(programme=programme, name="Outer", criteria={"op": "or", "items": [PARIS, {"targeting": inner.pk}]})
    for tree, said in (
        ({"targeting": inner.pk}, "“Locals” means itself in the end. Leave it out here, or there."),
        ({"targeting": outer.pk}, "“Outer” cannot be used: “Locals” means itself in the end."),
        ({"op": "and", "items": [LONDON, named(outer.pk, 1)]}, "“Outer” cannot be used: “Locals” means itself"),
    ):
        with pytest.raises(criteria_package.InvalidCriteria, match=said) as refusal:
            targeting.update(targeting=inner, criteria=tree, actor=None)
        assert [one["code"] for one in refusal.value.problems] == ["targeting_of_itself"]
    inner.refresh_from_db()
    assert (inner.current_version.number, inner.current_version.criteria) == (1, LONDON)
    assert selector.read({"targeting": outer.pk}, programme=programme)


def test_s4_26_a_version_names_others_as_they_were_and_goes_on_with_them() -> None:
    """S4-26: what was chosen or launched keeps its meaning; the audience itself follows, through every remove."""
    inner = create()
    programme = inner.programme
    middle = create(programme=programme, name="Middle", criteria={"targeting": inner.pk})
    outer = create(
        programme=programme,
        name="Outer",
        criteria={"op": "or", "items": [{"targeting": middle.pk}, {"targeting": inner.pk}]},
    )
    launched = outer.current_version
    assert launched.criteria == {"op": "or", "items": [named(middle.pk, 1), named(inner.pk, 1)]}
    london, paris = (MemberFactory(programme=programme, city=city) for city in ("London", "Paris"))
    actor = UserFactory()
    targeting.update(targeting=inner, criteria=PARIS, actor=actor)

    def meant(version: TargetingVersion) -> list[Any]:
        return selector.sample(version.criteria, programme=programme, now=clock.now())

    assert meant(launched) == [london]
    outer.refresh_from_db()
    assert outer.current_version.number == 2, "one version, though it names it in two ways"
    assert outer.current_version.criteria == {"op": "or", "items": [named(middle.pk, 2), named(inner.pk, 2)]}
    assert meant(outer.current_version) == [paris]
    assert AuditEvent.objects.filter(action="targeting.changed", user=actor).count() == 3
    # The same conditions with the ids alone, as the builder sends them, are no other criteria.
    targeting.update(targeting=middle, criteria={"targeting": inner.pk}, actor=None)
    assert middle.versions.count() == 2


def test_s4_26_criteria_that_would_break_another_audience_are_refused() -> None:
    """S4-26: it counts with its conditions; what is broken already keeps nobody from mending."""
    inner = create()
    many = {"op": "or", "items": [{"targeting": inner.pk}, *[PARIS] * 150]}
    outer = create(programme=inner.programme, name="Outer", criteria=many)
    larger = {"op": "or", "items": [LONDON] * 60}
    with pytest.raises(InvalidInput, match="“Outer” is made with this audience and could not be read any more: "):
        targeting.update(targeting=inner, criteria=larger, actor=None)
    assert TargetingVersion.objects.count() == 2
    gone = {"op": "and", "items": [named(inner.pk, 1), {"field": "attribute.gone", "is": "exists"}]}
    TargetingVersion.objects.filter(targeting=outer).update(criteria=gone)
    assert targeting.update(targeting=inner, criteria=larger, actor=None).current_version.number == 2


def test_s4_26_what_is_named_is_not_archived_and_it_says_where() -> None:
    """S4-26: by audiences, offers and runs that have not begun; free again when nothing names it."""
    inner = create()
    programme, now = inner.programme, clock.now()
    outer = create(programme=programme, name="Outer", criteria={"op": "and", "items": [{"targeting": inner.pk}]})
    template = OfferTemplateFactory(config_offer=ConfigOfferFactory(programme=programme, name="Coffee"))
    tea = ConfigOfferFactory(programme=programme, name="Tea")
    eligibility_settings.put(offer=template.config_offer, targeting=inner, actor=None)
    eligibility_settings.put_conditions(offer=tea, criteria={"targeting": inner.pk}, actor=None)
    run = a_run(template, outer, name="Monday")
    with pytest.raises(targeting.InUse) as refusal:
        targeting.archive(targeting=inner, actor=None, now=now)
    assert refusal.value.message == (
        "“Locals” is named by the audiences “Outer”, the offers “Coffee”, “Tea” and the runs “Monday”. "
        "To archive it, first take it out of those audiences, change who may be given those offers and cancel those "
        "runs."
    )
    with pytest.raises(targeting.InUse, match="“Outer” is named by the runs “Monday”"):
        targeting.archive(targeting=outer, actor=None, now=now)
    mass_assignment.cancel(run=run, actor=None, now=now)
    for offer in (template.config_offer, tea):
        eligibility_settings.put(offer=offer, targeting=None, actor=None)
    assert targeting.archive(targeting=outer, actor=None, now=now)
    assert targeting.archive(targeting=inner, actor=None, now=now)
    # What was saved with it means the same members as ever.
    outer.refresh_from_db()
    assert selector.read(outer.current_version.criteria, programme=programme)


def test_versions_of_before_name_others_as_those_are_at_the_migration() -> None:
    """S4-26: forth and back; what names nothing, or what is no more, stays."""
    inner = create()
    targeting.update(targeting=inner, criteria=PARIS, actor=None)
    trees = {
        "Nested": {"op": "or", "not": True, "items": [LONDON, {"op": "and", "items": [{"targeting": inner.pk}]}]},
        "Gone": {"targeting": 999_999_999},
        "Plain": PARIS,
    }
    for name, tree in trees.items():
        TargetingFactory(programme=inner.programme, name=name, criteria=tree)

    def stored() -> dict[str, Any]:
        return dict(
            TargetingVersion.objects.filter(targeting__name__in=trees).values_list("targeting__name", "criteria")
        )

    editor = SimpleNamespace(connection=connection)
    migration.pin(apps, editor)
    pinned = {"op": "or", "not": True, "items": [LONDON, {"op": "and", "items": [named(inner.pk, 2)]}]}
    assert stored() == trees | {"Nested": pinned}
    migration.unpin(apps, editor)
    assert stored() == trees
