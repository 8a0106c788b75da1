"""The one search box: members by key and name, then offers and runs by prefix, as far as the role may see them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from loyalty import staff
from loyalty.models import Member, Programme, User
from offers.models import ConfigOffer, MassAssignment
from support.selectors import home
from support.selectors import member as members
from support.selectors.member import Hit

# Offers and runs stand below the members; more of them have lists of their own.
OTHERS = 6


@dataclass(frozen=True)
class Found:
    members: Sequence[Hit] = ()
    offers: Sequence[ConfigOffer] = ()
    runs: Sequence[MassAssignment] = ()
    recent: Sequence[Member] = ()
    """Without a text: whom this person looked at last."""

    @property
    def count(self) -> int:
        return len(self.members) + len(self.offers) + len(self.runs)

    @property
    def is_by_contact(self) -> bool:
        """Say whether somebody was found by how she is reached."""
        return any(hit.why in {"email", "email_begins", "phone"} for hit in self.members)


def search(*, programme: Programme, user: User, text: str, limit: int = members.LIMIT) -> Found:
    """Return what the text may mean to this person; kinds that her role may not see are not looked for."""
    text = " ".join(text.replace("\x00", "").split())[:200]
    if not text:
        sees = user.has_perm("loyalty.view_member")
        return Found(recent=home.recent_members(programme=programme, user=user) if sees else ())
    hits: Sequence[Hit] = ()
    if user.has_perm("loyalty.view_member"):
        hits = members.search(
            programme=programme, text=text, limit=limit, is_by_address=staff.may_learn_addresses(user)
        )
    if any(hit.is_exact for hit in hits):
        return Found(members=hits)
    offers: Sequence[ConfigOffer] = ()
    if user.has_perm("offers.view_configoffer"):
        matching = Q(name__istartswith=text) | Q(offer_reference__istartswith=text) | Q(external_id=text)
        offers = list(ConfigOffer.objects.filter(matching, programme=programme).order_by("name", "pk")[:OTHERS])
    runs: Sequence[MassAssignment] = ()
    if user.has_perm("offers.view_massassignment"):
        runs = list(MassAssignment.objects.filter(programme=programme, name__istartswith=text).order_by("-pk")[:OTHERS])
    return Found(members=hits, offers=offers, runs=runs)
