"""The form of a list of members: a file, or ids that were pasted."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

# Pasted by hand; more come as a file.
LONGEST_PASTE = 1_000_000


class MemberListForm(forms.Form):
    """What stands in the file is the service's to judge."""

    name = forms.CharField(label=_("Name of the list"), max_length=200, required=False)
    column = forms.CharField(
        label=_("Column of the ids"),
        max_length=200,
        required=False,
        help_text=_("Empty: the one called member, external id, customer id or the like."),
    )


class MemberFileForm(MemberListForm):
    """A list as a file."""

    file = forms.FileField(
        label=_("File"),
        allow_empty_file=True,
        widget=forms.FileInput(
            attrs={"accept": ".csv,.txt,.tsv,.xlsx,.parquet,.jsonl", "data-limit": settings.TABLE_FILE_MAX_BYTES}
        ),
        error_messages={"required": _("Choose a file.")},
    )


class PastedIdsForm(forms.Form):
    """A list as text."""

    name = forms.CharField(label=_("Name of the list"), max_length=200, required=False)
    ids = forms.CharField(
        label=_("Member ids"),
        max_length=LONGEST_PASTE,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "code"}),
        help_text=_("One a line, or with commas between."),
        error_messages={"required": _("Paste at least one id.")},
    )

    def __init__(self, data: Any = None) -> None:
        # It stands on a page with the other form, whose name is called name too.
        super().__init__(data, auto_id="pasted_%s")
