"""Criteria named other targetings as they are now; from here on each version names them in the version they had."""

from typing import Any

from django.db import migrations

AT_ONCE = 1000


def pinned(tree: Any, current: dict[int, int]) -> Any:
    """Return the tree with the numbers of the versions that are current; a targeting without one stays as it is."""
    if not isinstance(tree, dict):
        return tree
    if "targeting" in tree:
        number = current.get(tree["targeting"])
        return tree if number is None or "version" in tree else tree | {"version": number}
    return {key: [pinned(one, current) for one in value] if key == "items" else value for key, value in tree.items()}


def unpinned(tree: Any, current: dict[int, int]) -> Any:
    if not isinstance(tree, dict):
        return tree
    if "targeting" in tree:
        return {"targeting": tree["targeting"]}
    return {key: [unpinned(one, current) for one in value] if key == "items" else value for key, value in tree.items()}


def _change(apps: Any, schema_editor: Any, changed: Any) -> None:
    alias = schema_editor.connection.alias
    targetings = apps.get_model("offers", "Targeting").objects.using(alias)
    current = dict(targetings.filter(current_version__isnull=False).values_list("pk", "current_version__number"))
    versions = apps.get_model("offers", "TargetingVersion").objects.using(alias)
    last = 0
    while found := list(versions.filter(pk__gt=last).order_by("pk")[:AT_ONCE]):
        for version in found:
            criteria = changed(version.criteria, current)
            if criteria != version.criteria:
                versions.filter(pk=version.pk).update(criteria=criteria)
        last = found[-1].pk


def pin(apps: Any, schema_editor: Any) -> None:
    _change(apps, schema_editor, pinned)


def unpin(apps: Any, schema_editor: Any) -> None:
    _change(apps, schema_editor, unpinned)


class Migration(migrations.Migration):
    dependencies = [("offers", "0014_hold_out")]

    operations = [migrations.RunPython(pin, unpin)]
