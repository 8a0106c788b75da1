"""Too few codes at a launch, in a real browser: let it wait and go on when codes come, or cut it (B-01, S4-28)."""

import re
import uuid

from playwright.sync_api import Page, expect

from offers.models import Assignment, MassAssignment
from offers.tasks import mass_assignment as tasks
from tests import workers
from tests.factories import import_codes, limit_of


def _dry_run(page: Page, offer, audience) -> None:
    page.set_default_navigation_timeout(60_000)
    template = offer.templates.get()
    page.goto(f"/offers/runs/new?reference={uuid.uuid4()}&template={template.pk}&terms=set&targeting={audience.pk}")
    expect(page.get_by_role("button", name="Keep as a draft")).to_be_visible()


def test_b_01_a_run_waits_for_codes_and_goes_on_when_they_are_imported(
    page, person, sign_in, coffee, everyone, tmp_path, look
):
    """B-01, S4-28: the button, the days, what the page says meanwhile, the import, and the end, by a real worker."""
    import_codes(coffee, 4)
    sign_in(page, person("marketer"))
    _dry_run(page, coffee, everyone)
    expect(page.locator("#dry-run")).to_contain_text("2 codes are missing.")
    expect(page.get_by_role("button", name="Launch 6 assignments")).to_be_disabled()
    page.get_by_label(re.compile("at most")).fill("3")
    look(page, "wait-1-dry-run")
    with workers.worker(tmp_path):
        page.get_by_role("button", name="Launch, and wait until there is enough").click()
        waits = page.locator("#run-live").get_by_text("It waits until there is enough for everybody.")
        expect(waits).to_be_visible(timeout=60_000)
        expect(page.locator("#run-live")).to_contain_text("It needs 6 codes and 4 are left now.")
        expect(page.locator("#run-live")).to_contain_text("Nothing is reserved meanwhile.")
        look(page, "wait-2-waits")
        run = MassAssignment.objects.get()
        assert (run.state, run.on_shortfall, run.wait_days, run.waiting["code"]) == (
            "scheduled", "wait", 3, "out_of_codes",
        )  # fmt: skip
        assert not Assignment.objects.exists()
        page.locator("#run-live").get_by_role("link", name="Import codes").click()
        page.get_by_label(re.compile("Drop a .txt or .csv file here")).set_input_files(
            {"name": "more.txt", "mimeType": "text/plain", "buffer": b"MORE-1\nMORE-2\n"}
        )
        page.get_by_role("button", name=re.compile("^Import")).first.click()
        expect(page.locator("#import-result")).to_contain_text("2 codes imported.")
        page.goto(f"/offers/runs/{run.pk}/")
        # What the beat does every few seconds.
        tasks.sweep()
        finished = page.locator("#run-live").get_by_text("Mass assignment is now finished!")
        expect(finished).to_be_visible(timeout=60_000)
    expect(page.locator("#run-live")).to_contain_text("6 of 6")
    look(page, "wait-3-finished")
    assert Assignment.objects.filter(run=run).count() == 6


def test_b_01_a_run_is_cut_to_what_a_limit_leaves(page, person, sign_in, coffee, everyone, tmp_path, look):
    """B-01, D-05: a cap has less left than the codes; the button has the smaller number, and the run does that."""
    import_codes(coffee, 5)
    limit_of(coffee, cap=3)
    sign_in(page, person("marketer"))
    _dry_run(page, coffee, everyone)
    expect(page.locator("#dry-run")).to_contain_text("1 code is missing.")
    expect(page.locator("#dry-run")).to_contain_text("the offer's limit leaves 3")
    look(page, "cut-1-dry-run")
    with workers.worker(tmp_path):
        page.get_by_role("button", name="Launch, cut to the first 3").click()
        finished = page.locator("#run-live").get_by_text("Mass assignment is now finished!")
        expect(finished).to_be_visible(timeout=60_000)
    expect(page.locator("#run-live")).to_contain_text("3 of 3")
    expect(page.locator("#run-live")).to_contain_text("6 matched")
    look(page, "cut-2-finished")
    assert Assignment.objects.count() == 3


def test_b_01_days_that_are_none_are_named_and_the_choices_stay(
    page, person, sign_in, coffee, everyone, assert_accessible, complaints
):
    """B-01: too many days are refused in one sentence, beside what was chosen; nothing is launched."""
    import_codes(coffee, 4)
    sign_in(page, person("marketer"))
    _dry_run(page, coffee, everyone)
    page.get_by_label(re.compile("at most")).evaluate(
        "(field) => { field.removeAttribute('max'); field.value = '91'; }"
    )
    page.get_by_role("button", name="Launch, and wait until there is enough").click()
    expect(page.get_by_role("alert").first).to_contain_text("Wait from 1 to 90 days.")
    expect(page.get_by_role("heading", name="Dry run")).to_be_visible()
    # The answer is a 422, which the browser notes.
    complaints.clear()
    assert_accessible(page)
    assert not MassAssignment.objects.exists()
