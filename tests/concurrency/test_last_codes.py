"""Many writers at the last codes, and at the same member: exactly as many as there are."""

import time

import pytest

from loyalty import clock
from offers.models import Assignment, Source
from offers.services import door, execution, mass_assignment
from offers.services.assignment import Grant
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    import_codes,
    plan_run,
    work,
)
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def ask(programme, template, member, reference):
    return door.grant(
        programme=programme,
        door=Source.API,
        instance="stress",
        grant=Grant(template_id=template.pk, member_id=member.pk, reference=reference),
        actor=None,
        now=clock.now(),
    ).outcome


def test_sixteen_writers_get_exactly_the_last_codes():
    """R1, B-01: 10 codes, 16 members at once: 10 assigned with 10 codes, 6 refused with their reason."""
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 10)
    template, members = offer.templates.get(), MemberFactory.create_batch(16, programme=programme)
    outcomes = at_once([lambda m=m: ask(programme, template, m, f"r-{m.pk}") for m in members])
    assert sorted(o.code for o in outcomes) == ["assigned"] * 10 + ["out_of_codes"] * 6
    assert Assignment.objects.values("voucher_code_id").distinct().count() == 10


def test_the_same_reference_from_sixteen_callers_gives_one_assignment():
    """R2, R3: the others get the first one's answer."""
    programme = ProgrammeFactory()
    template, member = ConfigOfferFactory(programme=programme).templates.get(), MemberFactory(programme=programme)
    outcomes = at_once([lambda: ask(programme, template, member, "same")] * 16)
    assert len({o.assignment_id for o in outcomes}) == 1
    assert Assignment.objects.count() == 1


def test_the_same_member_from_sixteen_callers_holds_it_once():
    """R2, D-01: once ever; one assigned, the others already_held, no code lost."""
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy="once_ever")
    import_codes(offer, 20)
    template, member = offer.templates.get(), MemberFactory(programme=programme)
    outcomes = at_once([lambda n=n: ask(programme, template, member, f"r-{n}") for n in range(16)])
    assert sorted(o.code for o in outcomes) == ["already_held"] * 15 + ["assigned"]
    assert sum(s.size - s.cursor for s in offer.voucher_bank.segments.all()) == 19


def test_workers_and_a_desk_share_the_members_of_a_run_without_doubling(settings):
    """R1, D-05: four workers do a run while the desk grants to the same members; every code is accounted for."""
    settings.MASS_ASSIGNMENT_CHUNK = 20
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy="once_ever")
    import_codes(offer, 150)
    template, members = offer.templates.get(), MemberFactory.create_batch(100, programme=programme)
    run = plan_run(offer)

    at_once([lambda: work(run)] * 4 + [lambda m=m: ask(programme, template, m, f"r-{m.pk}") for m in members[::10]])
    execution.finish(run_id=run.pk, now=clock.now())
    run.refresh_from_db()
    assert run.state == "finished"
    assert Assignment.objects.values("member_id").distinct().count() == Assignment.objects.count() == 100
    assert Assignment.objects.values("voucher_code_id").distinct().count() == 100
    # Whatever a lost race had drawn is back on the tape.
    assert sum(s.size - s.cursor for s in offer.voucher_bank.segments.all()) == 50


def test_a_pause_comes_through_between_the_chunks_of_busy_workers(settings):
    """R9: the pause queues; no chunk that begins behind it passes it."""
    settings.MASS_ASSIGNMENT_CHUNK = 5
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme)
    MemberFactory.create_batch(300, programme=programme)
    run = plan_run(offer)

    def pause():
        while not run.chunks.filter(done_at__isnull=False).exists():
            time.sleep(0.005)
        mass_assignment.pause(run=run, actor=None, now=clock.now())

    at_once([*[lambda: work(run)] * 3, pause])
    run.refresh_from_db()
    assert run.state == "paused"
    done = run.chunks.filter(done_at__isnull=False).count()
    assert 0 < done < 60
    assert Assignment.objects.count() == done * 5
    assert not run.chunks.filter(done_at__isnull=True, attempts__gt=0).exists()
