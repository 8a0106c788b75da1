"""Who may open the pages of mass assignments, and with the module off (C-03, C-05, S4-41)."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import (
    ProgrammeFactory,
)
from tests.offers.views.marketer import a_run, sign_in, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


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
    ("GET", "run_members", {"run_id": 0}),
    ("GET", "run_members_count", {"run_id": 0}),
    ("GET", "run_outcomes_export", {"run_id": 0, "file_format": "csv"}),
    ("GET", "run_outcomes_export", {"run_id": 0, "file_format": "xlsx"}),
    ("GET", "run_outcomes_export", {"run_id": 0, "file_format": "parquet"}),
    ("GET", "run_undo_preview", {"run_id": 0}),
    ("GET", "run_kept", {"run_id": 0}),
    ("GET", "run_compare", {"run_id": 0}),
    ("GET", "run_diff_preview", {"run_id": 0}),
    ("GET", "run_clone", {"run_id": 0}),
    ("POST", "run_diff", {"run_id": 0}),
    ("POST", "run_undo", {"run_id": 0}),
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
