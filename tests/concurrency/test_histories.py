"""Eight threads of random grants and verbs at the same members; at the end every history is one story (R13)."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from loyalty import clock
from loyalty.models import OutboxEvent
from offers.models import Assignment, AssignmentEvent, Limit, Source
from offers.selectors import voucher as bank_selectors
from offers.services import assignment_verbs, closing, door, extension, reissue, revocation, synchronization
from offers.services.assignment import Grant
from offers.services.verb import By
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    import_codes,
    limit_of,
    plan_run,
    work,
)
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
THREADS, MEMBERS, CODES = 8, 12, 120
DAY = timedelta(days=1)
TERMS = {"acceptance": {"required": True}, "validity": {"days": 3}, "benefit": {"type": "amount", "size": 200}}


class World:
    """Three offers of one campaign with banks and limits, one for each repeat policy; one waits for the till."""

    def __init__(self):
        self.programme = ProgrammeFactory()
        self.campaign = CampaignFactory(programme=self.programme)
        self.offers = [
            ConfigOfferFactory(
                programme=self.programme, require_vouchers=True, repeat_policy=policy, terms=TERMS,
                to_synchronize=policy == "one_open",
            )
            for policy in ("once_ever", "one_open", "unlimited")
        ]  # fmt: skip
        for offer in self.offers:
            import_codes(offer, CODES)
        self.limits = [limit_of(offer, cap=90, budget_minor=30_000) for offer in self.offers]
        self.limits.append(limit_of(self.campaign, cap=200, per_member=25))
        self.members = MemberFactory.create_batch(MEMBERS, programme=self.programme)

    def person(self, seed, steps):
        """Do so many random things; return what was told, by verb."""
        randomly, told = random.Random(seed), Counter()
        for step in range(steps):
            verb = randomly.choice(
                [self.grant] * 3 + [self.revoke, self.close, self.decline, self.reissue, self.extend, self.accept]
                + [self.expose, self.see, self.confirm]
            )  # fmt: skip
            told[verb.__name__, verb(randomly, f"{seed}-{step}")] += 1
        return told

    def grant(self, randomly, reference):
        return door.grant(
            programme=self.programme,
            door=Source.API,
            instance="crowd",
            grant=Grant(
                template_id=randomly.choice(self.offers).templates.get().pk,
                member_id=randomly.choice(self.members).pk,
                campaign_id=self.campaign.pk,
                reference=reference,
            ),
            actor=None,
            now=clock.now(),
        ).outcome.code

    def one(self, randomly):
        """Return some assignment, of the newest more likely: that is where the others are too."""
        newest = Assignment.objects.order_by("-issued_at", "-id")[: randomly.choice([3, 30])]
        return randomly.choice(list(newest) or [None])

    def of_one(self, randomly, do):
        held = self.one(randomly)
        if held is None:
            return "nothing there"
        return do(held, {"programme": self.programme, "assignment_id": held.pk, "now": clock.now()})

    def revoke(self, randomly, _):
        return self.of_one(randomly, lambda _held, ours: revocation.revoke(**ours, reason="slip").code)

    def close(self, randomly, _):
        return self.of_one(randomly, lambda _held, ours: closing.close(**ours, reason="asked", by=By()).code)

    def decline(self, randomly, _):
        return self.of_one(randomly, lambda held, ours: closing.decline(**ours, member_id=held.member_id, by=By()).code)

    def reissue(self, randomly, _):
        return self.of_one(randomly, lambda _held, ours: reissue.reissue(**ours, reason="lost", by=By()).code)

    def extend(self, randomly, _):
        def longer(held, ours):
            return extension.extend(**ours, ends_at=held.ends_at + DAY, reason="ill", by=By()).code

        return self.of_one(randomly, longer)

    def accept(self, randomly, _):
        return self.of_one(
            randomly,
            lambda held, ours: (
                assignment_verbs.accept(member_id=held.member_id, assignment_id=held.pk, now=ours["now"]).code
            ),
        )

    def expose(self, randomly, _):
        return self.of_one(
            randomly,
            lambda held, ours: (
                assignment_verbs.expose(member_id=held.member_id, assignment_id=held.pk, now=ours["now"]) is not None
            ),
        )

    def see(self, randomly, _):
        return self.of_one(
            randomly,
            lambda held, ours: assignment_verbs.mark_seen(
                member_id=held.member_id, assignment_id=held.pk, now=ours["now"]
            ),
        )

    def confirm(self, randomly, _):
        return self.of_one(
            randomly,
            lambda held, ours: (
                synchronization.synchronize(
                    programme=self.programme,
                    confirmations=[synchronization.Confirmation(held.pk)],
                    by=By(Source.API),
                    now=ours["now"],
                )[0].code
            ),
        )


def check_histories(world, told):
    """Every assignment's events are one story, and the sums of rows, answers, codes, limits and messages agree."""
    events: dict = {}
    for event in AssignmentEvent.objects.order_by("id").values_list("assignment_id", "verb"):
        events.setdefault(event[0], []).append(event[1])
    held = {each.pk: each for each in Assignment.objects.all()}
    replaced = {each.replaces_id for each in held.values() if each.replaces_id}
    for pk, each in held.items():
        story = events.get(pk, [])
        endings = [verb for verb in story if verb in {"revoked", "reissued", "closed", "declined"}]
        assert len(endings) == (each.revoked_at is not None) + (each.closed_at is not None) <= 1, story
        assert ("reissued" in story) == (pk in replaced), story
        once = [verb for verb in story if verb != "extended"]
        assert len(once) == len(set(once)), story
        # Opening an old one is no use of it: only that may come after the end.
        assert not endings or set(story[story.index(endings[0]) + 1 :]) <= {"seen"}, story
        moments = {"accepted": each.accepted_at, "exposed": each.exposed_at, "seen": each.seen_at}
        for verb, at in moments.items():
            assert (verb in story) <= (at is not None), story
        # Whose code somebody saw keeps it; any other one goes back when it is over (D-10).
        assert (each.voucher_code_id is None) == bool(endings and each.exposed_at is None), story
    counted = Counter(verb for story in events.values() for verb in story)
    answers = {
        "revoked": told["revoke", "revoked"],
        "closed": told["close", "closed"],
        "declined": told["decline", "declined"],
        "reissued": told["reissue", "reissued"],
        "extended": told["extend", "extended"],
        "accepted": told["accept", "accepted"],
        "synchronized": told["confirm", "synchronized"],
    }
    assert {verb: counted[verb] for verb in answers} == answers
    for verb in ("accepted", "extended"):
        assert OutboxEvent.objects.filter(type=f"assignment.{verb}").count() == answers[verb]
    for offer in world.offers:
        codes = Assignment.objects.filter(config_offer=offer, voucher_code__isnull=False)
        assert codes.values("voucher_code").distinct().count() == codes.count()
        assert codes.count() + bank_selectors.codes_left(bank=offer.voucher_bank, now=clock.now()) == CODES
    for limit in Limit.objects.all():
        alive = Assignment.objects.filter(revoked_at__isnull=True)
        alive = alive.filter(config_offer=limit.config_offer_id) if limit.config_offer_id else alive.filter(
            campaign=limit.campaign_id
        )  # fmt: skip
        assert limit.assigned == alive.count()
        assert limit.cap is None or limit.assigned <= limit.cap
        assert limit.spent_minor == sum(alive.values_list("exposure_minor", flat=True))


@pytest.mark.parametrize("steps", [30, pytest.param(400, marks=pytest.mark.chaos)])
def test_r13_eight_threads_of_random_verbs_leave_every_history_one_story(steps, settings, fault):
    """R13, D-01, D-05, D-10, B-06, B-18, issue 3: grants, verbs and a run; what each was told is what is there."""
    settings.MASS_ASSIGNMENT_CHUNK = 3
    world = World()
    run = plan_run(world.offers[2], campaign=world.campaign)
    answers = at_once([*[lambda n=n: world.person(n, steps) for n in range(THREADS)], lambda: work(run)])
    told = sum(answers[:-1], Counter())
    check_histories(world, told)
    fault.counted(
        "eight threads of random grants and verbs, and a run",
        before=f"{MEMBERS} members, 3 offers of {CODES} codes, {THREADS * steps:,} steps",
        after=f"{Assignment.objects.count()} assignments, {AssignmentEvent.objects.count()} events, each sum agrees",
    )
