"""Products with their departments and categories; fillers for those that were sold or couponed but are not listed."""

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, transaction

from loyalty.models import Category, Programme
from loyalty.services.demo import copying, wording
from loyalty.services.demo.source import Source


def load(*, programme: Programme, source: Source, now: datetime) -> int:
    """Make the categories and products that are missing; returns how many products."""
    listed = source.products
    categories = _categories(programme, listed)
    rows = []
    words: dict[str, str] = {}
    for row in listed.to_pylist():
        text = row["product_type"] or row["product_category"] or row["department"]
        if text not in words:
            words[text] = wording.tidy(text)
        category = categories[row["department"], row["product_category"]]
        rows.append(
            {
                "external_id": row["product_id"],
                "name": words[text],
                "brand": row["brand"] or "",
                "package_size": row["package_size"] or "",
                "category_id": category.pk,
                "department_id": category.parent_id or category.pk,
                "is_listed": True,
            }
        )
    known = pa.array([row["external_id"] for row in rows], pa.int64())
    used = source.used_products
    fillers = used.filter(pc.invert(pc.is_in(used, value_set=_all_listed(source))))
    rows += [
        {
            "external_id": number,
            "name": f"Product {number}",
            "brand": "",
            "package_size": "",
            "category_id": None,
            "department_id": None,
            "is_listed": False,
        }
        for number in sorted(set(fillers.to_pylist()) - set(known.to_pylist()))
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        copying.stage(
            pa.Table.from_pylist(rows),
            "arriving_product",
            {"category_id": "bigint", "department_id": "bigint", "is_listed": "boolean"},
        )
        cursor.execute(
            """
            INSERT INTO loyalty_product
                   (programme_id, external_id, name, brand, package_size, category_id, department_id, is_listed,
                    created_at, updated_at)
            SELECT %(programme)s, external_id, name, brand, package_size, category_id, department_id, is_listed,
                   %(now)s, %(now)s
              FROM arriving_product
                ON CONFLICT (programme_id, external_id) DO NOTHING
            """,
            {"programme": programme.pk, "now": now},
        )
        return cursor.rowcount


def _all_listed(source: Source) -> pa.Array:
    return pc.unique(source.table("products", ["product_id"])["product_id"])


def _categories(programme: Programme, listed: pa.Table) -> dict[tuple[str, str | None], Category]:
    """Make what is missing of the tree, and return the node of each (department, category)."""
    pairs = listed.group_by(["department", "product_category"]).aggregate([])
    found = sorted(
        zip(pairs["department"].to_pylist(), pairs["product_category"].to_pylist(), strict=True),
        key=lambda pair: (pair[0], pair[1] or ""),
    )
    departments = {
        name: Category(
            programme=programme, external_id=wording.slug(name), name=wording.tidy(name)[:200], depth=0, parent=None
        )
        for name in dict.fromkeys(department for department, _ in found)
    }
    nodes = _saved(programme, departments.values())
    leaves = {
        (department, category): Category(
            programme=programme,
            external_id=f"{wording.slug(department)}.{wording.slug(category)}",
            name=wording.tidy(category)[:200],
            depth=1,
            parent=nodes[wording.slug(department)],
        )
        for department, category in found
        if category
    }
    nodes |= _saved(programme, leaves.values())
    return {
        (department, category): nodes[
            f"{wording.slug(department)}.{wording.slug(category)}" if category else wording.slug(department)
        ]
        for department, category in found
    }


def _saved(programme: Programme, categories) -> dict[str, Category]:
    Category.objects.bulk_create(categories, ignore_conflicts=True)
    return {one.external_id: one for one in Category.objects.filter(programme=programme)}


def ids(programme: Programme) -> tuple[pa.Array, pa.Array]:
    """Return the products' numbers and their ids."""
    return copying.ids("SELECT external_id, id FROM loyalty_product WHERE programme_id = %s", [programme.pk])
