"""Home: each role its own, one navigation (SCREENS; S0-20)."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from loyalty import clock
from loyalty.models import Programme, User
from offers.models import Assignment, MassAssignment, MassAssignmentChunk
from offers.models.assignment import Source
from offers.selectors import voucher as vouchers
from offers.services import revocation
from offers.services.verb import By
from support.selectors import home as selectors
from support.selectors.allowance import Usage
from support.services import grant
from tests.factories import import_codes, redeem
from tests.factories.allowance import allow
from tests.factories.assignment import give
from tests.factories.catalogue import ConfigOfferFactory
from tests.factories.member import MemberFactory

pytestmark = pytest.mark.django_db


def staff(role: str | None, programme: Programme | None, **options) -> User:
    name = options.pop("username", f"one {role}")
    user = User.objects.create_user(name, password="correct horse battery", is_staff=True, **options)
    if role:
        user.groups.add(Group.objects.get(name=role))
    if programme:
        user.programmes.add(programme)
    return user


@pytest.fixture
def programme() -> Programme:
    return Programme.objects.create(slug="laurel", name="Laurel Markets", timezone="Europe/Paris")


def test_strangers_are_sent_to_sign_in(client):
    answer = client.get("/")
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))
    assert client.get(reverse("support:home_runs"), headers={"HX-Request": "true"}).status_code == 401


def test_a_person_who_is_no_staff_is_refused_and_not_sent_round_in_circles(client):
    client.force_login(User.objects.create_user("someone"))
    for address in ("/", "/admin/"):
        answer = client.get(address, follow=True)
        assert answer.status_code == 403
        assert "You may not see this" in answer.text


def test_a_person_without_a_programme_is_told_what_to_do(client):
    client.force_login(staff("marketer", None))
    assert "Ask an administrator to add you" in client.get("/").text


def test_a_marketer_sees_runs_and_an_agent_her_desk(client, programme):
    client.force_login(staff("marketer", programme))
    marketer = client.get("/")
    client.force_login(staff("support agent", programme))
    agent = client.get("/")
    assert "home/figures" in marketer.text
    assert "My grants today" not in marketer.text
    assert "home/figures" not in agent.text
    assert "My grants today" in agent.text


def test_figures_are_for_those_who_may_see_runs(client, programme):
    client.force_login(staff("support agent", programme))
    assert client.get(reverse("support:home_figures")).status_code == 403
    client.force_login(staff("marketer", programme))
    assert "Open assignments" in client.get(reverse("support:home_figures")).text
    assert client.get(reverse("support:home_runs")).status_code == 200


def test_a_person_chooses_only_among_her_own_programmes(client, programme):
    second = Programme.objects.create(slug="second", name="Second")
    foreign = Programme.objects.create(slug="foreign", name="Foreign")
    user = staff("marketer", programme)
    user.programmes.add(second)
    client.force_login(user)
    choose = reverse("support:choose_programme")
    assert client.post(choose, {"programme": foreign.pk}).status_code == 404
    assert client.post(choose, {"programme": second.pk, "next": "https://evil.example/"})["Location"] == "/"
    assert client.get("/").wsgi_request.programme == second
    user.programmes.remove(second)
    assert client.get("/").wsgi_request.programme == programme


def plant(programme: Programme):
    offer = ConfigOfferFactory(programme=programme, name="Coffee", require_vouchers=True)
    return offer, offer.templates.get()


def test_progress_counts_committed_chunks_only_and_its_rate_is_the_last_minutes(programme):
    offer, template = plant(programme)
    now = clock.now()
    run = MassAssignment.objects.create(
        programme=programme,
        name="Run",
        config_offer=offer,
        template=template,
        state="running",
        planned_at=now - timedelta(minutes=10),
    )
    for number, done_at in enumerate([now - timedelta(minutes=5), now - timedelta(seconds=30), None, None]):
        MassAssignmentChunk.objects.create(
            run=run,
            number=number,
            first_member_id=1,
            last_member_id=2,
            size=1000,
            done_at=done_at,
        )
    [found] = selectors.running(programme=programme, now=now)
    assert (found.processed, found.total, found.per_minute, found.minutes_left) == (2000, 4000, 1000, 2)
    run.state = "paused"
    run.save()
    [paused] = selectors.running(programme=programme, now=now)
    assert (paused.processed, paused.per_minute, paused.minutes_left) == (2000, 0, None)
    other = Programme.objects.create(slug="other", name="Other")
    assert selectors.running(programme=other, now=now) == []


def test_the_board_names_banks_below_their_mark_and_ignores_expired_codes(programme):
    offer, _template = plant(programme)
    now = clock.now()
    bank = offer.voucher_bank
    bank.segments.create(size=700, cursor=150)
    bank.segments.create(size=900, cursor=0, expires_at=now - timedelta(days=1))
    bank.low_stock_at = 551
    bank.save()
    [low] = vouchers.needing(programme=programme, now=now)
    assert (low, low.left) == (bank, 550)
    bank.low_stock_at = 550
    bank.save()
    assert vouchers.needing(programme=programme, now=now) == []


def test_figures_count_the_programmes_own_assignments_by_week(programme):
    offer = ConfigOfferFactory(programme=programme)
    elsewhere = ConfigOfferFactory(programme=Programme.objects.create(slug="other", name="Other"))
    now = clock.now()
    for _number in range(2):
        give(MemberFactory(programme=programme), offer, now=now)
    give(MemberFactory(programme=programme), offer, now=now - timedelta(weeks=2))
    give(MemberFactory(programme=elsewhere.programme), elsewhere, now=now)
    Assignment.objects.filter(pk=Assignment.objects.first().pk).update(accepted_at=now)
    counted = selectors.figures(programme=programme, now=now)
    assert (counted.open, counted.issued, counted.accepted, counted.used) == (3, 3, 1, 0)
    assert len(counted.weeks) == 12
    assert [week.issued for week in counted.weeks[-3:]] == [1, 0, 2]
    assert counted.weeks[-1].accepted == 1


def test_my_grants_are_mine_todays_and_this_weeks_and_what_was_undone_is_not_counted(programme):
    """B-05, SCREENS: from the ledger, against what she may grant alone."""
    agent, colleague = staff("support agent", programme), staff("support agent", programme, username="other")
    allow(programme, user=agent, per_day=20, day_minor=20_000)
    assert selectors.desk(programme=programme, user=agent, now=clock.now()).usage == Usage()
    member = MemberFactory(programme=programme)
    offer = ConfigOfferFactory(
        programme=programme,
        terms={"benefit": {"type": "amount", "size": 500}, "redemption_limit": {"limit": 1}},
        repeat_policy="unlimited",
    )
    # A Wednesday.
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    _kept, undone = (
        grant.grant(
            member=member,
            template=offer.templates.get(),
            terms={},
            reference=uuid4(),
            why=grant.Why(reason="goodwill"),
            actor=agent,
            now=now,
        ).outcome.assignment_id
        for _turn in range(2)
    )
    revocation.undo(programme=programme, assignment_id=undone, by=By(Source.SUPPORT, agent), now=now)
    mine = selectors.desk(programme=programme, user=agent, now=now)
    assert (mine.usage, mine.undone_today, mine.recent_members) == (Usage(1, 500, 1, 500), 1, [member])
    assert (mine.bounds.per_day, mine.bounds.day_minor) == (20, 20_000)
    theirs = selectors.desk(programme=programme, user=colleague, now=now)
    assert (theirs.usage, theirs.undone_today, theirs.recent_members) == (Usage(), 0, [])
    tomorrow = selectors.desk(programme=programme, user=agent, now=now + timedelta(days=1))
    assert (tomorrow.usage, tomorrow.undone_today) == (Usage(0, 0, 1, 500), 0)
    assert selectors.desk(programme=programme, user=agent, now=now + timedelta(days=5)).usage == Usage()


def test_without_the_offers_module_home_has_no_board(client, programme):
    """S4-41"""
    programme.offers_enabled = False
    programme.save()
    client.force_login(staff("marketer", programme))
    answer = client.get("/")
    assert answer.status_code == 200
    assert "home/figures" not in answer.text
    assert reverse("offers:runs") not in answer.text


def test_used_up_and_uses_are_told_apart(client, programme):
    """Of an offer with several uses none may be used up, and many uses were made: the words say which is which."""
    offer = ConfigOfferFactory(programme=programme, terms={"redemption_limit": {"limit": 3}})
    for _number in range(2):
        redeem(give(MemberFactory(programme=programme), offer))
    client.force_login(staff("marketer", programme))
    page = " ".join(client.get(reverse("support:home_figures")).text.split())
    assert "0 without a use left" in page
    assert ">Uses</th>" in page
    assert ">Used</th>" not in page
    assert "2 issued, 0 accepted, 2 uses" in page


def test_what_needs_someone_says_which_of_two_with_the_same_name(client, programme):
    """B-02: banks by their offer's reference, runs by their number."""
    for reference in ("skin-spring", "skin-autumn"):
        offer = ConfigOfferFactory(
            programme=programme, name="10% off skin care", offer_reference=reference, require_vouchers=True
        )
        import_codes(offer, [f"{reference}-1"])
        offer.voucher_bank.low_stock_at = 10
        offer.voucher_bank.save()
    runs = [
        MassAssignment.objects.create(
            programme=programme, name="10% off skin care", config_offer=offer, template=offer.templates.get(),
            state=MassAssignment.State.FAILED,
        )
        for _number in range(2)
    ]  # fmt: skip
    client.force_login(staff("marketer", programme))
    page = client.get("/").text
    for shown in ("skin-spring</code>", "skin-autumn</code>", *(f"#{run.pk}</span>" for run in runs)):
        assert shown in page
