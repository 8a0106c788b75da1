"""The receipts and their lines: batches of whole receipts, each in one transaction, skipping those already there."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, transaction

from loyalty.models import Programme
from loyalty.services.demo import copying, member, product, store
from loyalty.services.demo.source import Source


def load(*, programme: Programme, source: Source) -> Iterator[tuple[int, int, int]]:
    """Load batch by batch; yields (receipts made, lines made, lines read) after each one's commit."""
    members, stores, products = member.ids(programme), store.ids(programme), product.ids(programme)
    for batch in source.lines():
        lines = _minor(batch)
        with transaction.atomic():
            made = _receipts(programme, lines, members, stores)
            lines = lines.filter(pc.is_in(lines["basket_id"], value_set=made["basket_id"]))
            if lines.num_rows:
                _lines(lines, made, products)
        yield made.num_rows, lines.num_rows, batch.num_rows


def _minor(batch: pa.Table) -> pa.Table:
    """Money in whole cents: what the shop received, and the three kinds of discount together."""

    def cents(amounts: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.round(pc.multiply(amounts, 100.0)).cast(pa.int64())

    discount = pc.add(pc.add(batch["retail_disc"], batch["coupon_disc"]), batch["coupon_match_disc"])
    return batch.append_column("amount_minor", cents(batch["sales_value"])).append_column(
        "discount_minor", cents(discount)
    )


def _receipts(
    programme: Programme, lines: pa.Table, members: tuple[pa.Array, pa.Array], stores: tuple[pa.Array, pa.Array]
) -> pa.Table:
    """Insert the receipts that are missing; returns them with what their lines repeat."""
    receipts = lines.group_by(["basket_id", "household_id", "store_id", "transaction_timestamp"]).aggregate(
        [("amount_minor", "sum"), ("discount_minor", "sum")]
    )
    copying.stage(
        pa.table(
            {
                "basket_id": receipts["basket_id"],
                "member_id": _looked_up(receipts["household_id"], members),
                "store_id": _looked_up(receipts["store_id"], stores),
                "happened_at": receipts["transaction_timestamp"],
                "total_minor": receipts["amount_minor_sum"],
                "discount_minor": receipts["discount_minor_sum"],
            }
        ),
        "arriving_purchase",
        {
            "basket_id": "bigint",
            "member_id": "bigint",
            "store_id": "bigint",
            "happened_at": "timestamp",
            "total_minor": "bigint",
            "discount_minor": "bigint",
        },
    )
    with connection.cursor() as cursor:
        # Weeks are added on the shops' clock, so that evening receipts stay evening receipts.
        cursor.execute(
            """
            INSERT INTO loyalty_purchase
                   (programme_id, external_id, member_id, store_id, purchased_at, total_minor, discount_minor)
            SELECT %(programme)s, basket_id, member_id, store_id,
                   (happened_at AT TIME ZONE 'UTC' AT TIME ZONE %(zone)s + %(weeks)s * INTERVAL '1 week')
                   AT TIME ZONE %(zone)s, total_minor, discount_minor
              FROM arriving_purchase
             ORDER BY happened_at, basket_id
                ON CONFLICT (programme_id, external_id) DO NOTHING
            RETURNING external_id::bigint, id, member_id, store_id, purchased_at
            """,
            {"programme": programme.pk, "zone": programme.timezone, "weeks": programme.demo_shift_weeks},
        )
        made = cursor.fetchall()
    return pa.table(
        {
            "basket_id": pa.array([row[0] for row in made], pa.int64()),
            "purchase_id": pa.array([row[1] for row in made], pa.int64()),
            "member_id": pa.array([row[2] for row in made], pa.int64()),
            "store_id": pa.array([row[3] for row in made], pa.int64()),
            "purchased_at": pa.array([row[4] for row in made], pa.timestamp("s", "UTC")),
        }
    )


def _lines(lines: pa.Table, made: pa.Table, products: tuple[pa.Array, pa.Array]) -> None:
    place = pc.index_in(lines["basket_id"], value_set=made["basket_id"])
    repeated = {
        name: made[name].take(place.combine_chunks() if isinstance(place, pa.ChunkedArray) else place)
        for name in ("purchase_id", "member_id", "store_id", "purchased_at")
    }
    # Written without a zone: COPY reads it as UTC, which the connection's zone is.
    repeated["purchased_at"] = repeated["purchased_at"].cast(pa.timestamp("s"))
    copying.copy(
        pa.table(
            repeated
            | {
                "product_id": _looked_up(lines["product_id"], products),
                "quantity": lines["quantity"],
                "amount_minor": lines["amount_minor"],
                "discount_minor": lines["discount_minor"],
            }
        ),
        "loyalty_purchaseline",
    )


def _looked_up(numbers: pa.ChunkedArray, known: tuple[pa.Array, pa.Array]) -> pa.ChunkedArray:
    """Return the id for each number; a number that is not known is an error, never a null."""
    found = pc.index_in(numbers, value_set=known[0])
    if found.null_count:
        raise LookupError(f"{found.null_count} numbers of the data are not in the database.")
    return pc.take(known[1], found)
