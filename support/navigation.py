"""The navigation as data: sections of items, of which a role sees only its own (SCREENS, "One navigation").

An item is shown when its address exists, its module is on, and the person has one of its permissions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.models import Programme, User
from support.selectors import decision, grant_request


@dataclass(frozen=True)
class Item:
    """One line of the navigation. `permissions`: any one of them is enough; none means every member of staff."""

    label: str | Promise
    url_name: str
    icon: str
    permissions: tuple[str, ...] = ()
    key: str = ""
    """The letter that follows `g` on the keyboard."""
    badge: Callable[..., int] | None = None
    """Counts what waits for the person there: `badge(programme=…, user=…)`."""
    badge_label: str | Promise = ""


@dataclass(frozen=True)
class Section:
    label: str | Promise
    items: Sequence[Item]


@dataclass(frozen=True)
class Entry:
    """An item as one person sees it on one page."""

    label: str | Promise
    url: str
    icon: str
    key: str
    is_current: bool
    badge: int = 0
    badge_label: str | Promise = ""


@dataclass(frozen=True)
class Group:
    label: str | Promise
    entries: list[Entry] = field(default_factory=list)


OFFERS = Section(
    _("Offers"),
    (
        Item(_("Catalogue"), "offers:catalogue", "gift", ("offers.view_configoffer",), key="o"),
        Item(_("Templates"), "offers:templates", "template", ("offers.view_offertemplate",), key="t"),
        Item(_("Vouchers"), "offers:vouchers", "ticket", ("offers.view_voucherbank",), key="v"),
        Item(_("Promotions"), "offers:promotions", "discount", ("offers.personalized_promotions",), key="p"),
    ),
)

SECTIONS = (
    Section(
        "",
        (
            Item(_("Home"), "support:home", "home", key="h"),
            Item(_("Members"), "support:members", "users", ("loyalty.view_member",), key="m"),
            Item(
                _("My grants"),
                "support:my_grants",
                "gift",
                ("offers.grant_assignment",),
                badge=decision.count,
                badge_label=_("decided and not read yet"),
            ),
            Item(_("Make good for many"), "support:make_good", "users-group", ("support.add_grantbatch",)),
            Item(_("Supervision"), "support:supervision", "chart-bar", ("support.supervise",)),
            Item(
                _("Waiting grants"),
                "support:grant_requests",
                "user-check",
                ("support.view_grantrequest",),
                badge=grant_request.count,
                badge_label=_("waiting for you"),
            ),
            Item(_("Members by file"), "support:member_imports", "file-import", ("loyalty.import_members",)),
        ),
    ),
    OFFERS,
    Section(
        _("Sending"),
        (
            Item(_("Audiences"), "offers:targetings", "target-arrow", ("offers.view_targeting",), key="a"),
            Item(_("Runs"), "offers:runs", "rocket", ("offers.view_massassignment",), key="r"),
            Item(_("Campaigns"), "offers:campaigns", "speakerphone", ("offers.view_campaign",), key="c"),
        ),
    ),
    Section(
        _("Programme"),
        (
            Item(_("Products"), "admin:loyalty_product_changelist", "package", ("loyalty.view_product",)),
            Item(
                _("Attributes"),
                "admin:loyalty_attributedefinition_changelist",
                "tags",
                ("loyalty.view_attributedefinition",),
            ),
            Item(_("API clients"), "admin:loyalty_apiclient_changelist", "api", ("loyalty.view_apiclient",)),
            Item(_("Allowances"), "support:allowances", "scale", ("support.view_allowance",)),
            Item(_("Roles"), "support:roles", "shield-check", ("auth.view_group",)),
            Item(_("Who looked at what"), "support:looks", "eye", ("loyalty.view_auditevent",)),
            Item(_("Audit"), "admin:loyalty_auditevent_changelist", "clipboard-list", ("loyalty.view_auditevent",)),
            Item(_("Settings"), "admin:index", "settings", ("loyalty.change_programme",), key="s"),
        ),
    ),
)
# What the offers module brings (S4-41).
OF_OFFERS = ("offers:", "admin:offers_", "support:grant_requests", "support:allowances", "support:make_good")
OWN_PAGES = {"offers:notifications"}


def groups(request: HttpRequest) -> list[Group]:
    """Return the sections with at least one entry for this person, the current one marked."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_staff:
        return []
    programme = getattr(request, "programme", None)
    is_without_offers = programme is not None and not programme.offers_enabled
    shown: list[tuple[str | Promise, list[tuple[Item, str]]]] = []
    for section in SECTIONS:
        items = []
        for item in section.items:
            if is_without_offers and item.url_name.startswith(OF_OFFERS):
                # The module is off (S4-41).
                continue
            if item.permissions and not any(user.has_perm(name) for name in item.permissions):
                continue
            try:
                items.append((item, reverse(item.url_name)))
            except NoReverseMatch:
                continue
        if items:
            shown.append((_label(section, programme), items))
    # A person's own page is nobody's below: the catalogue's address begins its address.
    is_own = request.resolver_match is not None and request.resolver_match.view_name in OWN_PAGES
    current = "" if is_own else _current(request.path, [url for _name, items in shown for _item, url in items])
    return [
        Group(
            label,
            [
                Entry(
                    item.label,
                    url,
                    item.icon,
                    item.key,
                    url == current,
                    _badge(item, programme, user),
                    item.badge_label,
                )
                for item, url in items
            ],
        )
        for label, items in shown
    ]


def _badge(item: Item, programme: Programme | None, user: User) -> int:
    is_counted = item.badge is not None and programme is not None and programme.pk is not None
    return item.badge(programme=programme, user=user) if is_counted and item.badge else 0


def _label(section: Section, programme: Programme | None) -> str | Promise:
    """Return the section's name: the programme's own for the offers table, unless it is the one we translate."""
    own = programme.offers_label if programme is not None and section is OFFERS else ""
    return own if own and own != "Offers" else section.label


def _current(path: str, urls: Sequence[str]) -> str:
    """Return the address that is the page, or the nearest one above it; `/` is only itself."""
    above = [url for url in urls if path == url or (url != "/" and path.startswith(url))]
    return max(above, key=len, default="")
