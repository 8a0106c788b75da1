"""Roles in the admin: what is given to one and taken from it leaves an audit row, and nobody gives what she has not."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty import staff
from loyalty.admin.bound_form import bound
from loyalty.models import Programme, User
from loyalty.services import audit

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MAY_NOT_GIVE = gettext_lazy("You may not give what you may not do: %(names)s.")

admin.site.unregister(Group)


class RoleForm(forms.ModelForm):
    """Refuses what the person herself may not do: no one raises herself, or others, above her own role."""

    person: ClassVar[User]

    def clean_permissions(self) -> QuerySet[Permission]:
        wanted: QuerySet[Permission] = self.cleaned_data["permissions"]
        before = set(self.instance.permissions.values_list("pk", flat=True)) if self.instance.pk else set()
        refuse(_(one.name) for one in beyond(self.person, wanted.exclude(pk__in=before)))
        return wanted


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin):
    """A role holds in every programme: who works in only some of them may look at it, and not change it (D-21)."""

    form = RoleForm

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return bound(super().get_form(request, obj, change, **kwargs), person=staff.of(request).user)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep a role's name once it is made: templates and settings know roles by their names."""
        fixed = list(super().get_readonly_fields(request, obj))
        return fixed if obj is None else [*fixed, "name"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and _works_everywhere(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _works_everywhere(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A role that somebody has is not taken away from under her."""
        if not super().has_delete_permission(request, obj) or not _works_everywhere(request):
            return False
        return isinstance(obj, Group) and not obj.user_set.exists()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save what the role may do, and write down what was given and taken."""
        before = _names(form.instance)
        super().save_related(request, form, formsets, change)
        after = _names(form.instance)
        audit.record(
            action="role.changed" if change else "role.created",
            actor=staff.of(request).user,
            programme=staff.of(request).programme,
            target=form.instance,
            data={"given": sorted(after - before), "taken": sorted(before - after), "fields": form.changed_data},
        )

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        audit.record(
            action="role.deleted",
            actor=staff.of(request).user,
            programme=staff.of(request).programme,
            target=obj,
            data={"taken": sorted(_names(obj))},
        )
        super().delete_model(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One at a time: many at once would pass by what each of them is asked."""
        return {}


def beyond(person: User, permissions: Iterable[Permission]) -> list[Permission]:
    """Return those of the permissions that the person has not."""
    return [one for one in permissions if not person.has_perm(_name(one))]


def refuse(names: Iterable[str], sentence: "StrOrPromise" = MAY_NOT_GIVE) -> None:
    """Raise ValidationError with what the person may not give, or take away; nothing where that is nothing."""
    if told := ", ".join(names):
        raise forms.ValidationError(sentence, params={"names": told})


def _works_everywhere(request: HttpRequest) -> bool:
    person = staff.of(request).user
    return person.is_superuser or len(staff.of(request).programmes) == Programme.objects.count()


def _names(group: Group) -> set[str]:
    return {_name(one) for one in group.permissions.select_related("content_type")}


def _name(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"
