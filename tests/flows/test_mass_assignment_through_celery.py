"""A marketer launches a mass assignment, and real Celery workers do it (C-04, S4-24..28)."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from loyalty import clock
from loyalty.database import rows
from loyalty.services import member_token
from offers.models import Assignment, MassAssignment, MassAssignmentChunk
from offers.tasks import mass_assignment as tasks
from tests import workers
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    TargetingFactory,
    UserFactory,
    import_codes,
    redeem,
)

pytestmark = pytest.mark.django_db(transaction=True)

CHUNK = 100


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def marketer(programme) -> Client:
    client = Client()
    client.force_login(
        UserFactory(role="marketer", programmes=[programme]), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def _launch(marketer, template, targeting, **values):
    return marketer.post(
        reverse("offers:run_new"),
        {
            "reference": str(uuid.uuid4()),
            "template": template.pk,
            "terms": "set",
            "targeting": targeting.pk,
            "version": targeting.current_version_id,
            "do": "launch",
        }
        | values,
    )


def test_a_launched_run_is_done_by_a_celery_worker_and_members_see_the_offer(programme, marketer, tmp_path):
    """C-04, S4-24, S4-27, S0-07: from the form to the member's list, with a code for each."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, name="Coffee")
    template = OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])
    members = MemberFactory.create_batch(25, programme=programme)
    MemberFactory(programme=programme, status="inactive")
    import_codes(offer, 25)
    targeting = TargetingFactory(programme=programme)

    with workers.worker(tmp_path, pool="prefork", MASS_ASSIGNMENT_CHUNK=10):
        answer = _launch(marketer, template, targeting, benefit__type="percent", benefit__size="30")
        run = MassAssignment.objects.get()
        assert answer.headers["Location"] == reverse("offers:run", args=[run.pk])
        workers.wait(lambda: MassAssignment.objects.get().is_over, what="the run to end")

    run.refresh_from_db()
    assert (run.state, run.matched, run.eligible, run.excluded) == ("finished", 26, 25, {"member_inactive": 1})
    assert MassAssignmentChunk.objects.filter(run=run, done_at__isnull=False).count() == 3
    [counted] = rows(
        "SELECT count(DISTINCT member_id) AS members, count(DISTINCT voucher_code_id) AS codes FROM offers_assignment"
    )
    assert counted == {"members": 25, "codes": 25}
    assert Assignment.objects.first().terms == {"benefit": {"type": "percent", "size": 30}}
    page = marketer.get(reverse("offers:run", args=[run.pk])).content.decode()
    assert "Mass assignment is now finished!" in page
    token = member_token.mint(member=members[0], now=clock.now())
    mine = Client().get("/api/v1/me/offers", headers={"Authorization": f"Bearer {token}"}).json()
    assert [each["name"] for each in mine["offers"]] == ["Coffee"]


def test_with_too_few_codes_nobody_is_assigned_and_a_second_launch_after_an_import_does_it(
    programme, marketer, tmp_path
):
    """S4-28: the run fails as a whole, in words; more codes, launched again, finished."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    MemberFactory.create_batch(5, programme=programme)
    import_codes(offer, 3)

    with workers.worker(tmp_path):
        _launch(marketer, offer.templates.get(), TargetingFactory(programme=programme))
        workers.wait(lambda: MassAssignment.objects.get().is_over, what="the run to fail")
        run = MassAssignment.objects.get()
        assert run.state == "failed"
        assert not Assignment.objects.exists()
        page = " ".join(marketer.get(reverse("offers:run", args=[run.pk])).content.decode().split())
        assert "It needs 5 codes and 3 were left: import 2 more, then launch again." in page

        import_codes(offer, 2)
        marketer.post(reverse("offers:run_act", args=[run.pk, "launch"]))
        workers.wait(lambda: MassAssignment.objects.get().state == "finished", what="the run to finish")
    assert Assignment.objects.values("voucher_code").distinct().count() == 5


def test_a_worker_killed_in_the_middle_leaves_the_rest_to_the_next_one(programme, marketer, tmp_path):
    """C-04, B-01, R4: kill -9 of a real worker; the sweeper rings, another one ends it, each member once."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    MemberFactory.create_batch(1_000, programme=programme)
    import_codes(offer, 1_000)
    small = {"MASS_ASSIGNMENT_CHUNK": 10, "MASS_ASSIGNMENT_LEASE_SECONDS": 1}

    with workers.worker(tmp_path, **small) as first:
        _launch(marketer, offer.templates.get(), TargetingFactory(programme=programme))
        workers.wait(Assignment.objects.exists, what="the first chunk")
        first.kill()
    run = MassAssignment.objects.get()
    assert run.state == "running"
    before = Assignment.objects.count()
    assert 0 < before < 1_000

    with workers.worker(tmp_path, **small):

        def is_done() -> bool:
            # What beat does every 15 seconds: the killed worker's message is lost for its visibility timeout.
            tasks.sweep()
            return MassAssignment.objects.get().is_over

        workers.wait(is_done, what="the second worker to end it")
    run.refresh_from_db()
    assert run.state == "finished"
    [counted] = rows(
        "SELECT count(*) AS n, count(DISTINCT member_id) AS members, count(DISTINCT voucher_code_id) AS codes"
        " FROM offers_assignment"
    )
    assert counted == {"n": 1_000, "members": 1_000, "codes": 1_000}


def test_a_small_run_launched_behind_a_huge_one_ends_long_before_it(programme, marketer, tmp_path):
    """Issue 4, "several runs at once share workers fairly": one worker, two runs, chunk by chunk in turn."""
    offer = ConfigOfferFactory(programme=programme, repeat_policy="unlimited")
    MemberFactory.create_batch(600, programme=programme, city="Huge")
    MemberFactory.create_batch(20, programme=programme, city="Small")
    huge_one, small_one = (
        TargetingFactory(
            programme=programme,
            criteria={"op": "and", "items": [{"field": "member.city", "is": "equals", "value": city}]},
        )
        for city in ("Huge", "Small")
    )
    with workers.worker(tmp_path, MASS_ASSIGNMENT_CHUNK=5):
        _launch(marketer, offer.templates.get(), huge_one)
        workers.wait(Assignment.objects.exists, what="the huge one's first chunk")
        _launch(marketer, offer.templates.get(), small_one)
        workers.wait(lambda: not MassAssignment.objects.exclude(state="finished").exists(), what="both runs to finish")
    huge, small = MassAssignment.objects.order_by("pk")
    after = MassAssignmentChunk.objects.filter(run=huge, done_at__gt=small.finished_at).count()
    # The huge one has 120 chunks; the small one took four turns after it was planned.
    assert after > 60, f"only {after} chunks were left when the small run ended"
    assert Assignment.objects.filter(run=small).count() == 20
    assert Assignment.objects.filter(run=huge).count() == 600


def test_a_run_is_undone_by_a_celery_worker_with_one_click(programme, marketer, tmp_path):
    """B-04, C-04: from the dialog's button to the report; everybody may be given it again."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    MemberFactory.create_batch(25, programme=programme)
    import_codes(offer, 25)
    with workers.worker(tmp_path, pool="prefork", MASS_ASSIGNMENT_CHUNK=10):
        _launch(marketer, offer.templates.get(), TargetingFactory(programme=programme))
        workers.wait(lambda: MassAssignment.objects.get().is_over, what="the run to end")
        run = MassAssignment.objects.get()
        redeem(Assignment.objects.first())
        marketer.post(reverse("offers:run_undo", args=[run.pk]))
        workers.wait(lambda: MassAssignment.objects.get().state == "undone", what="the undo to end")
    assert Assignment.objects.filter(revoked_at__isnull=True).count() == 1
    page = marketer.get(reverse("offers:run", args=[run.pk])).content.decode()
    assert "24 offers were taken back." in page
