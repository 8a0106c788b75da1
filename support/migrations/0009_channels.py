"""Administrators look after channels, marketers see them."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = {"administrator": ("view_channel", "add_channel", "change_channel"), "marketer": ("view_channel",)}


def allow(apps, schema_editor):
    # Permissions are otherwise made only after the last migration.
    create_permissions(installed.get_app_config("loyalty"), verbosity=0, using=schema_editor.connection.alias)
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.add(*_permissions(apps, group.name))


def forbid(apps, schema_editor):
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.remove(*_permissions(apps, group.name))


def _permissions(apps, role):
    return apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="loyalty", codename__in=ROLES[role]
    )


class Migration(migrations.Migration):
    dependencies = [("support", "0008_marketers_import_personal_offers"), ("loyalty", "0006_channels_and_consents")]
    operations = [migrations.RunPython(allow, forbid)]
