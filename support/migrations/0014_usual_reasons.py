"""Every programme, those to come too, begins with the usual reasons; administrators keep them and read the ledger."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLE = "administrator"
PERMISSIONS = {
    "support": ("view_grantreason", "add_grantreason", "change_grantreason"),
    "offers": ("view_grantledgerentry",),
}
# In the order in which they are offered; the codes are those of entries that doors made before this table.
USUAL = """
    INSERT INTO support_grantreason (programme_id, code, label, position)
    SELECT {programme}, code, label, position
      {source} (VALUES
           ('code_refused', 'Code refused at the till', 10),
           ('not_received', 'Offer never received', 20),
           ('expired', 'Offer expired before it could be used', 30),
           ('product_missing', 'Product was not available', 40),
           ('service', 'Poor service', 50),
           ('goodwill', 'Goodwill', 60),
           ('other', 'Other', 70)
      ) AS usual (code, label, position)
        ON CONFLICT DO NOTHING
"""
# The table of programmes lies below this app, so the trigger on it comes from here, and not from its model.
TRIGGER = f"""
    CREATE FUNCTION a_programme_has_reasons() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {USUAL.format(programme="NEW.id", source="FROM")};
        RETURN NULL;
    END $$;
    CREATE TRIGGER a_programme_has_reasons AFTER INSERT ON loyalty_programme
        FOR EACH ROW EXECUTE FUNCTION a_programme_has_reasons();
"""
NO_TRIGGER = """
    DROP TRIGGER a_programme_has_reasons ON loyalty_programme;
    DROP FUNCTION a_programme_has_reasons();
"""
EXISTING = USUAL.format(programme="programme.id", source="FROM loyalty_programme AS programme CROSS JOIN")


def allow(apps, schema_editor):
    # Permissions are otherwise made only after the last migration.
    for label in PERMISSIONS:
        create_permissions(installed.get_app_config(label), verbosity=0, using=schema_editor.connection.alias)
    for group in apps.get_model("auth", "Group").objects.filter(name=ROLE):
        group.permissions.add(*_permissions(apps))


def forbid(apps, schema_editor):
    for group in apps.get_model("auth", "Group").objects.filter(name=ROLE):
        group.permissions.remove(*_permissions(apps))


def _permissions(apps):
    known = apps.get_model("auth", "Permission").objects
    return [
        permission
        for label, codenames in PERMISSIONS.items()
        for permission in known.filter(content_type__app_label=label, codename__in=codenames)
    ]


class Migration(migrations.Migration):
    dependencies = [("support", "0013_reasons_for_grants"), ("offers", "0028_ledger_of_the_desk")]
    operations = [
        migrations.RunSQL(TRIGGER, NO_TRIGGER),
        migrations.RunSQL(EXISTING, migrations.RunSQL.noop),
        migrations.RunPython(allow, forbid),
    ]
