"""A support lead does all that an agent does, approves what goes beyond a limit, and sees allowances and the ledger.

Administrators set allowances, auditors look at them.
"""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

AGENT, LEAD, ADMINISTRATOR = "support agent", "support lead", "administrator"
LEADS = {
    "support": ("view_allowance", "view_memberallowance", "view_grantrequest", "approve_grantrequest"),
    "offers": ("view_grantledgerentry",),
}
# An auditor sees whatever there is to see.
AUDITORS = {"support": ("view_allowance", "view_memberallowance", "view_grantrequest")}
ADMINISTRATORS = {
    "support": (
        *LEADS["support"],
        "add_allowance",
        "change_allowance",
        "delete_allowance",
        "change_memberallowance",
    ),
}
OTHERS = {ADMINISTRATOR: ADMINISTRATORS, "auditor": AUDITORS}


def create(apps, schema_editor):
    # Permissions are otherwise made only after the last migration.
    for label in ("support", "offers"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=schema_editor.connection.alias)
    Group = apps.get_model("auth", "Group")
    lead, _ = Group.objects.get_or_create(name=LEAD)
    for agent in Group.objects.filter(name=AGENT):
        lead.permissions.add(*agent.permissions.all())
    lead.permissions.add(*_permissions(apps, LEADS))
    for name, wanted in OTHERS.items():
        for group in Group.objects.filter(name=name):
            group.permissions.add(*_permissions(apps, wanted))


def remove(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    # A role that somebody has stays.
    Group.objects.filter(name=LEAD, user__isnull=True).delete()
    for name, wanted in OTHERS.items():
        for group in Group.objects.filter(name=name):
            group.permissions.remove(*_permissions(apps, wanted))


def _permissions(apps, wanted):
    known = apps.get_model("auth", "Permission").objects
    return [
        permission
        for label, codenames in wanted.items()
        for permission in known.filter(content_type__app_label=label, codename__in=codenames)
    ]


class Migration(migrations.Migration):
    dependencies = [("support", "0018_allowances_and_waiting_grants"), ("offers", "0028_ledger_of_the_desk")]
    operations = [migrations.RunPython(create, remove)]
