"""Personal offers by attribute: an import's rows, and each member's value that counts now (S1-03..06, D-14).

received -> checked | faulty -> committing -> finished; checked | faulty -> discarded | dropped
received | committing -> failed -> received | committing, as it was, when it is tried again
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from offers.models.assignment import relation


class PersonalOfferImport(models.Model):
    """One file, or one call of a machine, with members' terms for one offer."""

    class State(models.TextChoices):
        RECEIVED = "received", _("being checked")
        CHECKED = "checked", _("checked")
        FAULTY = "faulty", _("has problems")
        COMMITTING = "committing", _("at work")
        FINISHED = "finished", _("finished")
        FAILED = "failed", _("failed")
        DISCARDED = "discarded", _("discarded")
        DROPPED = "dropped", _("dropped")

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        JSONL = "jsonl", "JSONL"
        PARQUET = "parquet", "Parquet"
        XLSX = "xlsx", "XLSX"
        API = "api", "API"

    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="+", verbose_name=_("programme")
    )
    config_offer = models.ForeignKey(
        "offers.ConfigOffer",
        on_delete=models.PROTECT,
        related_name="personal_imports",
        verbose_name=_("config offer"),
    )
    # A machine's own key of the upload, and what tells its file from another: sent twice, it is received once.
    reference = models.CharField(_("reference"), max_length=200, null=True, editable=False)
    content_digest = models.CharField(max_length=64, blank=True, editable=False)
    file_name = models.CharField(_("file"), max_length=200, blank=True)
    format = models.CharField(_("format"), max_length=10, choices=Format, blank=True)
    # Whoever is not in it loses what she had; else the others keep theirs.
    is_full = models.BooleanField(_("holds all members"), default=False)
    # Whoever has a problem keeps what she had, instead of refusing everything.
    leaves_out_faulty = models.BooleanField(_("leaves out what has problems"), default=False)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.RECEIVED)
    rows = models.PositiveIntegerField(_("members in it"), default=0)
    faulty = models.PositiveIntegerField(_("with problems"), default=0)
    # Lines of which nobody can tell whose they are.
    unattributed = models.PositiveIntegerField(_("lines of nobody"), default=0)
    # What it would do when it was checked, and what it did: by outcome.
    preview = models.JSONField(_("preview"), default=dict)
    counts = models.JSONField(_("counts"), default=dict)
    failure = models.JSONField(_("failure"), null=True)
    # Rows up to this number are done; the others wait for a worker.
    done_to = models.PositiveIntegerField(_("done up to"), default=0)
    last_number = models.PositiveIntegerField(_("last row"), default=0)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    leased_until = models.DateTimeField(_("leased until"), null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("given by"),
    )
    committed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("committed by"),
    )
    api_client = models.ForeignKey(
        "loyalty.ApiClient", on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("API client")
    )
    created_at = models.DateTimeField(_("received"))
    checked_at = models.DateTimeField(_("checked"), null=True)
    committed_at = models.DateTimeField(_("committed"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    # When its file and rows were dropped, because nobody committed it for so long.
    dropped_at = models.DateTimeField(_("dropped"), null=True)

    class Meta:
        verbose_name = _("import of personal offers")
        verbose_name_plural = _("imports of personal offers")
        ordering = ["-id"]
        permissions = [("import_personaloffers", _("Can import personal offers"))]
        constraints = [
            models.UniqueConstraint(fields=["api_client", "reference"], name="an_upload_key_is_used_once_per_machine"),
            models.UniqueConstraint(
                fields=["config_offer"],
                condition=Q(state="committing"),
                name="one_import_of_an_offer_is_at_work",
            ),
        ]

    def __str__(self) -> str:
        return self.file_name or f"{self.get_format_display()} {self.pk}"

    @property
    def is_open(self) -> bool:
        """Say whether it can be committed or discarded."""
        return self.state in (self.State.CHECKED, self.State.FAULTY)

    @property
    def is_retriable(self) -> bool:
        """Say whether a failed one can be tried again: its rows stand since it was checked, or its file is kept."""
        if self.state != self.State.FAILED:
            return False
        return self.committed_at is not None or self.parts.exists()

    @property
    def is_at_work(self) -> bool:
        return self.state in (self.State.RECEIVED, self.State.COMMITTING)


class PersonalOfferPart(models.Model):
    """A part of an import's file, kept until it was read: by whichever worker, on whichever machine."""

    upload = relation("offers.PersonalOfferImport", _("import"), related_name="parts")
    number = models.PositiveIntegerField(_("number"))
    content = models.BinaryField(_("content"))

    class Meta:
        verbose_name = _("part of a file")
        verbose_name_plural = _("parts of files")
        constraints = [
            models.UniqueConstraint(fields=["upload", "number"], name="a_part_number_is_used_once_per_import"),
        ]

    def __str__(self) -> str:
        return f"{self.upload_id}/{self.number}"


class PersonalOfferRow(models.Model):
    """One member's value in an import: what was given, what is wrong with it, and what became of it.

    Written by the hundred thousand, so without constraints to its relations.
    """

    class Outcome(models.TextChoices):
        NEW = "new", _("new")
        CHANGED = "changed", _("changed")
        UNCHANGED = "unchanged", _("unchanged")
        WITHDRAWN = "withdrawn", _("withdrawn")
        LEFT_AS_USED = "left_as_used", _("left as used")
        REFUSED = "refused", _("refused")
        FAULTY = "faulty", _("left out")

    class Acceptance(models.TextChoices):
        NONE = "", _("none")
        KEPT = "kept", _("kept")
        LOST = "lost", _("lost")

    upload = relation("offers.PersonalOfferImport", _("import"), related_name="entries")
    number = models.PositiveIntegerField(_("number"))
    # Where it stands in the file; none for a value that the file no longer has.
    line = models.BigIntegerField(_("line"), null=True)
    last_line = models.BigIntegerField(_("last line"), null=True)
    member_external_id = models.CharField(_("member"), max_length=200, blank=True, db_collation="C")
    member = relation("loyalty.Member", _("member"), related_name="+", null=True)
    value = models.JSONField(_("value"), null=True)
    terms = models.JSONField(_("terms"), null=True)
    rank = models.IntegerField(_("rank"), null=True)
    # The most it can cost, in minor units; 0 where that is not known.
    exposure_minor = models.BigIntegerField(_("worst-case benefit"), default=0)
    # What tells one set of terms from another: all of it; benefit, products and period (D-14).
    digest = models.CharField(max_length=64, blank=True)
    core_digest = models.CharField(max_length=64, blank=True)
    # By code, line, field, value and what fills the sentence.
    problems = models.JSONField(_("problems"), null=True)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome, null=True)
    reasons = models.JSONField(_("reasons"), null=True)
    acceptance = models.CharField(_("acceptance"), max_length=4, choices=Acceptance, blank=True)
    # Whether what she had was used: its uses stay.
    had_uses = models.BooleanField(_("had uses"), default=False)
    assignment = relation("offers.Assignment", _("assignment"), related_name="+", null=True)
    previous = relation("offers.Assignment", _("previous assignment"), related_name="+", null=True)

    class Meta:
        verbose_name = _("row of an import")
        verbose_name_plural = _("rows of imports")
        constraints = [
            # Serves a worker's next rows, and the report in the file's order.
            models.UniqueConstraint(fields=["upload", "number"], name="a_row_number_is_used_once_per_import"),
        ]
        indexes = [
            # Why a member did not get what imports brought.
            models.Index(fields=["member", "upload"], name="personal_row_by_member", condition=Q(member__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.upload_id}/{self.number}"


class PersonalOfferValue(models.Model):
    """A member's attribute for one offer as it counts now, and the assignment that came of it."""

    config_offer = relation("offers.ConfigOffer", _("config offer"), related_name="personal_values")
    member = relation("loyalty.Member", _("member"), related_name="+")
    upload = relation("offers.PersonalOfferImport", _("import"), related_name="+")
    assignment = relation("offers.Assignment", _("assignment"), related_name="+")
    value = models.JSONField(_("value"))
    digest = models.CharField(max_length=64)
    core_digest = models.CharField(max_length=64)
    updated_at = models.DateTimeField(_("updated"))

    class Meta:
        verbose_name = _("personal offer attribute")
        verbose_name_plural = _("personal offer attributes")
        constraints = [
            models.UniqueConstraint(
                fields=["config_offer", "member"], name="a_member_has_one_attribute_per_personal_offer"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.config_offer_id}/{self.member_id}"
