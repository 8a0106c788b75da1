"""The three ways out of a shortfall on the pages: import, cut, wait (B-01, S4-28)."""

from datetime import timedelta

import pytest
from django.urls import reverse

from loyalty import clock
from offers.models import Assignment, MassAssignment
from tests.factories import ConfigOfferFactory, import_codes, work
from tests.offers.views.marketer import a_run, filled_in, sign_in, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


@pytest.fixture
def coffee(programme):
    return ConfigOfferFactory(programme=programme, name="Coffee", require_vouchers=True)


def look(marketer, coffee, everyone):
    values = filled_in(coffee.templates.get(), everyone)
    return words(marketer.get(reverse("offers:run_dry_run"), values))


def test_b_01_the_dry_run_offers_to_cut_to_what_is_there_and_to_wait(programme, coffee, everyone):
    """B-01: with the number on the button; and neither where there is enough."""
    marketer = sign_in(programme)
    needed = programme.members.filter(status="active").count()
    import_codes(coffee, needed - 2)
    page = look(marketer, coffee, everyone)
    assert f"Launch, cut to the first {needed - 2}" in page
    assert "Launch, and wait until there is enough" in page
    import_codes(coffee, ["more-1", "more-2"])
    assert "Launch, cut" not in look(marketer, coffee, everyone)
    assert "Launch, and wait" not in look(marketer, coffee, everyone)


def test_b_01_cut_and_wait_are_launched_from_the_page(programme, coffee, everyone):
    """B-01: what the button said is what happens."""
    marketer = sign_in(programme)
    import_codes(coffee, 1)
    values = filled_in(coffee.templates.get(), everyone, do="cut")
    marketer.post(reverse("offers:run_new"), values)
    run = work(MassAssignment.objects.get())
    assert (run.on_shortfall, run.state, Assignment.objects.count()) == ("cut", "finished", 1)
    assert "cut off: there was too little for all" in words(
        marketer.get(reverse("offers:run_members", args=[run.pk]), {"outcome": "out_of_codes"})
    )

    marketer.post(reverse("offers:run_new"), filled_in(coffee.templates.get(), everyone, do="wait", wait_days="2"))
    waits = work(MassAssignment.objects.order_by("pk").last())
    assert (waits.on_shortfall, waits.wait_days, waits.state) == ("wait", 2, "scheduled")
    page = words(marketer.get(reverse("offers:run", args=[waits.pk])))
    assert "It waits until there is enough for everybody." in page
    assert "and 0 are left now." in page
    assert "Import codes" in page


@pytest.mark.parametrize("days", ["0", "91", "two", "-1", "1.5"])
def test_b_01_days_that_are_none_are_named_and_nothing_is_launched(programme, coffee, everyone, days):
    """B-01: one sentence with what to do."""
    values = filled_in(coffee.templates.get(), everyone, do="wait", wait_days=days)
    answer = sign_in(programme).post(reverse("offers:run_new"), values)
    assert answer.status_code == 422
    assert "Wait from 1 to 90 days." in words(answer)
    assert not MassAssignment.objects.exists()


def test_b_01_a_draft_and_a_failed_run_are_launched_cut(programme, coffee, everyone):
    """B-01, S4-28: a plan can be chosen at each launch."""
    marketer = sign_in(programme)
    run = a_run(coffee.templates.get(), everyone)
    import_codes(coffee, 1)
    assert "cut to the first 1" in words(marketer.get(reverse("offers:run_preview", args=[run.pk])))
    marketer.post(reverse("offers:run_act", args=[run.pk, "launch"]))
    assert work(run).state == "failed"
    marketer.post(reverse("offers:run_act", args=[run.pk, "launch"]), {"on_shortfall": "cut"})
    run = work(MassAssignment.objects.get())
    assert (run.state, run.eligible) == ("finished", 1)


def test_b_01_a_run_for_later_is_scheduled_to_be_cut_or_to_wait_whatever_is_there_now(programme, coffee, everyone):
    """B-01: the buttons say Schedule, never Launch; what a draft's dialog says is true of its moment, too."""
    marketer = sign_in(programme)
    later = clock.now() + timedelta(days=4)
    moment = {"when": "later", "first_day": later.date().isoformat(), "at": "09:00"}
    needed = programme.members.filter(status="active").count()
    for codes in (["one"], [f"more-{number}" for number in range(needed)]):
        import_codes(coffee, codes)
        values = filled_in(coffee.templates.get(), everyone, **moment)
        page = words(marketer.get(reverse("offers:run_dry_run"), values))
        assert "Schedule, cut to what is there then" in page
        assert "Schedule, and wait then until there is enough" in page
        assert f"Schedule about {needed} assignments" in page
        assert ">Launch" not in page
        assert "disabled" not in page
    marketer.post(reverse("offers:run_new"), values | {"do": "keep"})
    run = MassAssignment.objects.get()
    dialog = words(marketer.get(reverse("offers:run_preview", args=[run.pk])))
    assert f"Schedule about {needed} assignments" in dialog
    assert "with the members, codes and limits of then" in dialog
    marketer.post(reverse("offers:run_act", args=[run.pk, "launch"]), {"on_shortfall": "wait", "wait_days": "4"})
    page = words(marketer.get(reverse("offers:run", args=[run.pk])))
    assert "With too few codes, or too little left of a limit, it waits up to 4 days." in page


def test_b_01_an_offer_without_codes_and_limits_is_asked_for_no_plan(programme, everyone):
    """B-01: there is nothing that a later run could lack."""
    values = filled_in(ConfigOfferFactory(programme=programme).templates.get(), everyone, when="later", at="09:00")
    values["first_day"] = (clock.now() + timedelta(days=4)).date().isoformat()
    page = words(sign_in(programme).get(reverse("offers:run_dry_run"), values))
    assert "Schedule about" in page
    assert "cut to" not in page
