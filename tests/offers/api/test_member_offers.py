"""`/api/v1/me/offers`: what a member's app asks for."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from loyalty.models import AuditEvent, Member, OutboxEvent, Scope
from loyalty.services import member_token
from offers.models import Assignment, AssignmentEvent, VoucherCode
from tests.factories import (
    ApiClientFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    UserFactory,
    give,
    import_codes,
)

pytestmark = pytest.mark.django_db

EVERYONES = {"benefit": {"type": "percent", "size": 10}}


def bearer(member: Member, **options) -> dict[str, str]:
    return {"Authorization": f"Bearer {member_token.mint(member=member, now=timezone.now(), **options)}"}


@pytest.fixture
def member():
    return MemberFactory(programme=ProgrammeFactory(languages=["en", "de"]))


@pytest.fixture
def ask(member):
    """Ask as the member: `ask("me/offers")`."""
    client, headers = Client(), bearer(member)

    def go(path: str, *, method: str = "get", **more):
        return getattr(client, method)(f"/api/v1/{path}", headers=headers | more)

    return go


def names(answer) -> list[str]:
    return [offer["name"] for offer in answer.json()["offers"]]


def test_the_list_has_her_offers_first_then_those_for_everyone_each_by_rank_then_end(member, ask):
    """D-15, D-16, S0-12, S0-34."""
    programme = member.programme
    late, soon, first = (
        ConfigOfferFactory(programme=programme, name=name, terms={"validity": {"days": days}})
        for name, days in (("late", 30), ("soon", 3), ("first", 30))
    )
    give(member, late)
    give(member, soon)
    give(member, first, rank=1)
    ConfigOfferFactory(programme=programme, name="national", audience="everyone", terms=EVERYONES, rank=1)

    answer = ask("me/offers")

    assert answer.status_code == 200
    assert names(answer) == ["first", "soon", "late", "national"]
    assert [offer["is_personal"] for offer in answer.json()["offers"]] == [True, True, True, False]


def test_a_config_offer_never_appears_without_an_assignment(member, ask):
    """S0-34."""
    ConfigOfferFactory(programme=member.programme)
    assert names(ask("me/offers")) == []


def test_nobody_lists_or_opens_or_accepts_anothers_offer(member, ask):
    """S0-01, S0-13: another user's id is not found, and nothing changes."""
    other = MemberFactory(programme=member.programme)
    hers = give(other, ConfigOfferFactory(programme=member.programme, terms={"acceptance": {"required": True}}))

    assert names(ask("me/offers")) == []
    unknown = ask(f"me/offers/{uuid.uuid4()}")
    for answer in (
        ask(f"me/offers/{hers.pk}"),
        ask(f"me/offers/{hers.pk}/accept", method="post"),
        ask(f"me/offers/{hers.pk}/products"),
    ):
        assert answer.status_code == 404
        assert answer.json() == unknown.json()
    hers.refresh_from_db()
    assert hers.accepted_at is None
    assert hers.seen_at is None


@pytest.mark.parametrize("moment", ["revoked_at", "closed_at", "used_up_at"])
def test_what_is_over_is_not_listed(member, ask, moment):
    assignment = give(member, ConfigOfferFactory(programme=member.programme))
    Assignment.objects.filter(pk=assignment.pk).update(**{moment: timezone.now()})
    assert names(ask("me/offers")) == []


def test_what_ended_is_not_listed_and_what_begins_later_is_upcoming(member, ask):
    begun = timezone.now() - timedelta(days=40)
    give(member, ConfigOfferFactory(programme=member.programme, name="ended"), now=begun)
    give(
        member,
        ConfigOfferFactory(
            programme=member.programme, name="later", terms={"validity": {"days": 9, "start_in_days": 2}}
        ),
    )
    [offer] = ask("me/offers").json()["offers"]
    assert (offer["name"], offer["status"]) == ("later", "upcoming")


def test_what_waits_for_the_till_is_neither_listed_nor_found(member, ask):
    assignment = give(member, ConfigOfferFactory(programme=member.programme, to_synchronize=True))
    assert names(ask("me/offers")) == []
    assert ask(f"me/offers/{assignment.pk}").status_code == 404

    Assignment.objects.filter(pk=assignment.pk).update(synchronized_at=timezone.now())
    assert len(names(ask("me/offers"))) == 1


def test_a_programme_with_its_offers_module_off_has_no_list(member, ask):
    """S4-41."""
    give(member, ConfigOfferFactory(programme=member.programme))
    member.programme.offers_enabled = False
    member.programme.save()
    assert ask("me/offers").status_code == 404


def test_the_list_takes_one_query_however_long_it_is(member, ask, django_assert_num_queries):
    """P1, goal D."""
    for count in (1, 10):
        for _ in range(count):
            give(member, ConfigOfferFactory(programme=member.programme))
        with django_assert_num_queries(1):
            assert ask("me/offers").status_code == 200


def test_the_list_never_carries_a_code_and_the_detail_records_it_before_showing_it(member, ask):
    """D-10."""
    offer = ConfigOfferFactory(programme=member.programme, require_vouchers=True)
    import_codes(offer, ["SECRET-1"])
    assignment = give(member, offer)

    listed = ask("me/offers")
    assert listed.json()["offers"][0]["has_code"] is True
    assert b"SECRET-1" not in listed.content
    assignment.refresh_from_db()
    assert assignment.exposed_at is None

    shown = ask(f"me/offers/{assignment.pk}")
    assert shown.json()["code"] == "SECRET-1"
    assignment.refresh_from_db()
    assert assignment.exposed_at is not None
    assert assignment.seen_at is not None

    ask(f"me/offers/{assignment.pk}")
    assert list(AssignmentEvent.objects.order_by("id").values_list("verb", flat=True)) == ["seen", "exposed"]


def test_a_code_is_not_shown_before_it_can_be_used(member, ask):
    """D-10: a code that nobody could use yet may still go back into its bank."""
    offer = ConfigOfferFactory(
        programme=member.programme, require_vouchers=True, terms={"acceptance": {"required": True}}
    )
    import_codes(offer, ["SECRET-1"])
    assignment = give(member, offer)

    assert ask(f"me/offers/{assignment.pk}").json()["code"] is None
    assignment.refresh_from_db()
    assert assignment.exposed_at is None

    ask(f"me/offers/{assignment.pk}/accept", method="post")
    assert ask(f"me/offers/{assignment.pk}").json()["code"] == "SECRET-1"


def test_a_voided_code_is_not_shown(member, ask):
    offer = ConfigOfferFactory(programme=member.programme, require_vouchers=True)
    import_codes(offer, ["SECRET-1"])
    assignment = give(member, offer)
    VoucherCode.objects.update(voided_at=timezone.now())
    assert ask(f"me/offers/{assignment.pk}").json()["code"] is None


def test_accepting_once_and_again_is_the_same_answer_and_one_event(member, ask):
    """S1-16, S1-17."""
    assignment = give(member, ConfigOfferFactory(programme=member.programme, terms={"acceptance": {"required": True}}))
    assert ask("me/offers").json()["offers"][0]["status"] == "waiting_for_acceptance"

    first = ask(f"me/offers/{assignment.pk}/accept", method="post")
    again = ask(f"me/offers/{assignment.pk}/accept", method="post")

    assert (first.status_code, first.json()["code"]) == (200, "accepted")
    assert (again.status_code, again.json()["code"]) == (200, "already_accepted")
    assert first.json()["accepted_at"] == again.json()["accepted_at"]
    assert AssignmentEvent.objects.filter(assignment=assignment, verb="accepted").count() == 1
    [told] = OutboxEvent.objects.filter(type="assignment.accepted")
    assert (told.assignment_ids, told.config_offer_id) == ([assignment.pk], assignment.config_offer_id)
    assert ask("me/offers").json()["offers"][0]["status"] == "usable"


@pytest.mark.parametrize(
    ("change", "code", "status"),
    [
        ({"acceptance_required": False}, "not_required", 409),
        ({"ends_at": datetime(2020, 1, 1, tzinfo=UTC)}, "expired", 409),
        ({"used_up_at": datetime(2020, 1, 1, tzinfo=UTC)}, "used_up", 409),
        ({"closed_at": datetime(2020, 1, 1, tzinfo=UTC)}, "closed", 409),
        ({"revoked_at": datetime(2020, 1, 1, tzinfo=UTC)}, "not_found", 404),
    ],
)
def test_accepting_is_refused_with_the_reason_and_changes_nothing(member, ask, change, code, status):
    """S1-16: a stable code for each reason."""
    assignment = give(member, ConfigOfferFactory(programme=member.programme, terms={"acceptance": {"required": True}}))
    Assignment.objects.filter(pk=assignment.pk).update(**change)

    answer = ask(f"me/offers/{assignment.pk}/accept", method="post")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assignment.refresh_from_db()
    assert assignment.accepted_at is None
    assert not AssignmentEvent.objects.exists()


def test_texts_follow_the_asked_language_then_the_members_then_the_programmes(member, ask):
    ConfigOfferFactory(
        programme=member.programme, audience="everyone", terms=EVERYONES, name="Bread", texts={"de": {"name": "Brot"}}
    )
    assert names(ask("me/offers", **{"Accept-Language": "de-AT,de;q=0.9"})) == ["Brot"]
    assert names(ask("me/offers", **{"Accept-Language": "fr"})) == ["Bread"]
    Member.objects.update(language="de")
    assert names(ask("me/offers")) == ["Brot"]
    # English is the programme's own: asking for it is not passed over because nothing was translated.
    assert names(ask("me/offers", **{"Accept-Language": "en"})) == ["Bread"]
    detail = ask(f"me/offers/{ask('me/offers').json()['offers'][0]['id']}", **{"Accept-Language": "de"})
    assert (detail.json()["name"], detail.json()["language"]) == ("Brot", "de")


def test_a_system_wide_offer_opens_by_its_public_id_and_needs_no_acceptance(member, ask):
    """S0-12: same list, same detail, only the id differs."""
    offer = ConfigOfferFactory(programme=member.programme, audience="everyone", terms=EVERYONES)
    detail = ask(f"me/offers/{offer.public_id}")
    assert detail.status_code == 200
    assert (detail.json()["is_personal"], detail.json()["code"]) == (False, None)
    refused = ask(f"me/offers/{offer.public_id}/accept", method="post")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_required")


def test_a_personalized_config_offer_does_not_open_by_its_public_id(member, ask):
    """S0-34."""
    offer = ConfigOfferFactory(programme=member.programme)
    give(member, offer)
    assert ask(f"me/offers/{offer.public_id}").status_code == 404


def test_a_token_that_is_over_forged_or_too_long_is_refused(member, settings):
    token = member_token.mint(member=member, now=timezone.now() - timedelta(seconds=901))
    for wrong in (token, token[:-4] + "AAAA", "nonsense", ""):
        answer = Client().get("/api/v1/me/offers", headers={"Authorization": f"Bearer {wrong}"})
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
    settings.MEMBER_TOKEN_SECONDS = 3600
    long = member_token.mint(member=member, now=timezone.now())
    settings.MEMBER_TOKEN_SECONDS = 900
    assert Client().get("/api/v1/me/offers", headers={"Authorization": f"Bearer {long}"}).status_code == 401


def test_a_member_who_is_no_longer_active_sees_nothing(member, ask):
    give(member, ConfigOfferFactory(programme=member.programme))
    Member.objects.update(status="erased")
    assert ask("me/offers").status_code == 404


def test_a_trusted_server_acts_for_a_member_of_its_programme_only(member):
    give(member, ConfigOfferFactory(programme=member.programme))
    stranger = MemberFactory()
    _, key = ApiClientFactory(programme=member.programme, scopes=[Scope.ACT_FOR_MEMBER])
    _, weak = ApiClientFactory(programme=member.programme, scopes=[Scope.MEMBERS])

    def ask(key: str, external_id: str):
        headers = {"Authorization": f"Api-Key {key}", "Laurel-Member": external_id}
        return Client().get("/api/v1/me/offers", headers=headers)

    assert len(names(ask(key, member.external_id))) == 1
    assert ask(key, stranger.external_id).status_code == 404
    assert ask(key, "").status_code == 404
    assert ask(weak, member.external_id).status_code == 403


def test_staff_who_look_on_see_no_code_and_change_nothing(member):
    """S0-34 asks who may act for whom: viewing as a member exposes nothing, and is audited."""
    offer = ConfigOfferFactory(programme=member.programme, require_vouchers=True)
    import_codes(offer, ["SECRET-1"])
    assignment = give(member, offer)
    agent = UserFactory(role="support agent")
    headers = bearer(member, actor=agent)

    shown = Client().get(f"/api/v1/me/offers/{assignment.pk}", headers=headers)
    assert (shown.status_code, shown.json()["code"]) == (200, None)
    assert Client().post(f"/api/v1/me/offers/{assignment.pk}/accept", headers=headers).status_code == 403
    assignment.refresh_from_db()
    assert (assignment.seen_at, assignment.exposed_at) == (None, None)
    [event] = AuditEvent.objects.filter(action="member.viewed_as")
    assert event.user == agent
    assert event.object_id == str(member.pk)
