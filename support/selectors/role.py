"""Who may do what: the roles as they are, in plain words by area, and the people who have them (C-03, D-21)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Prefetch, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from loyalty.admin.scoped import ScopedAdmin
from loyalty.models import Programme, User

APPS = ("loyalty", "offers", "support", "auth")
# Django's own four of each model; what else there is has a sentence of its own.
VERBS: dict[str, str | Promise] = {
    "view": _("see"),
    "add": _("add"),
    "change": _("change"),
    "delete": _("delete"),
}
# Where each model's permissions stand; what is not named here stands with its app.
AREAS: tuple[tuple[str | Promise, tuple[str, ...]], ...] = (
    (_("Members"), ("member", "consent", "consentevent", "channel", "memberimport", "attributedefinition")),
    (_("What members hold"), ("assignment", "assignmentevent", "redemption", "doorentry", "campaign")),
    (_("Support desk"), ("grantreason", "grantledgerentry", "grantrequest", "allowance", "memberallowance")),
    (_("Offers"), ("configoffer", "offerrevision", "offertemplate", "fielddefinition", "limit")),
    (_("Personalized promotions"), ("personalizedpromotion", "promotionproductlist", "promotionenrolment")),
    (_("Vouchers"), ("voucherbank", "voucherbatch", "vouchercode", "vouchersegment")),
    (_("Audiences"), ("targeting", "targetingversion", "memberlist")),
    (_("Runs"), ("massassignment", "runschedule", "runapproval", "personalofferimport")),
    (_("Products and purchases"), ("product", "category", "department", "productgroup", "store", "purchase")),
    (_("People and programme"), ("user", "group", "programme", "auditevent", "apiclient", "outboxevent")),
)
OF_APPS: dict[str, str | Promise] = {
    "loyalty": _("Inner tables of the programme"),
    "offers": _("Inner tables of offers"),
    "support": _("Support desk"),
    "auth": _("People and programme"),
}


@dataclass(frozen=True)
class Role:
    """A group, and who of those whom the reader may know is in it."""

    group: Group
    people: Sequence[User]

    @property
    def name(self) -> str:
        return gettext(self.group.name)


@dataclass(frozen=True)
class Line:
    """One thing to do, or one kind of thing: what each role may, in words, empty where it may not."""

    label: str
    cells: Sequence[str]
    is_sentence: bool
    """One permission with words of its own; else a kind of thing, and the cells say see, add, change."""


@dataclass(frozen=True)
class Area:
    label: str | Promise
    lines: Sequence[Line]


@dataclass(frozen=True)
class Matrix:
    roles: Sequence[Role]
    areas: Sequence[Area]
    superusers: int


def matrix(*, programme: Programme) -> Matrix:
    """Return every role with what it may do, read from the groups, and its people in the programme; five queries."""
    colleagues = User.objects.filter(programmes=programme, is_superuser=False, is_active=True)
    groups = Group.objects.order_by("name").prefetch_related(
        "permissions", Prefetch("user_set", queryset=colleagues.order_by("username"), to_attr="colleagues")
    )
    roles = [Role(group, group.colleagues) for group in groups]
    held = [{permission.pk for permission in role.group.permissions.all()} for role in roles]
    return Matrix(
        roles=roles,
        areas=_areas(_permissions(), held),
        superusers=User.objects.filter(is_superuser=True, is_active=True).count(),
    )


def _permissions() -> QuerySet[Permission]:
    return Permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type").order_by("pk")


def _areas(permissions: Iterable[Permission], held: Sequence[set[int]]) -> list[Area]:
    by_model: dict[tuple[str, str], list[Permission]] = {}
    for permission in permissions:
        by_model.setdefault((permission.content_type.app_label, permission.content_type.model), []).append(permission)
    found: dict[str | Promise, list[Line]] = {label: [] for label in (*(area[0] for area in AREAS), *OF_APPS.values())}
    for (app, model), own in sorted(by_model.items(), key=lambda each: _place(each[0])):
        found[_area(app, model)] += _lines(app, model, own, held)
    return [Area(label, lines) for label, lines in found.items() if lines]


def _place(key: tuple[str, str]) -> tuple[int, str]:
    order = [model for _label, models in AREAS for model in models]
    return (order.index(key[1]) if key[1] in order else len(order), key[1])


def _area(app: str, model: str) -> str | Promise:
    return next((label for label, models in AREAS if model in models), OF_APPS[app])


def _lines(app: str, model: str, permissions: Sequence[Permission], held: Sequence[set[int]]) -> list[Line]:
    """Return the kind's line, and one for each permission with words of its own; what nobody has is not left out."""
    try:
        kind = apps.get_model(app, model)
    except LookupError:
        # Of a model that is gone.
        return []
    verbs = {f"{verb}_{model}": word for verb, word in VERBS.items() if verb != "delete" or _can_be_deleted(kind)}
    plain = [permission for permission in permissions if permission.codename in verbs]
    cells = [", ".join(str(verbs[one.codename]) for one in plain if one.pk in mine) for mine in held]
    of_kind = [Line(str(kind._meta.verbose_name_plural).capitalize(), cells, False)] if any(cells) else []
    usual = {f"{verb}_{model}" for verb in VERBS}
    own = [one for one in permissions if one.codename not in usual]
    return of_kind + [
        Line(gettext(one.name), [gettext("yes") if one.pk in mine else "" for mine in held], True) for one in own
    ]


def _can_be_deleted(kind: type) -> bool:
    """Say whether any page deletes such things: a permission for what nothing does would promise too much."""
    page = admin.site._registry.get(kind)
    return page is not None and type(page).has_delete_permission is not ScopedAdmin.has_delete_permission
