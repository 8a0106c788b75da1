"""The list of grants is sorted by when they were granted, not by their keys."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("offers", "0034_lists_of_many_rows")]
    operations = [
        migrations.RemoveIndex("grantledgerentry", "grants_by_programme"),
        migrations.AddIndex(
            "grantledgerentry",
            models.Index(fields=["programme", "at", "id"], name="ledger_by_moment", condition=models.Q(n=1)),
        ),
    ]
