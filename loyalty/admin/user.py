from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from loyalty import staff
from loyalty.admin.bound_form import bound
from loyalty.admin.group import beyond, refuse
from loyalty.models import Programme, User
from loyalty.services import audit


class PersonForm(UserChangeForm):
    """Gives and takes no role that may do what the person herself may not, as a role's own page does (D-21)."""

    person: ClassVar[User]

    def clean_groups(self) -> QuerySet[Group]:
        wanted: QuerySet[Group] = self.cleaned_data["groups"]
        held = self.instance.groups.all()
        refuse(self._beyond(wanted.exclude(pk__in=held)))
        refuse(self._beyond(held.exclude(pk__in=wanted)), _("You may not take away what you may not do: %(names)s."))
        return wanted

    def _beyond(self, roles: QuerySet[Group]) -> list[str]:
        known = roles.prefetch_related("permissions__content_type")
        return [role.name for role in known if beyond(self.person, role.permissions.all())]


@admin.register(User)
class UserAdmin(BaseUserAdmin):
    """People of all programmes: roles are groups, and programmes say where they hold."""

    form = PersonForm
    list_display = ["username", "email", "first_name", "last_name", "is_active", "is_staff", "last_login"]
    list_filter = ["is_active", "is_staff", "groups", "programmes"]
    filter_horizontal = ["groups", "user_permissions", "programmes"]
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email")}),
        (_("Role"), {"fields": ("is_active", "is_staff", "groups", "programmes")}),
        (_("Single permissions"), {"classes": ("collapse",), "fields": ("is_superuser", "user_permissions")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ["last_login", "date_joined"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Show colleagues only; a superuser's account, and its password, are a superuser's business."""
        users = super().get_queryset(request)
        if request.user.is_superuser:
            return users
        colleagues = User.programmes.through.objects.filter(programme__in=staff.of(request).programmes)
        return users.filter(is_superuser=False, pk__in=colleagues.values("user_id"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return bound(super().get_form(request, obj, change=change, **kwargs), person=staff.of(request).user)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Let people in only where one works oneself."""
        if db_field.name == "programmes" and not request.user.is_superuser:
            chosen = [programme.pk for programme in staff.of(request).programmes]
            kwargs["queryset"] = Programme.objects.filter(pk__in=chosen)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Only a superuser makes superusers or hands out single permissions: no one raises herself.

        Nor by the account of who may do more: a new password is sent to its e-mail address.
        """
        fixed = list(super().get_readonly_fields(request, obj))
        if request.user.is_superuser:
            return fixed
        if isinstance(obj, User) and _may_more(request, obj):
            fixed += ["username", "email", "is_active"]
        return [*fixed, "is_superuser", "user_permissions"]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Keep off, the password included, who also works where one does not: it would open that programme (D-21)."""
        if not super().has_change_permission(request, obj):
            return False
        return not isinstance(obj, User) or request.user.is_superuser or not _elsewhere(request, obj).exists()

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Keep off the password of who may do more: with it one could do what she may."""
        user = self.get_object(request, unquote(id))
        if user is not None and _may_more(request, user):
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """The audit refers to people: they are made inactive instead."""
        return False

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Keep the programmes that the form could not show: she may have been let in there meanwhile."""
        kept = [] if request.user.is_superuser or not change else list(_elsewhere(request, form.instance))
        before = _may(form.instance)
        super().save_related(request, form, formsets, change)
        form.instance.programmes.add(*kept)
        after = _may(form.instance)
        if before != after:
            audit.record(
                action="user.roles_changed",
                actor=staff.of(request).user,
                programme=staff.of(request).programme,
                target=form.instance,
                data={"given": sorted(after - before), "taken": sorted(before - after)},
            )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        audit.record(
            action="user.changed" if change else "user.created",
            actor=staff.of(request).user,
            programme=staff.of(request).programme,
            target=obj,
            data={"fields": form.changed_data},
        )


def _may(user: User) -> set[str]:
    """Return her roles, and the single permissions beside them."""
    single = user.user_permissions.values_list("content_type__app_label", "codename")
    return {*user.groups.values_list("name", flat=True), *(f"{app}.{codename}" for app, codename in single)}


def _may_more(request: HttpRequest, user: User) -> bool:
    """Say whether she may do what the one who asks may not: now, or once she is active again."""
    held = Permission.objects.filter(Q(group__user=user) | Q(user=user)).select_related("content_type")
    return bool(beyond(staff.of(request).user, held.distinct()))


def _elsewhere(request: HttpRequest, user: User) -> QuerySet[Programme]:
    """Return where the person works and the one who asks does not."""
    own = [programme.pk for programme in staff.of(request).programmes]
    return user.programmes.exclude(pk__in=own)
