"""Limits shared by all: caps, budgets, a day's share, what comes back, and what runs reserve (D-05, DESIGN 4)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from loyalty import clock
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import AuditEvent
from offers.models import Assignment, AudienceMember, Limit, LimitReservation, MemberCount, Source
from offers.selectors import integrity
from offers.services import assignment, audience, door, execution, limit_settings, mass_assignment, revocation
from offers.services.assignment import Grant
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    DraftOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    TargetingFactory,
    give,
    import_codes,
    launch_run,
    limit_of,
)

pytestmark = pytest.mark.django_db
TWO_EUROS = {"benefit": {"type": "amount", "size": 200}}


@pytest.fixture
def programme():
    return ProgrammeFactory()


def grants_of(offer, members, campaign=None, **values):
    template = offer.templates.get()
    return [
        Grant(template_id=template.pk, member_id=m.pk, campaign_id=campaign.pk if campaign else None, **values)
        for m in members
    ]


def assign(programme, grants, now=None):
    with transaction.atomic():
        return assignment.assign(
            programme=programme, grants=grants, source=Source.API, actor=None, now=now or clock.now()
        )


def codes(outcomes):
    return [outcome.code for outcome in outcomes]


def launched(offer, campaign=None, criteria=None):
    targeting = TargetingFactory(programme=offer.programme, **({"criteria": criteria} if criteria else {}))
    return launch_run(offer, targeting=targeting, campaign=campaign)


def state_of(limit):
    limit.refresh_from_db()
    return limit.assigned, limit.spent_minor, limit.assigned_today, limit.spent_today_minor


def test_d_05_the_first_of_a_set_get_what_is_left_of_a_cap(programme):
    """D-05: in the order of the set, whoever else it names; the refused leave their codes in the bank."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 10)
    members = MemberFactory.create_batch(5, programme=programme)
    limit = limit_of(offer, cap=3)
    outcomes = assign(programme, grants_of(offer, members[::-1]))
    assert codes(outcomes) == ["assigned"] * 3 + ["cap_reached"] * 2
    assert outcomes[3].member_id == members[1].pk
    [reason] = outcomes[3].reasons
    assert (reason.code, reason.parameters) == ("offer_cap", {"limit": 3})
    assert "3 times" in reason.message
    assert sum(s.size - s.cursor for s in offer.voucher_bank.segments.all()) == 7
    assert state_of(limit) == (3, 0, 3, 0)


def test_d_05_who_is_refused_takes_nothing_from_those_behind_her(programme):
    """D-05: the campaign's last two places go to the two who fit, past one whose own offer is full or has no code."""
    campaign = CampaignFactory(programme=programme)
    full, bare, free = ConfigOfferFactory.create_batch(3, programme=programme)
    codeless = ConfigOfferFactory(programme=programme, require_vouchers=True)
    limit_of(full, cap=0)
    limit_of(campaign, cap=2)
    members = MemberFactory.create_batch(5, programme=programme)
    offers = [full, codeless, bare, free, free]
    grants = [grants_of(o, [m], campaign)[0] for o, m in zip(offers, members, strict=True)]
    outcomes = assign(programme, grants)
    assert codes(outcomes) == ["cap_reached", "out_of_codes", "assigned", "assigned", "cap_reached"]
    assert outcomes[4].reasons[0].code == "campaign_cap"


def test_d_05_a_hard_budget_stops_at_the_last_whole_share_and_a_smaller_one_still_fits(programme):
    """D-05, D-08: worst cases in minor units; values given at assignment count with what they cost."""
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS)
    limit = limit_of(offer, budget_minor=500)
    ann, ben, cid, dan = MemberFactory.create_batch(4, programme=programme)
    cheap = {"benefit": {"type": "amount", "size": 100}}
    outcomes = assign(programme, [*grants_of(offer, [ann, ben, cid]), *grants_of(offer, [dan], terms=cheap)])
    assert codes(outcomes) == ["assigned", "assigned", "budget_reached", "assigned"]
    assert outcomes[2].reasons[0].code == "offer_budget"
    assert state_of(limit)[:2] == (3, 500)


def test_d_05_a_soft_budget_gives_on_and_keeps_a_warning(programme):
    """D-05: the outcome stays assigned; since when it is overdrawn is recorded, until there is budget again."""
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS)
    limit = limit_of(offer, budget_minor=300, is_budget_hard=False)
    members = MemberFactory.create_batch(3, programme=programme)
    now = clock.now()
    assert codes(assign(programme, grants_of(offer, members[:1]), now)) == ["assigned"]
    limit.refresh_from_db()
    assert limit.overdrawn_at is None
    assert codes(assign(programme, grants_of(offer, members[1:]), now)) == ["assigned", "assigned"]
    limit.refresh_from_db()
    assert (limit.spent_minor, limit.overdrawn_at) == (600, now)
    assert limit_of(offer, budget_minor=1_000).overdrawn_at is None


def test_d_05_d_09_a_days_share_is_there_again_on_the_programmes_next_day():
    """D-05, D-09: the day is the programme's: in Tokyo it begins at 15:00 UTC."""
    programme = ProgrammeFactory(timezone="Asia/Tokyo")
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS)
    other = ConfigOfferFactory(programme=programme, terms=TWO_EUROS)
    limit_of(offer, daily_cap=1)
    limit_of(other, daily_budget_minor=300)
    members = MemberFactory.create_batch(4, programme=programme)
    evening = datetime(2030, 5, 1, 14, 59, tzinfo=UTC)
    for each, code in ((offer, "cap_reached"), (other, "budget_reached")):
        assert codes(assign(programme, grants_of(each, members[:2]), evening)) == ["assigned", code]
        assert codes(assign(programme, grants_of(each, members[1:2]), evening)) == [code]
        night = evening + timedelta(minutes=1)
        assert codes(assign(programme, grants_of(each, members[1:3]), night)) == ["assigned", code]
        assert Limit.objects.get(config_offer=each).assigned == 2


def test_d_05_taking_back_gives_the_share_back_and_expiring_does_not(programme):
    """D-01, D-05: revoked, the place and the money are there again; over or used up, they were given."""
    campaign = CampaignFactory(programme=programme)
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS)
    limits = [limit_of(offer, cap=2), limit_of(campaign, budget_minor=400, per_member=1)]
    ann, ben, cid = MemberFactory.create_batch(3, programme=programme)
    held = [give(member, offer, campaign_id=campaign.pk) for member in (ann, ben)]
    assert codes(assign(programme, grants_of(offer, [cid], campaign))) == ["cap_reached"]
    over = clock.now() - timedelta(hours=1)
    Assignment.objects.filter(pk=held[1].pk).update(ends_at=over, used_up_at=over)
    assert codes(assign(programme, grants_of(offer, [cid], campaign))) == ["cap_reached"]
    revocation.revoke(programme=programme, assignment_id=held[0].pk, reason="mistake", now=clock.now())
    # The same answer again, and nothing given back twice.
    revocation.revoke(programme=programme, assignment_id=held[0].pk, reason="mistake", now=clock.now())
    for limit in limits:
        assert state_of(limit) == (1, 200, 1, 200)
    assert MemberCount.objects.get(campaign=campaign, member=ann).assigned == 0
    assert codes(assign(programme, grants_of(offer, [cid, ann], campaign))) == ["assigned", "cap_reached"]


def test_d_05_what_was_given_yesterday_does_not_come_back_into_todays_share(programme):
    offer = ConfigOfferFactory(programme=programme)
    ann, ben, cid = MemberFactory.create_batch(3, programme=programme)
    yesterday = clock.now() - timedelta(days=1)
    limit = limit_settings.put(owner=offer, values={"daily_cap": 1}, actor=None, now=yesterday)
    held = give(ann, offer, now=yesterday)
    give(ben, offer)
    revocation.revoke(programme=programme, assignment_id=held.pk, reason="", now=clock.now())
    assert state_of(limit) == (1, 0, 1, 0)
    assert codes(assign(programme, grants_of(offer, [cid]))) == ["cap_reached"]


def test_d_05_s4_28_a_run_that_a_limit_has_too_little_for_assigns_nobody(programme):
    """D-05, S4-28: needed and short stand in the failure and in the dry run; with room, the same run gives all."""
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS, require_vouchers=True)
    import_codes(offer, 5)
    MemberFactory.create_batch(5, programme=programme)
    limit = limit_of(offer, cap=3)
    run = launched(offer)
    told = audience.dry_run(
        programme=programme, template=run.template, criteria=run.targeting_version.criteria, terms={}, campaign=None,
        now=clock.now(),
    )  # fmt: skip
    assert [(each.code, each.needed, each.short) for each in told.limits] == [("cap_reached", 5, 2)]
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    run.refresh_from_db()
    assert run.state == "failed"
    assert {name: run.failure[name] for name in ("code", "needed", "short", "reason")} == {
        "code": "cap_reached", "needed": 5, "short": 2, "reason": "offer_cap",
    }  # fmt: skip
    assert not AudienceMember.objects.exists()
    assert sum(s.size - s.cursor for s in offer.voucher_bank.segments.all()) == 5
    assert state_of(limit) == (0, 0, 0, 0)

    limit_of(offer, cap=5, budget_minor=999)
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    run.refresh_from_db()
    assert (run.failure["code"], run.failure["needed"], run.failure["short"]) == ("budget_reached", 1_000, 1)

    limit_of(offer, budget_minor=1_000)
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    assert Assignment.objects.count() == 5
    assert state_of(limit) == (5, 1_000, 5, 1_000)


def test_d_05_a_runs_share_is_its_own_until_it_ends_and_leftovers_go_back(programme):
    """D-05: reserved from the planning on; who was given the offer meanwhile leaves a share over."""
    campaign = CampaignFactory(programme=programme)
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS)
    members = MemberFactory.create_batch(4, programme=programme)
    limits = [limit_of(offer, cap=5), limit_of(campaign, cap=9, per_member=1)]
    run = launched(offer, campaign)
    execution.plan(run_id=run.pk, now=clock.now())
    for limit in limits:
        assert state_of(limit) == (4, 800, 4, 800)
    stranger = MemberFactory(programme=programme)
    limit_of(offer, cap=4)
    assert codes(assign(programme, grants_of(offer, [stranger]))) == ["cap_reached"]
    members[0].status = "inactive"
    members[0].save()
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    for limit in limits:
        assert state_of(limit) == (3, 600, 3, 600)
    assert sorted(MemberCount.objects.values_list("assigned", flat=True)) == [0, 1, 1, 1]
    assert not LimitReservation.objects.filter(released_at__isnull=True).exists()
    assert codes(assign(programme, grants_of(offer, [stranger]))) == ["assigned"]


def test_d_05_a_cancelled_run_gives_its_whole_share_back_once(programme):
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS)
    MemberFactory.create_batch(3, programme=programme)
    limit = limit_of(offer, cap=3)
    run = launched(offer)
    execution.plan(run_id=run.pk, now=clock.now())
    run.refresh_from_db()
    mass_assignment.cancel(run=run, actor=None, now=clock.now())
    assert state_of(limit) == (0, 0, 0, 0)
    execution.finish(run_id=run.pk, now=clock.now())
    assert state_of(limit) == (0, 0, 0, 0)


def test_d_05_a_limit_set_later_counts_what_was_given_and_what_runs_still_have_to_give(programme, settings):
    """D-05: revoked ones do not count; a run at work counts with all it reserved, and gives the rest back."""
    settings.MASS_ASSIGNMENT_CHUNK = 2
    campaign = CampaignFactory(programme=programme)
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS, repeat_policy="unlimited")
    ann, *_rest = MemberFactory.create_batch(4, programme=programme)
    give(ann, offer, campaign_id=campaign.pk)
    back = give(ann, offer, campaign_id=campaign.pk)
    revocation.revoke(programme=programme, assignment_id=back.pk, reason="", now=clock.now())
    run = launched(offer, campaign)
    execution.plan(run_id=run.pk, now=clock.now())
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    limits = [limit_of(offer, cap=5), limit_of(campaign, per_member=2)]
    for limit in limits:
        assert state_of(limit) == (5, 1_000, 5, 1_000)
    assert sorted(MemberCount.objects.values_list("assigned", flat=True)) == [1, 1, 1, 2]
    run.refresh_from_db()
    mass_assignment.cancel(run=run, actor=None, now=clock.now())
    for limit in limits:
        assert state_of(limit) == (3, 600, 3, 600)
    assert sorted(MemberCount.objects.values_list("assigned", flat=True)) == [0, 0, 1, 2]


def test_d_01_a_campaign_gives_a_member_so_many_of_its_offers_through_any_door(programme):
    """D-01: the third is `ineligible` with its reason; a run leaves her out by it; a revoked one makes room."""
    campaign = CampaignFactory(programme=programme)
    offers = ConfigOfferFactory.create_batch(4, programme=programme)
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    limit_of(campaign, per_member=2)
    grants = [grants_of(offer, [ann], campaign)[0] for offer in offers[:3]]
    outcomes = assign(programme, [*grants, *grants_of(offers[0], [ben], campaign)])
    assert codes(outcomes) == ["assigned", "assigned", "ineligible", "assigned"]
    [reason] = outcomes[2].reasons
    assert (reason.code, reason.parameters) == ("campaign_per_member", {"limit": 2, "given": 2})
    told = door.preview(programme=programme, grant=grants[2], now=clock.now())
    assert (told.code, told.reasons[0].code) == ("ineligible", "campaign_per_member")
    run = launched(offers[3], campaign)
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    run.refresh_from_db()
    assert (run.matched, run.eligible, run.excluded) == (2, 1, {"ineligible": 1})
    left_out = AudienceMember.objects.get(run=run, member=ann)
    assert (left_out.outcome, left_out.details) == ("ineligible", {"reason": "campaign_per_member"})
    # Without the campaign, nobody counts.
    assert codes(assign(programme, grants_of(offers[3], [ann]))) == ["assigned"]
    revocation.revoke(programme=programme, assignment_id=outcomes[0].assignment_id, reason="", now=clock.now())
    assert codes(assign(programme, grants[2:])) == ["assigned"]


def test_d_05_the_preview_says_what_a_limit_would_say(programme):
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS)
    limit_of(offer, budget_minor=100)
    [grant] = grants_of(offer, [MemberFactory(programme=programme)])
    told = door.preview(programme=programme, grant=grant, now=clock.now())
    assert (told.code, told.reasons[0].code) == ("budget_reached", "offer_budget")
    assert codes(assign(programme, [grant])) == ["budget_reached"]


def test_d_05_without_limits_no_statement_is_spent_on_them(programme):
    """DESIGN 4: an offer without limits costs two statements, with or without a campaign; one with, a fixed number."""
    offer, campaign = ConfigOfferFactory(programme=programme), CampaignFactory(programme=programme)
    members = MemberFactory.create_batch(40, programme=programme)

    def statements(grants):
        now = clock.now()
        with CaptureQueriesContext(connection) as seen:
            assign(programme, grants, now)
        # What a session has prepared comes without its text.
        return [query["sql"] for query in seen if "SAVEPOINT" not in (query["sql"] or "")]

    # The first one loads the template too.
    assert len(statements(grants_of(offer, members[:10]))) == 3
    assert len(statements(grants_of(offer, members[:10]))) == 2
    assert len(statements(grants_of(offer, members[:10], campaign))) == 2
    limit_of(offer, cap=1_000)
    limit_of(campaign, per_member=5)
    few = statements(grants_of(offer, members[10:12], campaign))
    many = statements(grants_of(offer, members[12:], campaign))
    assert len(few) == len(many) == 8


def test_limits_that_are_not_acceptable_are_all_named_and_nothing_is_set(programme):
    """D-05: a clear error for each field."""
    everyone = DraftOfferFactory(programme=programme, audience="everyone")
    offer = ConfigOfferFactory(programme=programme)
    with pytest.raises(InvalidInput) as caught:
        limit_settings.put(
            owner=offer,
            values={"cap": -1, "budget_minor": "much", "per_member": 1, "is_budget_hard": 1, "pace": 3},
            actor=None,
            now=clock.now(),
        )
    assert {found["field"]: found["code"] for found in caught.value.problems} == {
        "cap": "not_a_number",
        "budget_minor": "not_a_number",
        "per_member": "not_applicable",
        "is_budget_hard": "not_a_boolean",
        "pace": "unknown_field",
    }
    for owner in (everyone, CampaignFactory(programme=programme, is_of_run=True)):
        with pytest.raises(InvalidInput):
            limit_settings.put(owner=owner, values={"cap": 1}, actor=None, now=clock.now())
    assert not Limit.objects.exists()


def test_limits_are_changed_and_taken_away_with_an_entry_in_the_audit(programme):
    """D-05: what is not named stays; with the last one gone nothing is left that whoever assigns would pay for."""
    campaign = CampaignFactory(programme=programme)
    limit_of(campaign, cap=5, per_member=2)
    limit = limit_of(campaign, cap=7)
    assert (limit.cap, limit.per_member) == (7, 2)
    give(MemberFactory(programme=programme), ConfigOfferFactory(programme=programme), campaign_id=campaign.pk)
    assert MemberCount.objects.count() == 1
    gone = limit_settings.put(owner=campaign, values={"cap": None, "per_member": None}, actor=None, now=clock.now())
    assert gone is None
    assert not Limit.objects.exists()
    assert not MemberCount.objects.exists()
    told = AuditEvent.objects.filter(action="campaign.limits_set").order_by("pk").values_list("data", flat=True)
    assert [data["changed"].get("cap") for data in told] == [[None, 5], [5, 7], [7, None]]


def test_s4_28_a_run_that_is_tried_again_takes_its_share_back_or_does_not_go_on(programme, settings):
    """S4-28, D-05: what others took meanwhile is theirs; with room again, the chunk that was given up is done."""
    settings.MASS_ASSIGNMENT_CHUNK = 2
    campaign = CampaignFactory(programme=programme)
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS)
    members = MemberFactory.create_batch(4, programme=programme)
    limits = [limit_of(offer, cap=4), limit_of(campaign, per_member=1)]
    run = launched(offer, campaign)
    execution.plan(run_id=run.pk, now=clock.now())
    members[0].status = "inactive"
    members[0].save()
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    run.chunks.filter(done_at__isnull=True).update(attempts=settings.MASS_ASSIGNMENT_ATTEMPTS)
    execution.finish(run_id=run.pk, now=clock.now())
    run.refresh_from_db()
    assert run.state == "finished_with_errors"
    for limit in limits:
        assert state_of(limit) == (1, 200, 1, 200)
    strangers = MemberFactory.create_batch(2, programme=programme)
    assert codes(assign(programme, grants_of(offer, strangers))) == ["assigned", "assigned"]
    with pytest.raises(Conflict) as caught:
        mass_assignment.retry(run=run, actor=None, now=clock.now())
    assert (caught.value.code, caught.value.details["short"]) == ("cap_reached", 2)
    assert (run.state, state_of(limits[0])[0]) == ("finished_with_errors", 3)
    limit_of(offer, cap=6)
    taken = give(members[3], ConfigOfferFactory(programme=programme), campaign_id=campaign.pk)
    with pytest.raises(Conflict) as caught:
        mass_assignment.retry(run=run, actor=None, now=clock.now())
    assert caught.value.details["reason"] == "campaign_per_member"
    revocation.revoke(programme=programme, assignment_id=taken.pk, reason="", now=clock.now())
    mass_assignment.retry(run=run, actor=None, now=clock.now())
    assert state_of(limits[0])[0] == 6
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    assert [state_of(limit)[:2] for limit in limits] == [(5, 1_000), (3, 600)]
    assert sorted(MemberCount.objects.values_list("assigned", flat=True)) == [0, 1, 1, 1]
    assert not [one.check.name for one in integrity.examine() if one.violations]
