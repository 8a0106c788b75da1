"""How often a member may be given the same offer, and what frees the place (D-01)."""

from datetime import timedelta

import pytest
from django.db import transaction

from loyalty import clock
from offers.models import Assignment, RepeatPolicy, Source
from offers.services import assignment, audience, closing, execution, reissue, revocation
from offers.services import door as doors
from offers.services.assignment import Grant
from offers.services.verb import By
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    TargetingFactory,
    UserFactory,
    give,
    launch_run,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def offer(programme):
    return ConfigOfferFactory(programme=programme, repeat_policy=RepeatPolicy.ONE_OPEN)


def expired(member, offer):
    """Give the offer and let its time pass."""
    held = give(member, offer)
    Assignment.objects.filter(pk=held.pk).update(ends_at=clock.now() - timedelta(hours=1))
    return held


def test_d_01_a_set_of_grants_frees_who_has_expired_and_nobody_else(programme, offer):
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    over, open_one = expired(ann, offer), give(ben, offer)
    template = offer.templates.get()
    with transaction.atomic():
        outcomes = assignment.assign(
            programme=programme,
            grants=[
                # By either name, and twice: the second finds the first one's.
                Grant(template_id=template.pk, member_external_id=ann.external_id),
                Grant(template_id=template.pk, member_id=ann.pk),
                Grant(template_id=template.pk, member_id=ben.pk),
            ],
            source=Source.API,
            actor=None,
            now=clock.now(),
        )
    assert [outcome.code for outcome in outcomes] == ["assigned", "already_held", "already_held"]
    over.refresh_from_db()
    open_one.refresh_from_db()
    assert (over.holding_key, open_one.holding_key) == (None, -1)


def test_d_01_a_run_frees_who_has_expired_and_nobody_else(programme, offer):
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    over, open_one = expired(ann, offer), give(ben, offer)
    elsewhere = expired(ann, ConfigOfferFactory(programme=programme, repeat_policy=RepeatPolicy.ONE_OPEN))
    run = launch_run(offer)
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    assert [given.member for given in Assignment.objects.filter(run=run)] == [ann]
    for each in (over, open_one, elsewhere):
        each.refresh_from_db()
    assert (over.holding_key, open_one.holding_key, elsewhere.holding_key) == (None, -1, -1)


# What ends an assignment, and how; then whether its member may be given the offer again, by policy. Reissued, the place
# is free for the successor, which holds it from then on. In the order of POLICIES.
POLICIES = (
    RepeatPolicy.UNLIMITED,
    RepeatPolicy.ONCE_EVER,
    RepeatPolicy.ONE_OPEN,
    RepeatPolicy.ONCE_PER_CAMPAIGN,
)
LIFE_CYCLE = {
    "open": (True, False, False, False),
    "used up": (True, False, True, False),
    "declined": (True, False, True, False),
    "closed": (True, False, True, False),
    "expired": (True, False, True, False),
    "revoked": (True, True, True, True),
    "undone": (True, True, True, True),
    "reissued": (True, False, False, False),
    "reissued and revoked": (True, True, True, True),
}
TABLE = [
    (policy, end, is_free) for end, free in LIFE_CYCLE.items() for policy, is_free in zip(POLICIES, free, strict=True)
]


def bring_to(end, member, offer, campaign):
    """Grant the offer at the desk, and let the assignment come to its end by the verb that does it."""
    programme, now, agent = member.programme, clock.now(), UserFactory()
    # Each is valid for 30 days from its issue.
    issued_at = now - timedelta(days=31) if end == "expired" else now
    grant = Grant(template_id=offer.templates.get().pk, member_id=member.pk, campaign_id=campaign.pk, reference="desk")
    held = doors.grant(
        programme=programme, door=Source.SUPPORT, instance="desk", grant=grant, actor=agent, now=issued_at
    ).outcome.assignment_id
    by = By(Source.SUPPORT, agent)
    if end == "declined":
        assert closing.decline(programme=programme, member_id=member.pk, assignment_id=held, by=By(), now=now).is_closed
    elif end == "closed":
        assert closing.close(programme=programme, assignment_id=held, reason="shop gone", by=by, now=now).is_closed
    elif end == "revoked":
        revocation.revoke(programme=programme, assignment_id=held, reason="slip", by=by, now=now)
    elif end == "undone":
        assert revocation.undo(programme=programme, assignment_id=held, by=by, now=now).code == "undone"
    elif end in {"reissued", "reissued and revoked"}:
        anew = reissue.reissue(programme=programme, assignment_id=held, reason="lost", by=by, now=now)
        assert anew.code == "reissued"
        if end == "reissued and revoked":
            revocation.revoke(programme=programme, assignment_id=anew.assignment_id, reason="slip", now=now)
    elif end == "used up":
        # Redeeming is the till's: the moment that it leaves behind.
        Assignment.objects.filter(pk=held).update(used_up_at=now)
    status = {"open": "usable", "used up": "used_up", "declined": "closed", "undone": "revoked"}.get(end, end)
    assert Assignment.objects.get(pk=held).status(now) == ("revoked" if "reissued" in end else status)


@pytest.mark.parametrize("door", ["grant", "mass assignment"])
@pytest.mark.parametrize(("policy", "end", "is_free"), TABLE)
def test_d_01_whether_an_offer_may_be_given_again(programme, policy, end, is_free, door):
    """D-01, S0-02, S0-22, B-05, B-06: the whole life cycle by its verbs.

    Asked of `assign`, its preview, the dry run and a mass assignment.
    """
    offer = ConfigOfferFactory(programme=programme, repeat_policy=policy)
    campaign, member = CampaignFactory(programme=programme), MemberFactory(programme=programme)
    bring_to(end, member, offer, campaign)
    before = Assignment.objects.count()
    code = "assigned" if is_free else "already_held"
    if door == "grant":
        grant = Grant(template_id=offer.templates.get().pk, member_id=member.pk, campaign_id=campaign.pk)
        assert doors.preview(programme=programme, grant=grant, now=clock.now()).code == code
        with transaction.atomic():
            [outcome] = assignment.assign(
                programme=programme, grants=[grant], source=Source.API, actor=None, now=clock.now()
            )
        assert outcome.code == code
    else:
        everyone = TargetingFactory(programme=programme)
        told = audience.dry_run(
            programme=programme, template=offer.templates.get(), criteria=everyone.current_version.criteria, terms={},
            campaign=campaign, now=clock.now(),
        )  # fmt: skip
        assert told.eligible == (1 if is_free else 0)
        run = launch_run(offer, targeting=everyone, campaign=campaign)
        execution.run_to_end(run_id=run.pk, clock=clock.now)
        run.refresh_from_db()
        assert (run.eligible, run.excluded) == ((1, {}) if is_free else (0, {"already_held": 1}))
    assert Assignment.objects.count() == before + (1 if is_free else 0)


@pytest.mark.parametrize(
    ("policy", "is_free"),
    [
        (RepeatPolicy.UNLIMITED, True),
        (RepeatPolicy.ONCE_EVER, False),
        (RepeatPolicy.ONE_OPEN, False),
        (RepeatPolicy.ONCE_PER_CAMPAIGN, True),
    ],
)
def test_d_01_another_campaign_or_none_gives_again_what_is_held_by_campaign_alone(programme, policy, is_free):
    """D-01, S0-22: each campaign gives it once; a grant without one stands for itself, and a run is its own."""
    offer = ConfigOfferFactory(programme=programme, repeat_policy=policy)
    one, other = CampaignFactory.create_batch(2, programme=programme)
    member = MemberFactory(programme=programme)
    give(member, offer, campaign_id=one.pk)
    template = offer.templates.get()
    grants = [Grant(template_id=template.pk, member_id=member.pk, campaign_id=pk) for pk in (other.pk, None, None)]
    with transaction.atomic():
        outcomes = assignment.assign(programme=programme, grants=grants, source=Source.API, actor=None, now=clock.now())
    assert [outcome.is_assigned for outcome in outcomes] == [is_free] * 3
