"""Files of members that nobody imported are dropped after `UPLOAD_KEPT_DAYS`, and their pages say so (issue 4)."""

from datetime import timedelta

import pytest
from django.urls import reverse

from loyalty import clock
from loyalty.errors import Conflict
from loyalty.models import AuditEvent, Member, MemberImport, MemberImportPart
from loyalty.services import member_import, member_import_dropping
from loyalty.tasks import member_import as tasks
from tests.factories import ProgrammeFactory
from tests.loyalty.services.test_member_import import run
from tests.offers.views.marketer import sign_in, words

pytestmark = pytest.mark.django_db
FILE = "external_id,city\nann,London\n"


@pytest.fixture
def programme(settings):
    settings.UPLOAD_KEPT_DAYS = 14
    return ProgrammeFactory()


def checked(programme, *, days) -> MemberImport:
    return run(programme, FILE, wish="check", now=clock.now() - timedelta(days=days))


def test_a_file_that_was_checked_and_never_imported_goes_after_its_days_issue_4(programme):
    """Issue 4, members by file: its page keeps what it would have done; it must be given again, nothing was written."""
    old, young = checked(programme, days=15), checked(programme, days=13)
    tasks.drop_old()
    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.state, young.state) == ("dropped", "checked")
    assert old.dropped_at is not None
    assert list(MemberImportPart.objects.values_list("member_import", flat=True).distinct()) == [young.pk]
    assert AuditEvent.objects.filter(action="member_import.dropped", object_id=str(old.pk)).count() == 1
    administrator = sign_in(programme, "administrator")
    page = words(administrator.get(reverse("support:member_import", args=[old.pk])))
    assert "Nobody imported this file for so long that it was dropped" in page
    assert "give it again" in page
    assert "Import 1 row" not in page
    assert "dropped" in words(administrator.get(reverse("support:member_imports")))
    with pytest.raises(Conflict, match="This file was dropped, because it waited too long"):
        member_import.start(member_import=old, actor=None)
    assert not Member.objects.exists()


def test_a_file_that_was_given_up_loses_its_pieces_and_stays_failed_issue_4(programme):
    """Issue 4: it is dropped once; what waits, was imported or refused, is left alone."""
    then = clock.now() - timedelta(days=20)
    failed = checked(programme, days=20)
    MemberImport.objects.filter(pk=failed.pk).update(state="failed")
    others = [
        checked(programme, days=20),
        run(programme, FILE, now=then),
        run(programme, "external_id,x\n,1\n", now=then),
    ]
    member_import.start(member_import=others[0], actor=None)
    assert member_import_dropping.drop_next(now=clock.now())
    assert not member_import_dropping.drop_next(now=clock.now())
    failed.refresh_from_db()
    assert (failed.state, failed.dropped_at is not None, failed.parts.count()) == ("failed", True, 0)
    assert [MemberImport.objects.get(pk=one.pk).state for one in others] == ["waiting", "finished", "refused"]
    assert others[0].parts.count() == 1


def test_a_turn_drops_no_more_than_it_may_issue_4(programme, monkeypatch):
    """Issue 4: bounded work; the next turn goes on, the oldest first."""
    monkeypatch.setattr(tasks, "MOST_DROPPED", 2)
    for days in (15, 17, 16):
        checked(programme, days=days)
    tasks.drop_old()
    assert list(MemberImport.objects.order_by("checked_at").values_list("state", flat=True)) == [
        "dropped", "dropped", "checked",
    ]  # fmt: skip
    tasks.drop_old()
    assert not MemberImportPart.objects.exists()
