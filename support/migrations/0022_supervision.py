"""Who supervises what agents grant, and who may grant to many at once."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

PERMISSIONS = {
    "support agent": ("add_grantbatch",),
    "support lead": ("add_grantbatch", "view_grantbatch", "supervise"),
    "administrator": ("add_grantbatch", "view_grantbatch", "supervise"),
    "auditor": ("view_grantbatch", "view_grantbatchline", "supervise"),
}


def allow(apps, schema_editor):
    # Permissions are otherwise made only after the last migration.
    create_permissions(installed.get_app_config("support"), verbosity=0, using=schema_editor.connection.alias)
    for group in apps.get_model("auth", "Group").objects.filter(name__in=PERMISSIONS):
        group.permissions.add(*_permissions(apps, group.name))


def forbid(apps, schema_editor):
    for group in apps.get_model("auth", "Group").objects.filter(name__in=PERMISSIONS):
        group.permissions.remove(*_permissions(apps, group.name))


def _permissions(apps, role):
    return apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="support", codename__in=PERMISSIONS[role]
    )


class Migration(migrations.Migration):
    dependencies = [("support", "0021_sets_of_grants")]
    operations = [migrations.RunPython(allow, forbid)]
