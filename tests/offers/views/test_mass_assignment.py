"""Mass assignments on their way and done: the list, one run, its outcomes, its files (S4-27, B-03)."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import formats

from loyalty import clock
from loyalty.models import User
from offers.models import Assignment, MassAssignment, MassAssignmentChunk
from offers.services import execution, mass_assignment
from offers.views import mass_assignment as views
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    TargetingFactory,
)
from tests.offers.views.marketer import a_run, done, sign_in, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


def test_a_verb_that_cannot_be_done_says_why_and_changes_nothing(programme, coffee, everyone):
    marketer = sign_in(programme)
    run = done(a_run(coffee.templates.get(), everyone))
    answer = marketer.post(reverse("offers:run_act", args=[run.pk, "pause"]), follow=True)
    run.refresh_from_db()
    assert run.state == "finished"
    assert "is finished: that cannot be done now." in words(answer)


def test_failed_chunks_stand_with_their_cause(programme, coffee, everyone, settings):
    """R4: finished with errors names the chunk, its attempts and why."""
    settings.MASS_ASSIGNMENT_CHUNK = 2
    run = a_run(coffee.templates.get(), everyone)
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    execution.plan(run_id=run.pk, now=clock.now())
    MassAssignmentChunk.objects.filter(number=0).update(attempts=3, failure="disk is full")
    while execution.do_next_chunk(run_id=run.pk, now=clock.now()):
        pass
    execution.finish(run_id=run.pk, now=clock.now())
    page = words(sign_in(programme).get(reverse("offers:run", args=[run.pk])))
    assert "finished, with errors" in page
    assert "2 members got nothing." in page
    assert "disk is full" in page
    assert Assignment.objects.count() == 1
    failed = words(sign_in(programme).get(reverse("offers:run_members", args=[run.pk]), {"outcome": "failed"}))
    assert failed.count("in a failed chunk</span>") == 2


def marketer_of(client):
    return User.objects.get(pk=client.session["_auth_user_id"])


def test_the_list_is_filtered_by_state_offer_campaign_audience_person_and_day(programme, coffee, everyone):
    marketer = sign_in(programme)
    finished = done(a_run(coffee.templates.get(), everyone, name="First"))
    pasta = ConfigOfferFactory(programme=programme, name="Pasta")
    a_run(pasta.templates.get(), everyone, name="Second")
    today = finished.launched_at.astimezone(programme.zone).date()

    def shown(**filters):
        page = words(marketer.get(reverse("offers:runs"), filters))
        return [name for name in ("First", "Second") if f">{name}</a>" in page]

    assert shown() == ["First", "Second"]
    assert shown(state="draft") == ["Second"]
    assert shown(offer=coffee.pk) == ["First"]
    assert shown(q="sec") == ["Second"]
    assert shown(audience=everyone.pk) == ["First", "Second"]
    MassAssignment.objects.filter(pk=finished.pk).update(launched_by=marketer_of(marketer))
    assert shown(by=marketer_of(marketer).pk, audience=everyone.pk) == ["First"]
    assert shown(since=today.isoformat(), until=today.isoformat()) == ["First"]
    # The end of these days, or their beginning in the programme's zone, is no moment.
    for wrong in ({"until": "9999-12-31"}, {"since": "0001-01-01"}):
        assert marketer.get(reverse("offers:runs"), wrong).status_code == 200
    exported = marketer.get(reverse("offers:runs_export"), {"state": "finished"})
    lines = list(csv.DictReader(io.StringIO(b"".join(exported.streaming_content).decode("utf-8-sig"))))
    assert [(line["name"], line["assigned"]) for line in lines] == [("First", "3")]


def test_a_list_of_many_costs_no_more_queries_than_one_of_one(programme, coffee, everyone, django_assert_num_queries):
    from django.test.utils import CaptureQueriesContext

    marketer = sign_in(programme)
    done(a_run(coffee.templates.get(), everyone))
    with CaptureQueriesContext(connection) as of_one:
        marketer.get(reverse("offers:runs"))
    for number in range(12):
        a_run(coffee.templates.get(), everyone, name=f"Run {number}")
    with django_assert_num_queries(len(of_one)):
        marketer.get(reverse("offers:runs"))


def test_watching_a_run_costs_few_queries(programme, coffee, everyone, django_assert_max_num_queries):
    """SCREENS: polled each second, by many windows."""
    run = a_run(coffee.templates.get(), everyone)
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    execution.plan(run_id=run.pk, now=clock.now())
    marketer = sign_in(programme)
    with django_assert_max_num_queries(10):
        marketer.get(reverse("offers:run_live", args=[run.pk]), {"state": "running", "percent": "0"})


def test_what_moved_replaces_the_page_and_is_announced(programme, coffee, everyone):
    """S4-27: "finished" is shown, and said to who does not see it."""
    run = done(a_run(coffee.templates.get(), everyone))
    answer = sign_in(programme).get(reverse("offers:run_live", args=[run.pk]), {"state": "running", "percent": "90"})
    assert answer.headers["HX-Retarget"] == "#run"
    assert "Mass assignment is now finished!" in answer.headers["HX-Trigger"]
    assert "Mass assignment is now finished!" in words(answer)


def test_the_export_goes_on_past_its_parts(programme, coffee, everyone, monkeypatch):
    """S4-27: each run of the list stands in the file once, with what it assigned."""
    monkeypatch.setattr(views, "EXPORT_PART", 2)
    marketer = sign_in(programme)
    first = done(a_run(coffee.templates.get(), everyone, name="First"))
    for number in range(4):
        a_run(coffee.templates.get(), everyone, name=f"Run {number}")
    exported = b"".join(marketer.get(reverse("offers:runs_export")).streaming_content).decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(exported)))
    assert [line["name"] for line in lines] == ["Run 3", "Run 2", "Run 1", "Run 0", "First"]
    assert [line["assigned"] for line in lines] == ["0"] * 4 + ["3"]
    assert lines[-1]["id"] == str(first.pk)


def test_s4_28_a_run_that_was_cancelled_before_it_began_promises_nothing(programme, coffee, everyone):
    """S4-28: nothing says "not yet" or "when it starts" of what never will."""
    run = a_run(coffee.templates.get(), everyone)
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    marketer = sign_in(programme)
    addresses = [reverse(name, args=[run.pk]) for name in ("offers:run", "offers:run_members")]
    for address in addresses:
        assert "When the run starts" in words(marketer.get(address))
    mass_assignment.cancel(run=run, actor=None, now=clock.now())
    for address in addresses:
        page = words(marketer.get(address))
        assert "The audience was never frozen" in page
        assert "not frozen yet" not in page
        assert "When the run starts" not in page


def test_d_09_the_end_of_a_run_is_the_end_of_its_last_day(programme):
    """D-09: 14 days end with the fourteenth day, and the page does not say the fifteenth, 00:00."""
    offer = ConfigOfferFactory(programme=programme, terms={"validity": {"days": 14}})
    MemberFactory(programme=programme)
    run = done(a_run(offer.templates.get(), TargetingFactory(programme=programme)))
    zone = programme.zone
    last = run.launched_at.astimezone(zone).date() + timedelta(days=14)
    assert run.ends_at.astimezone(zone).date() == last + timedelta(days=1)
    shown = f"the end of {formats.date_format(last, 'D j M' if last.year == clock.now().year else 'D j M Y')}"
    marketer = sign_in(programme)
    page = words(marketer.get(reverse("offers:run", args=[run.pk])))
    assert shown in page
    # Only of that day: whoever looks at midnight is told so of other moments.
    assert not re.search(rf"\b{formats.date_format(last + timedelta(days=1), 'j M')}\b[^<]* 00:00</time>", page)
    other = done(a_run(offer.templates.get(), TargetingFactory(programme=programme)))
    compared = words(marketer.get(reverse("offers:run_compare", args=[run.pk]), {"with": other.pk}))
    assert compared.count(shown) == 2
