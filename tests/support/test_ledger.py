"""The desk's ledger: a row per grant, one when it is taken back, never changed (B-05, S0-11)."""

import importlib
import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction
from django.urls import reverse

from loyalty import clock
from loyalty.database import execute
from offers.models import Assignment, GrantLedgerEntry, Limit, MemberCount, Source
from offers.services import redemption, reissue, revocation
from offers.services.verb import By
from support.services import assignment as verbs
from support.services import grant as service
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    UserFactory,
    give,
    limit_of,
)
from tests.factories.allowance import allow
from tests.offers.selectors.integrity_plants_ledger import PLANTS_OF_THE_LEDGER, UNPROTECTED_LEDGER
from tests.offers.selectors.test_integrity import found
from tests.support.supervision_cases import entry

pytestmark = pytest.mark.django_db
WHY = service.Why(reason="goodwill", ticket="#A-17", note="Till 4 was down")


@pytest.fixture
def programme():
    return ProgrammeFactory(currency="EUR", timezone="Pacific/Auckland")


@pytest.fixture
def agent(programme):
    return UserFactory(role="support agent", programmes=[programme])


@pytest.fixture
def ann(programme):
    return MemberFactory(programme=programme)


@pytest.fixture
def template(programme):
    offer = ConfigOfferFactory(
        programme=programme,
        terms={"validity": {"days": 30}, "benefit": {"type": "amount", "size": 500}, "redemption_limit": {"limit": 1}},
        repeat_policy="unlimited",
    )
    return OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])


def granted(member, template, agent, *, size=500, reference=None, now=None):
    answer = service.grant(
        member=member,
        template=template,
        terms={"benefit": {"type": "amount", "size": size}},
        reference=reference or uuid.uuid4(),
        why=WHY,
        actor=agent,
        now=now or clock.now(),
    )
    return Assignment.objects.get(pk=answer.outcome.assignment_id)


def sums(**filters):
    rows = GrantLedgerEntry.objects.filter(**filters).values_list("n", "exposure_minor")
    return sum(n for n, _ in rows), sum(cost for _, cost in rows)


def test_b_05_a_grant_stands_in_the_ledger_with_everything_that_is_counted(programme, agent, ann, template):
    """S0-11: who, to whom, what, why, for which ticket, at what worst case, on which day of the programme (D-09)."""
    held = granted(ann, template, agent, size=450, now=datetime(2026, 3, 1, 12, tzinfo=UTC))
    row = GrantLedgerEntry.objects.get()
    assert (row.programme, row.agent, row.member, row.assignment) == (programme, agent, ann, held)
    assert (row.config_offer, row.template) == (template.config_offer, template)
    assert (row.reason, row.ticket, row.ticket_key, row.note) == ("goodwill", "#A-17", "a-17", "Till 4 was down")
    assert (row.n, row.exposure_minor, row.approved_by, row.batch) == (1, 450, None, None)
    # One in the morning there.
    assert row.day == date(2026, 3, 2)
    assert found() == {}


def test_b_05_a_replay_and_a_refusal_write_nothing(programme, agent, ann, template):
    reference = uuid.uuid4()
    granted(ann, template, agent, reference=reference)
    granted(ann, template, agent, reference=reference)
    once = ConfigOfferFactory(programme=programme, repeat_policy="once_ever")
    give(ann, once)
    answer = service.grant(
        member=ann,
        template=once.templates.get(),
        terms={},
        reference=uuid.uuid4(),
        why=WHY,
        actor=agent,
        now=clock.now(),
    )
    assert answer.outcome.code == "already_held"
    assert GrantLedgerEntry.objects.count() == 1


def test_b_05_undo_gives_back_to_the_day_of_the_grant(agent, ann, template):
    then = datetime(2026, 3, 1, 10, 59, 50, tzinfo=UTC)
    held = granted(ann, template, agent, now=then)
    verbs.undo(member=ann, assignment_id=held.pk, actor=agent, now=then + timedelta(seconds=20))
    first, second = GrantLedgerEntry.objects.order_by("id")
    # Undone after midnight in Auckland: yesterday's allowance has it back.
    assert first.day == second.day == date(2026, 3, 1)
    assert (second.n, second.exposure_minor, second.ticket) == (-1, -500, "#A-17")
    assert sums(agent=agent) == sums(member=ann) == (0, 0)
    assert found() == {}


def by_desk(held, agent):
    return verbs.revoke(assignment=held, reason="slip", actor=agent, now=clock.now())


def by_api(held, agent):
    return revocation.revoke(
        programme=held.member.programme, assignment_id=held.pk, reason="slip", by=By(Source.API), now=clock.now()
    )


@pytest.mark.parametrize("revoke", [by_desk, by_api])
def test_b_05_revoking_through_any_door_gives_back_once(agent, ann, template, revoke):
    held = granted(ann, template, agent)
    other = UserFactory(role="support agent", programmes=[ann.programme])
    revoke(held, other)
    revoke(held, other)
    assert sums(agent=agent) == (0, 0)
    assert GrantLedgerEntry.objects.count() == 2
    assert found() == {}


def used_once(held, key="till-1"):
    now = clock.now()
    use = redemption.Use(external_id=key, redeemed_at=now, benefit_minor=500)
    redemption.redeem(programme=held.member.programme, assignment_id=held.pk, use=use, by=By(), now=now)


@pytest.fixture
def of_four(programme):
    """An offer with limits that may be used four times."""
    offer = ConfigOfferFactory(
        programme=programme,
        terms={"validity": {"days": 30}, "benefit": {"type": "amount", "size": 500}, "redemption_limit": {"limit": 4}},
        repeat_policy="unlimited",
    )
    limit_of(offer, cap=10, budget_minor=100_000)
    return OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])


def counted(offer):
    return Limit.objects.values_list("assigned", "spent_minor").get(config_offer=offer)


@pytest.mark.parametrize("revoke", [by_desk, by_api])
def test_b_05_what_was_used_stays_counted_when_it_is_revoked(agent, ann, of_four, revoke):
    """B-05, D-05: otherwise who grants, lets it be used and revokes has no allowance and no budget to keep to."""
    allow(ann.programme, user=agent, per_day=1)
    held = granted(ann, of_four, agent)
    for key in "abc":
        used_once(held, key)
    assert revoke(held, agent).code == "revoked"
    assert Assignment.objects.get(pk=held.pk).revoked_at is not None
    assert sums(agent=agent) == sums(member=ann) == (1, held.exposure_minor)
    assert counted(of_four.config_offer) == (1, held.exposure_minor)
    assert revoke(held, agent).code == "already_revoked"
    waits = service.grant(
        member=ann, template=of_four, terms={"benefit": {"type": "amount", "size": 500}}, reference=uuid.uuid4(),
        why=WHY, actor=agent, now=clock.now(),
    )  # fmt: skip
    assert waits.request is not None
    assert found() == {}


def test_b_05_a_grant_that_was_used_is_no_slip_to_undo(agent, ann, of_four):
    held = granted(ann, of_four, agent)
    used_once(held)
    assert verbs.undo(member=ann, assignment_id=held.pk, actor=agent, now=clock.now()).code == "redeemed"
    assert Assignment.objects.get(pk=held.pk).revoked_at is None
    assert sums(agent=agent) == (1, held.exposure_minor)
    redemption.give_back(
        programme=ann.programme, assignment_id=held.pk, external_id="till-1", by=By(), now=clock.now(), reason="slip"
    )
    assert verbs.undo(member=ann, assignment_id=held.pk, actor=agent, now=clock.now()).code == "undone"
    assert (sums(agent=agent), counted(of_four.config_offer)) == ((0, 0), (0, 0))
    assert found() == {}


def test_b_05_with_the_last_use_of_what_is_revoked_the_grant_goes_back(agent, ann, of_four):
    """B-05, D-05: once, and only when no use of it stands any more."""
    held = granted(ann, of_four, agent)
    used_once(held, "a")
    used_once(held, "b")
    by_desk(held, agent)
    for key, left in (("a", 1), ("b", 0), ("b", 0)):
        redemption.give_back(
            programme=ann.programme, assignment_id=held.pk, external_id=key, by=By(), now=clock.now(), reason="slip"
        )
        assert sums(agent=agent) == counted(of_four.config_offer) == (left, left * held.exposure_minor)
        assert found() == {}


def test_d_05_a_limit_that_is_set_later_counts_what_was_used_and_revoked(agent, ann, programme):
    """D-05: the offer's, the campaign's and the member's in it; what nobody used is not counted."""
    campaign = CampaignFactory(programme=programme)
    terms = {"benefit": {"type": "amount", "size": 500}, "redemption_limit": {"limit": 4}}
    offer = ConfigOfferFactory(programme=programme, repeat_policy="unlimited", terms=terms)
    used, unused = (give(ann, offer, campaign_id=campaign.pk) for _ in range(2))
    used_once(used)
    for held in (used, unused):
        by_api(held, agent)
    limit_of(offer, cap=10)
    limit_of(campaign, per_member=3)
    assert set(Limit.objects.values_list("assigned", "spent_minor")) == {(1, used.exposure_minor)}
    assert MemberCount.objects.get(member=ann).assigned == 1
    assert found() == {}
    redemption.give_back(
        programme=programme, assignment_id=used.pk, external_id="till-1", by=By(), now=clock.now(), reason="slip"
    )
    assert set(Limit.objects.values_list("assigned", "spent_minor")) == {(0, 0)}
    assert MemberCount.objects.get(member=ann).assigned == 0
    assert found() == {}


def test_b_06_reissuing_keeps_the_grant_and_revoking_the_new_one_gives_it_back(agent, ann, template):
    """B-05, B-06: a chain of reissues is one grant, whoever ends it."""
    held = granted(ann, template, agent)
    by = By(Source.SUPPORT, agent)
    for _turn in range(2):
        answer = reissue.reissue(programme=ann.programme, assignment_id=held.pk, reason="lost", by=by, now=clock.now())
        held = Assignment.objects.get(pk=answer.assignment_id)
    assert sums(agent=agent) == (1, 500)
    assert found() == {}
    by_api(held, agent)
    assert sums(agent=agent) == (0, 0)
    assert found() == {}


def test_b_05_what_no_agent_granted_is_no_row_when_it_is_taken_back(agent, ann, template):
    held = give(ann, template, terms={"benefit": {"type": "amount", "size": 100}})
    by_desk(held, agent)
    assert not GrantLedgerEntry.objects.exists()


@pytest.mark.parametrize("statement", ["SET n = 1", "SET exposure_minor = 0", None])
def test_b_05_the_database_refuses_to_change_or_delete_a_row(agent, ann, template, statement):
    granted(ann, template, agent)
    table = "offers_grantledgerentry"
    with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
        execute(f"UPDATE {table} {statement}" if statement else f"DELETE FROM {table}")


@pytest.mark.parametrize(("plant", "finds"), PLANTS_OF_THE_LEDGER.values(), ids=PLANTS_OF_THE_LEDGER)
def test_b_05_check_integrity_finds_a_ledger_that_is_not_the_assignments(programme, agent, ann, template, plant, finds):
    granted(ann, template, agent)
    assert found() == {}
    execute(plant)
    assert set(found()) == set(found(programme)) == finds
    assert found(ProgrammeFactory()) == {}


def test_b_05_the_ledger_begins_with_what_doors_remember(agent, ann, template):
    """The data migration: grants from before, those taken back, and those reissued and then taken back."""
    kept, undone, chained = (granted(ann, template, agent) for _ in range(3))
    by_desk(undone, agent)
    by = By(Source.SUPPORT, agent)
    later = reissue.reissue(programme=ann.programme, assignment_id=chained.pk, reason="x", by=by, now=clock.now())
    by_api(Assignment.objects.get(pk=later.assignment_id), agent)
    names = [field.attname for field in GrantLedgerEntry._meta.concrete_fields if field.name not in ("id", "at")]
    written = set(GrantLedgerEntry.objects.values_list(*names))
    execute(f"{UNPROTECTED_LEDGER} DELETE FROM offers_grantledgerentry")
    migration = importlib.import_module("offers.migrations.0029_ledger_of_what_was_granted")
    execute(migration.FILL)
    execute(migration.TAKE_BACK)
    assert set(GrantLedgerEntry.objects.values_list(*names)) == written
    assert len(written) == 5
    assert sums(assignment=kept) == (1, 500)
    assert found() == {}


def test_d_21_whose_grant_is_not_in_the_list_is_no_place_in_it(client, programme, agent, template):
    """D-21: another programme's grant in the whole ledger, and another agent's among her own."""
    other, lead = (UserFactory(role=f"support {role}", programmes=[programme]) for role in ("agent", "lead"))
    theirs = MemberFactory()
    their_offer = ConfigOfferFactory(programme=theirs.programme)
    there = OfferTemplateFactory(config_offer=their_offer)
    for n in range(61):
        entry(agent, MemberFactory(programme=programme), template, day=date(2026, 3, 1) + timedelta(days=n))
    foreign = entry(agent, theirs, there, day=date(2026, 4, 25))
    colleagues = entry(other, MemberFactory(programme=programme), template, day=date(2026, 4, 25))
    for user, page, row in [(lead, "ledger", foreign), (agent, "my_grants", foreign), (agent, "my_grants", colleagues)]:
        client.force_login(user)
        url = reverse(f"support:{page}")
        by_number = list(client.get(url, {"page": 2}).context["listing"].page.object_list)
        assert len(by_number) in {11, 12}
        assert list(client.get(url, {"page": 2, "after": row.pk}).context["listing"].page.object_list) == by_number
    # One of the ledger's own is a place, whatever is filtered: behind it comes her grant of the same moment.
    client.force_login(lead)
    after = client.get(reverse("support:ledger"), {"page": 2, "after": colleagues.pk, "agent": agent.pk})
    assert after.context["listing"].page.object_list[0].day == date(2026, 4, 25)
