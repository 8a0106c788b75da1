"""The verbs, the till's confirmations and the timeline over the API: scopes, answers, stable codes."""

from datetime import timedelta

import pytest
from django.test import Client

from loyalty import clock
from loyalty.models import Scope
from loyalty.services import member_token
from offers.models import Assignment, AssignmentEvent
from tests.factories import ApiClientFactory, ConfigOfferFactory, MemberFactory, ProgrammeFactory, give, import_codes

pytestmark = pytest.mark.django_db
SCOPES = [Scope.ASSIGN, Scope.ASSIGNMENTS_READ, Scope.ASSIGNMENTS_WRITE, Scope.CODES_READ, Scope.TILL]


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def ask(programme):
    def go(path, body=None, *, scopes=SCOPES, **headers):
        _, key = ApiClientFactory(programme=programme, scopes=list(scopes))
        headers = {"Authorization": f"Api-Key {key}"} | headers
        address = f"/api/v1/assignments{path}"
        if body is None:
            return Client().get(address, headers=headers)
        return Client().post(address, body, content_type="application/json", headers=headers)

    return go


@pytest.fixture
def held(programme):
    offer = ConfigOfferFactory(programme=programme, terms={"validity": {"days": 5}})
    return give(MemberFactory(programme=programme), offer)


def test_b_06_a_machine_reissues_and_the_record_names_what_it_replaces(ask, held):
    first = ask(f"/{held.pk}/reissue", {"reason": "lost"})
    again = ask(f"/{held.pk}/reissue", {"reason": "lost"})
    new = first.json()["assignment"]
    assert (first.status_code, first.json()["code"]) == (200, "reissued")
    assert again.json() == {"code": "already_reissued", "assignment": new}
    assert ask(f"/{new}").json()["replaces"] == str(held.pk)
    [last] = [each for each in ask(f"/{held.pk}/timeline").json()["entries"] if each["kind"] == "reissued"]
    assert (last["link"], last["source"], last["reason"]) == (new, "api", "lost")


def test_a_machine_extends_closes_and_revokes_with_a_reason(ask, held, programme):
    later = (held.ends_at + timedelta(days=2)).isoformat()
    assert ask(f"/{held.pk}/extend", {"reason": "ill", "ends_at": later}).json()["code"] == "extended"
    assert ask(f"/{held.pk}/extend", {"reason": "ill", "ends_at": later}).json()["code"] == "already_extended"
    early = ask(f"/{held.pk}/extend", {"reason": "ill", "ends_at": clock.now().date().isoformat()})
    assert (early.status_code, early.json()["code"]) == (409, "not_later")
    assert ask(f"/{held.pk}/close", {"reason": "x"}).json()["code"] == "closed"
    assert ask(f"/{held.pk}/close", {"reason": "x"}).json()["code"] == "already_closed"
    refused = ask(f"/{held.pk}/revoke", {"reason": "x"})
    assert (refused.status_code, refused.json()["code"]) == (409, "closed")
    assert AssignmentEvent.objects.filter(api_client__isnull=False).count() == 2


def test_a_verb_without_a_reason_names_every_problem_and_does_nothing(ask, held):
    answer = ask(f"/{held.pk}/extend", {"ends_at": "tomorrow"})
    assert answer.status_code == 422
    assert {each["field"] for each in answer.json()["problems"]} == {"reason", "ends_at"}
    assert not AssignmentEvent.objects.exists()


def test_b_05_a_machine_undoes_its_own_grant(programme):
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.ASSIGN])
    _, other = ApiClientFactory(programme=programme, scopes=[Scope.ASSIGN])
    member, offer = MemberFactory(programme=programme), ConfigOfferFactory(programme=programme)

    def post(key, path, body):
        return Client().post(
            f"/api/v1/assignments{path}",
            body,
            content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"},
        )

    pk = post(key, "", {"member": member.external_id, "offer": offer.offer_reference}).json()["assignment"]
    assert post(other, f"/{pk}/undo", {}).status_code == 404
    assert post(key, f"/{pk}/undo", {}).json()["code"] == "undone"
    assert post(key, f"/{pk}/undo", {}).json()["code"] == "already_revoked"


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("revoke", Scope.ASSIGNMENTS_WRITE),
        ("reissue", Scope.ASSIGNMENTS_WRITE),
        ("extend", Scope.ASSIGNMENTS_WRITE),
        ("close", Scope.ASSIGNMENTS_WRITE),
        ("undo", Scope.ASSIGN),
    ],
)
def test_each_verb_asks_for_its_scope(ask, held, path, scope):
    others = [each for each in Scope if each != scope]
    answer = ask(f"/{held.pk}/{path}", {"reason": "x"}, scopes=others)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert Assignment.objects.get().revoked_at is None


def test_s4_15_a_till_reads_the_code_confirms_and_from_then_on_it_is_usable(ask, programme):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, to_synchronize=True)
    import_codes(offer, ["C-1"])
    held = give(MemberFactory(programme=programme), offer)
    # Before the till has confirmed it only the till sees the code, and that is an exposure (D-10).
    no_till = [Scope.ASSIGNMENTS_READ, Scope.CODES_READ]
    assert ask(f"/{held.pk}?include=voucher_code", scopes=no_till).json()["voucher_code"] is None
    assert ask(f"/{held.pk}?include=voucher_code").json()["voucher_code"] == "C-1"
    assert Assignment.objects.get().exposed_at is not None

    answer = ask("/synchronize", {"assignments": [{"id": str(held.pk)}]})
    assert answer.json() == {"results": [{"id": str(held.pk), "outcome": "synchronized"}]}
    assert ask(f"/{held.pk}").json()["status"] == "usable"


def test_s4_13_a_till_brings_the_code_it_made(ask, programme):
    """D-12: shown in the same place as a bank's."""
    held = give(MemberFactory(programme=programme), ConfigOfferFactory(programme=programme, to_synchronize=True))
    body = {"assignments": [{"id": str(held.pk), "code": "T-1"}]}
    assert ask("/synchronize", body).json()["results"][0]["outcome"] == "synchronized"
    assert ask("/synchronize", body).json()["results"][0]["outcome"] == "already_synchronized"
    assert ask(f"/{held.pk}?include=voucher_code").json()["voucher_code"] == "T-1"
    assert ask("/synchronize", body, scopes=[Scope.ASSIGN]).status_code == 403
    assert ask("/synchronize", {"assignments": []}).status_code == 422


def test_d_13_a_till_looks_up_whose_a_code_is(ask, programme):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["C-1"])
    held = give(MemberFactory(programme=programme), offer)
    refused = ask("/look-up-code", {"code": "C-1"})
    assert (refused.status_code, refused.json()["code"]) == (409, "member_required")
    assert held.member.external_id not in refused.text
    found = ask("/look-up-code", {"code": "C-1", "member": held.member.external_id})
    assert (found.status_code, found.json()["id"]) == (200, str(held.pk))
    offer.is_bearer = True
    offer.save()
    assert ask("/look-up-code", {"code": "C-1"}).json()["id"] == str(held.pk)
    assert ask("/look-up-code", {"code": "C-2"}).status_code == 404


def test_a_member_declines_and_finds_what_replaced_her_offer(programme, held):
    """B-06: one hop is visible to the customer."""
    token = member_token.mint(member=held.member, now=clock.now())

    def hers(method, path):
        headers = {"Authorization": f"Bearer {token}"}
        return getattr(Client(), method)(f"/api/v1/me/offers/{path}", headers=headers)

    _, key = ApiClientFactory(programme=programme, scopes=SCOPES)
    new = (
        Client()
        .post(
            f"/api/v1/assignments/{held.pk}/reissue",
            {"reason": "lost"},
            content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"},
        )
        .json()["assignment"]
    )
    gone = hers("get", held.pk)
    assert (gone.status_code, gone.json()["code"], gone.json()["replaced_by"]) == (404, "replaced", new)
    assert hers("get", new).json()["replaces"] == str(held.pk)
    assert hers("post", f"{new}/decline").json()["code"] == "declined"
    assert hers("post", f"{new}/decline").json()["code"] == "already_closed"


@pytest.mark.parametrize("ends_at", ["9999-12-31", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("verb", ["extend", "reissue"])
def test_b_06_an_end_beyond_the_kept_years_is_refused_with_its_bounds(ask, held, verb, ends_at):
    """B-06, B-02: 422 with the field, and which years are kept."""
    answer = ask(f"/{held.pk}/{verb}", {"reason": "ill", "ends_at": ends_at})
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (422, "ends_at")
    assert "in the years 1900 to 2999" in answer.json()["problems"][0]["message"]
