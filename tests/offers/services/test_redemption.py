"""Using an offer, once for each use, and giving a use back (D-01, D-08, S0-01, B-06)."""

from datetime import timedelta

import pytest

from loyalty import clock
from loyalty.errors import NotFound
from loyalty.models import OutboxEvent
from offers.models import Assignment, AssignmentEvent, Redemption, Source
from offers.services import redemption, reissue, revocation
from offers.services.redemption import Use
from offers.services.verb import By
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    PurchaseFactory,
    UserFactory,
    give,
)

pytestmark = pytest.mark.django_db

TWICE = {"validity": {"days": 10}, "redemption_limit": {"limit": 2}}


@pytest.fixture
def ann():
    return MemberFactory()


@pytest.fixture
def agent():
    return UserFactory()


def given(member, **offer):
    return give(member, ConfigOfferFactory(programme=member.programme, **offer))


def use(held, *, key="till-1", actor=None, **said):
    now = clock.now()
    return redemption.redeem(
        programme=held.member.programme,
        assignment_id=held.pk,
        use=Use(external_id=key, redeemed_at=said.pop("at", now), **said),
        by=By(Source.SUPPORT, actor),
        now=now,
    )


def test_the_last_use_makes_it_used_up_and_everybody_hears_of_each(ann):
    """Terms allow two: the first leaves one, the second none, the third is refused."""
    held = given(ann, terms=TWICE)
    first = use(held, key="a", benefit_minor=240)
    assert (first.code, first.left) == ("redeemed", 1)
    assert Assignment.objects.get(pk=held.pk).used_up_at is None
    second = use(held, key="b")
    assert (second.code, second.left) == ("redeemed", 0)
    assert Assignment.objects.get(pk=held.pk).used_up_at is not None
    assert use(held, key="c").code == "used_up"
    assert Redemption.objects.filter(assignment=held).count() == 2
    told = OutboxEvent.objects.filter(type="assignment.redeemed").order_by("id")
    assert [(one.data["redemption"], one.data["benefit_minor"], one.data["is_used_up"]) for one in told] == [
        ("a", 240, False),
        ("b", None, True),
    ]
    assert AssignmentEvent.objects.filter(assignment=held, verb="redeemed").count() == 2


def test_the_same_use_again_is_the_same_answer_and_writes_nothing(ann):
    held = given(ann, terms=TWICE)
    first, again = use(held), use(held)
    assert (again.code, again.redemption, again.left) == ("already_redeemed", first.redemption, 1)
    assert Redemption.objects.count() == 1
    assert OutboxEvent.objects.filter(type="assignment.redeemed").count() == 1
    other = given(ann)
    assert use(other).code == "reference_used"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"revoked_at": "now"}, "revoked"),
        ({"closed_at": "now"}, "closed"),
        ({"used_up_at": "now"}, "used_up"),
        ({"synchronized_at": None}, "waiting_for_till"),
        ({"acceptance_required": True}, "waiting_for_acceptance"),
        ({"starts_at": "later"}, "upcoming"),
        ({"ends_at": "before"}, "expired"),
    ],
)
def test_what_cannot_be_used_says_why_and_nothing_changes(ann, values, code):
    """B-02: the same codes as everywhere else."""
    held = given(ann)
    now = clock.now()
    moments = {"now": now, "later": now + timedelta(days=1), "before": now - timedelta(seconds=1)}
    Assignment.objects.filter(pk=held.pk).update(
        issued_at=now - timedelta(days=3), **{name: moments.get(value, value) for name, value in values.items()}
    )
    assert use(held).code == code
    assert not Redemption.objects.exists()
    assert not AssignmentEvent.objects.filter(verb="redeemed").exists()


def test_the_moment_of_use_decides_and_may_be_past_but_not_before_the_issue_or_to_come(ann):
    """She used it at the till yesterday, and it is over today."""
    held = given(ann)
    now = clock.now()
    Assignment.objects.filter(pk=held.pk).update(
        issued_at=now - timedelta(days=3), starts_at=now - timedelta(days=3), ends_at=now - timedelta(hours=1)
    )
    assert use(held, at=now - timedelta(days=4)).code == "before_issue"
    assert use(held, at=now + timedelta(days=1)).code == "in_the_future"
    assert use(held, at=now).code == "expired"
    assert use(held, at=now - timedelta(hours=2)).code == "redeemed"


def test_s0_01_a_receipt_of_another_member_is_no_receipt_and_one_receipt_counts_once(ann):
    held = given(ann, terms=TWICE)
    theirs = PurchaseFactory(member=MemberFactory(programme=ann.programme))
    hers = PurchaseFactory(member=ann)
    assert use(held, purchase=theirs).code == "unknown_receipt"
    assert use(held, key="a", purchase=hers).code == "redeemed"
    assert use(held, key="b", purchase=hers).code == "receipt_counted"


def test_s0_01_one_receipt_counts_once_for_an_offer_whichever_of_her_assignments_used_it(ann):
    offer = ConfigOfferFactory(programme=ann.programme, repeat_policy="unlimited")
    first, second = give(ann, offer), give(ann, offer)
    receipt = PurchaseFactory(member=ann)
    assert use(first, key="a", purchase=receipt).code == "redeemed"
    assert use(second, key="b", purchase=receipt).code == "receipt_counted"
    assert use(given(ann), key="c", purchase=receipt).code == "redeemed"
    back = {"programme": ann.programme, "assignment_id": first.pk, "external_id": "a", "by": By(), "reason": "slip"}
    assert redemption.give_back(**back, now=clock.now()).code == "returned"
    assert use(second, key="d", purchase=receipt).code == "redeemed"


def test_d_21_another_programmes_assignment_is_not_found(ann):
    held = given(ann)
    with pytest.raises(NotFound):
        redemption.redeem(
            programme=ProgrammeFactory(),
            assignment_id=held.pk,
            use=Use(external_id="x", redeemed_at=clock.now()),
            by=By(),
            now=clock.now(),
        )


@pytest.mark.parametrize(("policy", "is_freed"), [("one_open", True), ("once_ever", False)])
def test_d_01_used_up_frees_what_is_held_only_where_one_may_be_open_at_a_time(ann, policy, is_freed):
    held = given(ann, repeat_policy=policy)
    use(held)
    assert (Assignment.objects.get(pk=held.pk).holding_key is None) == is_freed


class TestGivingBack:
    def test_a_use_given_back_counts_no_more_and_its_row_stays(self, ann, agent):
        held = given(ann, repeat_policy="one_open")
        use(held, actor=agent)
        back = redemption.undo(
            programme=ann.programme, assignment_id=held.pk, external_id="till-1", by=By(Source.SUPPORT, agent),
            now=clock.now(),
        )  # fmt: skip
        assert back.code == "returned"
        after = Assignment.objects.get(pk=held.pk)
        assert (after.used_up_at, after.holding_key) == (None, -1)
        assert Redemption.objects.get().returned_at is not None
        # The till's message that comes late uses nothing again.
        assert use(held).code == "already_redeemed"
        assert use(held, key="another").code == "redeemed"
        assert OutboxEvent.objects.filter(type="assignment.returned").count() == 1

    def test_only_ones_own_use_of_a_moment_ago_is_undone(self, ann, agent):
        held = given(ann)
        use(held, actor=agent)
        options = {"programme": ann.programme, "assignment_id": held.pk, "external_id": "till-1"}
        with pytest.raises(NotFound):
            redemption.undo(**options, by=By(Source.SUPPORT, UserFactory()), now=clock.now())
        late = clock.now() + timedelta(seconds=revocation.UNDO_SECONDS + 1)
        assert redemption.undo(**options, by=By(Source.SUPPORT, agent), now=late).code == "too_late"
        assert Redemption.objects.get().returned_at is None

    def test_d_01_given_another_one_meanwhile_it_stays_used(self, ann, agent):
        offer = ConfigOfferFactory(programme=ann.programme, repeat_policy="one_open")
        held = give(ann, offer)
        use(held, actor=agent)
        give(ann, offer)
        back = redemption.undo(
            programme=ann.programme, assignment_id=held.pk, external_id="till-1", by=By(Source.SUPPORT, agent),
            now=clock.now(),
        )  # fmt: skip
        assert back.code == "already_held"
        assert Assignment.objects.get(pk=held.pk).used_up_at is not None
        assert Redemption.objects.get().returned_at is None

    @pytest.mark.parametrize("is_given_another", [True, False])
    def test_d_01_a_key_that_it_had_let_go_before_is_not_taken_again(self, ann, agent, is_given_another):
        """It expired yesterday; the use that is marked and undone today was two days ago."""
        offer = ConfigOfferFactory(programme=ann.programme, repeat_policy="one_open")
        held, now = give(ann, offer), clock.now()
        Assignment.objects.filter(pk=held.pk).update(
            issued_at=now - timedelta(days=5),
            starts_at=now - timedelta(days=5),
            ends_at=now - timedelta(days=1),
            holding_key=None,
        )
        if is_given_another:
            give(ann, offer)
        assert use(held, actor=agent, at=now - timedelta(days=2)).code == "redeemed"
        back = redemption.undo(
            programme=ann.programme, assignment_id=held.pk, external_id="till-1", by=By(Source.SUPPORT, agent),
            now=clock.now(),
        )  # fmt: skip
        assert back.code == "returned"
        after = Assignment.objects.get(pk=held.pk)
        assert (after.used_up_at, after.holding_key) == (None, None)

    def test_d_01_of_two_uses_either_one_given_back_holds_it_again(self, ann):
        """The second use freed what she holds; giving the first one back leaves one to use."""
        held = given(ann, terms=TWICE, repeat_policy="one_open")
        use(held, key="a")
        use(held, key="b")
        back = {"programme": ann.programme, "assignment_id": held.pk, "external_id": "a", "by": By(), "reason": "slip"}
        assert redemption.give_back(**back, now=clock.now()).code == "returned"
        after = Assignment.objects.get(pk=held.pk)
        assert (after.used_up_at, after.holding_key) == (None, -1)

    def test_b_06_what_was_given_back_may_be_reissued_again(self, ann, agent):
        held = given(ann, terms=TWICE)
        use(held, actor=agent)
        anew = {"programme": ann.programme, "assignment_id": held.pk, "reason": "lost", "by": By(Source.SUPPORT)}
        assert reissue.reissue(**anew, now=clock.now()).code == "redeemed"
        redemption.give_back(
            programme=ann.programme, assignment_id=held.pk, external_id="till-1", by=By(), now=clock.now(), reason="x"
        )
        assert reissue.reissue(**anew, now=clock.now()).code == "reissued"
