"""An agent takes back what was granted by mistake: the desk's pages tell her to, so her role must let her."""

from django.db import migrations

ROLE = "support agent"


def allow(apps, schema_editor):
    permission = _permission(apps)
    apps.get_model("auth", "Group").objects.get(name=ROLE).permissions.add(permission)


def forbid(apps, schema_editor):
    permission = _permission(apps)
    apps.get_model("auth", "Group").objects.get(name=ROLE).permissions.remove(permission)


def _permission(apps):
    # 0001_roles made it.
    return apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="offers", codename="revoke_assignment"
    )


class Migration(migrations.Migration):
    dependencies = [("support", "0001_roles")]
    operations = [migrations.RunPython(allow, forbid)]
