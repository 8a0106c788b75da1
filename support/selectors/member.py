"""Finding a member: exact keys first, then names with typos; always within one programme (S0-01, D-21)."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db import connection, transaction
from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Concat, Upper
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty import contact
from loyalty.errors import NotFound
from loyalty.models import AttributeDefinition, Member, Programme, Purchase
from offers.models import Assignment

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class Likeness(TypedDict):
        full_name: str
        likeness: float


LIMIT = 20
SHORTEST_NAME = 2
# Fewer digits are a house or a year rather than a phone number.
SHORTEST_PHONE = 6
# Of the query's trigrams, how many a name must share: half forgives one slip in a short name and two in a long one.
SIMILARITY = 0.5
# Similar names are ranked among so many: all of a rare name, enough of a common one.
CANDIDATES = 500
# Spelled as in the index `member_by_name_trigrams`; any other spelling reads every member.
NAME = Upper(Concat("first_name", Value(" "), "last_name", output_field=TextField()))

WHY: dict[str, str | Promise] = {
    "external_id": _("external id"),
    "email": _("e-mail"),
    "phone": _("phone"),
    "assignment": _("Personalized Offer ID"),
    "voucher_code": _("voucher code"),
    "receipt": _("receipt"),
    "name": _("name"),
    "similar_name": _("similar name"),
}


@dataclass(frozen=True)
class Hit:
    """A found member, and why: `why` is a key of `WHY`; `assignment_id` leads to the offer that matched."""

    member: Member
    why: str
    assignment_id: UUID | None = None

    @property
    def is_exact(self) -> bool:
        return self.why not in {"name", "similar_name"}

    @property
    def reason(self) -> str:
        return str(WHY[self.why])


def get(*, programme: Programme, member_id: int) -> Member:
    """Return the programme's member. Raises NotFound, also for another programme's."""
    member = Member.objects.filter(programme=programme, pk=member_id).select_related("programme").first()
    if member is None:
        raise NotFound(str(_("There is no such member here.")))
    return member


def search(*, programme: Programme, text: str, limit: int = LIMIT) -> list[Hit]:
    """Return the members that the text may mean: by exact key first, then by the start of a name, then by likeness.

    Exact keys are external id, e-mail, phone, Personalized Offer ID, voucher code and receipt number. A member is hit
    once, for the strongest reason. The number of queries does not depend on the number of members or hits.
    """
    text = " ".join(text.replace("\x00", "").split())[:200]
    if not text:
        return []
    hits: dict[int, Hit] = {}
    for hit in _exact(programme, text):
        hits.setdefault(hit.member.pk, hit)
    if not hits and len(text) >= SHORTEST_NAME and any(letter.isalpha() for letter in text) and "@" not in text:
        for hit in _by_name(programme, text.upper(), limit):
            hits.setdefault(hit.member.pk, hit)
    return list(hits.values())[:limit]


def _exact(programme: Programme, text: str) -> list[Hit]:
    if uuid := _uuid(text):
        found = Assignment.objects.of_programme(programme).filter(pk=uuid).select_related("member").first()
        return [Hit(found.member, "assignment", found.pk)] if found else []
    members = Member.objects.filter(programme=programme)
    # Typed by hand: codes and numbers are usually printed in capitals.
    spellings = list(dict.fromkeys([text, text.upper()]))
    hits = [Hit(member, "external_id") for member in members.filter(external_id__in=spellings)[:LIMIT]]
    if "@" in text:
        key = contact.email_key(text)
        # The index holds only filled keys, and the planner has to see that this one is.
        hits += [Hit(member, "email") for member in members.filter(email_key=key).exclude(email_key="")[:LIMIT]]
        return hits
    if sum(letter.isdigit() for letter in text) >= SHORTEST_PHONE and (keys := _phones(programme, text)):
        hits += [Hit(member, "phone") for member in members.filter(phone_key__in=keys).exclude(phone_key="")[:LIMIT]]
    if " " not in text:
        given = (
            Assignment.objects.of_programme(programme)
            .filter(voucher_code__code__in=spellings, voucher_code__bank__programme=programme)
            .select_related("member")
        )
        hits += [Hit(each.member, "voucher_code", each.pk) for each in given[:LIMIT]]
        receipts = Purchase.objects.filter(programme=programme, external_id__in=spellings).select_related("member")
        hits += [Hit(receipt.member, "receipt") for receipt in receipts[:LIMIT]]
    return hits


def _by_name(programme: Programme, text: str, limit: int) -> list[Hit]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            # For a rare name the planner expects more rows than there are, and reads the whole programme instead.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_indexscan = off")
            cursor.execute("SET LOCAL pg_trgm.word_similarity_threshold = %s", [SIMILARITY])
        found = list(starting_with(programme=programme, text=text)[:limit])
        found.sort(key=lambda member: (not member.name.upper().startswith(text), member.name, member.pk))
        hits = [Hit(member, "name") for member in found]
        if not hits and len(text) > SHORTEST_NAME:
            candidates = similar_to(programme=programme, text=text)[:CANDIDATES]
            likeness = dict(candidates.values_list("pk", "likeness"))
            likest = sorted(likeness, key=lambda pk: (-likeness[pk], pk))[:limit]
            members = Member.objects.in_bulk(likest)
            hits = [Hit(members[pk], "similar_name") for pk in likest]
    return hits


def starting_with(*, programme: Programme, text: str) -> QuerySet[Member]:
    """Return the members in whose names each word of the upper-case text starts a word, in any order."""
    members = Member.objects.filter(programme=programme).annotate(full_name=NAME)
    for word in text.split():
        # One pattern a word: two LIKEs would read the index twice.
        members = members.filter(full_name__regex=f"(^| ){re.escape(word)}")
    return members


def similar_to(*, programme: Programme, text: str) -> "QuerySet[WithAnnotations[Member, Likeness]]":
    """Return the members whose names are like the upper-case text, in no order, with their `likeness`."""
    alike = Member.objects.filter(programme=programme).annotate(full_name=NAME)
    likeness = TrigramWordSimilarity(text, NAME)
    return alike.filter(full_name__trigram_word_similar=text).annotate(likeness=likeness)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) in {32, 36} else None
    except ValueError:
        return None


def _phones(programme: Programme, text: str) -> list[str]:
    return contact.phone_keys(text, regions=contact.regions_of_zone(programme.timezone))


@dataclass(frozen=True)
class Attribute:
    name: str
    label: str
    value: Any

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)


def attributes(*, member: Member) -> list[Attribute]:
    """Return what is known of a member besides her own columns, by label; one query."""
    labels = dict(AttributeDefinition.objects.filter(programme_id=member.programme_id).values_list("name", "label"))
    known = [Attribute(name, labels.get(name, name), value) for name, value in member.attributes.items()]
    return sorted(known, key=lambda attribute: attribute.label.lower())
