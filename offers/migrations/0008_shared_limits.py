import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("loyalty", "0002_scope_to_read_codes"),
        ("offers", "0007_verbs"),
    ]

    operations = [
        migrations.AddField(
            model_name="configoffer",
            name="eligibility",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="offers.targetingversion",
                verbose_name="only for members of",
            ),
        ),
        migrations.CreateModel(
            name="Limit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cap", models.PositiveIntegerField(blank=True, null=True, verbose_name="at most, in total")),
                ("daily_cap", models.PositiveIntegerField(blank=True, null=True, verbose_name="at most, per day")),
                (
                    "budget_minor",
                    models.PositiveBigIntegerField(blank=True, null=True, verbose_name="budget, in total"),
                ),
                (
                    "daily_budget_minor",
                    models.PositiveBigIntegerField(blank=True, null=True, verbose_name="budget, per day"),
                ),
                ("is_budget_hard", models.BooleanField(default=True, verbose_name="stop at the budget")),
                (
                    "per_member",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="at most, per member",
                    ),
                ),
                ("assigned", models.BigIntegerField(default=0, editable=False, verbose_name="given")),
                ("spent_minor", models.BigIntegerField(default=0, editable=False, verbose_name="spent")),
                ("day", models.DateField(editable=False, null=True, verbose_name="day")),
                ("assigned_today", models.BigIntegerField(default=0, editable=False, verbose_name="given on the day")),
                (
                    "spent_today_minor",
                    models.BigIntegerField(default=0, editable=False, verbose_name="spent on the day"),
                ),
                ("overdrawn_at", models.DateTimeField(editable=False, null=True, verbose_name="overdrawn since")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated")),
                (
                    "campaign",
                    models.OneToOneField(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="limit",
                        to="offers.campaign",
                        verbose_name="campaign",
                    ),
                ),
                (
                    "config_offer",
                    models.OneToOneField(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="limit",
                        to="offers.configoffer",
                        verbose_name="config offer",
                    ),
                ),
            ],
            options={
                "verbose_name": "limit",
                "verbose_name_plural": "limits",
            },
        ),
        migrations.CreateModel(
            name="LimitReservation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("size", models.PositiveIntegerField(verbose_name="size")),
                ("exposure_minor", models.BigIntegerField(verbose_name="worst-case benefit each")),
                ("day", models.DateField(verbose_name="day")),
                ("released_at", models.DateTimeField(null=True, verbose_name="leftovers returned")),
                (
                    "limit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reservations",
                        to="offers.limit",
                        verbose_name="limit",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="limit_reservations",
                        to="offers.massassignment",
                        verbose_name="mass assignment",
                    ),
                ),
            ],
            options={
                "verbose_name": "limit reservation",
                "verbose_name_plural": "limit reservations",
            },
        ),
        migrations.CreateModel(
            name="MemberCount",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "campaign", "member", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("assigned", models.IntegerField(default=0, verbose_name="given")),
                (
                    "campaign",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="offers.campaign",
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="loyalty.member",
                    ),
                ),
            ],
            options={
                "verbose_name": "member's count",
                "verbose_name_plural": "members' counts",
            },
        ),
        migrations.AddConstraint(
            model_name="limit",
            constraint=models.CheckConstraint(
                condition=models.Q(("config_offer__isnull", True), ("campaign__isnull", True), _connector="XOR"),
                name="a_limit_is_an_offers_or_a_campaigns",
            ),
        ),
        migrations.AddConstraint(
            model_name="limit",
            constraint=models.CheckConstraint(
                condition=models.Q(("campaign__isnull", False), ("per_member__isnull", True), _connector="OR"),
                name="a_limit_per_member_is_a_campaigns",
            ),
        ),
        migrations.AddConstraint(
            model_name="limitreservation",
            constraint=models.UniqueConstraint(fields=("limit", "run"), name="a_run_reserves_once_from_a_limit"),
        ),
    ]
