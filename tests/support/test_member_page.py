"""A member's page on the desk (issue 2; SCREENS, "A member")."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import Assignment, AssignmentEvent, Redemption
from tests.factories import (
    AttributeDefinitionFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProductFactory,
    ProgrammeFactory,
    PurchaseFactory,
    PurchaseLineFactory,
    UserFactory,
    give,
    import_codes,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(programme):
    return MemberFactory(
        programme=programme, external_id="M-1", first_name="Ann", last_name="Lee", tier="gold", city="Lyon"
    )


def page(client, member):
    return client.get(reverse("support:member", args=[member.pk]))


def test_the_page_says_who_she_is_and_hides_how_to_reach_her(agent, programme, ann):
    AttributeDefinitionFactory(programme=programme, name="household_size", label="Household size")
    ann.attributes = {"household_size": 3, "is_employee": True}
    ann.save()
    text = page(agent, ann).text
    for said in ("Ann Lee", "M-1", "gold", "Lyon", "Europe/Paris", "Household size", "is_employee", "yes"):
        assert said in text
    assert ann.email not in text
    assert ann.phone not in text


def test_contact_data_is_shown_on_demand_and_noted(agent, user, ann):
    address = reverse("support:member_reveal", args=[ann.pk])
    assert ann.email in agent.post(address, {"field": "email"}).text
    assert ann.phone in agent.post(address, {"field": "phone"}).text
    noted = AuditEvent.objects.filter(user=user, action="member.contact_shown", object_id=str(ann.pk))
    assert [event.data for event in noted.order_by("id")] == [{"field": "email"}, {"field": "phone"}]
    assert ann.email not in str(list(noted.values()))


def test_no_other_field_can_be_shown(agent, ann):
    assert agent.post(reverse("support:member_reveal", args=[ann.pk]), {"field": "attributes"}).status_code == 422
    assert not AuditEvent.objects.filter(action="member.contact_shown").exists()


def test_each_look_at_a_member_is_noted_and_makes_her_recent(agent, user, ann):
    page(agent, ann)
    assert AuditEvent.objects.get(action="member.opened", user=user).object_id == str(ann.pk)
    assert "Ann Lee" in agent.get(reverse("support:home")).text


def test_an_empty_page_says_what_stands_where(agent, ann):
    text = page(agent, ann).text
    for said in ("She holds no offers now", "No purchases yet", "Nothing before", "Nothing happened yet"):
        assert said in text


def test_what_she_holds_shows_its_state_and_why_it_waits(agent, programme, ann):
    now = clock.now()
    give(ann, ConfigOfferFactory(programme=programme, name="Coffee"))
    give(ann, ConfigOfferFactory(programme=programme, name="Tea", to_synchronize=True))
    asked = ConfigOfferFactory(
        programme=programme, name="Pasta", terms={"validity": {"days": 5}, "acceptance": {"required": True}}
    )
    give(ann, asked)
    give(
        ann, ConfigOfferFactory(programme=programme, name="Later", terms={"validity": {"days": 9, "start_in_days": 3}})
    )
    gone = give(ann, ConfigOfferFactory(programme=programme, name="Gone"))
    Assignment.objects.filter(pk=gone.pk).update(ends_at=now - datetime.timedelta(seconds=1))
    answer = page(agent, ann)
    shown = {holding.name: holding.status for holding in answer.context["current"]}
    assert shown == {
        "Coffee": "usable",
        "Tea": "waiting_for_till",
        "Pasta": "waiting_for_acceptance",
        "Later": "upcoming",
    }
    assert [(holding.name, holding.status) for holding in answer.context["past"]] == [("Gone", "expired")]
    assert "The till has not confirmed it" in answer.text


def test_the_page_asks_the_same_number_of_questions_for_1_10_and_100_offers(agent, programme, ann):
    """P1: the number of queries is fixed, whatever she holds and whatever happened."""
    offers = [ConfigOfferFactory(programme=programme) for _ in range(10)]

    def queries():
        page(agent, ann)  # what is asked once a session does not count
        with CaptureQueriesContext(connection) as captured:
            assert page(agent, ann).status_code == 200
        return len(captured)

    counts = []
    for first, last in ((0, 1), (1, 10), (10, 100)):
        for number in range(first, last):
            # Without a campaign nothing is held: the same offer may be given again (D-01).
            held = give(ann, offers[number % 10])
            AssignmentEvent.objects.create(assignment=held, at=clock.now(), verb="seen")
            PurchaseFactory(member=ann)
        over = Assignment.objects.filter(member=ann).order_by("pk").last()
        Assignment.objects.filter(pk=over.pk).update(revoked_at=clock.now())
        counts.append(queries())
    assert counts[0] == counts[1] == counts[2]
    # One of them is the navigation's: what was decided about the agent's own grants (B-05).
    assert counts[0] <= 27


def test_a_code_is_shown_on_demand_and_recorded_before(agent, user, programme, ann):
    """D-10: the list never carries codes; showing one records `exposed_at` first."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["ABCD-1234"])
    held = give(ann, offer)
    assert "ABCD-1234" not in page(agent, ann).text
    assert Assignment.objects.get(pk=held.pk).exposed_at is None
    assert "ABCD-1234" in agent.post(reverse("support:show_code", args=[held.pk])).text
    assert Assignment.objects.get(pk=held.pk).exposed_at is not None
    event = AssignmentEvent.objects.get(assignment=held, verb="exposed")
    assert event.actor == user


def test_a_code_is_not_shown_without_the_permission(client, programme, ann):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["ABCD-1234"])
    held = give(ann, offer)
    viewer = UserFactory(programmes=[programme])
    viewer.user_permissions.set(permissions("loyalty.view_member", "offers.view_assignment"))
    client.force_login(viewer)
    assert "Show code" not in page(client, ann).text
    assert client.post(reverse("support:show_code", args=[held.pk])).status_code == 403
    assert Assignment.objects.get(pk=held.pk).exposed_at is None


def permissions(*names):
    from django.contrib.auth.models import Permission

    return [
        Permission.objects.get(content_type__app_label=app, codename=code)
        for app, code in (name.split(".") for name in names)
    ]


def test_receipts_are_newest_first_paged_and_open_to_their_lines(agent, programme, ann):
    begun = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
    for number in range(12):
        PurchaseFactory(
            member=ann,
            external_id=f"R-{number}",
            purchased_at=begun + datetime.timedelta(days=number),
            total_minor=1234,
        )
    answer = page(agent, ann)
    assert [receipt.external_id for receipt in answer.context["receipts"]] == [f"R-{n}" for n in range(11, 1, -1)]
    older = agent.get(reverse("support:member_receipts", args=[ann.pk]), {"page": 2})
    assert [receipt.external_id for receipt in older.context["receipts"]] == ["R-1", "R-0"]
    receipt = answer.context["receipts"][0]
    PurchaseLineFactory(
        purchase=receipt, product=ProductFactory(programme=programme, name="Whole beans"), quantity=2, amount_minor=999
    )
    lines = agent.get(reverse("support:receipt_lines", args=[receipt.pk])).text
    assert "Whole beans" in lines
    assert "9.99" in lines


def test_the_timeline_merges_all_that_happened_newest_first_and_filters(agent, user, programme, ann):
    """S0-11: each entry says which door, run or person stood behind it; refusals carry their reason (B-02)."""
    from offers.models import DoorEntry, Source

    begun = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)
    minutes = [begun + datetime.timedelta(minutes=n) for n in range(5)]
    offer = ConfigOfferFactory(programme=programme, name="Coffee", terms={})
    held = give(ann, offer, now=minutes[0], source=Source.CAMPAIGN)
    AssignmentEvent.objects.create(assignment=held, at=minutes[1], verb="accepted")
    PurchaseFactory(member=ann, purchased_at=minutes[2], total_minor=8420)
    Redemption.objects.create(
        programme=programme,
        member=ann,
        config_offer=offer,
        assignment=held,
        external_id="1",
        redeemed_at=minutes[3],
        benefit_minor=240,
    )
    DoorEntry.objects.create(
        programme=programme,
        door=Source.API,
        instance="crm",
        reference="1",
        member=ann,
        answer={"outcome": "already_held"},
        created_at=minutes[4],
    )
    answer = page(agent, ann)
    assert [entry.kind for entry in answer.context["entries"]] == [
        "refusal",
        "redemption",
        "purchase",
        "event",
        "issued",
    ]
    for said in ("campaign webhook", "84.20", "2.40", "already holds it", "already_held"):
        assert said in answer.text
    only = agent.get(reverse("support:member_timeline", args=[ann.pk]), {"kind": ["issued", "refusal"]})
    assert [entry.kind for entry in only.context["entries"]] == ["refusal", "issued"]


def test_the_timeline_pages_without_losing_or_doubling_what_happened_at_once(agent, programme, ann):
    moment = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)
    for number in range(60):
        PurchaseFactory(member=ann, external_id=f"R-{number}", purchased_at=moment)
    seen = []
    for number in (1, 2, 3):
        answer = agent.get(reverse("support:member_timeline", args=[ann.pk]), {"page": number})
        seen += [entry.thing.external_id for entry in answer.context["entries"]]
    assert sorted(seen) == sorted(f"R-{n}" for n in range(60))
    assert answer.context["has_older"] is False


def test_an_assignment_page_leads_to_both_its_sources_and_tells_where_its_terms_come_from(agent, programme, ann):
    """S0-10: config offer and template are stored and linked; S0-08: a given rule replaces the offer's."""
    offer = ConfigOfferFactory(
        programme=programme, name="Coffee", terms={"validity": {"days": 30}, "redemption_limit": {"limit": 1}}
    )
    template = OfferTemplateFactory(config_offer=offer, name="Win-back", required_rules=["redemption_limit"])
    held = give(ann, template, terms={"redemption_limit": {"limit": 3}})
    answer = agent.get(reverse("support:assignment", args=[held.pk]))
    terms = {term.rule: term for term in answer.context["detail"].terms}
    assert terms["redemption_limit"].is_given
    assert "3" in str(terms["redemption_limit"].text)
    assert str(terms["redemption_limit"].instead_of)
    assert not terms["validity"].is_given
    for said in ("Coffee", "Win-back", str(held.pk), "from the offer", "given at assignment", "never"):
        assert said in answer.text
    for page_of_source in (reverse("offers:offer", args=[offer.pk]), reverse("offers:template", args=[template.pk])):
        assert f'href="{page_of_source}"' in answer.text
        assert agent.get(page_of_source).status_code == 200


def test_revoking_needs_its_permission_and_a_reason_and_leaves_an_event(client, programme, ann):
    held = give(ann, ConfigOfferFactory(programme=programme))
    address = reverse("support:revoke", args=[held.pk])
    client.force_login(UserFactory(role="marketer", programmes=[programme]))
    assert client.post(address, {"reason": "wrong member"}).status_code == 403
    # What is too late to undo, an agent revokes.
    client.force_login(UserFactory(role="support agent", programmes=[programme]))
    assert "revoke-dialog" in client.get(reverse("support:assignment", args=[held.pk])).text
    client.post(address, {"reason": " "})
    assert Assignment.objects.get(pk=held.pk).revoked_at is None
    client.post(address, {"reason": "wrong member"})
    assert Assignment.objects.get(pk=held.pk).revoked_at is not None
    assert AssignmentEvent.objects.get(assignment=held, verb="revoked").data["reason"] == "wrong member"


def test_as_she_sees_it_opens_her_pages_with_a_token_of_hers_and_is_noted(agent, user, ann):
    give(ann, ConfigOfferFactory(programme=ann.programme, name="Coffee for Ann"))
    answer = agent.post(reverse("support:as_member", args=[ann.pk]))
    assert answer["Location"] == reverse("rewards-offers")
    assert "Coffee for Ann" in agent.get(answer["Location"]).text
    assert page(agent, ann).status_code == 200, "the agent is still signed in as herself"
    assert AuditEvent.objects.get(action="member.viewed_as", user=user).object_id == str(ann.pk)


def test_the_list_filters_and_exports_exactly_what_it_shows(agent, programme, ann):
    MemberFactory(programme=programme, external_id="=cmd()", first_name="Eve", city="Lyon")
    MemberFactory(programme=programme, external_id="M-3", city="Nice")
    MemberFactory(external_id="M-4", city="Lyon")
    shown = agent.get(reverse("support:members"), {"city": "lyon"})
    assert [member.external_id for member in shown.context["listing"].page.object_list] == ["=cmd()", "M-1"]
    answer = agent.get(reverse("support:members_export"), {"city": "lyon"})
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("external_id,first_name")
    assert "'=cmd()" in lines[1], "a cell that a spreadsheet would run is quoted"
    assert ann.email not in "".join(lines)
    assert AuditEvent.objects.filter(action="member.exported").count() == 1


def addresses(member, assignment, purchase):
    name = reverse
    return [
        ("get", name("support:member", args=[member.pk])),
        ("get", name("support:member_now", args=[member.pk])),
        ("get", name("support:member_past", args=[member.pk])),
        ("get", name("support:member_receipts", args=[member.pk])),
        ("get", name("support:member_timeline", args=[member.pk])),
        ("post", name("support:member_reveal", args=[member.pk])),
        ("post", name("support:as_member", args=[member.pk])),
        ("get", name("support:grant", args=[member.pk])),
        ("post", name("support:grant", args=[member.pk])),
        ("get", name("support:grant_choices", args=[member.pk])),
        ("post", name("support:grant_preview", args=[member.pk])),
        ("post", name("support:undo", args=[member.pk, assignment.pk])),
        ("get", name("support:receipt_lines", args=[purchase.pk])),
        ("get", name("support:assignment", args=[assignment.pk])),
        ("post", name("support:show_code", args=[assignment.pk])),
        ("post", name("support:revoke", args=[assignment.pk])),
    ]


def test_nothing_of_another_programme_is_there(client, programme, ann):
    """D-21: an administrator of one programme meets 404 at every address of another's things."""
    held = give(ann, ConfigOfferFactory(programme=programme))
    purchase = PurchaseFactory(member=ann)
    before = AuditEvent.objects.count()
    client.force_login(UserFactory(role="administrator", programmes=[ProgrammeFactory()]))
    for method, address in addresses(ann, held, purchase):
        assert getattr(client, method)(address).status_code == 404, address
    assert AuditEvent.objects.count() == before
    assert "Ann Lee" not in client.get(reverse("support:members")).text


def test_who_may_not_is_told_so_and_strangers_sign_in(client, programme, ann):
    held = give(ann, ConfigOfferFactory(programme=programme))
    purchase = PurchaseFactory(member=ann)
    every = [
        *addresses(ann, held, purchase),
        ("get", reverse("support:members")),
        ("get", reverse("support:members_export")),
    ]
    for method, address in every:
        assert getattr(client, method)(address).status_code == 302, address
    client.force_login(UserFactory(role="integration", programmes=[programme]))
    for method, address in every:
        assert getattr(client, method)(address).status_code == 403, address
    client.force_login(UserFactory(is_staff=False, programmes=[programme]))
    for method, address in every:
        assert getattr(client, method)(address).status_code == 403, address
