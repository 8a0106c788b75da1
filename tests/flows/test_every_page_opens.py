"""Every page that a role's navigation leads to opens, with rows in its lists."""

import re

import pytest
from django.urls import reverse

from loyalty import clock
from offers.services import execution, mass_assignment
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    DraftOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProductFactory,
    ProgrammeFactory,
    TargetingFactory,
    UserFactory,
    draft_run,
    give,
    import_codes,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    """A programme with something in every list, runs in several states among them."""
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 5)
    DraftOfferFactory(programme=programme)
    OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])
    CampaignFactory(programme=programme)
    ProductFactory(programme=programme)
    give(MemberFactory(programme=programme), offer)
    targeting = TargetingFactory(programme=programme)
    for launched in (True, True, False):
        run = draft_run(offer, targeting=targeting, name="Run")
        if launched:
            mass_assignment.launch(run=run, actor=None, now=clock.now())
    execution.run_to_end(run_id=run.pk - 1, clock=clock.now)
    return programme


ROLES = ["support agent", "support lead", "marketer", "administrator", "integration", "auditor"]


@pytest.mark.parametrize("role", ROLES)
def test_every_page_of_the_navigation_opens_with_rows_in_its_lists(client, programme, role):
    """C-03: what a role is led to, it may open, and it works."""
    client.force_login(UserFactory(role=role, programmes=[programme]))
    home = client.get(reverse("support:home")).content.decode()
    navigation = home[home.index("<nav") : home.index("</nav>")]
    addresses = set(re.findall(r'<a [^>]*href="(/[^"]*)"', navigation))
    assert addresses
    for address in sorted(addresses):
        assert client.get(address).status_code == 200, address
