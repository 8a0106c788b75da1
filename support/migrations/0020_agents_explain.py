"""An agent says why a member is not among those an offer is for: with her values, which her page shows anyway."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = ("support agent", "support lead")


def allow(apps, schema_editor):
    # Permissions are otherwise made only after the last migration.
    create_permissions(installed.get_app_config("offers"), verbosity=0, using=schema_editor.connection.alias)
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.add(_permission(apps))


def forbid(apps, schema_editor):
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.remove(_permission(apps))


def _permission(apps):
    return apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="offers", codename="explain_targeting"
    )


class Migration(migrations.Migration):
    dependencies = [("support", "0019_support_leads"), ("offers", "0013_explain_targeting")]
    operations = [migrations.RunPython(allow, forbid)]
