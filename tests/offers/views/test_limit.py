"""The limits of offers and campaigns on their pages, and setting them (D-05, B-14, S4-41)."""

import pytest
from django.urls import reverse

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import Limit
from offers.selectors import limit as selectors
from offers.services import assignment_writers, eligibility_settings, limit_settings
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    DraftOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    UserFactory,
    draft_run,
    give,
    launch_run,
    limit_of,
    work,
)
from tests.offers.views.marketer import sign_in, words

pytestmark = pytest.mark.django_db
TWO_EUROS = {"benefit": {"type": "amount", "size": 200}}
EMPTY = {"cap": "", "daily_cap": "", "budget": "", "daily_budget": "", "is_budget_hard": "true"}


@pytest.fixture
def coffee(programme):
    return ConfigOfferFactory(programme=programme, name="Coffee", terms=TWO_EUROS)


def limits_of(owner):
    name = "offers:campaign_limits" if hasattr(owner, "is_of_run") else "offers:offer_limits"
    return reverse(name, args=[owner.pk])


def test_d_05_a_marketer_limits_an_offer_and_sees_what_is_used_and_left(programme, coffee):
    """D-05, B-14: money typed in euros; the offer's page shows each limit with what was given and is left."""
    client = sign_in(programme)
    for member in MemberFactory.create_batch(3, programme=programme):
        give(member, coffee)
    answer = client.post(
        limits_of(coffee), EMPTY | {"cap": "1200", "daily_cap": "4", "budget": "50.00", "is_budget_hard": "false"}
    )
    assert answer.status_code == 302
    assert answer["Location"] == reverse("offers:offer", args=[coffee.pk])
    limit = Limit.objects.get(config_offer=coffee)
    assert (limit.cap, limit.daily_cap, limit.budget_minor, limit.is_budget_hard) == (1200, 4, 5_000, False)
    page = words(client.get(answer["Location"]))
    for said in ("3 of 1,200", "1,197 left", "3 of 4 today", "6.00 € of 50.00 €", "44.00 € left", "warn, and go on"):
        assert said in page, said
    # Who changed what, in words.
    assert "Assignments in all: <del>none</del> → <ins>1,200</ins>" in page
    assert "Budget in all: <del>none</del> → <ins>50.00 €</ins>" in page
    event = AuditEvent.objects.get(action="offer.limits_set")
    assert event.user.groups.get().name == "marketer"


def test_d_05_a_campaign_has_a_page_with_its_limits_and_its_runs(programme, coffee):
    """D-05, D-01: per member as well; what is used up says so."""
    client, autumn = sign_in(programme), CampaignFactory(programme=programme, name="Autumn")
    assert "Nothing is limited" in words(client.get(reverse("offers:campaign", args=[autumn.pk])))
    answer = client.post(limits_of(autumn), EMPTY | {"cap": "1", "per_member": "1"})
    assert answer["Location"] == reverse("offers:campaign", args=[autumn.pk])
    give(MemberFactory(programme=programme), coffee, campaign_id=autumn.pk)
    page = words(client.get(answer["Location"]))
    for said in ("1 of 1", "used up", "nothing left", "at most 1 offer of this campaign"):
        assert said in page, said
    assert "limited, 1 given" in words(client.get(reverse("offers:campaigns")))
    assert client.post(limits_of(autumn), EMPTY | {"per_member": ""}).status_code == 302
    assert not Limit.objects.exists()


def test_d_05_every_problem_of_a_limit_is_named_at_its_field_and_nothing_is_set(programme, coffee):
    """D-05, DESIGN 10: all at once, in words, and what was typed stays."""
    client, autumn = sign_in(programme), CampaignFactory(programme=programme)
    given = {"cap": "-1", "daily_cap": "many", "budget": "1.005", "daily_budget": "x", "is_budget_hard": ""}
    answer = client.post(limits_of(coffee), given)
    assert answer.status_code == 422
    form = answer.context["form"]
    assert set(form.errors) == set(given)
    assert form.errors["budget"] == [
        "“1.005” has too many decimals. Give at most 2. If thousands are meant, write 1005."
    ]
    assert 'value="many"' in words(answer)
    # However large, each problem stands at its field.
    answer = client.post(limits_of(coffee), EMPTY | {"cap": str(2**31), "budget": str(10**13 + 1)})
    assert set(answer.context["form"].errors) == {"cap", "budget"}
    assert answer.context["form"].errors["cap"] == ["Give a whole number, at most 2147483647, or nothing."]
    for share in ("0", "32768"):
        answer = client.post(limits_of(autumn), EMPTY | {"per_member": share})
        assert set(answer.context["form"].errors) == {"per_member"}
    assert not Limit.objects.exists()


def test_d_05_a_budget_too_large_is_told_the_most_in_money(programme, coffee):
    """D-05, D-08: in the programme's currency, as it is typed, however many digits are given."""
    client = sign_in(programme)
    said = ["Give an amount of money, at most 10,000,000,000,000.00 €."]
    for amount in ("10000000000000.01", "9" * 40):
        answer = client.post(limits_of(coffee), EMPTY | {"budget": amount, "daily_budget": amount})
        assert answer.status_code == 422
        assert dict(answer.context["form"].errors) == {"budget": said, "daily_budget": said}
    assert client.post(limits_of(coffee), EMPTY | {"budget": "10000000000000.00"}).status_code == 302
    assert Limit.objects.get().budget_minor == limit_settings.LARGEST["budget_minor"]
    yen = ProgrammeFactory(currency="JPY")
    answer = sign_in(yen).post(limits_of(ConfigOfferFactory(programme=yen)), EMPTY | {"budget": str(10**15 + 1)})
    assert answer.context["form"].errors["budget"] == ["Give an amount of money, at most ¥1,000,000,000,000,000."]


def test_d_05_of_two_tabs_the_second_sees_what_the_first_one_set_before_it_replaces_it(programme, coffee):
    """D-05: 409 with what is set now at each field that differs; saved again, it holds. Grants change nothing."""
    client = sign_in(programme)
    limit_of(coffee, cap=5)
    first, second = (client.get(limits_of(coffee)).context["version"] for _tab in range(2))
    # What is given meanwhile is not what was set.
    give(MemberFactory(programme=programme), coffee)
    saved = client.post(limits_of(coffee), EMPTY | {"cap": "1200", "budget": "50", "version": first})
    assert saved.status_code == 302
    typed = EMPTY | {"cap": "7", "is_budget_hard": "false", "version": second}
    # A problem of its own does not make it forget what it saw.
    refused = client.post(limits_of(coffee), typed | {"daily_cap": "many"})
    assert f'name="version" value="{second}"' in words(refused)
    answer = client.post(limits_of(coffee), typed)
    assert answer.status_code == 409
    errors = answer.context["form"].errors
    assert {name: errors[name] for name in ("cap", "budget", "is_budget_hard")} == {
        "cap": ["Set now: 1,200."],
        "budget": ["Set now: 50.00 €."],
        "is_budget_hard": ["Set now: stop."],
    }
    assert set(errors) == {"__all__", "cap", "budget", "is_budget_hard"}
    assert "changed since you opened this page" in words(answer)
    assert 'value="7"' in words(answer)
    assert Limit.objects.get().cap == 1200
    again = answer.context["version"]
    assert f'name="version" value="{again}"' in words(answer)
    assert client.post(limits_of(coffee), typed | {"version": again}).status_code == 302
    limit = Limit.objects.get()
    assert (limit.cap, limit.budget_minor, limit.is_budget_hard) == (7, None, False)
    # Taken away meanwhile is changed as well; what is set already is no conflict.
    limit_of_now = client.get(limits_of(coffee)).context["version"]
    assert client.post(limits_of(coffee), typed | {"version": second}).status_code == 302
    assert client.post(limits_of(coffee), EMPTY | {"version": limit_of_now}).status_code == 302
    answer = client.post(limits_of(coffee), EMPTY | {"cap": "3", "version": limit_of_now})
    assert answer.context["form"].errors["cap"] == ["Set now: none."]
    assert not Limit.objects.exists()


def test_d_05_setting_limits_while_assignments_are_written_without_a_pause_says_so(programme, coffee, monkeypatch):
    """D-05: a conflict, not a crash; the form keeps what was typed."""

    def busy(**_values):
        raise assignment_writers.Busy("Offers are being assigned without a pause. Try again.")

    monkeypatch.setattr(limit_settings, "put", busy)
    answer = sign_in(programme).post(limits_of(coffee), EMPTY | {"cap": "5"})
    assert answer.status_code == 409
    assert "Offers are being assigned without a pause." in words(answer)
    assert 'value="5"' in words(answer)


def test_d_05_limits_have_a_permission_of_their_own(programme, coffee):
    """D-05, A2: an agent sees neither figures nor form; a marketer of another programme finds nothing."""
    limit_of(coffee, cap=7)
    agent = sign_in(programme, "support agent")
    page = words(agent.get(reverse("offers:offer", args=[coffee.pk])))
    assert "0 of 7" not in page
    assert limits_of(coffee) not in page
    limit_of(CampaignFactory(programme=programme, name="Spring"), cap=7)
    assert "0 given" not in words(agent.get(reverse("offers:campaigns")))
    assert agent.post(limits_of(coffee), EMPTY | {"cap": "9"}).status_code == 403
    stranger = sign_in(ProgrammeFactory())
    assert stranger.get(limits_of(coffee)).status_code == 404
    assert stranger.get(limits_of(CampaignFactory(programme=programme))).status_code == 404
    assert stranger.get(reverse("offers:campaign", args=[CampaignFactory(programme=programme).pk])).status_code == 404
    everyone = DraftOfferFactory(programme=programme, audience="everyone")
    marketer = sign_in(programme)
    assert marketer.get(limits_of(everyone)).status_code == 404
    # A run's own campaign is nobody's to limit.
    of_run = CampaignFactory(programme=programme, is_of_run=True)
    assert marketer.get(limits_of(of_run)).status_code == 404
    assert of_run.name not in words(marketer.get(reverse("offers:campaigns")))
    assert Limit.objects.get(config_offer=coffee).cap == 7


def test_b_14_a_soft_budget_that_is_overdrawn_warns_on_the_page(programme, coffee):
    """B-14, D-05: since when, by how much, and what to do."""
    limit_of(coffee, budget_minor=300, is_budget_hard=False)
    for member in MemberFactory.create_batch(2, programme=programme):
        give(member, coffee)
    page = words(sign_in(programme).get(reverse("offers:offer", args=[coffee.pk])))
    for said in ("The budget is overdrawn since", "1.00 € over", "Raise it, or let it stop."):
        assert said in page, said


def test_d_05_the_usage_of_limits_costs_the_same_queries_however_much_was_given(
    programme, coffee, django_assert_num_queries
):
    """D-05: two queries, never a count of assignments."""
    limit_of(coffee, cap=7)
    for member in MemberFactory.create_batch(3, programme=programme):
        give(member, coffee)
    coffee = type(coffee).objects.select_related("programme").get(pk=coffee.pk)
    now = clock.now()
    with django_assert_num_queries(2):
        usage = selectors.of(coffee, now=now)
    assert [(line.name, line.used, line.left) for line in usage.lines] == [("cap", 3, 4)]


def test_d_05_an_administrator_has_it_too(programme, coffee):
    client = sign_in(programme, "administrator")
    assert client.post(limits_of(coffee), EMPTY | {"cap": "3"}).status_code == 302
    assert UserFactory(role="administrator", programmes=[programme]).has_perm("offers.set_eligibility")


def test_s4_28_a_run_that_failed_for_limits_says_so_in_one_sentence_each_with_what_to_do(programme, coffee, everyone):
    """S4-28, D-05: in words, with the way to the limits; launched again once there is room, it gives all."""
    autumn = CampaignFactory(programme=programme, name="Autumn")
    limit_of(coffee, cap=2)
    limit_of(autumn, budget_minor=500)
    run = launch_run(coffee, targeting=everyone, campaign=autumn)
    work(run)
    client = sign_in(programme)
    address = reverse("offers:run", args=[run.pk])
    page = words(client.get(address))
    for said in (
        "The run needs 3 assignments, and the offer&#x27;s limit leaves 2: 1 too many. Raise the limit,",
        "The run may cost 6.00 €, and the campaign&#x27;s budget has 5.00 € left: 1.00 € are missing. Raise",
        "Nobody was assigned.",
        limits_of(coffee),
        limits_of(autumn),
    ):
        assert said in page, said
    limit_of(coffee, cap=3)
    limit_of(autumn, is_budget_hard=False)
    assert client.post(reverse("offers:run_act", args=[run.pk, "launch"])).status_code == 302
    work(run)
    run.refresh_from_db()
    assert (run.state, run.eligible) == ("finished", 3)


def test_s4_24_the_draft_s_dialog_says_who_is_left_out_and_what_limits_leave(programme, coffee, everyone):
    """S4-24, S4-28, D-05: as the launch page does; the button waits."""
    limit_of(coffee, cap=2, daily_budget_minor=900)
    client = sign_in(programme)
    page = words(client.get(reverse("offers:run_preview", args=[draft_run(coffee, targeting=everyone).pk])))
    for said in (
        "2 left of 2",
        "9.00 € left of 9.00 € today",
        "limit leaves 2: 1 too many",
        "A limit leaves too little.",
    ):
        assert said in page, said
    assert "disabled" in page


def test_d_05_a_limit_that_is_still_counting_says_so(programme, coffee):
    """D-05: too low, and refusing nothing yet."""
    limit = limit_of(coffee, cap=2)
    Limit.objects.filter(pk=limit.pk).update(counted_at=None)
    assert "is being counted" in words(sign_in(programme).get(reverse("offers:offer", args=[coffee.pk])))


def test_b_03_the_members_of_a_run_show_why_they_were_not_eligible(programme, coffee, everyone):
    """B-03, S0-02: beside the outcome, in words, and in the export by code."""
    criteria = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Nowhere"}]}
    eligibility_settings.put_conditions(offer=coffee, criteria=criteria, actor=None)
    run = work(launch_run(coffee, targeting=everyone))
    client = sign_in(programme)
    assert words(client.get(reverse("offers:run_members", args=[run.pk]))).count("not meeting what the offer asks") == 3
    export = b"".join(
        client.get(reverse("offers:run_outcomes_export", args=[run.pk, "csv"])).streaming_content
    ).decode()
    assert export.count("ineligible,conditions_not_met,") == 3


def test_d_05_the_page_says_that_members_are_still_being_counted_and_that_the_rest_is_in_force(programme):
    """D-05: and does not hide that a budget is overdrawn."""
    client, autumn = sign_in(programme), CampaignFactory(programme=programme)
    limit_of(autumn, cap=5, per_member=1)
    page = reverse("offers:campaign", args=[autumn.pk])
    counting = "How many each member was given is still being counted."
    assert counting not in words(client.get(page))
    Limit.objects.update(members_counted_at=None, overdrawn_at=clock.now())
    for said in (counting, "the rest is in force", "The budget is overdrawn since"):
        assert said in words(client.get(page)), said
    Limit.objects.update(counted_at=None)
    assert "What was given before is being counted." in words(client.get(page))
    assert counting not in words(client.get(page))
