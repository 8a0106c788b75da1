"""Finding a member: exact keys first, then names with typos; always within one programme (S0-01, D-21)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict
from uuid import UUID

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db import connection, transaction
from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Concat
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty import contact
from loyalty.errors import NotFound
from loyalty.models import AttributeDefinition, Member, Programme, Purchase
from loyalty.models.member import NameKey
from offers.models import Assignment

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class FullName(TypedDict):
        full_name: str

    class Likeness(FullName):
        likeness: float


LIMIT = 20
# No name that is begun is longer; exchanging letters of more makes patterns that cost seconds.
LONGEST_SLIP = 30
SHORTEST_NAME = 2
# Fewer digits are a house or a year rather than a phone number.
SHORTEST_PHONE = 6
# The beginning of a key that is worth looking for: a shorter one begins thousands.
SHORTEST_BEGINNING = 3
# Of the trigrams of query and name, how many both have: so many forgive one slip in the middle of a name, two in a long
# one. Two letters in each other's place spoil four trigrams, so those are looked for as they should be.
SIMILARITY = 0.4
# Similar names are ranked among so many: all of a rare name, enough of a common one.
CANDIDATES = 500
# Of the names that a text begins, so many are ranked: the active ones before the others.
BEGINNINGS = 200
# Spelled as in the index `member_by_plain_name`; any other spelling reads every member.
NAME = NameKey(Concat("first_name", Value(" "), "last_name", output_field=TextField()))

WHY: dict[str, str | Promise] = {
    "external_id": _("external id"),
    "email": _("e-mail"),
    "phone": _("phone"),
    "assignment": _("Personalized Offer ID"),
    "voucher_code": _("voucher code"),
    "receipt": _("receipt"),
    "external_id_begins": _("external id begins so"),
    "email_begins": _("e-mail begins so"),
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
        return self.why not in {"external_id_begins", "email_begins", "name", "similar_name"}

    @property
    def reason(self) -> str:
        return str(WHY[self.why])


def get(*, programme: Programme, member_id: int) -> Member:
    """Return the programme's member. Raises NotFound, also for another programme's."""
    member = Member.objects.filter(programme=programme, pk=member_id).select_related("programme").first()
    if member is None:
        raise NotFound(str(_("There is no such member here.")))
    return member


def search(*, programme: Programme, text: str, limit: int = LIMIT, is_by_address: bool = False) -> list[Hit]:
    """Return the members that the text may mean: by exact key first, then by how a key or name begins, then likeness.

    Exact keys are external id, e-mail, phone, Personalized Offer ID, voucher code and receipt number; an external id
    may be only begun, and so may an e-mail address for who may know it (`is_by_address`): typed letter by letter, its
    beginning would tell it to others. A name may lack its accents or have others, stand in any order and have a slip.
    Active members stand before others; erased ones are not found. A member is hit once, for the strongest reason. The
    number of queries does not depend on the number of members or hits.
    """
    text = " ".join(text.replace("\x00", "").split())[:200]
    if not text:
        return []
    hits: dict[int, Hit] = {}
    for hit in _active_first(_exact(programme, text)):
        hits.setdefault(hit.member.pk, hit)
    if not hits:
        found = _active_first(_begun(programme, text, is_by_address=is_by_address))
        if _may_be_a_name(text):
            found += _by_name(programme, text, limit, has_others=bool(found))
        for hit in found:
            hits.setdefault(hit.member.pk, hit)
    return list(hits.values())[:limit]


def _may_be_a_name(text: str) -> bool:
    # Keys have digits, and their one letter would begin a tenth of all names.
    is_key = "@" in text or any(letter.isdigit() for letter in text)
    return len(text) >= SHORTEST_NAME and not is_key and any(letter.isalpha() for letter in text)


def _active_first(hits: list[Hit]) -> list[Hit]:
    """Put active members before the others, keep the order otherwise, and leave out who is erased."""
    known = [hit for hit in hits if hit.member.status != Member.Status.ERASED]
    return sorted(known, key=lambda hit: hit.member.status != Member.Status.ACTIVE)


def _exact(programme: Programme, text: str) -> list[Hit]:
    if uuid := _uuid(text):
        found = Assignment.objects.of_programme(programme).filter(pk=uuid).select_related("member").first()
        return [Hit(found.member, "assignment", found.pk)] if found else []
    members = Member.objects.filter(programme=programme)
    hits = [Hit(member, "external_id") for member in members.filter(external_id__in=_spellings(text))[:LIMIT]]
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
            .filter(voucher_code__code__in=_spellings(text), voucher_code__bank__programme=programme)
            .select_related("member")
        )
        hits += [Hit(each.member, "voucher_code", each.pk) for each in given[:LIMIT]]
        receipts = Purchase.objects.filter(programme=programme, external_id__in=_spellings(text))
        hits += [Hit(receipt.member, "receipt") for receipt in receipts.select_related("member")[:LIMIT]]
    return hits


def _begun(programme: Programme, text: str, *, is_by_address: bool) -> list[Hit]:
    if " " in text or len(text) < SHORTEST_BEGINNING:
        return []
    hits = []
    if "@" not in text:
        begun = beginning_with_id(programme=programme, text=text)
        hits = [Hit(each, "external_id_begins") for each in begun[:LIMIT]]
    if is_by_address:
        begun = beginning_with_address(programme=programme, text=text)
        hits += [Hit(each, "email_begins") for each in begun[:LIMIT]]
    return hits


def beginning_with_id(*, programme: Programme, text: str) -> QuerySet[Member]:
    """Return the members whose external ids begin so, in their order."""
    begun = Q()
    for spelling in _spellings(text):
        begun |= Q(external_id__startswith=spelling)
    return Member.objects.filter(begun, programme=programme).order_by("external_id")


def beginning_with_address(*, programme: Programme, text: str) -> QuerySet[Member]:
    """Return the members whose e-mail addresses begin so, in no order."""
    begun = Member.objects.filter(programme=programme, email_key__startswith=contact.email_key(text))
    return begun.exclude(email_key="")


def _spellings(text: str) -> list[str]:
    # Typed by hand: codes and numbers are usually printed in capitals.
    return list(dict.fromkeys([text, text.upper()]))


def _by_name(programme: Programme, text: str, limit: int, *, has_others: bool) -> list[Hit]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            # For a rare name the planner expects more rows than there are, and reads the whole programme instead.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_indexscan = off")
            cursor.execute("SET LOCAL pg_trgm.word_similarity_threshold = %s", [SIMILARITY])
            cursor.execute("SELECT loyalty_name_key(%s)", [text])
            plain = " ".join(cursor.fetchone()[0].split())
        if not plain:
            return []
        words = plain.split()
        found, why = _begun_names(programme, map(re.escape, words), limit), "name"
        if not found and not has_others:
            found, why = _begun_names(programme, map(_swapped, words), limit), "similar_name"
        best = [each.pk for each in sorted(found, key=lambda each: _rank(each, text, plain))[:limit]]
        if not best and not has_others and len(plain) > SHORTEST_NAME:
            best, why = _alike(programme, plain, limit), "similar_name"
        members = Member.objects.in_bulk(best)
    return [Hit(members[pk], why) for pk in best]


class _Begun(NamedTuple):
    """What ranks a member whose name is begun: a whole member for each would take longer than to find them."""

    pk: int
    first_name: str
    last_name: str
    status: str
    full_name: str


def _begun_names(programme: Programme, patterns: Iterable[str], limit: int) -> list[_Begun]:
    most = max(BEGINNINGS, limit)
    begun = matching(programme=programme, patterns=patterns)
    found: list[_Begun] = []
    for part in (begun.filter(status=Member.Status.ACTIVE), begun.exclude(status=Member.Status.ACTIVE)):
        if len(found) < limit:
            found += map(_Begun._make, part.values_list(*_Begun._fields)[:most])
    return found


def _swapped(word: str) -> str:
    """Return a pattern of the word and of each word that it may be with two letters in each other's place."""
    if len(word) > LONGEST_SLIP:
        return re.escape(word)
    swapped = [word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)]
    return f"(?:{'|'.join(map(re.escape, dict.fromkeys([word, *swapped])))})"


def _rank(begun: _Begun, text: str, plain: str) -> tuple[bool, bool, bool, str, int]:
    """Order names that are begun so: active ones, those with these very letters, those that begin with them."""
    name = f"{begun.first_name} {begun.last_name}".strip()
    is_active = begun.status == Member.Status.ACTIVE
    is_as_typed = text.casefold() in name.casefold()
    return not is_active, not is_as_typed, not begun.full_name.startswith(plain), name, begun.pk


def _alike(programme: Programme, plain: str, limit: int) -> list[int]:
    candidates = similar_to(programme=programme, text=plain)[:CANDIDATES]
    known = {pk: (status != Member.Status.ACTIVE, -alike, pk) for pk, status, alike in
             candidates.values_list("pk", "status", "likeness")}  # fmt: skip
    return sorted(known, key=known.__getitem__)[:limit]


def matching(*, programme: Programme, patterns: Iterable[str]) -> "QuerySet[WithAnnotations[Member, FullName]]":
    """Return the members in whose names' keys each of the patterns begins a word, in any order."""
    members = Member.objects.filter(programme=programme).annotate(full_name=NAME)
    members = members.exclude(status=Member.Status.ERASED)
    for pattern in patterns:
        # One pattern a word: two LIKEs would read the index twice.
        members = members.filter(full_name__regex=f"(^| ){pattern}")
    return members


def similar_to(*, programme: Programme, text: str) -> "QuerySet[WithAnnotations[Member, Likeness]]":
    """Return the members whose names are like the text, a name's key, in no order, with their `likeness`."""
    alike = Member.objects.filter(programme=programme).exclude(status=Member.Status.ERASED).annotate(full_name=NAME)
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
