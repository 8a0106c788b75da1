"""Marketers undo what they imported, void codes and make new ones; what they may not is read the codes.

An export shows every code of a batch, so it stays the administrators', and the API's with a scope of its own.
"""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = {
    "marketer": ["undo_vouchers", "void_vouchers", "generate_vouchers"],
    "administrator": ["undo_vouchers", "void_vouchers", "generate_vouchers", "export_vouchers"],
}


def allow(apps, schema_editor):
    # Permissions are otherwise made only after the last migration.
    create_permissions(installed.get_app_config("offers"), verbosity=0, using=schema_editor.connection.alias)
    for role, permissions in _permissions(apps):
        role.permissions.add(*permissions)


def forbid(apps, schema_editor):
    for role, permissions in _permissions(apps):
        role.permissions.remove(*permissions)


def _permissions(apps):
    for name, codenames in ROLES.items():
        yield (
            apps.get_model("auth", "Group").objects.get(name=name),
            apps.get_model("auth", "Permission").objects.filter(
                content_type__app_label="offers", codename__in=codenames
            ),
        )


class Migration(migrations.Migration):
    dependencies = [("support", "0003_agents_mend"), ("offers", "0009_voucher_batches")]
    operations = [migrations.RunPython(allow, forbid)]
