"""The desk's reasons, kept by the administrator (B-05)."""

import importlib

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty.database import execute
from loyalty.models import AuditEvent
from offers.models import DoorEntry
from support.models import GrantReason
from tests.factories import ProgrammeFactory, UserFactory
from tests.support.test_grant import filled, send, template

__all__ = ["template"]

pytestmark = pytest.mark.django_db
USUAL = ["code_refused", "not_received", "expired", "product_missing", "service", "goodwill", "other"]


@pytest.fixture
def administrator(client, programme):
    client.force_login(UserFactory(role="administrator", programmes=[programme]))
    return client


def test_b_05_a_programme_begins_with_the_usual_reasons(programme):
    """A new one from the trigger; those from before from the migration."""
    assert list(GrantReason.objects.filter(programme=programme).values_list("code", flat=True)) == USUAL
    GrantReason.objects.filter(programme=programme).delete()
    migration = importlib.import_module("support.migrations.0014_usual_reasons")
    execute(migration.EXISTING)
    assert list(GrantReason.objects.filter(programme=programme).values_list("code", flat=True)) == USUAL


def test_b_05_an_administrator_adds_renames_orders_and_retires_reasons(administrator, programme):
    added = {"code": "storm", "label": "The storm", "position": "5", "is_active": "on"}
    administrator.post(reverse("admin:support_grantreason_add"), added)
    one = GrantReason.objects.get(programme=programme, code="storm")
    change = reverse("admin:support_grantreason_change", args=[one.pk])
    # The code stays: records name it.
    administrator.post(change, {"code": "flood", "label": "The flood", "position": "90"})
    one.refresh_from_db()
    assert (one.code, one.label, one.position, one.is_active) == ("storm", "The flood", 90, False)
    assert administrator.post(reverse("admin:support_grantreason_delete", args=[one.pk])).status_code == 403
    assert AuditEvent.objects.filter(action__startswith="grantreason.", programme=programme).count() == 2
    twice = administrator.post(reverse("admin:support_grantreason_add"), added)
    assert (twice.status_code, GrantReason.objects.filter(code="storm").count()) == (200, 1)


def test_b_05_the_form_offers_the_active_ones_of_the_programme_and_takes_no_other(agent, programme, ann, template):
    GrantReason.objects.filter(programme=programme, code="other").update(is_active=False)
    GrantReason.objects.create(programme=programme, code="storm", label="The storm", position=1)
    GrantReason.objects.create(programme=ProgrammeFactory(), code="foreign", label="Elsewhere")
    form = agent.get(reverse("support:grant", args=[ann.pk]), {"template": template.pk}).context["why"]
    assert [code for code, _ in form.fields["reason"].choices] == ["", "storm", *USUAL[:-1]]
    for code in ("other", "foreign", "never"):
        assert send(agent, ann, filled(template, reason=code)).status_code == 422
    assert not DoorEntry.objects.exists()
    send(agent, ann, filled(template, reason="storm"))
    assert DoorEntry.objects.get().context["reason"] == "storm"


def test_b_05_what_was_granted_for_a_retired_reason_still_says_it(agent, ann, template):
    """Codes of entries stay readable, under the label of now; reasons are one query a page, however many lines."""
    for _turn in range(3):
        send(agent, ann, filled(template))
        held = DoorEntry.objects.latest("pk").assignment_id
        agent.post(reverse("support:revoke", args=[held]), {"reason": "code_refused"})
    GrantReason.objects.filter(code="code_refused").update(is_active=False, label="The till said no")
    assert "The till said no" in agent.get(reverse("support:assignment", args=[held])).text
    with CaptureQueriesContext(connection) as asked:
        page = agent.get(reverse("support:member", args=[ann.pk])).text
    assert page.count("The till said no") == 3
    assert sum("support_grantreason" in query["sql"] for query in asked) == 1
