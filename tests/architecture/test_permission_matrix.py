"""Who gets in where (A2): every address, every method, every kind of caller, as `permissions.yaml` says.

A new address without a row fails. After looking at what it does, write the rows with
`LAUREL_WRITE_PERMISSIONS=1 python -m pytest tests/architecture/test_permission_matrix.py` and read the difference:
that is the review.
"""

import os
import re
from pathlib import Path

import pytest
import yaml
from django.contrib import admin
from django.db import transaction
from django.test import RequestFactory

from tests.architecture import addresses, callers
from tests.architecture.world import plant
from tests.factories import ProgrammeFactory, UserFactory

FILE = Path(__file__).with_name("permissions.yaml")
METHODS = ("GET", "POST", "PUT", "DELETE")
EVERYONE = "everyone"
# Whoever comes may ask here. Anything else that lets a stranger in is a hole, whatever the file says.
OPEN = (
    "/accounts/", "/healthz", "/readyz", "/metrics", "/rewards/session", "/rewards/sign-out", "/rewards/theme.css",
    "/admin/login/", "/admin/jsi18n/",
)  # fmt: skip
# Leads on to the list, which asks who comes.
REDIRECTS = ("/rewards/", "/admin/logout/", "/admin/(?P<url>.*)$")
GROUPS = ("/accounts/", "/api/", "/rewards/", "/offers/", "/admin/", "/")
STAFF = ("stranger", "member", *callers.ROLES)

pytestmark = pytest.mark.django_db


def written() -> dict[str, dict[str, dict[str, str]]]:
    return yaml.safe_load(FILE.read_text()) if FILE.exists() else {"addresses": {}, "admin": {}}


def write(part: str, rows: dict[str, dict[str, str]], *, known: set[str]) -> None:
    whole = written()
    whole[part] = {name: row for name, row in (whole.get(part, {}) | rows).items() if name in known}
    FILE.write_text(yaml.safe_dump(whole, sort_keys=True, allow_unicode=True, width=200))


def is_of_admin_model(address: str) -> bool:
    """Say whether an address is one that Django makes for each model: those stand in the second table."""
    return bool(re.fullmatch(r"/admin/\w+/\w+/(add/|<path:object_id>/((change|delete|history)/)?)?", address))


def of_matrix() -> list[str]:
    return [address for address in addresses.every() if not is_of_admin_model(address)]


def group_of(address: str) -> str:
    return next(group for group in GROUPS if address.startswith(group))


def row_text(inside: list[str], asked: int) -> str:
    return EVERYONE if len(inside) == asked else ", ".join(inside)


def test_every_address_has_a_row_and_every_row_an_address():
    """A2: a new URL without a row fails."""
    assert set(written()["addresses"]) == set(of_matrix())


@pytest.mark.parametrize("group", GROUPS)
def test_every_caller_gets_in_exactly_where_the_matrix_says(group, settings):
    """A2: roles, members, tokens and keys, by every method."""
    settings.RATES = dict.fromkeys(settings.RATES, (10**9, 60))
    world = plant("Arctic")
    known = callers.of(world)
    values = world.values()
    # Keys and tokens are read by the API alone, and only machines put and delete.
    names = {"/api/": tuple(known), "/accounts/": ("stranger", "support agent")}.get(group, STAFF)
    methods = METHODS if group == "/api/" else METHODS[:2]
    found: dict[str, dict[str, str]] = {}
    broken = []
    for address in of_matrix():
        if group_of(address) != group:
            continue
        found[address] = {}
        for method in methods:
            inside = []
            for name in names:
                # What a request changes is undone, so that the next one finds the same world.
                with transaction.atomic():
                    answer = known[name].ask(method, addresses.filled(address, values))
                    transaction.set_rollback(True)
                if answer.status_code >= 500:
                    broken.append(f"{method} {address} as {name}: {answer.status_code}")
                if callers.is_let_in(answer):
                    inside.append(name)
            if inside:
                found[address][method] = row_text(inside, len(names))
    assert broken == []
    if os.environ.get("LAUREL_WRITE_PERMISSIONS"):
        write("addresses", found, known=set(of_matrix()))
    assert found == {address: row for address, row in written()["addresses"].items() if group_of(address) == group}


def test_every_role_may_do_in_the_admin_exactly_what_the_matrix_says():
    """A2: each model that the admin shows, by what Django asks before each of its pages."""
    programme = ProgrammeFactory()
    people = {role: UserFactory(role=role, programmes=[programme]) for role in callers.ROLES}
    found: dict[str, dict[str, str]] = {}
    for model, page in admin.site._registry.items():
        row = {}
        for verb in ("view", "add", "change", "delete"):
            inside = []
            for role, person in people.items():
                request = RequestFactory().get("/admin/")
                request.user, request.programme, request.programmes = person, programme, [programme]
                if getattr(page, f"has_{verb}_permission")(request):
                    inside.append(role)
            if inside:
                row[verb] = row_text(inside, len(people))
        found[model._meta.label_lower] = row
    if os.environ.get("LAUREL_WRITE_PERMISSIONS"):
        write("admin", found, known=set(found))
    assert found == written()["admin"]


def test_strangers_get_in_only_at_the_front_doors():
    """A1: nothing answers who has not said who she is."""
    holes = [
        f"{method} {address}"
        for address, row in written()["addresses"].items()
        for method, inside in row.items()
        if (inside == EVERYONE or "stranger" in inside) and not address.startswith(OPEN) and address not in REDIRECTS
    ]
    assert holes == []


def test_a_key_without_scopes_opens_nothing_that_a_stranger_cannot_open():
    for address, row in written()["addresses"].items():
        for method, inside in row.items():
            if "key without scopes" in inside:
                assert "stranger" in inside, f"{method} {address}"


def test_members_and_machines_get_nowhere_near_the_staffs_pages():
    for address, row in written()["addresses"].items():
        if address.startswith(("/admin/", "/support/", "/offers/")):
            for method, inside in row.items():
                if inside != EVERYONE and "stranger" not in inside:
                    assert not {"member", "member's token", "key"} & set(inside.split(", ")), f"{method} {address}"
