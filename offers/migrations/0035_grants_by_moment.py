"""The list of grants is sorted by when they were granted, not by their keys; its index is built while they are written."""

import django.contrib.postgres.operations as postgres
from django.db import migrations, models


def _dropped(name):
    return migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", migrations.RunSQL.noop)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("offers", "0034_lists_of_many_rows")]
    operations = [
        # One whose building was broken off is there, and good for nothing.
        _dropped("ledger_by_moment"),
        postgres.AddIndexConcurrently(
            "grantledgerentry",
            models.Index(fields=["programme", "at", "id"], name="ledger_by_moment", condition=models.Q(n=1)),
        ),
        # Before its release 0034 made this one.
        _dropped("grants_by_programme"),
    ]
