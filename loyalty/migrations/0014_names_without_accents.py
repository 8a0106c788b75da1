"""Names are found without their accents, and e-mail addresses by their beginning.

The indexes are built while members are written, and the old ones go only when the new ones are there: nothing waits.
Broken off, it is simply started again.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.operations as postgres
import django.db.models.functions.text
from django.db import migrations, models

import loyalty.models.member

# `unaccent` is only STABLE, because its dictionary could be another one tomorrow; an index needs IMMUTABLE. Here the
# dictionary is named, with the schema that it really is in: an index is also built where the search path is empty.
# Not SQL but PL/pgSQL, which is called in less time. Hyphens part names, apostrophes and points do not.
FUNCTION = """
    DO $make$
    DECLARE
        place text := (SELECT nspname FROM pg_extension AS one JOIN pg_namespace AS held ON held.oid = one.extnamespace
                        WHERE extname = 'unaccent');
    BEGIN
        EXECUTE format($text$
            CREATE OR REPLACE FUNCTION loyalty_name_key(name text) RETURNS text
            LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $body$
            BEGIN
                RETURN translate(upper(%1$I.unaccent(%2$L::regdictionary, name)), '-''.', ' ');
            END $body$
        $text$, place, format('%I.unaccent', place));
    END $make$
"""


def _left_half_built(name):
    """An index whose building was broken off is there, and good for nothing."""
    return migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", migrations.RunSQL.noop)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("loyalty", "0013_contact_data")]
    operations = [
        postgres.UnaccentExtension(),
        migrations.RunSQL(FUNCTION, migrations.RunSQL.noop),
        _left_half_built("member_by_plain_name"),
        postgres.AddIndexConcurrently(
            model_name="member",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    loyalty.models.member.NameKey(
                        django.db.models.functions.text.Concat(
                            "first_name", models.Value(" "), "last_name", output_field=models.TextField()
                        )
                    ),
                    name="gin_trgm_ops",
                ),
                name="member_by_plain_name",
                condition=~models.Q(status="erased"),
            ),
        ),
        _left_half_built("member_by_email_beginning"),
        postgres.AddIndexConcurrently(
            model_name="member",
            index=models.Index(
                condition=~models.Q(email_key=""),
                fields=["programme", "email_key"],
                name="member_by_email_beginning",
                opclasses=["int8_ops", "varchar_pattern_ops"],
            ),
        ),
        postgres.RemoveIndexConcurrently(model_name="member", name="member_by_name_trigrams"),
        postgres.RemoveIndexConcurrently(model_name="member", name="member_by_email"),
    ]
