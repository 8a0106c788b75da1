"""The pages of mass assignments: who may, what they cost, what they refuse (S4-22..28, S4-41, C-03)."""

import csv
import io
import threading
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import Assignment, MassAssignment, MassAssignmentChunk
from offers.services import execution, mass_assignment
from offers.tasks import mass_assignment as tasks
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    TargetingFactory,
    UserFactory,
    import_codes,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rung(monkeypatch):
    told: list[int] = []
    monkeypatch.setattr(tasks, "ring", lambda run_id, **_: told.append(run_id))
    return told


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def coffee(programme):
    return ConfigOfferFactory(programme=programme, name="Coffee")


@pytest.fixture
def everyone(programme):
    MemberFactory.create_batch(3, programme=programme)
    return TargetingFactory(programme=programme, name="Everyone")


def sign_in(programme, role="marketer") -> Client:
    client = Client()
    client.force_login(
        UserFactory(role=role, programmes=[programme]), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def filled_in(template, targeting, **values):
    return {
        "reference": str(uuid.uuid4()),
        "template": template.pk,
        "terms": "set",
        "targeting": targeting.pk,
        "version": targeting.current_version_id,
        "do": "launch",
    } | values


def a_run(template, targeting, **values) -> MassAssignment:
    return mass_assignment.create(
        programme=template.programme,
        template=template,
        targeting_version=targeting.current_version,
        name=values.pop("name", ""),
        campaign=None,
        terms={},
        rank=None,
        actor=None,
        now=clock.now(),
    )


def done(run) -> MassAssignment:
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    return execution.run_to_end(run_id=run.pk, clock=clock.now)


def words(answer) -> str:
    return " ".join(answer.content.decode().split())


def test_a_form_sent_twice_starts_one_run(programme, coffee, everyone, rung, django_capture_on_commit_callbacks):
    """S4-27: a double click launches once, and leads to the same run."""
    marketer = sign_in(programme)
    values = filled_in(coffee.templates.get(), everyone)
    with django_capture_on_commit_callbacks(execute=True):
        first = marketer.post(reverse("offers:run_new"), values)
        again = marketer.post(reverse("offers:run_new"), values)

    run = MassAssignment.objects.get()
    assert first.headers["Location"] == again.headers["Location"] == reverse("offers:run", args=[run.pk])
    assert (run.state, run.name, rung) == ("scheduled", "Coffee → Everyone", [run.pk])
    assert "It started one run" in words(marketer.get(again.headers["Location"]))
    assert AuditEvent.objects.filter(action="mass_assignment.launched").count() == 1


def test_a_rule_left_empty_is_named_and_nothing_is_written(programme, coffee, everyone):
    """S0-07: the launch without a required value shows its field with the reason."""
    template = OfferTemplateFactory(config_offer=coffee, required_rules=["benefit"])
    answer = sign_in(programme).post(reverse("offers:run_new"), filled_in(template, everyone))

    assert answer.status_code == 422
    assert "Something is still missing" in words(answer)
    assert 'id="id_benefit__type"' in words(answer)
    assert "errorlist" in words(answer)
    assert not MassAssignment.objects.exists()


def test_values_given_replace_the_offers_own_and_the_rest_stays(programme, coffee, everyone):
    """S0-08: an override of the redemption limit; the benefit stays the offer's."""
    values = filled_in(coffee.templates.get(), everyone, redemption_limit__limit="3")
    answer = sign_in(programme).post(reverse("offers:run_new"), values)
    run = MassAssignment.objects.get()
    assert run.terms == {"redemption_limit": {"limit": 3}}
    assert "set for this run" in words(sign_in(programme).get(answer.headers["Location"]))


def test_numbers_of_an_audience_that_changed_since_are_looked_at_again(programme, coffee, everyone):
    """S4-25, B-03: what was shown is what is launched."""
    answer = sign_in(programme).post(
        reverse("offers:run_new"), filled_in(coffee.templates.get(), everyone, version=everyone.current_version_id + 1)
    )
    assert answer.status_code == 409
    assert "was changed since these numbers were shown" in words(answer)
    assert not MassAssignment.objects.exists()


def test_the_address_is_the_draft(programme, coffee, everyone):
    """Nothing is lost on reload: offer, terms, audience and options come back from the address alone."""
    template = OfferTemplateFactory(config_offer=coffee, name="Win-back", required_rules=["benefit"])
    fall = CampaignFactory(programme=programme, name="Fall")
    marketer = sign_in(programme)
    begun = marketer.get(reverse("offers:run_new"), {"offer": coffee.pk})
    assert "reference=" in begun.headers["Location"]
    page = words(
        marketer.get(
            reverse("offers:run_new"),
            {
                "reference": str(uuid.uuid4()),
                "template": template.pk,
                "terms": "set",
                "benefit__type": "percent",
                "benefit__size": "33",
                "targeting": everyone.pk,
                "campaign": fall.pk,
                "name": "Mine",
            },
        )
    )
    for part in ("Win-back", "33 % off", "Everyone", "campaign Fall", "“Mine”", "Dry run"):
        assert part in page


def test_an_offer_with_one_template_is_chosen_by_its_own_id(programme, coffee):
    """S4-24, D-11: "assign" in the catalogue begins with the offer chosen."""
    answer = sign_in(programme).get(reverse("offers:run_new"), {"offer": coffee.pk}, follow=True)
    assert f"template={coffee.templates.get().pk}" in answer.request["QUERY_STRING"]


def test_the_dry_run_names_each_reason_and_asks_to_check_the_target(programme, everyone):
    """S4-25, S4-28, B-01: exclusions, codes needed, left and short; the button repeats the number and is off."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    MemberFactory(programme=programme, status="inactive")
    import_codes(offer, 2)
    page = words(
        sign_in(programme).get(
            reverse("offers:run_dry_run"), {"template": offer.templates.get().pk, "targeting": everyone.pk}
        )
    )
    assert "3 needed of 2 left" in page
    assert "1 code is missing." in page
    assert "Check the target before you launch" in page
    assert "Launch 3 assignments" in page
    assert 'disabled aria-describedby="why-not"' in page


def test_unpublished_archived_and_everyones_offers_cannot_be_chosen(programme, coffee):
    """S4-24, S0-34."""
    ConfigOfferFactory(programme=programme, name="For all", audience="everyone", terms={})
    gone = ConfigOfferFactory(programme=programme, name="Gone")
    gone.state = "archived"
    gone.save(update_fields=["state"])
    ConfigOfferFactory(name="Theirs")
    page = words(sign_in(programme).get(reverse("offers:run_offers")))
    assert "Coffee" in page
    for name in ("For all", "Gone", "Theirs"):
        assert name not in page


PAGES = [
    ("GET", "runs", {}),
    ("GET", "runs_export", {}),
    ("GET", "run_new", {}),
    ("GET", "run_offers", {}),
    ("GET", "run_audiences", {}),
    ("GET", "run_count", {}),
    ("GET", "run_sample", {}),
    ("GET", "run_dry_run", {}),
    ("GET", "run", {"run_id": 0}),
    ("GET", "run_row", {"run_id": 0}),
    ("GET", "run_live", {"run_id": 0}),
    ("GET", "run_preview", {"run_id": 0}),
    ("GET", "run_outcomes", {"run_id": 0}),
    ("GET", "run_outcomes_export", {"run_id": 0}),
    ("POST", "run_new", {}),
    ("POST", "run_act", {"run_id": 0, "verb": "launch"}),
    ("POST", "run_act", {"run_id": 0, "verb": "pause"}),
    ("POST", "run_act", {"run_id": 0, "verb": "resume"}),
    ("POST", "run_act", {"run_id": 0, "verb": "cancel"}),
]


@pytest.mark.parametrize(("method", "name", "keys"), PAGES)
def test_only_marketers_and_administrators_may(programme, coffee, everyone, method, name, keys):
    """C-03, C-05: an agent or an integrator is refused, a stranger signs in, another programme's run is a 404."""
    run = a_run(coffee.templates.get(), everyone)
    address = reverse(f"offers:{name}", kwargs=keys | ({"run_id": run.pk} if "run_id" in keys else {}))
    for role in ("support agent", "integration"):
        assert sign_in(programme, role).generic(method, address).status_code == 403
    assert Client().generic(method, address).headers["Location"].startswith("/accounts/login/")
    for role in ("marketer", "administrator"):
        assert sign_in(programme, role).generic(method, address).status_code in {200, 204, 302, 422}
    if "run_id" in keys:
        assert sign_in(ProgrammeFactory()).generic(method, address).status_code == 404


@pytest.mark.parametrize(("method", "name", "keys"), PAGES)
def test_with_the_module_off_every_page_says_so(programme, coffee, everyone, method, name, keys):
    """S4-41."""
    run = a_run(coffee.templates.get(), everyone)
    programme.offers_enabled = False
    programme.save()
    address = reverse(f"offers:{name}", kwargs=keys | ({"run_id": run.pk} if "run_id" in keys else {}))
    answer = sign_in(programme).generic(method, address)
    assert answer.status_code == 409
    assert "The offers module is off" in words(answer)


def test_who_may_prepare_but_not_launch_keeps_drafts(programme, coffee, everyone):
    """C-05: launching is a permission of its own."""
    client = Client()
    user = UserFactory(programmes=[programme])
    from django.contrib.auth.models import Permission

    user.user_permissions.set(Permission.objects.filter(codename__in=["view_massassignment", "add_massassignment"]))
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    values = filled_in(coffee.templates.get(), everyone)
    assert client.post(reverse("offers:run_new"), values).status_code == 403
    assert not MassAssignment.objects.exists()
    kept = client.post(reverse("offers:run_new"), values | {"do": "keep"})
    run = MassAssignment.objects.get()
    assert (kept.status_code, run.state) == (302, "draft")
    assert client.post(reverse("offers:run_act", args=[run.pk, "launch"])).status_code == 403


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
    failed = words(sign_in(programme).get(reverse("offers:run_outcomes", args=[run.pk]), {"outcome": "failed"}))
    assert failed.count("in a failed chunk</span>") == 2


def test_outcomes_are_exported_without_formulas_and_the_export_is_audited(programme, coffee):
    """S4-27: one line a member; a spreadsheet runs nothing."""
    MemberFactory(programme=programme, external_id="=1+1")
    MemberFactory(programme=programme, external_id="M-2", status="inactive")
    run = done(a_run(coffee.templates.get(), TargetingFactory(programme=programme)))
    answer = sign_in(programme).get(reverse("offers:run_outcomes_export", args=[run.pk]))
    lines = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert lines[0] == ["member", "outcome", "assignment"]
    assert lines[1] == ["'=1+1", "assigned", str(Assignment.objects.get().pk)]
    assert lines[2] == ["M-2", "member_inactive", ""]
    assert AuditEvent.objects.filter(action="mass_assignment.exported").count() == 1


def test_outcomes_are_paged_by_member(programme, coffee):
    """B-03: each member of the frozen audience stands on exactly one page."""
    MemberFactory.create_batch(120, programme=programme)
    run = done(a_run(coffee.templates.get(), TargetingFactory(programme=programme)))
    from offers.selectors import audience

    seen, after = [], 0
    while after is not None:
        page = audience.page(run=run, after=after, size=50)
        seen += [each.member_id for each in page.members]
        after = page.after
    assert len(seen) == len(set(seen)) == 120
    assert len(list(audience.every(run=run, outcome="assigned", size=7))) == 120


def test_the_list_is_filtered_by_state_offer_campaign_and_day(programme, coffee, everyone):
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
    assert shown(since=today.isoformat(), until=today.isoformat()) == ["First"]
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


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_the_same_moment_start_one_run():
    """A form that reaches two web workers at once: the second waits, and finds the first one's run."""
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme)
    MemberFactory(programme=programme)
    values = filled_in(offer.templates.get(), TargetingFactory(programme=programme))
    marketer = sign_in(programme)
    together = threading.Barrier(4)
    answers = []

    def click() -> None:
        client = Client()
        client.cookies = marketer.cookies.copy()
        together.wait()
        answers.append(client.post(reverse("offers:run_new"), values).headers["Location"])
        connection.close()

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert answers == [reverse("offers:run", args=[MassAssignment.objects.get().pk])] * 4
