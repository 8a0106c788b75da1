"""Indexes of tables that are written all day are built and dropped beside the writing."""

import pytest
from django.core.management import call_command
from django.db import connection

INDEXES = """
    SELECT indexname FROM pg_indexes JOIN pg_index ON indexrelid = indexname::regclass
     WHERE tablename IN ('offers_promotionenrolment', 'offers_grantledgerentry') AND indisvalid
"""
NEW = {"held_by_promotion", "chosen_by_promotion", "held_by_list", "newest_of_promotion", "last_changed_of_promotion"}
OLD = {"offers_promotionenrolment_product_list_id_f73eb02e", "offers_promotionenrolment_promotion_id_b2e09765"}


def indexes():
    with connection.cursor() as cursor:
        cursor.execute(INDEXES)
        return {row[0] for row in cursor.fetchall()}


def migrated(name):
    """Migrate to it; return the statements about indexes and constraints that were executed."""
    said = []

    def note(execute, sql, *rest):
        said.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        call_command("migrate", "offers", name, verbosity=0)
    return [sql for sql in said if " INDEX " in sql or "CONSTRAINT" in sql]


@pytest.mark.django_db(transaction=True)
def test_the_indexes_of_long_lists_come_and_go_without_keeping_writers_waiting():
    """Also over what was left half built, and where 0034 ran before its release."""
    now = indexes()
    assert NEW | {"ledger_by_moment"} <= now
    assert not (OLD | {"grants_by_programme"}) & now

    migrated("0033")
    assert indexes() == now - NEW - {"ledger_by_moment"} | OLD
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX held_by_list ON offers_promotionenrolment (id)")
        cursor.execute("CREATE INDEX grants_by_programme ON offers_grantledgerentry (programme_id, id) WHERE n = 1")
    said = migrated("0035")
    assert indexes() == now
    assert len(said) >= len(NEW)
    assert [sql for sql in said if "INDEX CONCURRENTLY" not in sql] == []
    assert max(n for n, sql in enumerate(said) if sql.startswith("CREATE") and "promotionenrolment" in sql) < min(
        n for n, sql in enumerate(said) if any(name in sql for name in OLD)
    ), "the old ones go last"
