"""Marketers have the chapter of personalized promotions; agents see a member's and choose for her by phone (S2-03)."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = {
    "marketer": ("personalized_promotions", "view_promotionenrolment"),
    "support agent": ("view_promotionenrolment", "choose_promotion_products"),
    "administrator": ("personalized_promotions", "view_promotionenrolment", "choose_promotion_products"),
}


def allow(apps, schema_editor):
    # Permissions are otherwise made only after the last migration.
    create_permissions(installed.get_app_config("offers"), verbosity=0, using=schema_editor.connection.alias)
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.add(*_permissions(apps, ROLES[group.name]))


def forbid(apps, schema_editor):
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.remove(*_permissions(apps, ROLES[group.name]))


def _permissions(apps, codenames):
    return apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="offers", codename__in=codenames
    )


class Migration(migrations.Migration):
    dependencies = [("support", "0015_taking_out_records"), ("offers", "0030_personalized_promotions")]
    operations = [migrations.RunPython(allow, forbid)]
