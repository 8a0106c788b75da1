"""Supervision in a browser: figures, what stands out, and from each number to its rows (B-05, issue 5)."""

import random
from datetime import timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from loyalty import clock
from support.services import member as member_service
from tests.factories import ConfigOfferFactory, MemberFactory, OfferTemplateFactory, UserFactory
from tests.support.supervision_cases import entry


@pytest.fixture
def busy_desk(programme):
    """Seven agents over four weeks; one of them gives far more than the others."""
    rng = random.Random(3)
    today = clock.now().astimezone(programme.zone).date()
    templates = [
        OfferTemplateFactory(config_offer=ConfigOfferFactory(programme=programme, name=name), name=f"{name}, make good")
        for name in ("Voucher 5 €", "Coffee 20 % off", "Free delivery")
    ]
    members = MemberFactory.create_batch(9, programme=programme)
    agents = UserFactory.create_batch(7, role="support agent", programmes=[programme])
    for agent in agents:
        for _ in range(30 if agent is agents[-1] else 6):
            entry(
                agent,
                rng.choice(members),
                rng.choice(templates),
                day=today - timedelta(days=rng.randrange(27)),
                size=rng.choice([500, 500, 750]),
                reason=rng.choice(["goodwill", "service", "code_refused"]),
                ticket=rng.choice(["", f"#{rng.randrange(40)}"]),
                is_back=rng.random() < 0.1,
            )
    return agents[-1]


def test_b_05_a_lead_sees_who_gives_far_more_and_reads_every_one(page, programme, person, sign_in, busy_desk, look):
    sign_in(page, person("support lead"))
    page.goto(reverse("support:supervision"))
    out = page.get_by_role("region", name="What stands out")
    expect(out.get_by_text("Far above is more than the third quartile")).to_be_visible()
    look(page, "supervision")
    out.get_by_role("link", name=str(busy_desk), exact=True).click()
    expect(page.get_by_role("heading", name="Grants of the desk")).to_be_visible()
    expect(page.locator(".count")).to_have_text("30 rows")
    look(page, "supervision-grants")
    with page.expect_download() as saved:
        page.get_by_role("link", name="CSV").click()
    assert len(saved.value.path().read_text("utf-8-sig").splitlines()) == 31


def test_b_05_an_agent_reads_her_own_grants(page, programme, sign_in, busy_desk, look):
    sign_in(page, busy_desk)
    page.goto(reverse("support:home"))
    page.get_by_role("link", name="My grants", exact=True).first.click()
    expect(page.locator(".count")).to_have_text("30 rows")
    look(page, "my-grants")


def test_b_18_an_auditor_reads_who_looked_at_a_member(page, programme, person, sign_in, look):
    agent, ann = person("support agent"), MemberFactory(programme=programme)
    for _ in range(3):
        member_service.record_opening(member=ann, actor=agent)
    sign_in(page, person("auditor"))
    page.goto(reverse("support:member", args=[ann.pk]))
    page.get_by_role("link", name="Who looked at her").click()
    # The auditor's own look stands there, too.
    expect(page.get_by_role("cell", name="opened her page")).to_have_count(4)
    look(page, "looks")
