"""The form of an import of personal offers; what stands in the file is the service's."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class PersonalOfferFileForm(forms.Form):
    file = forms.FileField(
        label=_("File of personal offers"),
        allow_empty_file=True,
        widget=forms.FileInput(
            attrs={"accept": ".csv,.jsonl,.ndjson,.parquet,.xlsx", "data-limit": settings.TABLE_FILE_MAX_BYTES}
        ),
        error_messages={"required": _("Choose a file.")},
    )
    is_full = forms.BooleanField(
        label=_("The file holds every member of this offer"),
        required=False,
        help_text=_("Whoever is not in it loses what she has not used. Otherwise the others keep theirs."),
    )
