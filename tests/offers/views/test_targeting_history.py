"""The list of audiences, their versions and uses, two editors, archive and back (S4-26)."""

import csv
import io
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty import clock
from loyalty.models import ApiClient, Scope
from offers.models import Targeting
from offers.services import eligibility_settings, mass_assignment
from offers.services import targeting as service
from tests.factories import (
    ConfigOfferFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    TargetingFactory,
    UserFactory,
)
from tests.offers.views.marketer import a_run, words

pytestmark = pytest.mark.django_db
LYON = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Lyon"}]}
PARIS = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Paris"}]}


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def ann(programme):
    return UserFactory(role="marketer", programmes=[programme], username="ann")


@pytest.fixture
def marketer(client, ann):
    client.force_login(ann)
    return client


@pytest.fixture
def locals_(programme, ann):
    """An audience in three versions: Lyon, Paris, Lyon again with gold."""
    saved = service.create(programme=programme, name="Locals", description="Near us", criteria=LYON, actor=ann)
    service.update(targeting=saved, criteria=PARIS, actor=ann)
    gold = {"field": "member.tier", "is": "equals", "value": "gold"}
    return service.update(targeting=saved, criteria={"op": "and", "items": [*LYON["items"], gold]}, actor=ann)


def page(targeting, name=""):
    return reverse(f"offers:targeting{name}", args=[targeting.pk])


def sent(targeting, **more):
    """Return what the form holds that is open on the targeting."""
    return {
        "name": targeting.name,
        "description": targeting.description,
        "criteria": json.dumps(targeting.current_version.criteria),
        "version": targeting.current_version.number,
        "updated": targeting.updated_at.isoformat(),
    } | more


def test_s4_26_a_page_says_what_each_version_meant_who_saved_it_and_which_runs_used_it(
    programme, marketer, ann, locals_
):
    """S4-26: people by name, machines by their key's; what changed from one to the next."""
    template = OfferTemplateFactory(config_offer=ConfigOfferFactory(programme=programme))
    run = a_run(template, locals_, name="Autumn")
    machine, _key = ApiClient.objects.create_key(name="nightly", programme=programme, scopes=[Scope.TARGETINGS])
    service.update(targeting=locals_, criteria=PARIS, actor=None, api_client=machine)
    answer = marketer.get(page(locals_))
    found = {one.number: one for one in answer.context["versions"]}
    assert [(one.sentence, one.saved_by) for one in found.values()] == [
        ("City is Paris", "nightly"),
        ("City is Lyon and Tier is gold", str(ann)),
        ("City is Paris", str(ann)),
        ("City is Lyon", str(ann)),
    ]
    assert (found[3].change.added, found[3].change.removed) == (("City is Lyon", "Tier is gold"), ("City is Paris",))
    assert found[1].change is None
    assert [one.runs for one in found.values()] == [[], [run], [], []]
    assert [one.is_current for one in found.values()] == [True, False, False, False]
    assert "Near us" in words(answer)
    compared = marketer.get(page(locals_, "-compare"), {"before": 1, "after": 3})
    assert compared.context["change"].added == ("Tier is gold",)
    assert "They mean the same" in words(marketer.get(page(locals_, "-compare"), {"before": 2, "after": 4}))
    assert "One of them is not there" in words(marketer.get(page(locals_, "-compare"), {"before": 2, "after": 9}))
    assert marketer.get(page(locals_, "-compare"), {"before": "x"}).status_code == 404


def test_s4_26_a_page_of_many_versions_costs_no_more_queries(marketer, locals_, ann):
    """S4-26, PERFORMANCE."""

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert marketer.get(page(locals_)).status_code == 200
        return len(queries)

    asked()
    before = asked()
    for number in range(30):
        service.update(targeting=locals_, criteria=(LYON, PARIS)[number % 2], actor=ann)
    assert asked() == before
    assert len(marketer.get(page(locals_)).context["versions"]) == 20


def test_s4_26_a_page_says_where_the_audience_is_used(programme, marketer, locals_):
    """S4-26: audiences, offers, runs that are over too, and runs through another audience."""
    outer = service.create(programme=programme, name="Outer", criteria={"targeting": locals_.pk}, actor=None)
    offer = ConfigOfferFactory(programme=programme, name="Coffee")
    eligibility_settings.put(offer=offer, targeting=locals_, actor=None)
    template = OfferTemplateFactory(config_offer=ConfigOfferFactory(programme=programme))
    over = a_run(template, locals_, name="Over")
    mass_assignment.cancel(run=over, actor=None, now=clock.now())
    through = a_run(template, outer, name="Through")
    answer = marketer.get(page(locals_))
    places = answer.context["places"]
    assert ([one.name for one in places.audiences], [one.name for one in places.offers]) == (["Outer"], ["Coffee"])
    assert (places.runs, places.run_count) == ([through, over], 2)
    assert "through “Outer”" in words(answer)
    refused = marketer.post(page(locals_, "-archive"))
    assert refused.status_code == 409
    assert "“Locals” is named by the audiences “Outer”, the offers “Coffee” and the runs “Through”" in words(refused)


def test_s4_26_going_back_to_an_old_version_makes_a_new_one(marketer, locals_):
    """S4-26: unless somebody saved meanwhile, or there is no such version."""
    old = sent(locals_)
    assert marketer.post(page(locals_, "-restore"), old | {"restore": 2}).url == page(locals_)
    locals_.refresh_from_db()
    assert (locals_.current_version.number, locals_.current_version.criteria) == (4, PARIS)
    refused = marketer.post(page(locals_, "-restore"), old | {"restore": 1})
    assert (refused.status_code, "somebody else saved it meanwhile" in words(refused)) == (409, True)
    for unknown in ("77", "x", ""):
        refused = marketer.post(page(locals_, "-restore"), sent(locals_, restore=unknown))
        assert (refused.status_code, "There is no version" in words(refused)) == (409, True)
    locals_.refresh_from_db()
    assert locals_.current_version.number == 4


def test_s4_26_who_saves_second_sees_what_changed_and_loses_nothing(programme, marketer, locals_):
    """S4-26: theirs in words and by conditions, hers still in the form; the next save is a decision."""
    opened = sent(locals_)
    bob = UserFactory(username="bob")
    service.update(targeting=locals_, name="Parisians", criteria=PARIS, actor=bob)
    mine = opened | {"description": "Mine", "criteria": json.dumps(LYON)}
    refused = marketer.post(page(locals_), mine)
    assert refused.status_code == 409
    assert f"It is “Parisians”, version 4 by {bob} now: City is Paris" in words(refused)
    assert refused.context["since"].added == ("City is Paris",)
    assert refused.context["given"]["description"] == "Mine"
    assert json.loads(refused.context["builder"]["text"]) == LYON
    locals_.refresh_from_db()
    assert (locals_.description, locals_.current_version.number) == ("Near us", 4)
    # The form that was shown knows version 4: sent again it is meant.
    again = mine | {"version": 4, "updated": locals_.updated_at.isoformat()}
    assert marketer.post(page(locals_), again).url == page(locals_)
    locals_.refresh_from_db()
    assert (locals_.description, locals_.current_version.number, locals_.name) == ("Mine", 5, "Locals")
    # Another name alone is a change too.
    opened = sent(locals_)
    service.update(targeting=locals_, name="Near", actor=bob)
    assert marketer.post(page(locals_), opened).status_code == 409


def test_broken_json_and_a_name_that_nothing_can_keep_are_refused_and_kept_in_the_form(marketer, locals_):
    refused = marketer.post(page(locals_), sent(locals_, criteria='{"op": '))
    assert (refused.status_code, refused.context["builder"]["text"]) == (422, '{"op": ')
    refused = marketer.post(page(locals_), sent(locals_, description="x" * 2001))
    assert "Describe it in at most 2000 characters" in words(refused)
    assert marketer.post(page(locals_), sent(locals_, name="a\0b")).status_code in (400, 422)
    locals_.refresh_from_db()
    assert (locals_.name, locals_.current_version.number) == ("Locals", 3)


def test_s4_26_an_archived_audience_is_found_by_the_filter_and_brought_back(programme, marketer, locals_):
    """S4-26: unless its name is taken since, which is said on its page."""
    marketer.post(page(locals_, "-archive"))

    def names(**asked: str) -> list[str]:
        found = marketer.get(reverse("offers:targetings"), asked).context["listing"].page.object_list
        return [one.name for one in found]

    other = TargetingFactory(programme=programme, name="Locals")
    assert (names(), names(archived="yes"), names(archived="all")) == (["Locals"], ["Locals"], ["Locals", "Locals"])
    refused = marketer.post(page(locals_, "-unarchive"))
    assert refused.status_code == 409
    assert "There is an audience called “Locals” already. Choose another name." in words(refused)
    service.update(targeting=other, name="Others", actor=None)
    assert marketer.post(page(locals_, "-unarchive")).url == page(locals_)
    assert names() == ["Locals", "Others"]


def test_s4_26_the_list_is_searched_filtered_by_owner_and_exported_as_it_is(programme, marketer, ann, locals_):
    """S4-26: exactly what is filtered, in its order, with no cell that runs as a formula."""
    for number in range(3):
        TargetingFactory(programme=programme, name=f"Far {number}", criteria=PARIS, description="=1+1")
    TargetingFactory(name="Elsewhere", owner=UserFactory(username="stranger"))
    listing = marketer.get(reverse("offers:targetings"), {"owner": ann.pk}).context["listing"]
    assert [one.name for one in listing.page.object_list] == ["Locals"]
    assert [owner.username for owner in listing.filters.fields["owner"].queryset] == ["ann"]
    assert marketer.get(reverse("offers:targetings"), {"q": "near US"}).context["listing"].count == 1
    assert "Nothing matches these filters" in words(marketer.get(reverse("offers:targetings"), {"q": "nowhere"}))
    answer = marketer.get(reverse("offers:targetings_export"), {"q": "far", "sort": "-name"})
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert [row["name"] for row in rows] == ["Far 2", "Far 1", "Far 0"]
    assert {(row["criteria"], row["version"], row["description"]) for row in rows} == {("City is Paris", "1", "'=1+1")}


def test_s4_26_a_copy_begins_as_the_audience_is_and_is_saved_apart(programme, marketer, locals_):
    """S4-26: of the own programme only."""
    answer = marketer.get(reverse("offers:targeting-create"), {"clone": locals_.pk})
    assert answer.context["given"]["name"] == "Locals (copy)"
    assert json.loads(answer.context["builder"]["text"]) == locals_.current_version.criteria
    for strange in (TargetingFactory(criteria=LYON).pk, "x", 10**30):
        answer = marketer.get(reverse("offers:targeting-create"), {"clone": strange})
        assert answer.context["given"]["name"] == ""
    assert Targeting.objects.filter(programme=programme).count() == 1


@pytest.mark.parametrize("name", ["-unarchive", "-restore", "-archive"])
def test_s4_26_who_may_only_look_changes_nothing(client, programme, locals_, name):
    """S4-26, D-21: another programme's audience is not there at all."""
    client.force_login(UserFactory(role="support agent", programmes=[programme]))
    assert client.post(page(locals_, name), {"restore": 1}).status_code == 403
    client.force_login(UserFactory(role="marketer", programmes=[ProgrammeFactory()]))
    assert client.post(page(locals_, name), {"restore": 1}).status_code == 404
    locals_.refresh_from_db()
    assert (locals_.archived_at, locals_.current_version.number) == (None, 3)
