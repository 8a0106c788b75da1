"""Many writers at what is left of a limit: exactly as many as there are, and nobody waits for ever."""

import threading
import time

import pytest
from django.db import connection, transaction

from loyalty import clock
from offers.models import Assignment, Limit, MemberCount, Source
from offers.services import door, execution, limit_settings, revocation
from offers.services.assignment import Grant
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    give,
    import_codes,
    launch_run,
    limit_of,
    work,
)
from tests.threads import are_waiting, at_once

pytestmark = pytest.mark.django_db(transaction=True)
TWO_EUROS = {"benefit": {"type": "amount", "size": 200}}


def ask(offer, members, campaign=None):
    """Grant to one after the other through a door, and return how many got it and how many were refused, by outcome."""
    template, told = offer.templates.get(), {}
    for member in members:
        code = door.grant(
            programme=offer.programme,
            door=Source.API,
            instance="limits",
            grant=Grant(
                template_id=template.pk,
                member_id=member.pk,
                campaign_id=campaign.pk if campaign else None,
                reference=f"{offer.pk}-{member.pk}",
            ),
            actor=None,
            now=clock.now(),
        ).outcome.code
        told[code] = told.get(code, 0) + 1
    return told


def total(answers):
    summed = {}
    for told in answers:
        for code, n in told.items():
            summed[code] = summed.get(code, 0) + n
    return summed


def agrees(limit):
    """Whether the row says what the assignments do."""
    limit.refresh_from_db()
    held = Assignment.objects.filter(revoked_at__isnull=True)
    held = (
        held.filter(config_offer=limit.config_offer) if limit.config_offer_id else held.filter(campaign=limit.campaign)
    )
    exposures = list(held.values_list("exposure_minor", flat=True))
    return (limit.assigned, limit.spent_minor) == (len(exposures), sum(exposures))


def test_d_05_sixteen_writers_at_a_cap_of_a_hundred_give_exactly_a_hundred(programme):
    """R1, D-05: 160 members, 16 doors at once, codes for 120: a hundred get the offer, and 20 codes are left."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 120)
    limit = limit_of(offer, cap=100)
    members = MemberFactory.create_batch(160, programme=programme)
    answers = at_once([lambda n=n: ask(offer, members[n * 10 : n * 10 + 10]) for n in range(16)])
    assert total(answers) == {"assigned": 100, "cap_reached": 60}
    assert Assignment.objects.count() == 100
    assert Assignment.objects.values("voucher_code_id").distinct().count() == 100
    assert sum(s.size - s.cursor for s in offer.voucher_bank.segments.all()) == 20
    assert agrees(limit)


def test_d_05_sixteen_writers_spend_a_hard_budget_to_the_last_cent_and_no_further(programme):
    """D-05, D-08: 2 euros each and 51 euros: 25 assignments, one euro is left over."""
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS)
    limit = limit_of(offer, budget_minor=5_100)
    members = MemberFactory.create_batch(48, programme=programme)
    answers = at_once([lambda n=n: ask(offer, members[n * 3 : n * 3 + 3]) for n in range(16)])
    assert total(answers) == {"assigned": 25, "budget_reached": 23}
    assert agrees(limit)
    assert limit.spent_minor == 5_000


def test_d_05_two_runs_and_doors_at_once_share_the_limits_of_two_offers_and_their_campaign(programme, settings):
    """R1, D-05: each limit says what was given, none is passed, nothing waits for ever, and the runs end."""
    settings.MASS_ASSIGNMENT_CHUNK = 10
    campaign = CampaignFactory(programme=programme)
    one, other = ConfigOfferFactory.create_batch(2, programme=programme, terms=TWO_EUROS)
    members = MemberFactory.create_batch(60, programme=programme)
    limits = [limit_of(one, cap=70), limit_of(other, budget_minor=14_000), limit_of(campaign, cap=130)]
    runs = [launch_run(one, campaign=campaign), launch_run(other, campaign=campaign)]

    def do(run):
        work(run)
        return {}

    def take_back():
        deadline = time.monotonic() + 5
        while (held := Assignment.objects.filter(run=runs[0]).first()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if held:
            revocation.revoke(programme=programme, assignment_id=held.pk, reason="", now=clock.now())
        return {}

    calls = [lambda r=r: do(r) for r in runs for _ in range(2)]
    calls += [lambda n=n: ask(one, members[n::4], campaign) for n in range(4)]
    calls += [lambda n=n: ask(other, members[::-1][n::4]) for n in range(4)]
    at_once([*calls, take_back])
    for run in runs:
        execution.finish(run_id=run.pk, now=clock.now())
        run.refresh_from_db()
        assert run.state in {"finished", "failed"}
    for limit in limits:
        assert agrees(limit)
    assert limits[0].assigned <= 70
    assert limits[1].spent_minor <= 14_000
    assert limits[2].assigned <= 130


def test_d_01_a_member_asked_from_sixteen_doors_gets_what_her_campaign_gives_a_member(programme):
    """D-01: at most three offers of the campaign for each member, whoever asks, and for nobody one too few."""
    campaign = CampaignFactory(programme=programme)
    offers = ConfigOfferFactory.create_batch(8, programme=programme)
    limit_of(campaign, per_member=3)
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    answers = at_once([lambda o=o, m=m: ask(o, [m], campaign) for o in offers for m in (ann, ben)])
    assert total(answers) == {"assigned": 6, "ineligible": 10}
    assert sorted(MemberCount.objects.values_list("assigned", flat=True)) == [3, 3]


def test_d_05_a_limit_set_while_a_grant_is_being_written_counts_it(programme):
    """D-05: setting waits for the writer before it, and one who looked for limits before it looks again."""
    offer = ConfigOfferFactory(programme=programme)
    members = MemberFactory.create_batch(3, programme=programme)

    def in_a_thread(call):
        def work():
            try:
                call()
            finally:
                connection.close()

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    told = []
    with transaction.atomic():
        give(members[0], offer)
        setter = in_a_thread(lambda: limit_settings.put(owner=offer, values={"cap": 1}, actor=None, now=clock.now()))
        assert are_waiting(1, locktype="relation")
        # It saw no limit yet, and stands behind who sets it.
        asker = in_a_thread(lambda: told.append(ask(offer, [members[1]])))
        assert are_waiting(2, locktype="relation")
    setter.join(timeout=20)
    asker.join(timeout=20)
    # She asked before the limit was in force, or after: whichever it was, she is counted.
    assert told in ([{"cap_reached": 1}], [{"assigned": 1}])
    assert agrees(Limit.objects.get(config_offer=offer))
    assert ask(offer, members[2:]) == {"cap_reached": 1}
