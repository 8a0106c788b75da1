"""Whom criteria mean: the catalogue of a programme, counts, samples, and the predicate that freezes an audience."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.db import connection, models, transaction
from django.db.models import Q, QuerySet
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from loyalty.database import execute, rows
from loyalty.errors import NotFound
from loyalty.models import AttributeDefinition, Category, Channel, Member, Product, ProductGroup, Programme, Store
from offers import targeting
from offers.models import Campaign, ConfigOffer, OfferTemplate, Targeting, TargetingVersion
from offers.selectors import member_list, targeting_cancellation
from offers.targeting import (
    Attribute,
    Catalogue,
    Column,
    ConsentTo,
    Criteria,
    Dimension,
    Field,
    Predicate,
    ReachableOn,
    SavedTree,
    naming,
)
from offers.targeting.catalogue import FieldType

# Below this many members an exact count is as quick as an estimate.
SMALL = 50_000
# Members looked at for an estimate: 20 ms, and some percent off. Each one's receipts are looked up one by one.
SAMPLED = 8_000
SAMPLED_WITH_HISTORY = 1_000
# How statements with conditions on the members' history are planned.
FOR_HISTORY = {
    # Aggregates hash all buyers; with less memory they spill to disk.
    "work_mem": "128MB",
    # Parallel workers would each aggregate all the lines for a hash table of their own.
    "max_parallel_workers_per_gather": "0",
    # Where conditions go together, one member is expected and thousands are found: hash joins do not mind.
    "enable_nestloop": "off",
}

MEMBER_FIELDS: tuple[tuple[str, FieldType], ...] = (
    ("external_id", "text"),
    ("status", "choice"),
    ("city", "text"),
    ("country", "text"),
    ("gender", "text"),
    ("birth_date", "date"),
    ("language", "text"),
    ("timezone", "text"),
    ("tier", "text"),
    ("joined_at", "moment"),
    ("email", "text"),
    ("phone", "text"),
)
IDENTITIES = {"external_id", "email", "phone"}
# What is said later is said in the language of then.
_capitalized = lazy(lambda text: str(text).capitalize(), str)
_said = lazy(lambda sentence, **words: str(sentence) % words, str)
CONSENTS = (("given", _("given")), ("refused", _("refused")))
STATUSES = tuple(choice for choice in Member.Status.choices if choice[0] != Member.Status.ERASED)


@dataclass(frozen=True)
class Estimate:
    """How many members criteria mean; about, unless it is exact."""

    count: int
    is_exact: bool


def catalogue(programme: Programme) -> Catalogue:
    """Return what criteria may speak of in this programme: two queries, and one for each list of ids when read."""
    fields = [
        Field(
            key=f"member.{name}",
            # Columns have a name for people; only reverse relations, which these are not, have none.
            label=_capitalized(cast("models.Field[Any, Any]", Member._meta.get_field(name)).verbose_name),
            type=kind,
            source=Column(name),
            choices=STATUSES if name == "status" else (),
            group=_("Member"),
            is_identity=name in IDENTITIES,
        )
        for name, kind in MEMBER_FIELDS
    ]
    fields += [
        Field(
            key=f"attribute.{definition.name}",
            label=definition.label,
            # The model's choices are the type's.
            type="choice" if definition.type == "text" and definition.choices else cast(FieldType, definition.type),
            source=Attribute(definition.name),
            choices=tuple((choice, choice) for choice in definition.choices),
            group=_("Attributes"),
        )
        for definition in AttributeDefinition.objects.filter(programme=programme)
    ]
    fields += _consents(programme)
    categories = Category.objects.filter(programme=programme)
    dimensions = [
        Dimension("departments", _("Departments"), _named(categories.filter(depth=0))),
        Dimension("categories", _("Categories"), _named(categories)),
        Dimension("products", _("Products"), _named(Product.objects.filter(programme=programme))),
        Dimension("groups", _("Product groups"), _named(ProductGroup.objects.filter(programme=programme))),
        Dimension("stores", _("Stores"), _named(Store.objects.filter(programme=programme))),
        Dimension(
            "offers",
            _("Offers"),
            _named(ConfigOffer.objects.filter(programme=programme), "offer_reference"),
            ("assignments", "redemptions"),
        ),
        Dimension(
            "templates",
            _("Templates"),
            _named(OfferTemplate.objects.filter(programme=programme)),
            ("assignments", "redemptions"),
        ),
        Dimension(
            "campaigns",
            _("Campaigns"),
            _named(Campaign.objects.filter(programme=programme, is_of_run=False)),
            ("assignments", "redemptions"),
        ),
    ]
    return Catalogue(
        fields={field.key: field for field in fields},
        dimensions={dimension.key: dimension for dimension in dimensions},
        currency=programme.currency,
        targeting=lambda targeting_id, version: _saved_tree(programme, targeting_id, version),
        member_list=lambda list_id: member_list.names(programme, [list_id]).get(list_id),
    )


def _consents(programme: Programme) -> Iterator[Field]:
    """Yield for each channel what a member agreed to, and whether it reaches her."""
    for channel in Channel.objects.filter(programme=programme):
        yield Field(
            key=f"consent.{channel.code}",
            label=_said(_("Consent to %(channel)s"), channel=channel.name),
            type="choice",
            source=ConsentTo(channel.pk),
            choices=CONSENTS,
            group=_("Consents"),
        )
        yield Field(
            key=f"reachable.{channel.code}",
            label=_said(_("Reachable by %(channel)s"), channel=channel.name),
            type="boolean",
            source=ReachableOn(channel.pk, channel.is_active, Column(channel.address) if channel.address else None),
            group=_("Consents"),
        )


def _named(known: QuerySet[Any, Any], key: str = "external_id") -> Callable[[Collection[str]], Mapping[str, str]]:
    def names(ids: Collection[str]) -> Mapping[str, str]:
        return dict(known.filter(**{f"{key}__in": list(ids)}).values_list(key, "name"))

    return names


def _saved_tree(programme: Programme, targeting_id: int, number: int | None) -> SavedTree | None:
    if number is None:
        one = saved(programme).filter(pk=targeting_id).first()
        found = one.current_version if one else None
    else:
        # What was saved with it keeps its meaning, also after it was archived.
        found = versions(programme).filter(targeting_id=targeting_id, number=number).first()
    return SavedTree(found.targeting.name, found.number, found.criteria) if found else None


def read(criteria: Any, *, programme: Programme, saving: int | None = None) -> Criteria:
    """Return the checked criteria; raises targeting.InvalidCriteria with every problem.

    `saving` is the id of the targeting whose criteria they shall become: it may not mean itself.
    """
    if isinstance(criteria, Criteria):
        return criteria
    return targeting.parse(criteria, catalogue(programme), saving=saving)


def as_now(criteria: Any, *, programme: Programme, saving: int | None = None) -> Criteria:
    """Return the checked criteria as they are to be saved: each targeting that they name in its version of now."""
    return read(naming.unpinned(criteria), programme=programme, saving=saving)


def where(*, programme: Programme, criteria: Any, now: datetime, within: str = "") -> Predicate:
    """Return the predicate over `loyalty_member AS member` that counts, samples and freezes (S4-24).

    It holds the programme itself, and leaves erased members out. `criteria` is the stored tree or a checked one.
    """
    return targeting.predicate(
        read(criteria, programme=programme), programme_id=programme.pk, now=now, zone=programme.zone, within=within
    )


@contextmanager
def planned(criteria: Any) -> Iterator[None]:
    """Let the statements inside read histories in bulk: for those that use `where`, and for no others."""
    if isinstance(criteria, Criteria) and not criteria.has_history:
        yield
        return
    is_nested = connection.in_atomic_block
    with transaction.atomic():
        settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in FOR_HISTORY.items())
        execute(f"SELECT {settings}")
        yield
        # A transaction of its own ends with its settings.
        for name in FOR_HISTORY if is_nested else ():
            execute(f"SET LOCAL {name} TO DEFAULT")


def count(criteria: Any, *, programme: Programme, now: datetime, mark: str = "") -> int:
    """Return exactly how many members the criteria mean (S4-26).

    A marked count can be stopped (`targeting_cancellation`); it raises Outdated then.
    """
    checked = read(criteria, programme=programme)
    predicate = where(programme=programme, criteria=checked, now=now)
    sql = f"SELECT count(*) AS n FROM loyalty_member AS member WHERE {predicate.sql}"
    with planned(checked):
        found = targeting_cancellation.rows(sql, predicate.params, mark=mark)
    return int(found[0]["n"])


def sample(criteria: Any, *, programme: Programme, now: datetime, size: int = 10) -> list[Member]:
    """Return some of the members meant, the same ones each time, and from all over the table (S4-25)."""
    checked = read(criteria, programme=programme)
    predicate = where(programme=programme, criteria=checked, now=now)
    with planned(checked):
        found = rows(
            f"SELECT member.id FROM loyalty_member AS member WHERE {predicate.sql}"
            " ORDER BY hashint8extended(member.id, 0) LIMIT %(targeting_size)s",
            predicate.params | {"targeting_size": size},
        )
    members = Member.objects.in_bulk([row["id"] for row in found])
    return [members[row["id"]] for row in found if row["id"] in members]


def estimate(criteria: Any, *, programme: Programme, now: datetime) -> Estimate:
    """Return about how many members the criteria mean, from a sample of the table's pages: a hint, at once.

    Exact where the table is small. Some percent off otherwise, more for rare criteria; rounded to two digits, so
    that nobody takes it for a count.
    """
    checked = read(criteria, programme=programme)
    known = rows("SELECT reltuples::bigint AS members FROM pg_class WHERE oid = 'loyalty_member'::regclass")
    members = known[0]["members"]
    if members < SMALL:
        return Estimate(count=count(checked, programme=programme, now=now), is_exact=True)
    wanted = SAMPLED_WITH_HISTORY if checked.has_history else SAMPLED
    predicate = where(programme=programme, criteria=checked, now=now, within="sampled")
    [found] = rows(
        "WITH sampled AS MATERIALIZED ("
        "SELECT * FROM loyalty_member TABLESAMPLE SYSTEM (%(targeting_percent)s::real)) "
        "SELECT (SELECT count(*) FROM sampled) AS sampled,"
        f" (SELECT count(*) FROM sampled AS member WHERE {predicate.sql}) AS matched",
        predicate.params | {"targeting_percent": 100 * wanted / members},
    )
    return Estimate(count=_rounded(found["matched"] * members / max(found["sampled"], 1)), is_exact=False)


def _rounded(number: float) -> int:
    if number < 1:
        return 0
    return int(round(number, 1 - math.floor(math.log10(number))))


class TargetingNotFound(NotFound):
    """The programme has no such targeting in use."""

    code = "unknown_targeting"


def saved(programme: Programme) -> QuerySet[Targeting]:
    """Return the programme's targetings that are in use, by name, with their current versions (S4-26)."""
    return listed(programme=programme)


def every(programme: Programme) -> QuerySet[Targeting]:
    """Return the programme's targetings, archived ones too, but not the conditions of single offers."""
    known = Targeting.objects.filter(programme=programme, config_offer__isnull=True)
    return known.select_related("programme", "current_version__targeting", "owner").order_by("name", "pk")


def listed(*, programme: Programme, text: str = "", is_archived: bool = False) -> QuerySet[Targeting]:
    """Return the programme's targetings in use, or those that are archived, with these words in name or description."""
    return with_words(every(programme).filter(archived_at__isnull=not is_archived), text)


def with_words(found: QuerySet[Targeting], text: str) -> QuerySet[Targeting]:
    """Keep those with each of the words in name or description."""
    for word in text.split():
        found = found.filter(Q(name__icontains=word) | Q(description__icontains=word))
    return found


def find(*, programme: Programme, targeting_id: int) -> Targeting:
    """Return a targeting of the programme, archived ones too, with its current version. Raises TargetingNotFound."""
    known = every(programme)
    # Addresses carry larger numbers than the key holds.
    found = None
    if targeting_id < 2**63:
        found = known.filter(pk=targeting_id).first()
    if found is None:
        raise TargetingNotFound(f"There is no targeting with the id {targeting_id}.", id=targeting_id)
    return found


def versions(programme: Programme) -> QuerySet[TargetingVersion]:
    """Return the versions of the programme's targetings, those of archived ones too."""
    return TargetingVersion.objects.filter(
        targeting__programme=programme, targeting__config_offer__isnull=True
    ).select_related("targeting")


def saved_version(*, programme: Programme, targeting_id: int) -> TargetingVersion:
    """Return the current version of a targeting in use. Raises TargetingNotFound."""
    found = saved(programme).filter(pk=targeting_id).first()
    if found is None or found.current_version is None:
        raise TargetingNotFound(f"There is no targeting with the id {targeting_id}.", id=targeting_id)
    return found.current_version
