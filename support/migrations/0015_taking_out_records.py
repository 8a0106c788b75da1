"""Administrators may take out everything that is known of a member."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = ("administrator",)
CODENAMES = ("export_member_record",)


def allow(apps, schema_editor):
    # Permissions are otherwise made only after the last migration.
    create_permissions(installed.get_app_config("loyalty"), verbosity=0, using=schema_editor.connection.alias)
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.add(*_permissions(apps))


def forbid(apps, schema_editor):
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.remove(*_permissions(apps))


def _permissions(apps):
    return apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="loyalty", codename__in=CODENAMES
    )


class Migration(migrations.Migration):
    dependencies = [("support", "0014_usual_reasons"), ("loyalty", "0011_taking_out_a_members_record")]
    operations = [migrations.RunPython(allow, forbid)]
