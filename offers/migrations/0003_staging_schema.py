"""Imports stage their rows in a schema of their own, so that a role that may not make tables elsewhere can import."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("offers", "0002_offers_for_everyone")]
    operations = [migrations.RunSQL("CREATE SCHEMA IF NOT EXISTS staging", migrations.RunSQL.noop)]
