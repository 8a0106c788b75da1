"""What tests of personal offers plant: an offer of personal terms, and files in every format."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from loyalty import clock
from offers.models import Assignment, ConfigOffer, PersonalOfferImport, PersonalOfferRow, Redemption
from offers.services import assignment_verbs, personal_offer, personal_offer_file, personal_offer_work
from tests.factories import CategoryFactory, ConfigOfferFactory, MemberFactory, ProductFactory, ProductGroupFactory

FACTORIES: dict[str, Any] = {"products": ProductFactory, "groups": ProductGroupFactory, "categories": CategoryFactory}


def offer_of(mechanic: str = "products", *, things: Sequence[str] = ("COFFEE", "TEA"), **values: Any) -> ConfigOffer:
    """Publish an offer of personal terms, with things of its kind: `COFFEE` is called Coffee."""
    terms = {"personal": {"mechanic": mechanic}, **values.pop("terms", {})}
    offer = ConfigOfferFactory(terms=terms, **values)
    if mechanic in FACTORIES:
        for key in things:
            FACTORIES[mechanic](programme=offer.programme, external_id=key, name=key.capitalize())
    return offer


def members_of(offer: ConfigOffer, *external_ids: str) -> list[Any]:
    return [MemberFactory(programme=offer.programme, external_id=one) for one in external_ids]


def item(external_id: str = "COFFEE", size: int = 20, kind: str = "percent", **more: Any) -> dict[str, Any]:
    return {"external_id": external_id, "benefit": {"type": kind, "size": size}, **more}


def jsonl(*values: Mapping[str, Any]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def table(*rows: Mapping[str, Any]) -> bytes:
    """Write rows of items as CSV, with every column that there is."""
    text = io.StringIO()
    writer = csv.DictWriter(text, personal_offer_file.FLAT, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def packed(*rows: Mapping[str, Any]) -> bytes:
    """Write rows as Parquet, with the types that they have."""
    into = io.BytesIO()
    names = dict.fromkeys(name for row in rows for name in row)
    parquet.write_table(pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows]), into)
    return into.getvalue()


def received(
    offer: ConfigOffer, content: bytes, name: str = "offers.jsonl", *, is_full: bool = False, actor: Any = None
) -> PersonalOfferImport:
    """Receive a file and check it, as a worker does."""
    upload = personal_offer.receive(
        programme=offer.programme,
        offer=offer,
        file=io.BytesIO(content),
        file_name=name,
        is_full=is_full,
        actor=actor,
        now=clock.now(),
    )
    assert personal_offer_work.check(upload_id=upload.pk, now=clock.now())
    upload.refresh_from_db()
    return upload


def committed(
    upload: PersonalOfferImport, *, leaves_out_faulty: bool = False, actor: Any = None
) -> PersonalOfferImport:
    """Commit a checked import and do it to its end."""
    personal_offer.commit(upload=upload, leaves_out_faulty=leaves_out_faulty, actor=actor, now=clock.now())
    return personal_offer_work.run_to_end(upload_id=upload.pk, clock=clock.now)


def imported(offer: ConfigOffer, *values: Mapping[str, Any], is_full: bool = False) -> PersonalOfferImport:
    """Import values and return the import, finished."""
    upload = committed(received(offer, jsonl(*values), is_full=is_full))
    assert upload.state == PersonalOfferImport.State.FINISHED, upload.failure
    return upload


def problems(upload: PersonalOfferImport) -> Iterator[tuple[int | None, str, str, Any]]:
    """Yield line, field, code and value of every problem, in the order of the lines."""
    found = [
        one
        for row in PersonalOfferRow.objects.filter(upload=upload, problems__isnull=False).order_by("number")
        for one in row.problems
    ]
    for one in sorted(found, key=lambda each: each["line"]):
        yield one["line"], one.get("field", ""), one["code"], one.get("value")


def held(member) -> list[Assignment]:
    return list(Assignment.objects.filter(member=member).order_by("id"))


def rows(upload: PersonalOfferImport) -> list[tuple[str, str, str, bool]]:
    found = PersonalOfferRow.objects.filter(upload=upload).order_by("number")
    return [(row.member_external_id, row.outcome, row.acceptance, row.had_uses) for row in found]


def accept(one: Assignment) -> None:
    now = clock.now()
    assert assignment_verbs.accept(member_id=one.member_id, assignment_id=one.pk, now=now).is_accepted


def redeem(one: Assignment) -> None:
    Redemption.objects.create(
        programme=one.member.programme,
        member=one.member,
        config_offer=one.config_offer,
        assignment=one,
        external_id=f"use-{one.pk}",
        redeemed_at=clock.now(),
    )
