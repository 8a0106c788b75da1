"""The forms of personalized promotions: the promotion, its lists, whom a list is for, and the bar above the chapter."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from loyalty import whole_number
from loyalty.errors import DomainError
from loyalty.models import Programme
from offers.models import PersonalizedPromotion, PromotionProductList
from offers.services import member_list, promotion_list
from offers.services import promotion as service

# Pasted by hand; a system's own come through the API.
LONGEST_PASTE = 2_500_000
# A promotion may have a list for each of its members; more are no choice for a person.
MOST_LISTS = 200


def pasted(text: str) -> list[str]:
    """Return ids that were pasted, one a line or with commas or semicolons between."""
    return [one for _line, one in member_list.pasted_lines(text)]


class ServiceForm(forms.Form):
    """A form whose service says what is wrong."""

    def add_problems(self, problems: Iterable[Mapping[str, Any]]) -> None:
        """Put each of the service's problems beside its field, where that one does not say so already."""
        for found in problems:
            name = found.get("field") if found.get("field") in self.fields else None
            if found["message"] not in self.errors.get(name or "__all__", []):
                self.add_error(name, found["message"])

    def add_refusal(self, error: DomainError) -> None:
        """Put what the service refused beside its fields, or above them where it names none."""
        self.add_problems(error.problems or [{"message": error.message}])


class PromotionForm(ServiceForm):
    """`PromotionForm(request.POST or None, programme=…, promotion=…)`; then `values()` for the service (S2-05)."""

    name = forms.CharField(label=_("Name"), max_length=200)
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Members read it beside their products."),
    )
    backend_id = forms.CharField(
        label=_("BackendID"),
        required=False,
        max_length=200,
        help_text=_("The id in your own systems; the API finds the promotion by it."),
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "off"}),
    )
    maximum_distinct_products = forms.IntegerField(
        label=_("Maximum distinct products"),
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text=_("How many different products of her list a member may choose. Left blank: all of them."),
    )
    lock_after_first_apply = forms.BooleanField(
        label=_("Lock after first apply"),
        required=False,
        help_text=_("The first choice stays. Without it members change their choice freely."),
    )

    def __init__(
        self, data: Any = None, *, programme: Programme, promotion: PersonalizedPromotion | None = None
    ) -> None:
        self.promotion = promotion or PersonalizedPromotion(programme=programme)
        known = {name: getattr(promotion, name) for name in service.WRITABLE} if promotion else {}
        super().__init__(data, initial=known)

    def is_valid(self) -> bool:
        """Let the service say what is wrong, at its field."""
        own_part = super().is_valid()
        if self.is_bound and own_part:
            self.add_problems(service.check(promotion=self.promotion, values=self.values()))
        return own_part and not self.errors

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        return dict(self.cleaned_data)


class PromotionFilter(forms.Form):
    """The chapter's bar (S2-04)."""

    q = forms.CharField(
        label=_("Search"),
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Name or description")}),
    )
    backend_id = forms.CharField(
        label=_("BackendID"), required=False, widget=forms.TextInput(attrs={"placeholder": _("BackendID begins with")})
    )
    lock = forms.ChoiceField(
        label=_("Lock after first apply"),
        required=False,
        choices=[("", _("With and without lock")), ("yes", _("First choice stays")), ("no", _("Choice may change"))],
    )
    use = forms.ChoiceField(
        label=_("In use"),
        required=False,
        choices=[("", _("Held or not")), ("yes", _("Members hold it")), ("no", _("Nobody holds it"))],
    )
    state = forms.ChoiceField(
        label=_("State"), required=False, choices=[("", _("In use")), ("archived", _("Archived")), ("all", _("All"))]
    )


class ProductListForm(ServiceForm):
    """A product list: its products are pasted, in their order (S2-09)."""

    name = forms.CharField(label=_("Name"), max_length=200)
    external_id = forms.CharField(
        label=_("External id"),
        required=False,
        max_length=200,
        help_text=_("The API names the list by it. Left blank, it gets one."),
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "off"}),
    )
    products = forms.CharField(
        label=_("Products"),
        max_length=promotion_list.MOST_PRODUCTS * 210,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "code"}),
        help_text=_("External ids, one a line or with commas between, in the order in which members see them."),
    )
    drop_choices = forms.BooleanField(
        label=_("Take the choices of products that leave"),
        required=False,
        help_text=_("Members who chose them may choose anew; otherwise a chosen product does not leave the list."),
    )

    def __init__(self, data: Any = None, *, is_new: bool, initial: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, initial=dict(initial or {}))
        del self.fields["drop_choices" if is_new else "external_id"]

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        return {**self.cleaned_data, "products": pasted(self.cleaned_data["products"])}


class AssignForm(ServiceForm):
    """Whom a list is for: pasted members."""

    members = forms.CharField(
        label=_("Member ids"),
        max_length=LONGEST_PASTE,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "code"}),
        help_text=_("External ids, one a line or with commas between."),
        error_messages={"required": _("Paste at least one id.")},
    )
    leaves_out_unknown = forms.BooleanField(
        label=_("Leave out ids that are no active member's"),
        required=False,
        help_text=_("Without it nobody is enlisted while one of them is wrong."),
    )

    def ids(self) -> list[str]:
        return pasted(self.cleaned_data["members"])


class EnrolmentFilter(forms.Form):
    """The bar above a promotion's members."""

    q = forms.CharField(
        label=_("Member"),
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("External id begins with")}),
    )
    list = forms.ChoiceField(label=_("List"), required=False)
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("Whoever holds it")),
            ("not_chosen", _("Has not chosen")),
            ("chosen", _("Has chosen")),
            ("locked", _("Choice is locked")),
            ("withdrawn", _("Withdrawn")),
        ],
    )

    def __init__(self, data: Any, *, lists: QuerySet[PromotionProductList]) -> None:
        super().__init__(data)
        named = lists.order_by("name", "pk").values_list("pk", "name")
        known = dict(named[:MOST_LISTS])
        # One further behind is asked for by its link.
        asked = whole_number.read(data.get("list"))
        if asked is not None and asked not in known and len(known) == MOST_LISTS:
            known |= dict(named.filter(pk=asked))
        choices = [("", _("Any list")), *((str(key), name) for key, name in known.items())]
        cast(forms.ChoiceField, self.fields["list"]).choices = choices
