"""A member of the programme: the customer. Personal data stands here and nowhere else."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.utils.translation import gettext_lazy as _


class NameKey(models.Func):
    """A name as it is looked for: capitals without accents, its parts apart (`loyalty_name_key`, a migration's)."""

    function = "loyalty_name_key"
    output_field = models.TextField()


class Member(models.Model):
    class Status(models.TextChoices):
        ACTIVE = "active", _("active")
        INACTIVE = "inactive", _("inactive")
        ERASED = "erased", _("erased")

    class Kind(models.TextChoices):
        CONSUMER = "consumer", _("consumer")
        EMPLOYEE = "employee", _("employee")

    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="members", verbose_name=_("programme")
    )
    # May look like `us-east-1:192991f1-…` (S0-28): any text, never read as a UUID.
    external_id = models.CharField(_("external id"), max_length=200, db_collation="C")
    first_name = models.CharField(_("first name"), max_length=100, blank=True)
    last_name = models.CharField(_("last name"), max_length=100, blank=True)
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    phone = models.CharField(_("phone"), max_length=40, blank=True)
    # Normalised for exact search: lower case, E.164.
    email_key = models.CharField(_("e-mail key"), max_length=254, blank=True, editable=False)
    phone_key = models.CharField(_("phone key"), max_length=20, blank=True, editable=False)
    birth_date = models.DateField(_("birth date"), null=True, blank=True)
    gender = models.CharField(_("gender"), max_length=20, blank=True)
    language = models.CharField(_("language"), max_length=8, blank=True)
    timezone = models.CharField(_("time zone"), max_length=64, blank=True)
    city = models.CharField(_("city"), max_length=100, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)
    tier = models.CharField(_("tier"), max_length=40, blank=True)
    # Who promotions may be for (S2-01). The database knows the default too: files and demo data write past the model.
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.CONSUMER, db_default=Kind.CONSUMER)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.ACTIVE)
    joined_at = models.DateTimeField(_("joined"), null=True, blank=True)
    # Values by attribute definition; what is filtered often is promoted to a typed column above.
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        permissions = [
            ("export_member_record", _("Can take out everything that is known of a member")),
            ("see_contact_data", _("Can see contact data in clear")),
            ("reveal_contact_data", _("Can show a masked e-mail address or phone number, which is noted")),
            ("change_contact_data", _("Can change a member's contact data")),
            ("view_as_member", _("Can open a member's own pages in her place")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "external_id"], name="a_member_external_id_is_used_once_per_programme"
            ),
        ]
        indexes = [
            # Search on the desk: exact keys first, then fuzzy names. An address also by its beginning, which the usual
            # order of texts is no help for.
            models.Index(
                fields=["programme", "email_key"],
                name="member_by_email_beginning",
                opclasses=["int8_ops", "varchar_pattern_ops"],
                condition=~models.Q(email_key=""),
            ),
            models.Index(fields=["programme", "phone_key"], name="member_by_phone", condition=~models.Q(phone_key="")),
            # Counts of audiences by these columns, read from the index alone: a third of the time of the whole table,
            # and milliseconds where one is compared with a value, whichever stands before it (skip scans).
            models.Index(
                fields=["programme", "tier", "city", "country", "gender", "language"],
                include=["id", "status", "birth_date", "joined_at"],
                name="member_for_targeting",
                condition=~models.Q(status="erased"),
            ),
            GinIndex(
                OpClass(
                    NameKey(
                        models.functions.Concat(
                            "first_name", models.Value(" "), "last_name", output_field=models.TextField()
                        )
                    ),
                    name="gin_trgm_ops",
                ),
                name="member_by_plain_name",
                condition=~models.Q(status="erased"),
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.external_id

    @property
    def audit_label(self) -> str:
        """What the audit, which nobody can change, calls her: never her name."""
        return self.external_id

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()
