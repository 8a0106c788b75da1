"""Two programmes, one of everything in each: nobody of one ever sees a word of the other (D-21, DESIGN 6)."""

import importlib
import inspect
import pkgutil

import pytest
from django.db import connection, transaction

import loyalty.selectors
import offers.selectors
import support.selectors
from loyalty.models import Member
from tests.architecture import addresses, callers
from tests.architecture.world import plant

# Pages about all programmes on purpose: people, roles, schedules, the sign-in.
OF_ALL_PROGRAMMES = (
    "/accounts/", "/admin/auth/", "/admin/loyalty/user/", "/admin/loyalty/programme/", "/admin/django_celery_beat/",
    "/admin/account/", "/admin/mfa/", "/admin/socialaccount/",
)  # fmt: skip

# What a selector may take to know whose things it may return: the programme, or something that belongs to one.
SCOPES = {
    "programme", "programme_id", "member", "member_id", "offer", "run", "run_id", "bank", "template", "targeting",
    "assignment", "purchase", "version", "batch", "campaign", "product", "user", "run_ids", "offer_ids", "found",
    "owner", "upload", "member_list", "member_import", "promotion", "asked",
}  # fmt: skip
# Selectors about no programme's things, each with its reason.
SCOPELESS = {
    "loyalty.selectors.member_import.message": "says a problem that it is given",
    "loyalty.selectors.member_import.said": "says a problem that it is given",
    "offers.selectors.audience_statement.select": "makes a statement, not what it finds",
    "offers.selectors.audience_statement.copy": "makes a statement, not what it finds",
    "offers.selectors.run_mail.content": "says a message that it is given",
    "offers.selectors.demo_members.choices": "the demo's own programme, where the demo runs",
    "offers.selectors.demo_members.found": "the demo's own programme, where the demo runs",
    "offers.selectors.integrity.checks": "statements, not what they find",
    "offers.selectors.integrity.check.of": "the condition that keeps to a programme",
    "offers.selectors.integrity.relation.checks": "statements, not what they find",
    "offers.selectors.integrity.relation.name": "names a relation",
    "offers.selectors.integrity.relation.unguarded": "reads the models",
    "offers.selectors.personal_offer.hashed": "how the database joins, not what it finds",
    "offers.selectors.targeting_cancellation.mark_of": "makes a mark of what it is given",
    "offers.selectors.targeting_cancellation.rows": "runs the statement that it is given",
    "offers.selectors.targeting_cancellation.stop": "stops by a mark that names one person's page",
    "offers.selectors.targeting.planned": "how the database plans, not what it finds",
    "offers.selectors.voucher.drawable": "a condition, for a bank's segments",
    "offers.selectors.limit.shown": "writes a value that it is given",
    "offers.selectors.template.desk_roles": "roles, which all programmes share",
    "support.selectors.allowance.counting": "reads rows that it is given",
    "support.selectors.allowance.dearest": "of assignments that were just made for one programme",
    "support.selectors.allowance.read": "reads what a request kept",
    "support.selectors.assignment.explained": "says the terms that it is given",
    "support.selectors.period.monday": "reads a day that it is given",
    "support.selectors.timeline.at": "reads a row that it is given",
    "offers.selectors.timeline.terms_at_issue": "reads the rows that it is given",
    "offers.selectors.member_offers.as_json": "writes what `listed` returned",
}


@pytest.mark.django_db
@pytest.mark.parametrize("whose", ["own", "foreign"])
@pytest.mark.parametrize("group", ["/admin/", "/api/", "/rewards/", "/offers/", "/"])
def test_no_page_or_endpoint_shows_another_programmes_things(group, whose, settings):
    """Asked with its own ids and with the other programme's: the other's marks appear nowhere."""
    settings.RATES = dict.fromkeys(settings.RATES, (10**9, 60))
    here, there = plant("Arctic"), plant("Zanzibar")
    values = (here if whose == "own" else there).values()
    marks = ("Zanzibar", "zanzibar")
    groups = ("/admin/", "/api/", "/rewards/", "/offers/")
    leaks = []
    known = callers.of(here)
    for address in addresses.every():
        if address.startswith(OF_ALL_PROGRAMMES) or not address.startswith(group):
            continue
        if group == "/" and address.startswith(groups):
            continue
        path = addresses.filled(address, values)
        for caller in callers.who_sees_most(known, address):
            with transaction.atomic():
                answer = caller.ask("GET", path)
                transaction.set_rollback(True)
            text = callers.text_of(answer) + "".join(f"{name}: {value}" for name, value in answer.headers.items())
            # The id that was asked for is no news to who asked: an error may repeat it.
            text = text.replace(path, "")
            if answer.status_code in (404, 422):
                text = text.replace(f"{there.mark}-1", "")
            leaks += [f"{caller.name}: {path}" for mark in marks if mark in text]
    assert leaks == []


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_no_endpoint_changes_another_programmes_things(method, settings):
    """IDOR: acting on the other's ids finds nothing; what cannot be found cannot be changed."""
    settings.RATES = dict.fromkeys(settings.RATES, (10**9, 60))
    here, there = plant("Arctic"), plant("Zanzibar")
    before = _state(there)
    acted = []
    known = callers.of(here)
    for address in addresses.every():
        if not addresses.PARAMETER.search(address) or address.startswith(OF_ALL_PROGRAMMES):
            continue
        if method == "PUT" and not address.startswith("/api/"):
            continue
        for caller in callers.who_sees_most(known, address):
            caller.ask(method, addresses.filled(address, there.values()))
            if _state(there) != before:
                acted.append(f"{caller.name}: {method} {address}")
                before = _state(there)
    assert acted == []
    # What is compared sees a change.
    Member.objects.filter(pk=there["member"].pk).update(city="Elsewhere")
    assert _state(there) != before


def test_every_selector_is_told_whose_things_it_may_return():
    """DESIGN 6: the programme, or something that belongs to one, is an argument of every selector."""
    free = []
    for package in (loyalty.selectors, offers.selectors, support.selectors):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for name, function in inspect.getmembers(module, inspect.isfunction):
                if name.startswith("_") or function.__module__ != module.__name__:
                    continue
                parameters = inspect.signature(function).parameters
                if not SCOPES & set(parameters) and f"{found.name}.{name}" not in SCOPELESS:
                    free.append(f"{found.name}.{name}({', '.join(parameters)})")
    assert free == []


def _state(world) -> list[tuple[int, str]]:
    """Return every row of the world that a request could change, whole and in one statement: it is asked often."""
    parts, keys = [], []
    for number, one in enumerate(world.objects.values()):
        table = connection.ops.quote_name(one._meta.db_table)
        key = connection.ops.quote_name(one._meta.pk.column)
        parts.append(f"SELECT {number} AS number, to_jsonb(row)::text FROM {table} AS row WHERE {key} = %s")
        keys.append(one.pk)
    with connection.cursor() as cursor:
        cursor.execute(f"{' UNION ALL '.join(parts)} ORDER BY number", keys)
        found = cursor.fetchall()
    assert len(found) == len(parts)
    return found
