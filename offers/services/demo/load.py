"""Loading the demo from first to last. Every part is a transaction, or a row of its own, that a second load finds
done: an interrupted load goes on where it stopped, and nothing is doubled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Protocol

from django.db import Error, connection

from loyalty.models import Product, Programme, Purchase, PurchaseLine, User
from loyalty.services.demo import login, member, product, programme, purchase, state, store
from loyalty.services.demo.programme import Dates
from loyalty.services.demo.source import Source, leading_coupons
from offers.models import Assignment, Audience, Campaign, ConfigOffer, MassAssignment, PersonalizedPromotion, Redemption
from offers.services.demo import campaign, facts, house, mass_assignment, offer, promotion, redemption, voucher

# One load at a time; any number that no other lock of this product has.
LOCK = 620_101
LOADED = (
    "loyalty_category, loyalty_store, loyalty_product, loyalty_productgroup_products, loyalty_member,"
    " loyalty_purchase, loyalty_purchaseline, offers_configoffer, offers_vouchercode"
)
WRITTEN_BY_RUNS = "offers_assignment, offers_audiencemember, offers_massassignment, offers_redemption"


class Report(Protocol):
    """Whom a load tells how far it is."""

    def begin(self, what: str, total: int | None = None) -> None: ...

    def advance(self, by: int) -> None: ...

    def end(self, result: str) -> None: ...


def load(*, source: Source, now: datetime, clock: Callable[[], datetime], report: Report) -> Programme:
    """Load the demo, or what is missing of it, and return its programme.

    `clock` tells the time of each mass assignment.
    """
    with _alone(report):
        ours = programme.ensure(now=now)
        dates = Dates(ours.demo_shift_weeks or 0)
        login.ensure(programme=ours)
        actor = User.objects.get(username="marketer")
        _members_and_products(ours, source, dates, now, report)
        _receipts(ours, source, report)
        known = facts.of_coupons(source)
        report.begin("offers and campaigns")
        campaigns = campaign.load(programme=ours, source=source, dates=dates, now=now)
        made = offer.load(programme=ours, facts=known, actor=actor, now=now)
        houses = house.load(programme=ours, actor=actor, now=now)
        promotion.load(programme=ours, actor=actor, now=now)
        report.end(f"{campaigns} campaigns, {made:,} new offers of coupons, {houses} of the house")
        coupons = source.coupons if source.cut.is_full else leading_coupons(source.coupons)
        report.begin("voucher codes")
        codes = voucher.load(programme=ours, facts=[known[one.reference] for one in coupons], actor=actor, now=now)
        _analyze(LOADED)
        report.end(f"{codes:,} imported")
        report.begin("mass assignments", sum(len(one.campaign.households) for one in coupons))
        runs = 0
        for run in mass_assignment.run_all(programme=ours, coupons=coupons, actor=actor, clock=clock):
            runs += 1
            report.advance(run.eligible or 0)
        report.end(f"{runs:,} runs")
        report.begin("redemptions")
        redeemed = redemption.load(programme=ours, source=source, facts=known, dates=dates)
        _analyze(WRITTEN_BY_RUNS)
        report.end(f"{redeemed:,} new")
        state.remember(programme=ours, is_full=source.cut.is_full)
    return ours


def _members_and_products(ours: Programme, source: Source, dates: Dates, now: datetime, report: Report) -> None:
    report.begin("members")
    members = member.load(programme=ours, source=source, dates=dates, now=now)
    report.end(f"{members:,} new")
    report.begin("products")
    products = product.load(programme=ours, source=source, now=now)
    stores = store.load(programme=ours, source=source)
    report.end(f"{products:,} new, {stores:,} new stores")


def _receipts(ours: Programme, source: Source, report: Report) -> None:
    report.begin("receipts", source.lines_to_read)
    receipts = lines = 0
    for made, with_lines, read in purchase.load(programme=ours, source=source):
        receipts, lines = receipts + made, lines + with_lines
        report.advance(read)
    report.end(f"{receipts:,} new with {lines:,} lines")


@contextmanager
def _alone(report: Report) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            # A load that was just killed counts too, until the database notices.
            report.begin("another load of the demo to end")
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            report.end("it has")
        try:
            yield
        finally:
            # After an interrupted statement the connection takes no more; its lock goes when the process ends.
            with suppress(Error):
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _analyze(tables: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {tables}")


def counts(ours: Programme) -> dict[str, int]:
    """Return how many of everything the programme has now."""
    coupons = ConfigOffer.objects.filter(programme=ours, external_id__startswith="coupon-")
    products = Product.objects.filter(programme=ours)
    redemptions = Redemption.objects.filter(programme=ours)
    return {
        "members": ours.members.count(),
        "products": products.filter(is_listed=True).count(),
        "fillers": products.filter(is_listed=False).count(),
        "stores": ours.stores.count(),
        "receipts": Purchase.objects.filter(programme=ours).count(),
        "receipt lines": PurchaseLine.objects.filter(product__programme=ours).count(),
        "campaigns": Campaign.objects.filter(programme=ours, is_of_run=False).count(),
        "offers of coupons": coupons.count(),
        "offers for everyone": ConfigOffer.objects.filter(programme=ours, audience=Audience.EVERYONE).count(),
        "personalized promotions": PersonalizedPromotion.objects.filter(programme=ours).count(),
        "mass assignments": MassAssignment.objects.filter(programme=ours).count(),
        "assignments": Assignment.objects.of_programme(ours).count(),
        "redemptions": redemptions.count(),
        "redemptions with an assignment": redemptions.filter(assignment__isnull=False).count(),
    }
