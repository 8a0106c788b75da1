"""Who asked for a grant above a limit says that she has read what was decided; what was decided before is read."""

from django.db import migrations, models

TABLES = ("grantrequest", "grantbatch")
UNREAD = models.Q(("decided_at__isnull", False), ("read_at__isnull", True))
NAMES = {"grantrequest": "unread_decision_of_request", "grantbatch": "unread_decision_of_set"}


def read(apps, schema_editor):
    for name in TABLES:
        decided = apps.get_model("support", name).objects.filter(decided_at__isnull=False)
        decided.update(read_at=models.F("decided_at"))


class Migration(migrations.Migration):
    dependencies = [("support", "0023_agents_mark_uses")]
    operations = [
        *(
            migrations.AddField(name, "read_at", models.DateTimeField(null=True, verbose_name="decision read"))
            for name in TABLES
        ),
        migrations.RunPython(read, migrations.RunPython.noop),
        *(
            migrations.AddIndex(name, models.Index(fields=["asked_by"], name=NAMES[name], condition=UNREAD))
            for name in TABLES
        ),
    ]
