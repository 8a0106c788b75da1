"""The form of making good for many: whom, pasted or by a file."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from loyalty.errors import DomainError
from offers.forms.member_list import LONGEST_PASTE
from offers.services import member_list
from support.services.grant_batch_lines import MOST

# Of a file whose lines lie further apart, the numbers of its lines are not kept.
MOST_LINES = 10 * MOST


class MembersForm(forms.Form):
    """Members by external id or e-mail address. A file's are put into the field, line by line, and stay there."""

    members = forms.CharField(
        label=_("Members"),
        max_length=LONGEST_PASTE,
        required=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "code"}),
        help_text=_("External ids or e-mail addresses, one a line or with commas between; at most 5,000."),
    )
    file = forms.FileField(
        label=_("Or a file of them"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(
            attrs={"accept": ".csv,.txt,.tsv,.xlsx,.parquet,.jsonl", "data-limit": settings.TABLE_FILE_MAX_BYTES}
        ),
    )
    is_again = forms.BooleanField(
        label=_("Also members who were made good for this ticket already"),
        required=False,
        help_text=_("Otherwise they are left out."),
    )
    # What the preview showed; when it is not what is sent, it is shown again first.
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if file := given.get("file"):
            try:
                named = member_list.named(file=file.file, file_name=file.name or "", most=MOST)
            except DomainError as error:
                for one in error.problems or [{"message": error.message}]:
                    line = _("Line %(line)s: ") % {"line": one["line"]} if one.get("line") else ""
                    self.add_error("file", f"{line}{one['message']}")
                return given
            self._say(members=as_text(named))
        else:
            named = member_list.pasted_lines(given.get("members") or "")
        if not named and not self.errors:
            self.add_error("members", _("Name at least one member: paste ids, or choose a file."))
        if len(named) > MOST:
            message = _("A set has at most 5,000 members. For more, ask a marketer to make a run of an uploaded list.")
            self.add_error("members", message)
        given["named"] = named
        return given

    def show_as_seen(self, mark: str) -> None:
        """Let the form say, when it is shown again, what was looked at."""
        self._say(seen=mark)

    def _say(self, **values: str) -> None:
        self.data = {name: self.data.get(name) for name in self.fields} | values


def as_text(named: list[tuple[int, str]]) -> str:
    """Return a file's members as a text whose lines are the file's, so that problems name the same numbers."""
    if not named or named[-1][0] > MOST_LINES:
        return "\n".join(one for _line, one in named)
    lines = [""] * named[-1][0]
    for line, one in named:
        lines[line - 1] = one
    return "\n".join(lines)
