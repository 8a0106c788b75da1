"""Overlapping sets of one outside producer at once: each reference is answered once, and nothing is given twice."""

import random

import pytest

from offers.models import Assignment, DoorEntry
from offers.services import bulk_door
from offers.services.assignment import Grant
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, import_codes
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_s0_36_overlapping_sets_in_any_order_answer_each_reference_once():
    """S0-36, R1, C-04: eight sets of the same sixty references, shuffled, with codes for forty."""
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy="unlimited")
    import_codes(offer, 40)
    template = offer.templates.get()
    grants = [
        Grant(template_id=template.pk, member_id=member.pk, reference=f"r-{member.pk}")
        for member in MemberFactory.create_batch(60, programme=programme)
    ]
    randomly = random.Random(36)

    def send():
        some = randomly.sample(grants, 45)
        answers = bulk_door.grant(programme=programme, instance="producer", grants=some)
        return {one.reference: answer.outcome for one, answer in zip(some, answers, strict=True)}

    told = at_once([send] * 8)
    # Whoever asked for a reference was told the same.
    merged = {}
    for answers in told:
        for reference, outcome in answers.items():
            known = merged.setdefault(reference, outcome)
            assert (known.code, known.assignment_id) == (outcome.code, outcome.assignment_id)
    assert DoorEntry.objects.count() == len(merged)
    given = {outcome.assignment_id for outcome in merged.values() if outcome.is_assigned}
    assert given == set(Assignment.objects.values_list("pk", flat=True))
    assert len(given) == 40
    assert sum(s.size - s.cursor for s in offer.voucher_bank.segments.all()) == 0
