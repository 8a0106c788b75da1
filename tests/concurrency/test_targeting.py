"""Two editors at once cannot make audiences that mean each other (S4-24, S4-26)."""

import pytest

from loyalty import clock
from offers.models import Targeting
from offers.selectors import targeting as selector
from offers.services import targeting as service
from offers.targeting import InvalidCriteria
from tests.factories import ConfigOfferFactory, ProgrammeFactory, draft_run
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)

LONDON = {"field": "member.city", "is": "equals", "value": "London"}


def answer_of(call):
    try:
        call()
    except (InvalidCriteria, service.InUse, service.Changed) as refusal:
        return type(refusal).__name__
    return "done"


@pytest.mark.parametrize("turn", range(3))
def test_s4_26_of_two_audiences_that_would_name_each_other_one_is_refused(turn: int) -> None:
    """S4-26: whichever is saved second is told so, and both can be read afterwards."""
    programme = ProgrammeFactory()
    one, other = (
        service.create(programme=programme, name=name, criteria=LONDON, actor=None) for name in ("One", "Other")
    )

    def name_in(targeting: Targeting, named: Targeting) -> str:
        return answer_of(lambda: service.update(targeting=targeting, criteria={"targeting": named.pk}, actor=None))

    answers = at_once([lambda: name_in(one, other), lambda: name_in(other, one)])
    assert sorted(answers) == ["InvalidCriteria", "done"]
    for saved in Targeting.objects.select_related("current_version"):
        assert saved.current_version is not None
        selector.read({"targeting": saved.pk}, programme=programme)


@pytest.mark.parametrize("turn", range(3))
def test_s4_26_an_audience_is_named_or_archived_never_both(turn: int) -> None:
    """S4-26: who names it second finds none in use; who archives it second is told where it is named."""
    programme = ProgrammeFactory()
    inner = service.create(programme=programme, name="Inner", criteria=LONDON, actor=None)
    tree = {"targeting": inner.pk}

    def name_it() -> str:
        return answer_of(lambda: service.create(programme=programme, name="Outer", criteria=tree, actor=None))

    def archive() -> str:
        return answer_of(lambda: service.archive(targeting=inner, actor=None, now=clock.now()))

    named, archived = at_once([name_it, archive])
    assert (named, archived) in {("done", "InUse"), ("InvalidCriteria", "done")}


@pytest.mark.parametrize("turn", range(3))
def test_s4_26_of_two_who_edit_the_same_audience_at_once_one_is_told(turn: int) -> None:
    """S4-26: nothing is overwritten unseen; one version more, not two."""
    saved = service.create(programme=ProgrammeFactory(), name="Both", criteria=LONDON, actor=None)
    seen = service.Seen(version=1, updated_at=saved.updated_at)

    def save(city: str) -> str:
        tree = LONDON | {"value": city}
        return answer_of(lambda: service.update(targeting=saved, criteria=tree, actor=None, seen=seen))

    assert sorted(at_once([lambda: save("Paris"), lambda: save("Lyon")])) == ["Changed", "done"]
    saved.refresh_from_db()
    assert saved.current_version.number == 2


@pytest.mark.parametrize("turn", range(3))
def test_s4_26_an_audience_is_archived_or_made_a_run_of_never_both(turn: int) -> None:
    """S4-26, B-03: whoever comes second is told; no run that has not begun stands on an archived audience."""
    offer = ConfigOfferFactory()
    saved = service.create(programme=offer.programme, name="Both", criteria=LONDON, actor=None)

    def make() -> str:
        try:
            draft_run(offer, targeting=saved)
        except service.Archived:
            return "Archived"
        return "done"

    def archive() -> str:
        return answer_of(lambda: service.archive(targeting=saved, actor=None, now=clock.now()))

    made, archived = at_once([make, archive])
    assert (made, archived) in {("done", "InUse"), ("Archived", "done")}
