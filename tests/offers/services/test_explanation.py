"""Why a member does not have, see or use an offer: every verdict, with its exact words (B-02)."""

import re

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from loyalty import clock
from loyalty.errors import NotFound
from loyalty.models import AuditEvent, Channel, Consent
from offers.models import Assignment, ConfigOffer, MassAssignment, Redemption, Source
from offers.models.explanation import QUESTIONS, VERDICTS
from offers.models.outcome import OUTCOME_SENTENCES
from offers.selectors import member_offers
from offers.services import assignment, assignment_verbs, closing, explanation, extension, revocation
from offers.services.assignment import Grant
from offers.services.explanation import Sees
from offers.services.verb import By
from tests.factories import MemberFactory, ProgrammeFactory, TargetingFactory, draft_run, give, import_codes, redeem
from tests.offers.services.explanation_asked import code_of_another
from tests.offers.services.explanation_cases import CASES
from tests.offers.services.explanation_given import held_out, ineligible, not_targeted, planned, waiting_for_approval
from tests.offers.services.explanation_held import expired
from tests.offers.services.explanation_story import DAY, NOBODY, NOW, Story

pytestmark = pytest.mark.django_db
EVERYTHING = Sees(clauses=True, runs=True)


@pytest.fixture
def story():
    programme = ProgrammeFactory(currency="EUR", timezone="Europe/Paris")
    return Story(programme, MemberFactory(programme=programme, first_name="Ann", city="Lyon"))


def explained(story, sees=EVERYTHING, by=None):
    return explanation.explain(
        member=story.ann,
        subject=story.subject(),
        sees=sees,
        by=by or By(),
        now=story.now,
        waiting=story.made.get("waiting", ()),
    )


def test_b_02_every_verdict_has_a_case_that_reaches_it():
    assert CASES.keys() == VERDICTS.keys()
    assert OUTCOME_SENTENCES.keys() - {"assigned", "unknown_member"} <= {key.partition(":")[0] for key in VERDICTS}


@pytest.mark.parametrize("key", CASES)
def test_b_02_each_verdict_says_its_code_and_its_sentences(key, story):
    """The words to read out and the words for the agent are exact; nothing but the look's audit is written."""
    play, to_member, to_agent = CASES[key]
    play(story)
    found = explained(story)
    said = {"when": story.made.get("when", ""), "why": found.to_agent.partition(": ")[2]}
    assert (found.code, found.to_member, found.to_agent) == (
        key.partition(":")[0],
        to_member.format(**said),
        to_agent.format(**said),
    )
    assert (found.has, found.sees, found.can_use) == (VERDICTS[key].has, VERDICTS[key].sees, VERDICTS[key].can_use)
    assert said["why"] is not None
    assert "%(" not in found.to_agent + found.to_member + " ".join(step.text for step in found.steps)
    assert AuditEvent.objects.get(action="member.explained").object_id == str(story.ann.pk)


def listed(member) -> set:
    try:
        found = member_offers.listed(member_id=member.pk, programme_id=member.programme_id, now=None)
    except NotFound:
        return set()
    return {item["id"]: item for item in found.items}.keys()


# What she may be in, by what makes it so.
STATES = {
    "usable": {},
    "upcoming": {"terms": {"validity": {"days": 5, "start_in_days": 3}}},
    "waiting_for_acceptance": {"terms": {"acceptance": {"required": True}}},
    "waiting_for_till": {"to_synchronize": True},
    "used_up": {},
    "expired": {},
    "closed": {},
    "revoked": {},
    "never_given": {},
}


@pytest.mark.parametrize("policy", ["once_per_campaign", "one_open", "once_ever", "unlimited"])
@pytest.mark.parametrize("state", STATES)
def test_b_02_d_01_what_is_explained_is_what_happens(state, policy, story):
    """It says “she sees it” where her list has it, and “it can be granted” where granting it does, in every state."""
    story.now = clock.now()
    offer = story.offer(repeat_policy=policy, **STATES[state])
    held = None if state == "never_given" else give(story.ann, offer, now=story.now - DAY / 24)
    moments = {"used_up": "used_up_at", "expired": "ends_at"}
    if held and state in moments:
        Assignment.objects.filter(pk=held.pk).update(**{moments[state]: story.now - DAY / 48})
    by = By(Source.SUPPORT)
    if held and state == "closed":
        closing.close(programme=story.programme, assignment_id=held.pk, reason="-", by=by, now=story.now)
    if held and state == "revoked":
        revocation.revoke(programme=story.programme, assignment_id=held.pk, reason="-", now=story.now)
    found = explained(story)
    assert found.code == state
    assert found.sees is (held is not None and held.pk in listed(story.ann))
    assert found.has is (Assignment.objects.filter(member=story.ann).visible(story.now).exists())
    template = offer.templates.get()
    [outcome] = assignment.assign(
        programme=story.programme,
        grants=[Grant(template_id=template.pk, member_id=story.ann.pk)],
        source=Source.SUPPORT,
        actor=None,
        now=story.now,
    )
    assert (found.can_be_granted, found.grant_code) == (outcome.is_assigned, outcome.code)
    if "grant" in {action.code for action in found.actions}:
        assert outcome.is_assigned


# These go by the real clock, as runs do; nobody holds anything in them.
OF_RUNS = {"being_given", "run_stopped", "planned", "not_targeted", "held_out"}


@pytest.mark.parametrize("key", [key for key in CASES if key not in OF_RUNS])
def test_b_02_whatever_the_verdict_she_sees_what_it_says_she_sees(key, story):
    """Her own list is asked in every case, with codes, everybody's states and other people's offers."""
    CASES[key][0](story)
    found = explained(story)
    try:
        items = member_offers.listed(member_id=story.ann.pk, programme_id=story.programme.pk, now=NOW).items
    except NotFound:
        items = []
    is_listed = any(item["id"] == found.assignment_id for item in items)
    assert found.sees is is_listed


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, "usable"),
        ({"terms": {"validity": {"ends_at": "2026-11-29"}}}, "usable"),
        ({"terms": {"validity": {"starts_at": "2026-12-01"}}}, "upcoming"),
        ({"terms": {"validity": {"ends_at": "2026-11-20"}}}, "offer_over"),
        ({"state": "archived"}, "offer_archived"),
    ],
)
def test_b_02_an_offer_for_everyone_is_explained_as_her_list_shows_it(values, code, story):
    state = values.pop("state", None)
    offer = story.offer(audience="everyone", published_at=NOW - 30 * DAY, **({"terms": {}} | values))
    if state:
        ConfigOffer.objects.filter(pk=offer.pk).update(state=state)
    found = explained(story)
    items = member_offers.listed(member_id=story.ann.pk, programme_id=story.programme.pk, now=NOW).items
    assert found.code == code
    assert found.sees is bool(items)
    assert found.grant_code is None
    values["state"] = state


def test_b_02_an_offer_for_everyone_that_she_used_up_is_used_up(story):
    offer = story.offer(audience="everyone", terms={"redemption_limit": {"limit": 1}})
    Redemption.objects.create(
        programme=story.programme, member=story.ann, config_offer=offer, external_id="1", redeemed_at=NOW - DAY
    )
    assert explained(story).code == "used_up"
    assert member_offers.listed(member_id=story.ann.pk, programme_id=story.programme.pk, now=NOW).items == []


def test_d_19_who_is_held_out_looks_like_one_who_is_not_meant_to_whoever_may_not_see_runs(story):
    """B-13: nothing of the answer tells the two apart: no word, no code, no step, no action."""

    def told(play):
        with transaction.atomic():
            play(story)
            found = explained(story, sees=Sees(clauses=True))
            answer = (found.code, found.to_member, found.to_agent, [(s.code, s.text, s.clauses) for s in found.steps])
            transaction.set_rollback(True)
        story.made.clear()
        return answer, [action.code for action in found.actions]

    ours, theirs = told(held_out), told(not_targeted)
    assert re.sub(r"\d\d:\d\d", "", str(ours)) == re.sub(r"\d\d:\d\d", "", str(theirs))
    assert ours[0][0] == "not_targeted"
    held_out(story)
    assert explained(story).code == "held_out"
    assert explained(story).to_member == "You were not part of this campaign."


def test_d_19_nobody_is_promised_what_a_run_with_a_hold_out_may_not_give(story):
    planned(story)
    assert explained(story, sees=Sees()).code == "planned"
    MassAssignment.objects.update(hold_out_percent=10)
    assert explained(story, sees=Sees()).code == "never_given"
    assert explained(story).code == "never_given", "nor by those who may know: it is read out"
    assert "run_planned" in {step.code for step in explained(story).steps}
    assert "run_planned" not in {step.code for step in explained(story, sees=Sees()).steps}


def test_b_02_an_audience_is_told_clause_by_clause_with_her_value_to_who_may_see_it(story):
    ineligible(story)
    [asked] = [step for step in explained(story).steps if step.question == "eligibility"]
    assert (asked.code, asked.state) == ("conditions_not_met", "failed")
    assert (asked.has, asked.needed) == ("Lyon", "City is Nowhere")
    assert [(clause.text, clause.holds, clause.value) for clause in asked.clauses] == [
        ("All of these", False, ""),
        ("City is Nowhere", False, "Lyon"),
    ]
    [asked] = [step for step in explained(story, sees=Sees()).steps if step.question == "eligibility"]
    assert (asked.has, asked.clauses) == ("", ())


def test_b_02_the_questions_come_in_their_order_and_each_says_what_it_came_to(story):
    offer = story.offer(require_vouchers=True, terms={"validity": {"days": 6}})
    import_codes(offer, 3)
    held = give(story.ann, offer, now=NOW)
    found = explained(story)
    assert [(step.question, step.code, step.state) for step in found.steps if step.question != "reachable"] == [
        ("programme", "offers_module_on", "passed"),
        ("member", "member_active", "passed"),
        ("offer", "offer_open", "passed"),
        ("eligibility", "for_all", "passed"),
        ("targeted", "no_run", "not_asked"),
        ("door", "no_refusal", "not_asked"),
        ("held", "usable", "passed"),
        ("code", "code_not_shown", "passed"),
        ("grant", "grant_possible", "passed"),
    ]
    order = list(QUESTIONS)
    assert [order.index(step.question) for step in found.steps] == sorted(
        order.index(step.question) for step in found.steps
    )
    assignment_verbs.expose(member_id=story.ann.pk, assignment_id=held.pk, now=NOW)
    [code] = [step for step in explained(story).steps if step.question == "code"]
    assert (code.code, code.text) == ("code_shown", "She has a code, first shown today at 11:00.")


def test_b_05_what_waits_is_the_verdict_only_where_it_could_still_be_given(story):
    """B-02, B-05: she holds it, or the offer is over: then that explains, and what waits is a step all the same."""
    waiting_for_approval(story)
    found = explained(story)
    assert [step.text for step in found.steps if step.question == "approval"] == [
        "A grant of it waits for approval since yesterday at 11:00, asked by Ola Agent.",
        "A grant of it waits for approval since today at 11:00, asked by Uma Agent.",
    ]
    assert [(action.code, action.url) for action in found.actions] == [("open_waiting", "/waiting/1")]
    assert found.can_be_granted, "and yet a second one is not what is offered"
    held = give(story.ann, story.made["offer"], now=NOW - DAY / 2)
    found = explained(story)
    assert (found.code, found.actions[0].code) == ("usable", "open_waiting")
    # What she held last is over: what was asked for since is what she waits for.
    Assignment.objects.filter(pk=held.pk).update(ends_at=NOW)
    assert explained(story).code == "waiting_for_approval"
    ConfigOffer.objects.update(state="archived")
    found = explained(story)
    assert found.code == "expired"
    assert "approval_waiting" in {step.code for step in found.steps}
    held.delete()
    assert explained(story).code == "offer_archived"


def test_b_02_each_channel_says_whether_it_reaches_her(story):
    story.offer()
    email = Channel.objects.get(programme=story.programme, code="email")
    Consent.objects.create(member=story.ann, channel=email, is_granted=True, changed_at=NOW, source="app")
    said = {step.text: step.state for step in explained(story).steps if step.question == "reachable"}
    assert said["E-mail: she agreed, and it reaches her."] == "passed"
    assert said["SMS: nobody asked her."] == "failed"
    story.ann.email = ""
    story.ann.save()
    said = {step.text for step in explained(story).steps if step.question == "reachable"}
    assert "E-mail: she agreed, but her address for it is missing." in said


@pytest.mark.parametrize(
    ("key", "actions"),
    [
        ("expired", ["extend", "reissue", "grant", "open"]),
        ("used_up", ["grant", "open"]),
        ("revoked", ["grant", "open"]),
        ("reissued", ["open_successor", "open"]),
        ("upcoming", ["wait", "open"]),
        ("waiting_for_till", ["wait_for_till", "reissue", "open"]),
        ("waiting_for_acceptance", ["ask_to_accept", "open"]),
        ("code_expired", ["reissue", "open"]),
        ("never_given", ["grant"]),
        ("out_of_codes", ["import_codes"]),
        ("cap_reached", ["look_at_limits"]),
        ("offer_draft", ["open_offer"]),
        ("being_given", ["open_run"]),
        ("unknown_code", ["ask_again"]),
        ("code_of_another", []),
        ("member_inactive", []),
    ],
)
def test_b_02_what_can_be_done_follows_from_the_verdict(key, actions, story):
    CASES[key][0](story)
    assert [action.code for action in explained(story).actions] == actions


def test_b_02_an_extension_and_a_reissue_are_offered_only_where_they_would_do(story):
    expired(story)
    held = story.made["held"]
    actions = {action.code for action in explained(story).actions}
    by = By(Source.SUPPORT)
    given = {"programme": story.programme, "assignment_id": held.pk, "reason": "-", "by": by, "now": NOW}
    assert {"extend", "reissue"} <= actions
    with transaction.atomic():
        assert extension.extend(ends_at=NOW + DAY, **given).is_extended
        transaction.set_rollback(True)
    Assignment.objects.filter(pk=held.pk).update(source=Source.ATTRIBUTE)
    assert not {"extend", "reissue"} & {action.code for action in explained(story).actions}
    assert extension.extend(ends_at=NOW + DAY, **given).code == "imported"


def test_b_02_whose_code_it_is_is_kept_in_the_audit_and_told_to_staff_alone(story):
    code_of_another(story)
    import_codes(story.made["offer"], ["EFGH-1"], now=NOW)
    give(story.ann, story.made["offer"], now=NOW)
    found = explained(story)
    assert found.owner is not None
    assert "code" not in {step.question for step in found.steps}, "nothing is said of a code of hers"
    assert "Bob" not in found.to_member + found.to_agent + " ".join(step.text for step in found.steps)
    look = AuditEvent.objects.get(action="member.explained")
    assert look.data == {"offer": found.offer.pk, "owner": found.owner.pk}


def test_b_02_the_number_of_queries_does_not_grow_with_what_happened_to_her(story):
    """P1: one, then many assignments, refusals, runs, schedules and uses."""
    offer = story.offer()
    nobody = TargetingFactory(programme=story.programme, name="Nobody", criteria=NOBODY)

    def happen(number):
        redeem(give(story.ann, offer, now=NOW - DAY))
        over = give(story.ann, offer, now=NOW - DAY)
        revocation.revoke(programme=story.programme, assignment_id=over.pk, reason="-", now=NOW)
        for place in range(number):
            wrong = {"redemption_limit": {"limit": 0}}
            story.refused("invalid_value", offer=offer, reference=f"{number} {place}", terms=wrong)
            run = draft_run(offer, targeting=nobody)
            MassAssignment.objects.filter(pk=run.pk).update(state="scheduled", launch_at=NOW + DAY)

    def queries():
        explained(story)  # what a process keeps does not count
        with CaptureQueriesContext(connection) as captured:
            explained(story)
        return len(captured)

    happen(1)
    few = queries()
    happen(9)
    assert queries() == few
    assert few <= 28
