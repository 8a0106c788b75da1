"""Uploaded lists of members: who was meant by a file, and what else it said of each (issue 4).

A list never changes: another file is another list, so whatever was counted or launched with it keeps its meaning.
"""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class MemberList(models.Model):
    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="member_lists", verbose_name=_("programme")
    )
    name = models.CharField(_("name"), max_length=200)
    # Empty where ids were pasted or came over the API.
    file_name = models.CharField(_("file"), max_length=200, blank=True)
    # Of the further columns, in the file's order: rule values may be taken from them (S1-01).
    columns = models.JSONField(_("columns"), default=list, blank=True)
    lines = models.PositiveIntegerField(_("lines"))
    size = models.PositiveIntegerField(_("members"))
    unknown = models.PositiveIntegerField(_("unknown ids"))
    repeated = models.PositiveIntegerField(_("repeated ids"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True)

    class Meta:
        verbose_name = _("member list")
        verbose_name_plural = _("member lists")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "name"],
                condition=models.Q(archived_at__isnull=True),
                name="a_member_list_name_is_used_once_per_programme",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class MemberListEntry(models.Model):
    """A member of a list, the line that named her first, and what else stands there, by column, as texts."""

    pk = models.CompositePrimaryKey("member_list", "member")
    member_list = models.ForeignKey(
        MemberList, on_delete=models.PROTECT, related_name="entries", db_constraint=False, db_index=False
    )
    member = models.ForeignKey(
        "loyalty.Member", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    line = models.BigIntegerField(_("line"))
    values = models.JSONField(_("values"), default=dict)

    class Meta:
        verbose_name = _("entry of a member list")
        verbose_name_plural = _("entries of member lists")
        triggers = [pgtrigger.Protect(name="a_list_entry_never_changes", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"{self.member_list_id}/{self.member_id}"


class MemberListLine(models.Model):
    """A line that added nobody: its id is unknown, or was there before."""

    class Kind(models.TextChoices):
        UNKNOWN = "unknown", _("nobody has this id")
        EMPTY = "empty", _("the id is empty")
        REPEATED = "repeated", _("the id is there before")

    pk = models.CompositePrimaryKey("member_list", "line")
    member_list = models.ForeignKey(
        MemberList, on_delete=models.PROTECT, related_name="left_out", db_constraint=False, db_index=False
    )
    line = models.BigIntegerField(_("line"))
    kind = models.CharField(_("why"), max_length=8, choices=Kind)
    external_id = models.TextField(_("id"), blank=True)
    first_line = models.BigIntegerField(_("first line"), null=True)

    class Meta:
        verbose_name = _("left out line of a member list")
        verbose_name_plural = _("left out lines of member lists")

    def __str__(self) -> str:
        return f"{self.member_list_id}:{self.line}"
