"""The demo on a small cut of its data: counts, the engine, the fixed shift, loading again, interrupted loads."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc
import pytest
from django.core.management import CommandError, call_command

from loyalty.models import Category, Product, Programme, Purchase, PurchaseLine, User
from loyalty.services import demo
from loyalty.services.demo import package, state
from loyalty.services.demo import source as sources
from loyalty.services.demo.source import Cut, Source, leading_coupons
from offers import rules
from offers.models import (
    Assignment,
    ConfigOffer,
    GrantLedgerEntry,
    MassAssignment,
    PersonalizedPromotion,
    PromotionEnrolment,
    Redemption,
    VoucherCode,
)
from offers.models import Source as Door
from offers.services import execution
from offers.services.demo import benefit, facts, load, redemption
from support.models import Allowance
from support.services import demo as desk
from tests.factories import ProgrammeFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
# From the last purchase of the data, 31 December 2017, to the week before NOW.
WEEKS = 463

SMALL = {"households": 40, "coupons_per_campaign": 2, "products_per_coupon": 20}


class Silence:
    def begin(self, what, total=None): ...

    def advance(self, by): ...

    def end(self, result): ...


@pytest.fixture(scope="module")
def quick():
    return Source(Cut(**SMALL))


@pytest.fixture(scope="module")
def full():
    return Source(Cut(**SMALL, is_full=True))


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def load_demo(source, now=NOW):
    return load.load(source=source, now=now, clock=lambda: now, report=Silence())


def told_lines(source, since=None):
    """The lines of the cut's households, taken from the data without the loader."""
    lines = source.of_households(source.table("transactions"))
    lines = sources.seconds(lines, "transaction_timestamp")
    return lines.filter(pc.greater_equal(lines["transaction_timestamp"], since)) if since else lines


def targets(coupons):
    return sum(len(one.campaign.households) for one in coupons)


def products_of(offer):
    [group] = offer.terms["products"]["groups"]
    return {int(one) for one in Product.objects.filter(groups__external_id=group).values_list("external_id", flat=True)}


def test_the_quick_cut_is_what_the_data_has_and_is_assigned_by_the_engine(quick, settings, client):
    settings.DEMO = True
    assert demo.logins() == []

    programme = load_demo(quick)

    lines = told_lines(quick, since=sources.RECENT_SINCE.astimezone(UTC).replace(tzinfo=None))
    leading = leading_coupons(quick.coupons)
    counts = load.counts(programme)
    assert counts["members"] == 40
    assert counts["receipts"] == len(pc.unique(lines["basket_id"])) > 40
    assert counts["receipt lines"] == len(lines)
    assert (counts["campaigns"], counts["mass assignments"]) == (27, 27)
    assert counts["offers of coupons"] == len(quick.coupons) > 27
    assert counts["assignments"] == targets(leading) > 40
    assert counts["redemptions"] == len(quick.redemptions) > 0
    assert set(MassAssignment.objects.values_list("state", flat=True)) == {"finished"}
    assert set(Assignment.objects.values_list("source", flat=True)) == {Door.MASS_ASSIGNMENT}
    assert not Assignment.objects.filter(ends_at__lte=NOW).exists()
    # Where codes are needed, each assignment has one of its own.
    codes = Assignment.objects.filter(config_offer__require_vouchers=True).values_list("voucher_code", flat=True)
    assert None not in codes
    assert len(codes) == len(set(codes)) > 0

    # Money is what the data says, to the cent.
    paid = sum(round(amount * 100) for amount in lines["sales_value"].to_pylist())
    assert sum(PurchaseLine.objects.values_list("amount_minor", flat=True)) == paid
    assert sum(Purchase.objects.values_list("total_minor", flat=True)) == paid

    # Each offer follows the stated rule, for its coupon's products.
    for reference, known in facts.of_coupons(quick).items():
        offer = ConfigOffer.objects.get(programme=programme, offer_reference=reference)
        assert offer.current_revision.terms == offer.terms == rules.parse(offer.terms).data()
        assert offer.terms["validity"]["days"] == known.coupon.campaign.days
        expected = benefit.benefit(upc=known.coupon.upc, price_minor=known.price_minor)
        assert expected.items() <= offer.terms["benefit"].items()
        assert offer.require_vouchers == (known.coupon.campaign.type == "Type C")
        assert products_of(offer) == set(known.coupon.products)

    # A login for each role, told in demo mode only.
    told = demo.logins()
    assert [login.role for login in told] == [
        "support agent", "support lead", "marketer", "administrator", "integration", "auditor",
    ]  # fmt: skip
    for login in told:
        assert client.login(username=login.username, password=login.password)
        assert [group.name for group in User.objects.get(username=login.username).groups.all()] == [login.role]
    settings.DEMO = False
    assert demo.logins() == []


def test_loading_again_and_then_everything_doubles_nothing_and_keeps_the_shift(quick, full):
    programme = load_demo(quick)
    before = load.counts(programme)
    assignments = set(Assignment.objects.values_list("pk", flat=True))
    last = Purchase.objects.latest("purchased_at").purchased_at
    assert programme.demo_shift_weeks == WEEKS
    assert NOW - timedelta(days=7) < sources.LAST_PURCHASE_AT + timedelta(weeks=WEEKS) <= NOW
    agent = User.objects.get(username="agent")
    agent.set_password("a password of her own")
    agent.save()

    # Ten weeks later: the same receipts stay where they are.
    load_demo(quick, now=NOW + timedelta(weeks=10))
    assert load.counts(programme) == before
    assert set(Assignment.objects.values_list("pk", flat=True)) == assignments
    programme.refresh_from_db()
    assert programme.demo_shift_weeks == WEEKS
    assert Purchase.objects.latest("purchased_at").purchased_at == last
    agent.refresh_from_db()
    assert agent.check_password("a password of her own")

    load_demo(full)
    lines = told_lines(full)
    after = load.counts(programme)
    assert after["receipts"] == len(pc.unique(lines["basket_id"])) > before["receipts"]
    assert after["receipt lines"] == len(lines)
    assert after["assignments"] == targets(full.coupons) > before["assignments"]
    assert after["redemptions with an assignment"] == after["redemptions"] == before["redemptions"]
    # Evening receipts are evening receipts, also across the change of the clocks.
    told = Counter(full.local(moment).hour for moment in lines["transaction_timestamp"].to_pylist())
    moments = PurchaseLine.objects.values_list("purchased_at", flat=True)
    assert Counter(moment.astimezone(sources.ZONE).hour for moment in moments) == told
    # Fillers stand for what was sold or couponed but is not listed.
    listed = set(full.table("products", ["product_id"])["product_id"].to_pylist())
    fillers = Product.objects.filter(is_listed=False).values_list("external_id", flat=True)
    assert {int(one) for one in fillers} == set(full.used_products.to_pylist()) - listed
    # Redemptions stand on their day, moved.
    first = min(one.redeemed_on for one in full.redemptions)
    redeemed_at = Redemption.objects.earliest("redeemed_at").redeemed_at
    assert redeemed_at.astimezone(sources.ZONE).date() == (first + timedelta(weeks=WEEKS)).date()

    load_demo(full)
    assert load.counts(programme) == after
    codes = VoucherCode.objects.filter(bank__programme=programme)
    assert codes.count() == codes.values("code", "bank").distinct().count()


@pytest.mark.parametrize("killed_in", ["receipts", "a chunk", "redemptions"])
def test_an_interrupted_load_goes_on_where_it_stopped(quick, monkeypatch, killed_in):
    calls = []

    def third_time(work):
        def stop(*args, **arguments):
            calls.append(arguments)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return work(*args, **arguments)

        return stop

    with monkeypatch.context() as patched:
        if killed_in == "a chunk":
            patched.setattr(execution, "do_next_chunk", third_time(execution.do_next_chunk))
        elif killed_in == "redemptions":
            calls += [None, None]
            patched.setattr(redemption, "load", third_time(redemption.load))
        else:
            patched.setattr(sources, "BATCH", 300_000)
            calls += [None, None]
            patched.setattr(load.purchase, "_lines", third_time(load.purchase._lines))
        with pytest.raises(KeyboardInterrupt):
            load_demo(quick)
    assert not demo.is_loaded()

    counts = load.counts(load_demo(quick))

    assert demo.is_loaded()
    assert counts["receipt lines"] == quick.lines_to_read
    assert (counts["mass assignments"], counts["assignments"]) == (27, targets(leading_coupons(quick.coupons)))
    assert counts["redemptions"] == len(quick.redemptions)


@pytest.mark.parametrize(
    ("upc", "price_minor", "expected"),
    [
        (10000085363, 499, {"type": "amount", "size": 125}),
        (51380040009, 249, {"type": "percent", "size": 10, "maximum_minor": 100}),
        (52100023020, 150, {"type": "fixed_price", "size": 119}),
        (53663271277, 180, {"type": "bonus_points", "size": 20}),
    ],
)
def test_a_benefit_follows_from_code_and_price_alone(upc, price_minor, expected):
    assert benefit.benefit(upc=upc, price_minor=price_minor) == expected


def test_the_whole_data_has_the_figures_that_the_demo_states():
    data = Source(Cut(is_full=True))
    leading = {one.campaign.number: one for one in leading_coupons(data.coupons)}

    assert len(data.households) == 2_469
    assert data.products.num_rows == 92_331
    assert len(data.coupons) == 1_197
    assert len(data.redemptions) == 2_102
    assert data.lines_to_read == 1_469_307
    assert targets(data.coupons) == 800_199
    # The most redeemed, then the lowest code; nobody used any of campaign 24.
    assert targets(leading.values()) == 6_589
    assert leading[18].upc == 10000085475
    assert leading[9].upc == 52100000033
    assert leading[24].upc == min(one.upc for one in data.coupons if one.campaign.number == 24)


def test_loading_is_refused_outside_demo_mode(settings):
    settings.DEMO = False

    with pytest.raises(CommandError, match=r"not in demo mode.*Nothing was loaded"):
        call_command("demo")

    assert not Programme.objects.exists()
    assert not User.objects.exists()


def test_a_missing_package_is_named_with_what_to_install(settings, monkeypatch):
    settings.DEMO = True
    monkeypatch.setattr(package, "DATA", "no_such_package_here")

    with pytest.raises(CommandError, match=r"no_such_package_here.*requirements-demo\.txt"):
        call_command("demo")

    assert not Programme.objects.exists()


def test_a_start_leaves_a_loaded_demo_alone(settings, monkeypatch):
    settings.DEMO = True
    state.remember(programme=ProgrammeFactory(slug=state.SLUG), is_full=False)
    monkeypatch.setattr(package, "DATA", "no_such_package_here")

    call_command("demo", if_missing=True)

    assert not User.objects.exists()


def test_b_05_the_desk_has_allowances_and_weeks_of_work_and_a_second_load_adds_none(quick):
    """B-05, S2-09: grants of two agents through the desk's own service, some taken back; promotions with members."""
    programme = load_demo(quick)
    given = desk.load(programme=programme, now=NOW)
    assert given == len(desk.WORK)
    told = GrantLedgerEntry.objects.filter(programme=programme)
    assert told.filter(n=1).count() == given
    assert told.filter(n=-1).count() == given // desk.SLIP > 0
    assert set(told.values_list("agent__username", flat=True)) == {"agent", "lead"}
    assert told.order_by("day").first().day == (NOW - timedelta(days=26)).date()
    assert Allowance.objects.get(programme=programme).role.name == "support agent"
    before = told.count(), Assignment.objects.count()
    assert desk.load(programme=programme, now=NOW + timedelta(days=3)) == 0
    assert (told.count(), Assignment.objects.count()) == before
    assert Allowance.objects.filter(programme=programme).count() == 1


def test_s2_09_the_house_enlists_who_buys_most_in_promotions(full):
    """S2-05..09: of the categories that the cut has; a second load enlists nobody again."""
    programme = load_demo(full)
    made = PersonalizedPromotion.objects.filter(programme=programme)
    known = Category.objects.filter(programme=programme, external_id__in=("grocery.soft-drinks", "grocery.cheese"))
    assert made.count() == known.count() > 0
    enlisted = PromotionEnrolment.objects.filter(promotion__in=made)
    assert enlisted.values("member").distinct().count() == 40
    before = enlisted.count()
    load_demo(full)
    assert enlisted.count() == before
