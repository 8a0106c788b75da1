from django.db import models
from django.utils.translation import gettext_lazy as _


class GrantReason(models.TextChoices):
    """Why an agent grants an offer; kept with the door's entry."""

    CODE_REFUSED = "code_refused", _("Code refused at the till")
    NOT_RECEIVED = "not_received", _("Offer never received")
    EXPIRED = "expired", _("Offer expired before it could be used")
    PRODUCT_MISSING = "product_missing", _("Product was not available")
    SERVICE = "service", _("Poor service")
    GOODWILL = "goodwill", _("Goodwill")
    OTHER = "other", _("Other")
