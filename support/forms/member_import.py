"""The form of a file of members; what stands in it is the service's to judge."""

from django import forms
from django.utils.translation import gettext_lazy as _


class MemberFileForm(forms.Form):
    file = forms.FileField(
        label=_("File of members"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.jsonl,.ndjson,.parquet,.xlsx"}),
        error_messages={"required": _("Choose a file.")},
    )
