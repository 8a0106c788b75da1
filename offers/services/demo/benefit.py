"""What a coupon is worth. The data does not say, so a stated rule does: from its code and its products' price alone.

docs/demo.md has the rule in words; change both. Pure: no query, no clock.
"""

import zlib
from collections.abc import Mapping
from typing import Any

# A coupon whose products nobody bought in the year: three dollars.
UNKNOWN_PRICE = 300


def number_of(upc: int) -> int:
    """Return the coupon's number, from which its traits follow: codes themselves share their digits by maker."""
    return zlib.crc32(str(upc).encode())


def benefit(*, upc: int, price_minor: int) -> dict[str, Any]:
    """Return the benefit: half of the coupons take an amount off, three tenths a percentage, a tenth each have a
    fixed price or bonus points."""
    number = number_of(upc)
    lot = number % 10
    if lot < 5:
        # A quarter of the price, in steps of 25 cents.
        return {"type": "amount", "size": max(25, _nearest(price_minor * 25 // 100, 25))}
    if lot < 8:
        # 10 to 30 percent, of three pieces at most.
        size = 10 + 5 * (number // 10 % 5)
        ceiling = -(-3 * price_minor * size // 10_000) * 100
        return {"type": "percent", "size": size, "maximum_minor": ceiling}
    if lot == 8:
        # Four fifths of the price, ending in 9.
        return {"type": "fixed_price", "size": max(49, price_minor * 80 // 100 // 10 * 10 - 1)}
    # Ten points for each dollar of the price.
    return {"type": "bonus_points", "size": max(10, _nearest(price_minor // 10, 10))}


def terms(*, upc: int, price_minor: int, days: int, most_uses: int, group: str) -> dict[str, Any]:
    """Return all rules of a coupon's offer.

    It lasts as many days from its issue as its campaign did, so that the demo's offers are alive whenever it is
    loaded. One use more than the household that used it most: no history uses it up.
    """
    number = number_of(upc)
    found: dict[str, Any] = {
        "validity": {"days": days},
        "benefit": benefit(upc=upc, price_minor=price_minor),
        "products": {"groups": [group]},
        "redemption_limit": {"limit": most_uses + 1},
    }
    if number // 10 % 8 == 0:
        found["minimum_spend"] = {"amount_minor": -(-4 * price_minor // 100) * 100}
    if number // 100 % 12 == 0:
        found["channels"] = {"channels": ["app", "store"]}
    if number // 1000 % 9 == 0:
        found["acceptance"] = {"required": True}
    return found


def is_synchronized_by_till(upc: int) -> bool:
    """Say whether the till must confirm each assignment of the coupon."""
    return number_of(upc) // 10_000 % 9 == 0


def worth(value: Mapping[str, Any], price_minor: int) -> tuple[int | None, int | None]:
    """Return what one use gave, as (minor units, points)."""
    size = int(value["size"])
    if value["type"] == "bonus_points":
        return None, size
    if value["type"] == "amount":
        return size, None
    if value["type"] == "fixed_price":
        return max(0, price_minor - size), None
    return min(price_minor * size // 100, value["maximum_minor"]), None


def _nearest(amount: int, step: int) -> int:
    return (amount + step // 2) // step * step
