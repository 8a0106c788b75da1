"""An agent with a member on the phone finds her, makes it right and explains it (S0-07, S0-10, S0-11, B-02, C-03)."""

import pytest
from django.urls import reverse

from loyalty.models import OutboxEvent
from offers.models import Assignment, DoorEntry, Source
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    UserFactory,
    import_codes,
)

pytestmark = pytest.mark.django_db


def test_an_agent_finds_a_member_grants_an_offer_reads_out_its_code_and_sees_where_it_came_from(client):
    # Given: a template that asks for the benefit, an offer with codes, a member whose code the till refused.
    programme = ProgrammeFactory(currency="EUR", timezone="Europe/Paris")
    ann = MemberFactory(programme=programme, external_id="M-001029", first_name="Ann", last_name="Lee")
    offer = ConfigOfferFactory(
        programme=programme,
        name="Voucher",
        require_vouchers=True,
        terms={"validity": {"days": 30}, "benefit": {"type": "amount", "size": 100}},
    )
    template = OfferTemplateFactory(config_offer=offer, name="Make good", required_rules=["benefit"])
    import_codes(offer, ["ABCD-1234", "EFGH-5678"])
    agent = UserFactory(role="support agent", programmes=[programme])
    client.force_login(agent)

    # When: she searches by the number that the member reads out, and grants.
    found = client.get(reverse("support:search"), {"q": "m-001029"})
    assert found["Location"] == reverse("support:member", args=[ann.pk])
    panel = client.get(reverse("support:grant", args=[ann.pk]), {"template": template.pk})
    assert panel.context["preview"].codes_left == 2
    form = {
        "template": template.pk,
        "reference": panel.context["why"]["reference"].value(),
        "reason": "code_refused",
        "ticket": "#48213",
        "note": "",
        "benefit__type": "amount",
        "benefit__size": "5",
    }
    client.post(reverse("support:grant", args=[ann.pk]), form | {"benefit__size": ""})
    assert not Assignment.objects.exists(), "a required rule without a value is refused (S0-07)"
    client.post(reverse("support:grant", args=[ann.pk]), form)

    # Then: one record, with both its sources, the door, the agent and the reason; the outside is told.
    held = Assignment.objects.get(member=ann)
    assert (held.config_offer, held.template, held.source) == (offer, template, Source.SUPPORT)
    assert held.exposure_minor == 500
    assert DoorEntry.objects.get(assignment=held).context["ticket"] == "#48213"
    assert OutboxEvent.objects.filter(type="assignment.created", assignment_ids=[held.pk]).count() == 1

    # She reads out the code, which is recorded first, and can tell what happened from the page.
    assert held.exposed_at is None
    assert "ABCD-1234" in client.post(reverse("support:show_code", args=[held.pk])).text
    held.refresh_from_db()
    assert held.exposed_at is not None
    detail = client.get(reverse("support:assignment", args=[held.pk])).text
    for said in ("Voucher", "Make good", "Code refused at the till", "#48213", "given at assignment"):
        assert said in detail
    assert client.get(reverse("support:search"), {"q": str(held.pk)})["Location"].endswith(f"#offer-{held.pk}")
