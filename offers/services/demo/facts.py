"""What is to be known of a coupon before its offer is written: its price, what it is for, how it looks."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc

from loyalty.services.demo import wording
from loyalty.services.demo.source import Coupon, Source
from offers.services.demo import benefit

# Pictures by words of the category; the first that fits. The files lie under offers/static/offers/demo.
PICTURES = (
    ("frozen", ("FRZN", "FROZEN", "ICE CREAM", "NOVELTIES")),
    ("baby", ("BABY", "INFANT", "DIAPER")),
    ("pets", ("DOG", "CAT ", "PET ", "BIRD")),
    ("seafood", ("SEAFOOD", "SUSHI")),
    ("meat", ("MEAT", "BEEF", "PORK", "CHICKEN", "BACON", "SAUSAGE", "TURKEY", "HOT DOG", "PROCESSED", "LAMB")),
    ("dairy", ("MILK", "CHEESE", "YOGURT", "BUTTER", "EGGS", "MARGARINE", "DAIRY")),
    ("bakery", ("BREAD", "BAKED", "ROLLS", "CAKE", "DOUGH", "PIES", "BAKING", "FLOUR", "PASTRY")),
    ("drinks", ("DRINK", "JUICE", "WATER", "TEA", "COFFEE", "COCOA", "BEER", "WINE", "DRNK", "BEVERAGE")),
    ("snacks", ("SNACK", "COOKIE", "CANDY", "CHIPS", "NUTS", "POPCORN", "CRACKER")),
    ("household", ("SOAP", "LAUNDRY", "DETERGENT", "TISSUE", "PAPER", "BLEACH", "CLEAN", "AIR CARE", "WRAPS", "BROOM")),
    ("health", ("VITAMIN", "ANALGES", "COLD AND", "ANTACID", "FIRST AID", "SINUS", "LAXATIVE", "DIET", "CARE PROD")),
    (
        "beauty",
        ("HAIR", "SKIN", "HAND/BODY", "ORAL", "DEODORANT", "MAKEUP", "SHAV", "HYGIENE", "COSMETIC", "FRAGRANCE"),
    ),
    ("produce", ("FRUIT", "VEGETABLE", "SALAD", "BERRIES", "APPLES", "POTATO", "TOMATO", "FLORAL", "PRODUCE")),
)
OTHERWISE = "pantry"
# Words that keep their capital in a sentence.
PROPER = {*wording.NAMES.values(), "Latin", "Laurel"}


@dataclass(frozen=True)
class CouponFacts:
    coupon: Coupon
    # The median of its products' average shelf prices.
    price_minor: int
    # "frozen pizza", as one would say it in a sentence.
    subject: str
    picture: str
    # Some of its products by name.
    examples: tuple[str, ...]
    name: str

    @property
    def group(self) -> str:
        return f"coupon-{self.coupon.reference}"


def of_coupons(source: Source) -> dict[str, CouponFacts]:
    """Return the facts by the coupon's reference."""
    prices = _prices(source)
    listed = source.table("products", ["product_id", "department", "product_category", "product_type"])
    listed = listed.filter(pc.is_in(listed["product_id"], value_set=_couponed(source)))
    kinds = {
        row["product_id"]: (row["department"], row["product_category"], row["product_type"])
        for row in listed.to_pylist()
    }
    return {one.reference: _of_coupon(one, prices, kinds) for one in source.coupons}


def _couponed(source: Source) -> pa.Array:
    return pa.array(sorted({product for one in source.coupons for product in one.products}), pa.int64())


def _prices(source: Source) -> dict[int, float]:
    """Return each product's average price on the shelf, in cents, over all households whatever the cut."""
    facts = source.facts
    is_priced = pc.and_(pc.is_in(facts["product_id"], value_set=_couponed(source)), pc.greater(facts["quantity"], 0))
    facts = facts.select(["product_id", "quantity", "sales_value", "retail_disc"]).filter(is_priced)
    facts = facts.append_column("shelf", pc.add(facts["sales_value"], facts["retail_disc"]))
    sums = facts.group_by("product_id", use_threads=False).aggregate([("shelf", "sum"), ("quantity", "sum")])
    cents = pc.multiply(pc.divide(sums["shelf_sum"], sums["quantity_sum"].cast(pa.float64())), 100.0)
    return dict(zip(sums["product_id"].to_pylist(), cents.to_pylist(), strict=True))


def _of_coupon(
    coupon: Coupon, prices: Mapping[int, float], kinds: Mapping[int, tuple[str, str | None, str | None]]
) -> CouponFacts:
    known = [prices[product] for product in coupon.products if product in prices]
    price = round(median(known)) if known else benefit.UNKNOWN_PRICE
    found = [kinds[product] for product in coupon.products if product in kinds]
    category, share = _most([kind[1] for kind in found])
    if category and share * 2 > len(found):
        subject, shown = wording.tidy(category), category
    else:
        department, _ = _most([kind[0] for kind in found])
        subject = f"{wording.tidy(department)} favorites" if department else "Laurel favorites"
        shown = department or ""
    if subject.split()[0] not in PROPER:
        subject = subject[:1].lower() + subject[1:]
    examples = [wording.tidy(text) for text, _ in _ranked([kind[2] for kind in found])[:3]]
    return CouponFacts(
        coupon=coupon,
        price_minor=max(price, 25),
        subject=subject,
        picture=next((name for name, words in PICTURES if any(word in shown for word in words)), OTHERWISE),
        examples=tuple(examples),
        name=_name(benefit.benefit(upc=coupon.upc, price_minor=max(price, 25)), subject),
    )


def _name(value: Mapping[str, object], subject: str) -> str:
    size = value["size"]
    if value["type"] == "percent":
        return f"{size}% off {subject}"
    if value["type"] == "bonus_points":
        return f"{size} extra points on {subject}"
    money = f"${int(str(size)) / 100:.2f}"
    if value["type"] == "amount":
        return f"{money} off {subject}"
    return f"{subject[:1].upper()}{subject[1:]} for {money}"


def _ranked(texts: list[str | None]) -> list[tuple[str, int]]:
    counted = Counter(text for text in texts if text)
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def _most(texts: list[str | None]) -> tuple[str | None, int]:
    ranked = _ranked(texts)
    return ranked[0] if ranked else (None, 0)
