"""Criteria on consents and on channels that reach members (issue 4, S1-20, S3-14)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from loyalty.models import Channel, Member
from loyalty.services import consent
from offers import targeting
from offers.selectors import targeting as selector
from offers.selectors import targeting_breakdown
from offers.selectors.targeting_explanation import explain
from tests.factories import MemberFactory, ProgrammeFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def programme():
    programme = ProgrammeFactory()
    for name, email in (("yes", "a@example.com"), ("no", "b@example.com"), ("never", "c@example.com"), ("mute", "")):
        MemberFactory(programme=programme, external_id=name, email=email)
    said = [("yes", True), ("no", False), ("mute", True)]
    rows = [{"member": name, "channel": "email", "is_granted": is_granted} for name, is_granted in said]
    consent.put(programme=programme, consents=rows, source="test", now=NOW)
    return programme


def leaf(field: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "is": operator} | ({"value": value[0]} if value else {})


def meant(programme, tree: dict[str, Any]) -> set[str]:
    predicate = selector.where(programme=programme, criteria=tree, now=NOW)
    sql = f"SELECT external_id FROM loyalty_member AS member WHERE {predicate.sql}"
    return {row["external_id"] for row in selector.rows(sql, predicate.params)}


@pytest.mark.parametrize(
    ("tree", "names"),
    [
        (leaf("consent.email", "equals", "given"), {"yes", "mute"}),
        (leaf("consent.email", "equals", "refused"), {"no"}),
        (leaf("consent.email", "not_equals", "given"), {"no", "never"}),
        (leaf("consent.email", "in", ["given", "refused"]), {"yes", "no", "mute"}),
        (leaf("consent.email", "not_exists"), {"never"}),
        (leaf("consent.email", "exists"), {"yes", "no", "mute"}),
        (leaf("reachable.email", "equals", True), {"yes"}),
        (leaf("reachable.email", "equals", False), {"no", "never", "mute"}),
        ({"op": "or", "not": True, "items": [leaf("reachable.email", "equals", True)]}, {"no", "never", "mute"}),
        (leaf("reachable.push", "equals", True), set()),
    ],
)
def test_consent_given_refused_never_asked_and_reachable(programme, tree, names):
    assert meant(programme, tree) == names


def test_a_channel_out_of_use_reaches_nobody_and_the_audience_stays_readable(programme):
    Channel.objects.filter(programme=programme, code="email").update(is_active=False)
    assert meant(programme, leaf("reachable.email", "equals", True)) == set()
    assert len(meant(programme, leaf("reachable.email", "equals", False))) == 4


def test_they_say_themselves_and_what_is_wrong_is_named(programme):
    tree = {"op": "and", "items": [leaf("reachable.email", "equals", True), leaf("consent.sms", "not_exists")]}
    words = targeting.sentence(selector.read(tree, programme=programme))
    assert words == "Reachable by E-mail is yes and Consent to SMS is not known"
    impossible = {"op": "and", "items": [leaf("consent.sms", "equals", one) for one in ("given", "refused")]}
    for wrong, code in (
        (leaf("consent.fax", "equals", "given"), "unknown_field"),
        (leaf("consent.sms", "equals", "maybe"), "unknown_choice"),
        (leaf("reachable.sms", "equals", "yes"), "not_yes_or_no"),
        (impossible, "contradiction"),
    ):
        with pytest.raises(targeting.InvalidCriteria) as caught:
            selector.read(wrong, programme=programme)
        assert caught.value.problems[0]["code"] == code


def test_b_02_the_explanation_has_her_answer_and_the_breakdown_counts_answers(programme):
    member = Member.objects.get(programme=programme, external_id="no")
    tree = {"op": "and", "items": [leaf("consent.email", "equals", "given"), leaf("reachable.email", "equals", True)]}
    explanation = explain(tree, programme=programme, member=member, now=NOW)
    assert [(one.holds, one.value) for one in explanation.clauses] == [(False, ""), (False, "refused"), (False, "no")]
    found = targeting_breakdown.breakdown(
        {"op": "and", "items": [], "all_members": True}, programme=programme, key="consent.email", now=NOW
    )
    assert {(part.label, part.count) for part in found.parts if part.kind == "value"} == {("given", 2), ("refused", 1)}
