"""Personalized promotions through the API, from the first call to a member's choice (S2-01..10)."""

import pytest
from django.utils import timezone

from loyalty.models import AuditEvent, Scope
from loyalty.services import member_token
from offers.models import PersonalizedPromotion, PromotionEnrolment, PromotionEvent, PromotionProductList
from tests.factories import (
    ApiClientFactory,
    MemberFactory,
    ProductFactory,
    ProgrammeFactory,
    PromotionFactory,
    choose,
    enlist,
    product_list,
)

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/promotions"


@pytest.fixture
def programme():
    programme = ProgrammeFactory()
    for one in ("tea", "coffee", "cake"):
        ProductFactory(programme=programme, external_id=one, name=one.capitalize())
    return programme


@pytest.fixture
def ask(client, programme):
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.PROMOTIONS], name="loyalty shop")

    def asked(method, path="", body=None, **headers):
        headers = {"Authorization": f"Api-Key {key}"} | headers
        return getattr(client, method)(ADDRESS + path, body, content_type="application/json", headers=headers)

    return asked


@pytest.fixture
def as_member(client):
    def asked(member, method, path="", body=None):
        token = member_token.mint(member=member, now=timezone.now())
        return getattr(client, method)(
            f"/api/v1/me/promotions{path}",
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )

    return asked


def test_s2_10_the_api_alone_is_enough_from_the_promotion_to_the_choice(ask, as_member, programme):
    """S2-01, S2-02, S2-05..10: made, listed, assigned, chosen by the member herself, seen by the machine."""
    ann = MemberFactory(programme=programme, external_id="ann", kind="employee")
    values = {
        "name": "Your three", "description": "Choose.", "maximum_distinct_products": 2, "lock_after_first_apply": True,
    }  # fmt: skip
    made = ask("put", "/B-7", values)
    assert made.status_code == 201
    told = made.json()
    assert {name: told[name] for name in values} == values
    assert (told["backend_id"], told["lists"], told["enrolled"], told["chosen"]) == ("B-7", 0, 0, 0)
    assert ask("put", "/B-7", values).status_code == 200

    lists = ask("post", "/B-7/lists", {"name": "Short", "external_id": "L-1", "products": ["cake", "tea", "coffee"]})
    assert lists.status_code == 201
    assert [one["external_id"] for one in lists.json()["items"]] == ["cake", "tea", "coffee"]

    assigned = ask("post", "/B-7/lists/L-1/members", {"members": ["ann"]})
    assert assigned.json() == {
        "assigned": 1, "replaced": 0, "already_assigned": 0, "locked": 0, "locked_members": [], "left_out": 0,
    }  # fmt: skip

    [hers] = as_member(ann, "get").json()["promotions"]
    assert (hers["name"], hers["maximum"], hers["can_change"]) == ("Your three", 2, True)
    path = f"/{hers['id']}/products"
    assert as_member(ann, "put", path, {"products": ["tea", "cake", "coffee"]}).json()["code"] == "invalid_choice"
    chosen = as_member(ann, "put", path, {"products": ["tea", "cake"]}).json()
    assert [one["external_id"] for one in chosen["products"] if one["is_chosen"]] == ["cake", "tea"]
    assert not chosen["can_change"]
    refused = as_member(ann, "put", path, {"products": ["coffee"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "choice_locked")
    assert as_member(ann, "put", path, {"products": ["cake", "tea"]}).status_code == 200, "the same again"

    [row] = ask("get", "/B-7/lists/L-1/members?state=locked").json()["results"]
    assert (row["member"], row["kind"], row["list"], row["products"]) == ("ann", "employee", "L-1", ["cake", "tea"])
    assert ask("get", "/B-7").json()["chosen"] == 1
    assert AuditEvent.objects.get(action="promotion.assigned").api_client.name == "loyalty shop"


def test_s2_04_the_list_is_filtered_and_paged(ask, programme):
    used = PromotionFactory(programme=programme, name="Tea time", backend_id="T-1", lock_after_first_apply=True)
    enlist(product_list(used), MemberFactory(programme=programme))
    PromotionFactory(programme=programme, name="Cake", backend_id="C-1")
    PromotionFactory(programme=programme, name="Old", archived_at=timezone.now())
    PromotionFactory(name="Theirs")

    def names(query):
        answer = ask("get", f"?{query}")
        assert answer.status_code == 200, answer.json()
        return [one["name"] for one in answer.json()["results"]]

    assert names("") == ["Cake", "Tea time"]
    assert names("q=tea") == names("backend_id=T-") == names("lock_after_first_apply=true") == ["Tea time"]
    assert names("in_use=true") == ["Tea time"]
    assert names("in_use=false") == names("lock_after_first_apply=false") == ["Cake"]
    assert names("archived=true") == ["Old"]
    first = ask("get", "?limit=1").json()
    assert [one["name"] for one in first["results"]] == ["Cake"]
    assert first["next"]
    wrong = ask("get", "?in_use=perhaps")
    assert (wrong.status_code, wrong.json()["problems"][0]["field"]) == (422, "in_use")


def test_s2_05_made_changed_by_backend_id_or_id_and_every_problem_named(ask, programme):
    made = ask("post", "", {"name": "One"}).json()
    assert made["backend_id"] is None
    by_id = f"/{made['id']}?by=id"
    assert ask("patch", by_id, {"backend_id": "B-1", "maximum_distinct_products": 3}).json()["backend_id"] == "B-1"
    assert ask("patch", "/B-1", {"maximum_distinct_products": None}).json()["maximum_distinct_products"] is None
    assert ask("put", by_id, {"name": "Two"}).json()["name"] == "Two"
    assert ask("patch", "/B-2", {"name": "x"}).status_code == 404
    assert ask("put", "/4711?by=id", {"name": "x"}).status_code == 404
    wrong = ask("post", "", {"maximum_distinct_products": 0, "lock_after_first_apply": "no", "backend_id": "B-1"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_promotion")
    assert {one["field"] for one in wrong.json()["problems"]} == {
        "name", "maximum_distinct_products", "lock_after_first_apply", "backend_id",
    }  # fmt: skip
    assert ask("post", "", {"name": "x\0"}).json()["problems"][0]["code"] == "unstorable_character"
    assert PersonalizedPromotion.objects.count() == 1


def test_s2_04_deleted_where_nobody_was_enlisted_and_archived_where_somebody_was(ask, programme):
    PromotionFactory(programme=programme, backend_id="B-1")
    assert ask("delete", "/B-1").json() == {"outcome": "deleted", "enrolments": 0}
    assert ask("get", "/B-1").status_code == 404
    enlist(product_list(PromotionFactory(programme=programme, backend_id="B-2")), MemberFactory(programme=programme))
    assert ask("delete", "/B-2").json() == ask("delete", "/B-2").json() == {"outcome": "archived", "enrolments": 1}
    assert ask("patch", "/B-2", {"name": "x"}).json()["code"] == "promotion_archived"
    assert ask("post", "/B-2/restore").json()["archived_at"] is None
    assert ask("patch", "/B-2", {"name": "x"}).status_code == 200


def test_s2_09_lists_are_made_replaced_and_deleted(ask, programme):
    promotion = PromotionFactory(programme=programme, backend_id="B-1")
    made = ask("put", "/B-1/lists/L-1", {"name": "One", "products": ["tea", "cake"], "default_product": "cake"})
    assert made.status_code == 201
    assert [one["is_default"] for one in made.json()["items"]] == [False, True]
    assert ask("put", "/B-1/lists/L-1", {"name": "Two"}).json()["name"] == "Two"
    items = ask("put", "/B-1/lists/L-1/items", {"products": ["coffee", "tea"]}).json()["items"]
    assert [one["external_id"] for one in items] == ["coffee", "tea"]
    held = enlist(promotion.lists.get(), MemberFactory(programme=programme))
    choose(held, "tea")
    refused = ask("put", "/B-1/lists/L-1/items", {"products": ["coffee"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "products_chosen")
    assert ask("delete", "/B-1/lists/L-1").json()["code"] == "product_list_in_use"
    dropped = ask("put", "/B-1/lists/L-1/items", {"products": ["coffee"], "drop_choices": True})
    assert [one["external_id"] for one in dropped.json()["items"]] == ["coffee"]
    assert PromotionEvent.objects.get(verb="dropped").api_client.name == "loyalty shop"
    wrong = ask("post", "/B-1/lists", {"products": ["milk", "tea", "tea"], "colour": 1})
    assert [one["field"] for one in wrong.json()["problems"]] == ["colour"]
    wrong = ask("post", "/B-1/lists", {"products": ["milk", "tea", "tea"]}).json()
    assert [(one["field"], one["code"]) for one in wrong["problems"]] == [
        ("name", "invalid"), ("products", "unknown_product"), ("products", "given_twice"),
    ]  # fmt: skip
    other = ask("post", "/B-1/lists", {"name": "Other", "products": ["tea"]}).json()
    assert [one["name"] for one in ask("get", "/B-1/lists").json()["results"]] == ["Other", "Two"]
    assert ask("delete", f"/B-1/lists/{other['external_id']}").json() == {"outcome": "deleted"}
    assert PromotionProductList.objects.count() == 1


def test_s2_09_members_are_assigned_and_withdrawn_by_the_set_and_the_unknown_are_named(ask, programme):
    product_list(PromotionFactory(programme=programme, backend_id="B-1"), external_id="L-1")
    ids = [MemberFactory(programme=programme).external_id for _ in range(3)]
    path = "/B-1/lists/L-1/members"
    refused = ask("post", path, {"members": [*ids, "nobody", "x\0"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_members")
    assert len(refused.json()["problems"]) == 2
    assert not PromotionEnrolment.objects.exists()
    done = ask("post", path, {"members": [*ids, "nobody"], "leave_out_unknown": True}).json()
    assert (done["assigned"], done["left_out"]) == (3, 1)
    assert ask("post", path, {"members": ids}).json()["already_assigned"] == 3
    assert ask("post", f"{path}/withdraw", {"members": ids[:2]}).json() == {"withdrawn": 2, "already_withdrawn": 0}
    assert ask("post", f"{path}/withdraw", {"members": ids}).json() == {"withdrawn": 1, "already_withdrawn": 2}
    assert ask("get", path).json()["results"] == []
    assert len(ask("get", f"{path}?state=withdrawn").json()["results"]) == 3
    for body in ({"members": []}, {"members": "ann"}, {"members": [1]}, {}, {"members": ids, "leave_out_unknown": 1}):
        assert ask("post", path, body).status_code == 422
    assert ask("get", f"{path}?state=asleep").json()["problems"][0]["field"] == "state"


def test_s2_10_a_machine_chooses_for_a_member(ask, programme):
    held = enlist(
        product_list(PromotionFactory(programme=programme, backend_id="B-1")),
        MemberFactory(programme=programme, external_id="us-east-1:1/2"),
    )
    path = "/B-1/members/us-east-1:1/2/products"
    assert ask("get", path).json()["revision"] == 0
    chosen = ask("put", path, {"products": ["tea"], "revision": 0}).json()
    assert ([one["external_id"] for one in chosen["products"] if one["is_chosen"]], chosen["revision"]) == (["tea"], 1)
    stale = ask("put", path, {"products": ["cake"], "revision": 0})
    assert (stale.status_code, stale.json()["code"]) == (409, "choice_changed")
    assert PromotionEvent.objects.get(verb="chosen").api_client.name == "loyalty shop"
    wrong = ask("put", path, {"products": ["milk", "juice"]}).json()
    assert [one["code"] for one in wrong["problems"]] == ["not_on_the_list"] * 2
    assert ask("put", path, {"products": "tea"}).status_code == ask("put", path, {"colour": 1}).status_code == 422
    other = MemberFactory(programme=programme)
    missing = ask("get", f"/B-1/members/{other.external_id}/products")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_enlisted")
    held.refresh_from_db()
    assert held.revision == 1


def test_r3_the_same_key_does_it_once(ask, programme):
    body = {"name": "One"}
    first = ask("post", "", body, **{"Idempotency-Key": "k-1"})
    again = ask("post", "", body, **{"Idempotency-Key": "k-1"})
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    assert PersonalizedPromotion.objects.count() == 1
    gone = [ask("delete", f"/{first.json()['id']}?by=id", **{"Idempotency-Key": "k-2"}) for _ in range(2)]
    assert [one.json()["outcome"] for one in gone] == ["deleted", "deleted"]


def test_s2_03_a_key_without_the_scope_gets_nothing_and_another_programmes_things_are_not_there(client, ask, programme):
    theirs = PromotionFactory(backend_id="B-9")
    enlist(product_list(theirs, external_id="L-9"), MemberFactory(programme=theirs.programme, external_id="zoe"))
    for path in ("/B-9", "/B-9/lists", "/B-9/lists/L-9", "/B-9/lists/L-9/members", "/B-9/members/zoe/products"):
        assert ask("get", path).status_code == 404
    assert ask("get", f"/{theirs.pk}?by=id").status_code == 404
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.MEMBERS, Scope.ASSIGN])
    assert client.get(ADDRESS, headers={"Authorization": f"Api-Key {key}"}).status_code == 403


def test_s2_02_a_member_sees_and_chooses_of_her_own_alone(as_member, programme):
    promotion = PromotionFactory(programme=programme)
    ann, zoe = (MemberFactory(programme=programme) for _ in range(2))
    enlist(product_list(promotion), ann)
    path = f"/{promotion.public_id}/products"
    assert as_member(zoe, "get").json() == {"promotions": []}
    assert as_member(zoe, "get", path).status_code == as_member(zoe, "put", path, {"products": ["tea"]}).status_code
    assert as_member(zoe, "get", path).json()["code"] == "not_enlisted"
    assert as_member(ann, "get", path).json()["can_change"]
    assert as_member(ann, "put", path, ["tea"]).status_code == 422
    as_member(ann, "put", path, {"products": ["tea"]})
    event = PromotionEvent.objects.get(verb="chosen")
    assert (event.actor, event.api_client, event.source) == (None, None, None), "she herself"


def test_a_trusted_server_chooses_for_the_member_it_names_and_staff_who_look_on_do_not(client, programme):
    ann = MemberFactory(programme=programme)
    promotion = PromotionFactory(programme=programme)
    enlist(product_list(promotion), ann)
    path = f"/api/v1/me/promotions/{promotion.public_id}/products"
    shop, key = ApiClientFactory(programme=programme, scopes=[Scope.ACT_FOR_MEMBER])
    headers = {"Authorization": f"Api-Key {key}", "Laurel-Member": ann.external_id}
    answer = client.put(path, {"products": ["tea"]}, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    assert PromotionEvent.objects.get(verb="chosen").api_client == shop


def test_s4_41_where_the_module_is_off_it_says_so(ask, as_member, programme):
    programme.offers_enabled = False
    programme.save()
    assert ask("get").json()["code"] == "offers_module_off"
    member = MemberFactory(programme=programme)
    assert as_member(member, "get").json()["code"] == "offers_module_off"


def test_s2_09_the_members_of_a_list_cost_the_same_however_many(ask, programme, django_assert_max_num_queries):
    offered = product_list(PromotionFactory(programme=programme, backend_id="B-1"), external_id="L-1")
    for _ in range(12):
        choose(enlist(offered, MemberFactory(programme=programme)), "tea")
    with django_assert_max_num_queries(10):
        rows = ask("get", "/B-1/lists/L-1/members").json()["results"]
    assert [row["products"] for row in rows] == [["tea"]] * 12
