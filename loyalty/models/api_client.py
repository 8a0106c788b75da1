"""A machine with a key: hashed, scoped, shown once."""

from typing import ClassVar, cast

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.models import AbstractAPIKey, APIKeyManager


class Scope(models.TextChoices):
    CATALOGUE_READ = "catalogue:read", _("read the catalogue")
    CATALOGUE_WRITE = "catalogue:write", _("change the catalogue")
    VOUCHERS = "vouchers", _("upload and count voucher codes")
    MEMBERS = "members", _("read and change members")
    CONSENTS = "consents", _("read and write consents, and read channels")
    ASSIGN = "assign", _("assign offers")
    ASSIGN_IN_BULK = "assignments:bulk", _("assign offers in sets, as an outside bulk producer")
    ASSIGNMENTS_WRITE = "assignments:write", _("revoke, reissue, extend and close assignments")
    ASSIGNMENTS_READ = "assignments:read", _("read assignments")
    CODES_READ = "codes:read", _("read voucher codes of assignments")
    TILL = "till", _("confirm assignments and look up codes, as tills do")
    PROMOTIONS = "promotions", _("read, make and assign personalized promotions")
    LIMITS = "limits", _("read and set limits, and whom offers are for")
    TARGETINGS = "targetings", _("count targetings and run mass assignments")
    APPROVE_RUNS = "runs:approve", _("approve or decline large mass assignments of others")
    ACT_FOR_MEMBER = "act-for-member", _("act as a trusted server for any member")


class ApiClientManager(APIKeyManager):
    def get_usable_keys(self) -> models.QuerySet["ApiClient"]:
        # Every door needs the programme of the key that knocks.
        return super().get_usable_keys().select_related("programme")

    def get_from_key(self, key: str) -> "ApiClient":
        return cast(ApiClient, super().get_from_key(key))


class ApiClient(AbstractAPIKey):
    objects: ClassVar[ApiClientManager] = ApiClientManager()

    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="api_clients", verbose_name=_("programme")
    )
    scopes = ArrayField(
        models.CharField(max_length=30, choices=Scope), verbose_name=_("scopes"), default=list, blank=True
    )
    allowed_addresses = ArrayField(
        models.GenericIPAddressField(),
        verbose_name=_("allowed addresses"),
        default=list,
        blank=True,
        help_text=_("Empty: the key works from everywhere."),
    )
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-created",)
        verbose_name = _("API client")
        verbose_name_plural = _("API clients")
