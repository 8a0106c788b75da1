"""The read-only auditor; and who sees, shows or changes how a member is reached.

An auditor has every permission to look that there is, and no other: she changes, grants and reveals nothing, sees no
code, and no contact data in clear. A migration that brings something new to look at gives it to her as well
(`tests/architecture/test_roles.py` says which one forgot).
"""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

LOOKED_AT = ("loyalty", "offers", "support")
CONTACT = {
    "support agent": ("reveal_contact_data", "change_contact_data", "view_as_member"),
    "administrator": ("see_contact_data", "reveal_contact_data", "change_contact_data", "view_as_member"),
}


def allow(apps, schema_editor):
    # Permissions are otherwise made only after the last migration.
    for label in (*LOOKED_AT, "auth"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=schema_editor.connection.alias)
    Group = apps.get_model("auth", "Group")
    auditor, _ = Group.objects.get_or_create(name="auditor")
    auditor.permissions.set(_of_auditors(apps))
    for group in Group.objects.filter(name__in=CONTACT):
        group.permissions.add(*_contact(apps, group.name))


def forbid(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for group in Group.objects.filter(name__in=CONTACT):
        group.permissions.remove(*_contact(apps, group.name))
    Group.objects.filter(name="auditor").delete()


def _of_auditors(apps):
    Permission = apps.get_model("auth", "Permission")
    found = Permission.objects.filter(content_type__app_label__in=LOOKED_AT, codename__startswith="view_")
    found = found.exclude(codename="view_as_member")
    return [*found, *Permission.objects.filter(content_type__app_label="auth", codename="view_group")]


def _contact(apps, role):
    return apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="loyalty", codename__in=CONTACT[role]
    )


class Migration(migrations.Migration):
    dependencies = [
        ("support", "0016_personalized_promotions"),
        ("loyalty", "0013_contact_data"),
        ("offers", "0030_personalized_promotions"),
    ]
    operations = [migrations.RunPython(allow, forbid)]
