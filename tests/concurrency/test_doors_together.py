"""All doors at the same members and the last codes; whatever each is told, the sum is exact (issue 3)."""

import random

import pytest

from loyalty import clock
from loyalty.database import in_transaction
from offers.models import Assignment, AudienceMember, MassAssignment, MassAssignmentChunk, Source
from offers.services import assignment, door, mass_assignment
from offers.services.assignment import Grant
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    import_codes,
    plan_run,
    work,
)
from tests.threads import at_once, deadlocks

pytestmark = pytest.mark.django_db(transaction=True)


def ask(programme, template, member, reference, source=Source.API):
    return door.grant(
        programme=programme,
        door=source,
        instance="stress",
        grant=Grant(template_id=template.pk, member_id=member.pk, reference=reference),
        actor=None,
        now=clock.now(),
    ).outcome.code


def test_sixteen_threads_after_the_last_hundred_codes_get_exactly_a_hundred():
    """R1, B-01, S4-10, issue 3: 160 members, ten a thread; 60 are told that no code is left, and none is lost."""
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 100)
    template, members = offer.templates.get(), MemberFactory.create_batch(160, programme=programme)

    def ten(n):
        return [ask(programme, template, member, f"r-{member.pk}") for member in members[n::16]]

    told = [code for codes in at_once([lambda n=n: ten(n) for n in range(16)]) for code in codes]

    assert (told.count("assigned"), told.count("out_of_codes")) == (100, 60)
    assert Assignment.objects.values("voucher_code").distinct().count() == 100
    assert sum(segment.size - segment.cursor for segment in offer.voucher_bank.segments.all()) == 0


@pytest.mark.parametrize("repeat_policy", ["once_ever", "one_open"])
def test_overlapping_sets_from_every_door_at_once_give_each_member_one(settings, repeat_policy):
    """D-01, C-04, issue 3: two runs, sets of the API, and the desk, in different orders; nobody holds it twice."""
    settings.MASS_ASSIGNMENT_CHUNK = 10
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy=repeat_policy)
    import_codes(offer, 200)
    template, members = offer.templates.get(), MemberFactory.create_batch(60, programme=programme)
    runs = [plan_run(template) for _ in range(2)]
    randomly = random.Random(3)

    def some(n):
        chosen = randomly.sample(members, 40)
        return in_transaction(
            lambda: [
                outcome.code
                for outcome in assignment.assign(
                    programme=programme,
                    grants=[Grant(template_id=template.pk, member_id=member.pk) for member in chosen],
                    source=Source.BULK_PRODUCER,
                    actor=None,
                    now=clock.now(),
                )
            ]
        )

    def desk(n):
        return [
            ask(programme, template, member, f"desk-{n}-{member.pk}", source=Source.SUPPORT)
            for member in randomly.sample(members, 10)
        ]

    before = deadlocks()
    answers = at_once(
        [lambda run=run: work(run) for run in runs for _ in range(2)]
        + [lambda n=n: some(n) for n in range(4)]
        + [lambda n=n: desk(n) for n in range(4)]
    )
    for run in runs:
        work(run)

    told = [code for codes in answers[4:] for code in codes]
    by_runs = sum(run.chunks.get(pk=chunk.pk).assigned for run in runs for chunk in run.chunks.all())
    assert set(told) <= {"assigned", "already_held"}
    assert told.count("assigned") + by_runs == 60
    assert Assignment.objects.values("member").distinct().count() == Assignment.objects.count() == 60
    assert set(MassAssignment.objects.values_list("state", flat=True)) == {"finished"}
    # Two runs at the same members wait for each other in one order: not even one deadlock was tried again.
    assert deadlocks() == before
    assert not MassAssignmentChunk.objects.exclude(attempts=1, failure="").exists()
    # Everything that a lost race had drawn or reserved is back on the tape.
    assert sum(segment.size - segment.cursor for segment in offer.voucher_bank.segments.all()) == 140


def test_a_run_cancelled_while_its_chunks_are_in_flight_keeps_what_it_gave_and_gives_the_rest_back(settings):
    """R9, S4-27, issue 3: three workers busy, one cancel; no chunk begins behind it and no code is lost."""
    settings.MASS_ASSIGNMENT_CHUNK = 5
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    MemberFactory.create_batch(300, programme=programme)
    import_codes(offer, 300)
    run = plan_run(offer)

    def cancel():
        while not run.chunks.filter(done_at__isnull=False).exists():
            pass
        mass_assignment.cancel(run=MassAssignment.objects.get(pk=run.pk), actor=None, now=clock.now())
        return Assignment.objects.count()

    *_, given = at_once([lambda: work(run)] * 3 + [cancel])

    run.refresh_from_db()
    assert run.state == "cancelled"
    assert 0 < given < 300
    assert Assignment.objects.count() == given == 5 * run.chunks.filter(done_at__isnull=False).count()
    assert sum(segment.size - segment.cursor for segment in offer.voucher_bank.segments.all()) == 300 - given
    assert not run.reservations.filter(released_at__isnull=True).exists()
    assert not AudienceMember.objects.filter(run=run, outcome__isnull=False).exists()
