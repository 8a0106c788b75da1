"""A file of members: what was received, what came of it, and what undoing it puts back."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class MemberImport(models.Model):
    """One file. It is checked first, which writes no member; importing and undoing it follow on demand."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        CHECKED = "checked", _("checked")
        REFUSED = "refused", _("refused")
        FINISHED = "finished", _("imported")
        FAILED = "failed", _("failed")
        UNDOING = "undoing", _("being undone")
        UNDONE = "undone", _("undone")
        DROPPED = "dropped", _("dropped")

    class Wish(models.TextChoices):
        CHECK = "check", _("check")
        IMPORT = "import", _("import")

    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="member_imports", verbose_name=_("programme")
    )
    file_name = models.CharField(_("file"), max_length=255)
    size = models.PositiveBigIntegerField(_("bytes"), default=0)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    # What the next worker does with it.
    wish = models.CharField(_("wish"), max_length=10, choices=Wish, default=Wish.CHECK)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    rows = models.PositiveIntegerField(_("rows"), default=0)
    created = models.PositiveIntegerField(_("created"), default=0)
    changed = models.PositiveIntegerField(_("changed"), default=0)
    unchanged = models.PositiveIntegerField(_("unchanged"), default=0)
    consents = models.PositiveIntegerField(_("consents"), default=0)
    refused = models.PositiveIntegerField(_("lines with problems"), default=0)
    problem_count = models.PositiveIntegerField(_("problems"), default=0)
    # What an undo did: members taken away, made inactive, given their former values, and left as they are.
    removed = models.PositiveIntegerField(_("taken away"), default=0)
    deactivated = models.PositiveIntegerField(_("made inactive"), default=0)
    restored = models.PositiveIntegerField(_("put back"), default=0)
    kept = models.PositiveIntegerField(_("left as they are"), default=0)
    received_at = models.DateTimeField(_("received"))
    received_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("received from"),
    )
    api_client = models.ForeignKey(
        "loyalty.ApiClient",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("API client"),
    )
    checked_at = models.DateTimeField(_("checked"), null=True, blank=True)
    # The moment that members which it wrote carry as `created_at` and `updated_at`.
    imported_at = models.DateTimeField(_("imported"), null=True, blank=True)
    undone_at = models.DateTimeField(_("undone"), null=True, blank=True)
    # When its file was dropped, because nobody imported it for so long.
    dropped_at = models.DateTimeField(_("file dropped"), null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("undone by"),
    )

    class Meta:
        verbose_name = _("import of members")
        verbose_name_plural = _("imports of members")
        ordering = ["-id"]
        permissions = [("import_members", _("Can import members from files, and undo that"))]
        # The list of a programme's imports, newest first.
        indexes = [models.Index(fields=["programme", "-id"], name="member_import_by_programme")]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_waiting(self) -> bool:
        return self.state in (self.State.WAITING, self.State.UNDOING)


class MemberImportPart(models.Model):
    """A piece of the file, until it was imported: workers need not share a disk with the web."""

    member_import = models.ForeignKey(MemberImport, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member_import", "number"], name="a_file_has_each_part_once"),
        ]

    def __str__(self) -> str:
        return f"{self.member_import_id}/{self.number}"


class MemberImportProblem(models.Model):
    """What is wrong with a line, or what an undo could not take back; the sentence is said when it is read."""

    member_import = models.ForeignKey(MemberImport, on_delete=models.CASCADE, related_name="problems", db_index=False)
    # Of the file; null for the whole file.
    line = models.BigIntegerField(null=True)
    field = models.CharField(max_length=200, blank=True)
    code = models.CharField(max_length=40)
    value = models.CharField(max_length=200, blank=True)
    # What would be right, or fills the sentence.
    needed = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [models.Index(fields=["member_import", "line", "id"], name="problem_by_line_of_import")]

    def __str__(self) -> str:
        return f"{self.line}: {self.field} {self.code}"


class MemberImportChange(models.Model):
    """What a member's fields were before an import changed them. Written by the million: no constraint to members."""

    member_import = models.ForeignKey(MemberImport, on_delete=models.CASCADE, related_name="changes", db_index=False)
    member = models.ForeignKey(
        "loyalty.Member", on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    before = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["member_import", "member"], name="change_by_import_and_member")]

    def __str__(self) -> str:
        return f"{self.member_import_id}/{self.member_id}"
