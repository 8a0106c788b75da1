"""A small catalogue for pure tests."""

from collections.abc import Collection, Mapping

from offers.targeting import Attribute, Catalogue, Column, Dimension, Field

NAMES = {"10": "Dairy", "11": "Cheese", "20": "Bakery"}


def names(ids: Collection[str]) -> Mapping[str, str]:
    return {one: NAMES[one] for one in ids if one in NAMES}


FIELDS = [
    Field("member.city", "City", "text", Column("city")),
    Field("member.gender", "Gender", "choice", Column("gender"), choices=(("f", "female"), ("m", "male"))),
    Field("member.birth_date", "Birth date", "date", Column("birth_date")),
    Field("member.joined_at", "Joined", "moment", Column("joined_at")),
    Field("attribute.tier", "Tier", "text", Attribute("tier")),
    Field("attribute.children", "Children", "number", Attribute("children")),
    Field("attribute.owner", "Home owner", "boolean", Attribute("owner")),
    Field("attribute.wedding", "Wedding day", "date", Attribute("wedding")),
    Field("attribute.likes", "Likes", "list", Attribute("likes")),
]
CATALOGUE = Catalogue(
    fields={field.key: field for field in FIELDS},
    dimensions={
        "categories": Dimension("categories", "Categories", names),
        "stores": Dimension("stores", "Stores", names),
    },
)
