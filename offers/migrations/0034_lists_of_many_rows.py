"""A promotion's members are counted and paged from indexes alone.

The indexes are built while members choose, and the old ones go only when the new ones are there: nothing waits. Broken
off, it is simply started again.
"""

import django.contrib.postgres.operations as postgres
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

INDEXES = (
    models.Index(fields=["promotion"], name="held_by_promotion", condition=Q(withdrawn_at__isnull=True)),
    models.Index(
        fields=["promotion"],
        name="chosen_by_promotion",
        condition=Q(withdrawn_at__isnull=True, chosen_at__isnull=False),
    ),
    models.Index(fields=["product_list", "id"], include=["chosen_at", "withdrawn_at"], name="held_by_list"),
    models.Index(
        fields=["promotion", "-assigned_at", "-id"],
        name="newest_of_promotion",
        condition=Q(withdrawn_at__isnull=True),
    ),
    models.Index(fields=["promotion", "-updated_at", "-id"], name="last_changed_of_promotion"),
)


def _built(index):
    """An index whose building was broken off is there, and good for nothing."""
    half_built = migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {index.name}", migrations.RunSQL.noop)
    return [half_built, postgres.AddIndexConcurrently("promotionenrolment", index)]


def _without_its_index(name, to, label, index):
    """The field's own index goes; altering the field would make its foreign key anew, and check every row for it."""
    field = models.ForeignKey(
        to, on_delete=django.db.models.deletion.PROTECT, related_name="enrolments", verbose_name=label, db_index=False
    )
    return migrations.SeparateDatabaseAndState(
        [
            migrations.RunSQL(
                f"DROP INDEX CONCURRENTLY IF EXISTS {index}",
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON offers_promotionenrolment ({name}_id)",
            )
        ],
        [migrations.AlterField("promotionenrolment", name, field)],
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("loyalty", "0015_audit_by_programme"),
        ("offers", "0033_uses_given_back"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        *(operation for index in INDEXES for operation in _built(index)),
        _without_its_index(
            "product_list",
            "offers.promotionproductlist",
            "list",
            "offers_promotionenrolment_product_list_id_f73eb02e",
        ),
        _without_its_index(
            "promotion", "offers.personalizedpromotion", "promotion", "offers_promotionenrolment_promotion_id_b2e09765"
        ),
    ]
