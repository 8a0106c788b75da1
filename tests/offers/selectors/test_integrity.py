"""`check_integrity` (issue 3): a sound database passes, and each invariant that is broken on purpose is found.

Each plant breaks one thing by raw SQL, as no code of Laurel can; `finds` are all the checks that must notice it, and no
other may.
"""

import json
import uuid
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import models, transaction
from django.test import override_settings

from loyalty import clock
from loyalty.database import execute, rows
from loyalty.models import Programme
from loyalty.services import outbox
from offers.models import Assignment, MassAssignment, Redemption, Source, VoucherCode
from offers.selectors import integrity
from offers.selectors.integrity import relation
from offers.services import assignment_verbs, closing, door, execution, revocation
from offers.services.assignment import Grant
from offers.services.verb import By
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    give,
    import_codes,
    plan_run,
)
from tests.offers.selectors.integrity_plants import PLANTS, PLANTS_OF_LIMITS, PLANTS_OF_PERSONAL_OFFERS, PLANTS_OF_UNDO
from tests.offers.selectors.integrity_plants_ledger import PLANTS_OF_THE_LEDGER
from tests.offers.selectors.integrity_plants_promotion import PLANTS_OF_PROMOTIONS


def found(programme=None) -> dict[str, list[str]]:
    return {
        finding.check.name: list(finding.samples)
        for finding in integrity.examine(programme=programme)
        if finding.violations
    }


def ask(programme, template, member, reference):
    return door.grant(
        programme=programme,
        door=Source.API,
        instance="till",
        grant=Grant(template_id=template.pk, member_id=member.pk, reference=reference),
        actor=None,
        now=clock.now(),
    ).outcome


@pytest.fixture(scope="module")
def _built(django_db_setup, django_db_blocker):
    """Build one world for the module, in a transaction that never ends: seventy tests need it, and break it."""
    with django_db_blocker.unblock(), transaction.atomic():
        with override_settings(MASS_ASSIGNMENT_CHUNK=4):
            built = _build()
        yield built
        transaction.set_rollback(True)


@pytest.fixture
def world(_built):
    with transaction.atomic():
        yield _built
        transaction.set_rollback(True)


def _build():
    """Make a little of everything: grants, a refusal, a code shown, one given back, a run, two programmes."""
    programme, other = ProgrammeFactory(), ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy="once_ever")
    import_codes(offer, 30)
    members = MemberFactory.create_batch(10, programme=programme)
    template = offer.templates.get()
    for member in members[:3]:
        ask(programme, template, member, f"r-{member.pk}")
    ask(programme, template, members[0], "again")
    shown, revoked = (Assignment.objects.get(member=member) for member in members[:2])
    assignment_verbs.expose(member_id=members[0].pk, assignment_id=shown.pk, now=clock.now())
    revocation.revoke(programme=programme, assignment_id=revoked.pk, reason="slip", now=clock.now())
    run = plan_run(template)
    members[5].status = "inactive"
    members[5].save()
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    foreign = ConfigOfferFactory(programme=other, require_vouchers=True, repeat_policy="one_open")
    import_codes(foreign, 5)
    stranger = MemberFactory(programme=other)
    give(stranger, foreign)
    plain = give(members[0], ConfigOfferFactory(programme=programme, repeat_policy="unlimited"))
    Redemption.objects.create(
        programme=programme, member=members[0], config_offer=plain.config_offer, assignment=plain,
        external_id="till-1", redeemed_at=clock.now(),
    )  # fmt: skip
    outbox.relay()
    run.refresh_from_db()
    assert run.state == "finished"
    return {
        "programme": programme.pk,
        "other": other.pk,
        "offer": offer.pk,
        "foreign": foreign.pk,
        "foreign_template": foreign.templates.get().pk,
        "stranger": stranger.pk,
        "bank": offer.voucher_bank.pk,
        "run": run.pk,
        "campaign": CampaignFactory(programme=other).pk,
        "shown": shown.pk,
        "revoked": revoked.pk,
        "plain": plain.pk,
        "member": members[2].pk,
        "held": Assignment.objects.get(member=members[2]).pk,
        "of_run": Assignment.objects.filter(run=run).order_by("member")[0].pk,
    }


def test_a_sound_database_is_whole(world):
    """Issue 3: nothing is found, in all programmes or in one."""
    assert MassAssignment.objects.get().eligible == 8
    assert VoucherCode.objects.count() == 35
    assert found() == {}


def test_what_a_run_gave_and_staff_closed_is_whole(world):
    """D-10: a code that nobody saw goes back when its assignment is closed, and is not missing there."""
    run = MassAssignment.objects.get()
    held = Assignment.objects.filter(run=run, revoked_at__isnull=True, exposed_at__isnull=True).first()
    closing.close(programme=run.programme, assignment_id=held.pk, reason="asked", by=By(), now=clock.now())
    assert Assignment.objects.get(pk=held.pk).voucher_code is None
    assert found() == {}


def test_it_is_one_statement_a_check_and_reads_only(world, django_assert_num_queries):
    """Issue 3: set-based; besides the checks there are the savepoint and the memory for it."""
    with django_assert_num_queries(len(integrity.checks()) + 3):
        integrity.examine()


@pytest.mark.parametrize("plant", PLANTS)
def test_what_is_broken_is_found_and_nothing_else(world, plant):
    """Issue 3 (S4-22, D-01, D-05, D-10): each by the checks that are about it."""
    sql, finds = PLANTS[plant]
    *before, statement = sql.split(";")
    for each in before:
        execute(each, world)
    assert execute(statement, world) > 0
    assert set(found()) == finds


def test_every_check_has_a_plant():
    """Issue 3: a check that nothing shows to work is none."""
    plants = (
        PLANTS
        | PLANTS_OF_LIMITS
        | PLANTS_OF_UNDO
        | PLANTS_OF_PERSONAL_OFFERS
        | PLANTS_OF_PROMOTIONS
        | PLANTS_OF_THE_LEDGER
    )
    shown = set().union(*(finds for _, finds in plants.values()))
    assert shown == {check.name for check in integrity.checks() if not check.name.startswith("orphan:")}


DUMMIES = {
    "CharField": "x",
    "TextField": "x",
    "JSONField": "{}",
    "BooleanField": False,
    "ArrayField": [],
    "UUIDField": uuid.UUID(int=7),
    "BinaryField": b"x",
}
NOBODY = {"UUIDField": uuid.UUID(int=9)}


def _plant_orphan(field: models.ForeignKey) -> str:
    """Insert a row whose relations all lead nowhere, and return its key as the check writes it."""
    for constraint in field.model._meta.constraints:
        if isinstance(constraint, models.CheckConstraint):
            # What the row says besides is no sense at all.
            execute(f"ALTER TABLE {field.model._meta.db_table} DROP CONSTRAINT {constraint.name}")
    values = {}
    for each in field.model._meta.concrete_fields:
        if isinstance(each, models.ForeignKey):
            wanted = each is field or not each.null
            values[each.column] = NOBODY.get(each.target_field.get_internal_type(), -7) if wanted else None
        elif not isinstance(each, models.AutoField) and not each.null:
            kind = each.get_internal_type()
            values[each.column] = clock.now() if kind.startswith("Date") else DUMMIES.get(kind, 1)
    key = ", ".join(each.column for each in field.model._meta.pk_fields)
    [planted] = rows(
        f"INSERT INTO {field.model._meta.db_table} ({', '.join(values)}) "
        f"VALUES ({', '.join(['%s'] * len(values))}) RETURNING {key}",
        list(values.values()),
    )
    return "/".join(str(value) for value in planted.values())


@pytest.mark.parametrize("field", list(relation.unguarded()), ids=relation.name)
def test_an_orphan_of_every_relation_without_a_constraint_is_found(world, field):
    """Issue 3, DESIGN 4: read from the models, so none can be forgotten."""
    # The planted row's guarded relations lead nowhere either: those are looked at when a transaction commits.
    planted = _plant_orphan(field)
    assert planted in found()[relation.name(field)]


def test_one_programme_is_checked_alone(world):
    """Issue 3, `--programme`: the other one's faults are its own."""
    execute("UPDATE offers_assignment SET holding_key = NULL WHERE id = %(shown)s", world)
    assert found(Programme.objects.get(pk=world["other"])) == {}
    assert found(Programme.objects.get(pk=world["programme"])) == {"holding_key_against_policy": [str(world["shown"])]}


def test_expired_holders_are_let_go_late_and_that_is_no_fault(world):
    """D-01: of one open at a time the expired one holds until somebody asks again."""
    member = MemberFactory()
    offer = ConfigOfferFactory(programme=member.programme, repeat_policy="one_open")
    held = give(member, offer)
    Assignment.objects.filter(pk=held.pk).update(starts_at=None, ends_at=clock.now())
    assert found() == {}
    give(member, offer)
    held.refresh_from_db()
    assert (held.holding_key, found()) == (None, {})


HOLDING = "An assignment holds its offer under the key of the offer's repeat policy until something frees it."


def _command(*arguments) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("check_integrity", *arguments, stdout=out)
    except SystemExit as ended:
        return ended.code, out.getvalue()
    return 0, out.getvalue()


def test_the_command_says_what_is_broken_and_exits_with_1(world):
    """Issue 3: for people, and with --json for programs; whole, it exits with 0."""
    number = len(integrity.checks())
    assert _command() == (0, f"{number} checks, 0 broken.\n")
    execute("UPDATE offers_assignment SET holding_key = NULL WHERE id = %(shown)s", world)

    code, said = _command()
    assert code == 1
    assert f"        1  holding_key_against_policy: {HOLDING} Not so: {world['shown']}\n" in said
    assert said.endswith(f"{number} checks, 1 broken.\n")

    code, said = _command("--json")
    answer = json.loads(said)
    assert (code, answer["is_whole"], len(answer["checks"])) == (1, False, number)
    assert [each for each in answer["checks"] if each["violations"]] == [
        {
            "name": "holding_key_against_policy",
            "says": HOLDING,
            "violations": 1,
            "samples": [str(world["shown"])],
        }
    ]
