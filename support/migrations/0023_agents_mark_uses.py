"""Agents and their leads mark an offer as used when the till could not; so do administrators."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = ("support agent", "support lead", "administrator")
CODENAMES = ("redeem_assignment",)


def allow(apps, schema_editor):
    # Permissions are otherwise made only after the last migration.
    create_permissions(installed.get_app_config("offers"), verbosity=0, using=schema_editor.connection.alias)
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.add(*_permissions(apps))


def forbid(apps, schema_editor):
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.remove(*_permissions(apps))


def _permissions(apps):
    return apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="offers", codename__in=CODENAMES
    )


class Migration(migrations.Migration):
    dependencies = [("support", "0022_supervision"), ("offers", "0033_uses_given_back")]
    operations = [migrations.RunPython(allow, forbid)]
