"""Forms of the admin that know what the request alone knows: who fills them in, and in which programme."""

from types import new_class
from typing import Any, ClassVar

from django import forms

from loyalty.models import Programme


class ProgrammeForm(forms.ModelForm):
    """Validates uniqueness within the programme, which is not a field of the form."""

    programme: ClassVar[Programme | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.programme_id is None:
            self.instance.programme = self.programme

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() - {"programme"}  # type: ignore[misc]  # not in Django's stubs


def bound(form: type[forms.ModelForm], *bases: type[forms.ModelForm], **known: Any) -> type[forms.ModelForm]:
    """Return the form that also is each of `bases`, with what is known as attributes of its class."""
    return new_class(form.__name__, (*bases, form), exec_body=lambda body: body.update(known))
