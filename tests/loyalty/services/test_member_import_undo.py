"""Undoing a file of members: who was made goes, and who was changed is as before (issue 4, C)."""

from datetime import timedelta

import pytest

from loyalty.errors import Conflict
from loyalty.models import Consent, ConsentEvent, Member
from loyalty.services import consent, member, member_import_undo
from tests.factories import ConfigOfferFactory, MemberFactory, give
from tests.loyalty.services.member_files import ADA, HEAD, LATER, NOW, a_programme, counts, found, run, undo

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return a_programme()


def test_an_undo_takes_away_who_was_made_and_puts_back_who_was_changed(programme):
    consent.put(
        programme=programme,
        consents=[{"member": MemberFactory(programme=programme, external_id="m2").external_id, "channel": "email",
                   "is_granted": False}],
        source="test",
        now=NOW - timedelta(days=1),
    )  # fmt: skip
    before = Member.objects.filter(external_id="m2").values().get()
    made = run(programme, HEAD + ADA.replace("yes", "") + ADA.replace("m1", "m2"))
    assert counts(made) == ("finished", 1, 1, 0)
    assert Consent.objects.get().is_granted
    undone = undo(made)
    assert (undone.state, undone.removed, undone.restored, undone.kept) == ("undone", 1, 1, 0)
    after = Member.objects.filter(external_id="m2").values().get()
    assert {**after, "updated_at": None} == {**before, "updated_at": None}
    assert not Member.objects.filter(external_id="m1").exists()
    assert not Consent.objects.get().is_granted
    assert [one.is_granted for one in ConsentEvent.objects.order_by("id")] == [False, True, False]
    # Again is the same, and the file can be imported anew.
    member_import_undo.begin(member_import=made, actor=None, now=LATER)
    assert counts(run(programme, HEAD + ADA, now=LATER)) == ("finished", 1, 0, 0)


def test_what_cannot_be_taken_back_stays_and_is_listed(programme):
    MemberFactory(programme=programme, external_id="old", city="Lyon")
    made = run(programme, "external_id,city\nold,Paris\nheld,Paris\nedited,Paris\nfree,Paris\n")
    template = ConfigOfferFactory(programme=programme).templates.get()
    give(Member.objects.get(external_id="held"), template)
    for name in ("old", "edited"):
        member.put(programme=programme, members=[{"external_id": name, "tier": "gold"}], now=LATER)
    undone = undo(made, now=LATER + timedelta(minutes=1))
    assert (undone.removed, undone.deactivated, undone.restored, undone.kept) == (1, 1, 0, 2)
    assert {one.external_id: (one.status, one.city) for one in Member.objects.all()} == {
        "old": ("active", "Paris"),
        "held": ("inactive", "Paris"),
        "edited": ("active", "Paris"),
    }
    assert {(code, value) for _line, _field, code, value in found(undone)} == {
        ("changed_since", "old"), ("made_and_changed_since", "edited"),
    }  # fmt: skip


@pytest.mark.parametrize("is_told_before", [False, True])
def test_s3_14_what_an_undone_import_noted_does_not_come_back_with_the_next_undo(programme, is_told_before):
    """Two imports say yes, then no; both are undone in that order: what she said herself stands, or nothing does."""
    MemberFactory(programme=programme, external_id="m1")
    if is_told_before:
        said = {"member": "m1", "channel": "email", "is_granted": False}
        consent.put(programme=programme, consents=[said], source="web", now=NOW - timedelta(days=1))
    first = run(programme, "external_id,consent.email\nm1,yes\n")
    second = run(programme, "external_id,consent.email\nm1,no\n", now=NOW + timedelta(minutes=1))
    undo(first)
    undo(second, now=LATER + timedelta(minutes=1))
    assert list(Consent.objects.values_list("is_granted", flat=True)) == ([False] if is_told_before else [])


def test_only_what_was_imported_is_undone(programme):
    checked = run(programme, HEAD + ADA, wish="check")
    with pytest.raises(Conflict):
        member_import_undo.begin(member_import=checked, actor=None, now=NOW)
