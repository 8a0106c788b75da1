"""Issue 4's "Bad input", sentence by sentence, at every door: named, located, nothing half done.

What a targeting that is edited or archived while in use does stands in `test_targeting_in_use`, lists of ids in
`services/test_member_list`, files in `loyalty/tables/test_reading`.
"""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from loyalty.models import ApiClient, Scope
from offers.models import MassAssignment, MemberList, Targeting, TargetingVersion
from offers.services import targeting
from tests.factories import AttributeDefinitionFactory, MemberFactory
from tests.offers.views.marketer import filled_in, sign_in, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


def field(name, operator, *value):
    return {"field": name, "is": operator} | ({"value": value[0]} if value else {})


def bought(**where):
    return {"purchases": "count", "where": where, "is": "greater", "value": 1}


CITY = field("member.city", "exists")
# Each stands as the second condition: its path is in front of what is said of it.
BAD = {
    "contradictory": (
        {"op": "and", "items": [field("member.city", "equals", "Lyon"), field("member.city", "equals", "Paris")]},
        "", "contradiction", "City: these conditions can never hold together.",
    ),
    "empty group": ({"op": "or", "items": []}, "", "empty_group", "This group has no conditions. Add one"),
    "unknown field": (field("member.shoe", "equals", "9"), ".field", "unknown_field", "no field “member.shoe”"),
    "unknown key": (CITY | {"colour": 1}, ".colour", "unknown_key", "“colour” is not known here."),
    "text for a number": (
        field("attribute.points", "equals", "many"), ".value", "not_a_number", "Points: “many” is not a number.",
    ),
    "number for a text": (field("member.city", "equals", 5), ".value", "not_text", "City: “5” is not text."),
    "no yes or no": (
        field("attribute.owner", "equals", "perhaps"), ".value", "not_yes_or_no", "Owner: “perhaps” is neither",
    ),
    "no date": (
        field("member.birth_date", "equals", "2026-02-30"), ".value", "not_a_date", "“2026-02-30” is not a date.",
    ),
    "dates the wrong way round": (
        field("member.joined_at", "between", ["2026-02-01", "2026-01-01"]), ".value", "ends_reversed",
        "the lower end is above the upper one. Turn them round.",
    ),
    "a period the wrong way round": (
        bought(**{"from": "2026-02-01", "to": "2026-01-01"}), ".where.to", "ends_reversed",
        "The period ends before it starts.",
    ),
    "no tree": ("everybody", "", "not_an_object", "is not an object. Give a group or a condition."),
}  # fmt: skip


def within(tree):
    return {"op": "or", "items": [CITY, tree]}


@pytest.fixture
def programme(programme):
    AttributeDefinitionFactory(programme=programme, name="points", label="Points", type="number")
    AttributeDefinitionFactory(programme=programme, name="owner", label="Owner", type="boolean")
    return programme


@pytest.fixture
def saved(programme):
    return targeting.create(programme=programme, name="Saved", criteria=CITY, actor=None)


@pytest.fixture
def call(client, programme):
    _row, key = ApiClient.objects.create_key(
        programme=programme, name="machine", scopes=[Scope.TARGETINGS, Scope.MEMBERS]
    )

    def ask(method, address, body):
        return getattr(client, method)(
            f"/api/v1/{address}", body, content_type="application/json", headers={"Authorization": f"Api-Key {key}"}
        )

    return ask


@pytest.mark.parametrize(("tree", "place", "code", "sentence"), BAD.values(), ids=BAD)
def test_issue_4_a_bad_tree_is_named_at_its_place_by_every_page(programme, saved, tree, place, code, sentence):
    """Issue 4, bad input: a new audience, a saved one, the preview, the count; nothing is saved, the form stays."""
    marketer, criteria = sign_in(programme), json.dumps(within(tree))
    for address in (reverse("offers:targeting-create"), reverse("offers:targeting", args=[saved.pk])):
        answer = marketer.post(address, {"name": "Kept", "criteria": criteria, "version": 1})
        assert answer.status_code == 422
        assert [(one["path"], one["code"]) for one in answer.context["problems"]] == [(f"items[1]{place}", code)]
        assert sentence in words(answer)
        assert 'value="Kept"' in words(answer)
        assert json.loads(answer.context["builder"]["text"]) == within(tree)
    for name in ("preview", "count"):
        assert sentence in words(marketer.post(reverse(f"offers:targeting-{name}"), {"criteria": criteria}))
    saved.refresh_from_db()
    assert (saved.name, saved.current_version.number) == ("Saved", 1)
    assert (Targeting.objects.count(), TargetingVersion.objects.count()) == (1, 1)


@pytest.mark.parametrize(("tree", "place", "code", "sentence"), BAD.values(), ids=BAD)
def test_issue_4_a_bad_tree_is_named_at_its_place_by_the_api(saved, call, tree, place, code, sentence):
    """Issue 4, bad input: saved anew, changed, counted, explained, as an offer's eligibility; nothing is saved."""
    body = {"criteria": within(tree)}
    for method, address, more in (
        ("post", "targetings", {"name": "Kept"}),
        ("patch", f"targetings/{saved.pk}", {"name": "Kept"}),
        ("post", "targetings/count", {}),
        ("post", "targetings/explain", {"member": "ann"}),
        ("post", "targetings/breakdown", {"by": "member.city"}),
    ):
        answer = call(method, address, body | more)
        [found] = answer.json()["problems"]
        assert (answer.status_code, found.get("path", found.get("field")), found["code"]) == (
            422,
            f"items[1]{place}",
            code,
        ), address
        assert sentence in found["message"]
    saved.refresh_from_db()
    assert (saved.name, saved.current_version.number) == ("Saved", 1)
    assert TargetingVersion.objects.count() == 1


def test_issue_4_rules_the_wrong_way_round_are_named_by_page_and_api(programme, coffee, everyone, call):
    """Issue 4, S0-07: a launch whose offers would end before they start; the API's dry run too; no run is made."""
    template, sentence = coffee.templates.get(), "it ends before it starts. Give a later end."
    dates = {"starts_at": "2099-02-01", "ends_at": "2099-01-01"}
    given = filled_in(template, everyone, **{f"validity__{name}": one for name, one in dates.items()})
    answer = sign_in(programme).post(reverse("offers:run_new"), given)
    assert answer.status_code == 422
    assert sentence in words(answer)
    body = {"template": str(template.pk), "targeting": everyone.pk, "terms": {"validity": dates}}
    for address in ("mass-assignments", "mass-assignments/dry-run"):
        answer = call("post", address, body)
        [found] = answer.json()["problems"]
        assert (answer.status_code, found["rule"], found["field"]) == (422, "validity", "ends_at"), found
        assert sentence in found["message"]
    assert not MassAssignment.objects.exists()


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"validity": {"start_in_days": 9, "days": 3}}, "start_in_days"),
        ({"benefit": {"type": "percent", "size": "much"}}, "size"),
        ({"benefit": {"type": "percent", "size": 20, "colour": "red"}}, "colour"),
        ({"no_such_rule": {"x": 1}}, ""),
        ({"redemption_limit": []}, ""),
    ],
)
def test_issue_4_rules_of_wrong_types_or_unknown_names_are_named_by_the_api(coffee, everyone, call, terms, field):
    """Issue 4, S0-07: a wrong type, an unknown field, an unknown rule, no object; no run is made."""
    body = {"template": str(coffee.templates.get().pk), "targeting": everyone.pk, "terms": terms}
    for address in ("mass-assignments", "mass-assignments/dry-run"):
        answer = call("post", address, body)
        assert answer.status_code == 422
        assert [(one["rule"], one.get("field", "")) for one in answer.json()["problems"]] == [
            (next(iter(terms)), field)
        ]
    assert not MassAssignment.objects.exists()


@pytest.mark.parametrize("ending", ["\n", ""])
def test_issue_4_bad_ids_among_very_many_are_named_by_line_by_page_and_api(programme, call, ending):
    """Issue 4, "a million-line list with bad ids": 30,000 here; each bad one by its line, the others are kept."""
    MemberFactory.create_batch(3, programme=programme)
    good = list(programme.members.values_list("external_id", flat=True))
    lines = ["member", *good, *(f"bad-{n}" for n in range(30_000))]
    answer = call("post", "member-lists", {"name": "By machine", "members": lines[1:1001]})
    told = answer.json()
    assert (answer.status_code, told["members"], told["unknown"]) == (201, 3, 997)
    file = SimpleUploadedFile("many.csv", ("\n".join(lines) + ending).encode())
    marketer, given = sign_in(programme), {"file": file, "name": "By page"}
    shown = words(marketer.post(reverse("offers:member_list_upload"), given, headers={"HX-Request": "true"}))
    assert "“By page” is kept: 3 members." in shown
    assert "Left out: 30,000 unknown or empty, 0 repeated." in shown
    kept = MemberList.objects.get(name="By page")
    assert (kept.size, kept.unknown, kept.left_out.count()) == (3, 30_000, 30_000)
    report = marketer.get(reverse("offers:member_list_left_out", args=[kept.pk])).getvalue().decode()
    assert "5,bad-0,nobody has this id," in report
    assert "30004,bad-29999,nobody has this id," in report
