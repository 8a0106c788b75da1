"""The pages of allowances: who may grant how much, who is at how much, and setting it (B-05)."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty.models import AuditEvent
from support.models import Allowance, MemberAllowance
from tests.factories import ProgrammeFactory, UserFactory
from tests.factories.allowance import allow
from tests.support.test_allowance import ask
from tests.support.test_grant import template

__all__ = ["template"]

pytestmark = pytest.mark.django_db
EMPTY = {"per_day": "", "day": "", "per_week": "", "week": "", "single": ""}


@pytest.fixture
def administrator(programme):
    client = Client()
    client.force_login(UserFactory(role="administrator", programmes=[programme]))
    return client


def test_b_05_an_administrator_sets_changes_and_removes_allowances(administrator, programme, user):
    """For everybody, a role and a person; money in major units; each act audited."""
    new, role = reverse("support:allowance_new"), Group.objects.get(name="support agent")
    for whom in ("everybody", f"role {role.pk}", f"user {user.pk}"):
        data = EMPTY | {"whom": whom, "per_day": "20", "week": "200.50"}
        assert administrator.post(new, data, follow=True).redirect_chain == [(reverse("support:allowances"), 302)]
    rows = Allowance.objects.filter(programme=programme)
    assert set(rows.values_list("user", "role", "per_day", "week_minor", "day_minor")) == {
        (None, None, 20, 20_050, None),
        (None, role.pk, 20, 20_050, None),
        (user.pk, None, 20, 20_050, None),
    }
    row = rows.get(user=user)
    change = reverse("support:allowance", args=[row.pk])
    assert 'value="200.50"' in administrator.get(change).text
    administrator.post(change, EMPTY | {"single": "5", "per_day": "0"})
    row.refresh_from_db()
    assert (row.per_day, row.week_minor, row.single_minor, row.user) == (0, None, 500, user)
    administrator.post(reverse("support:allowance_remove", args=[row.pk]))
    assert rows.count() == 2
    actions = AuditEvent.objects.filter(programme=programme, action__startswith="allowance.")
    assert list(actions.order_by("id").values_list("action", flat=True)) == ["allowance.set"] * 4 + [
        "allowance.removed"
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"whom": ""}, "required"),
        ({"whom": "user 999999"}, "valid choice"),
        ({"per_day": "-1"}, "whole number, 0 or more"),
        ({"per_week": "1.5"}, "whole number, 0 or more"),
        ({"per_day": "99999999999"}, "1000000"),
        ({"day": "abc"}, "such as 12.50"),
        ({"week": "-3"}, "0 or more"),
        ({"single": "1.005"}, "write 1005"),
        ({"single": "9" * 20}, "at most"),
        ({"day": "NaN"}, "such as 12.50"),
    ],
)
def test_b_05_a_bad_value_is_named_at_its_field_and_nothing_is_saved(administrator, changes, said):
    answer = administrator.post(reverse("support:allowance_new"), EMPTY | {"whom": "everybody"} | changes)
    assert answer.status_code == 422
    assert said in answer.text
    assert not Allowance.objects.exists()


def test_b_05_what_a_member_may_be_given_is_set_and_taken_away(administrator, programme):
    address = reverse("support:allowance_of_members")
    for days in ("0", "3661", "x"):
        assert administrator.post(address, {"days": days, "number": "1", "money": ""}).status_code == 422
    administrator.post(address, {"days": "60", "number": "2", "money": "19.90"})
    row = MemberAllowance.objects.get(programme=programme)
    assert (row.days, row.number, row.amount_minor) == (60, 2, 1990)
    listed = administrator.get(reverse("support:allowances")).text
    assert "Within 60 days" in listed
    assert "19.90 €" in listed
    administrator.post(address, {"days": "60", "number": "", "money": ""})
    assert not MemberAllowance.objects.exists()


def test_b_05_the_list_says_who_is_at_how_much_now_and_by_whose_row(administrator, programme, user, ann, template):
    allow(programme, per_day=9)
    allow(programme, role="support agent", per_week=7, week_minor=20_000)
    ask(ann, template, user, size=8_900)
    text = administrator.get(reverse("support:allowances")).text
    for said in ("Ola Agent", "her roles", "1 of 7", "89.00 € of 200.00 €", "everybody", "no limit"):
        assert said in text, said


def test_b_05_leads_and_auditors_look_and_agents_do_not(programme, user):
    row = allow(programme, per_day=1)
    for role, status in (("support lead", 200), ("auditor", 200), ("support agent", 403), ("marketer", 403)):
        client = Client()
        client.force_login(UserFactory(role=role, programmes=[programme]))
        assert client.get(reverse("support:allowances")).status_code == status, role
        for name, arguments in (
            ("allowance_new", []),
            ("allowance", [row.pk]),
            ("allowance_remove", [row.pk]),
            ("allowance_of_members", []),
        ):
            assert client.post(reverse(f"support:{name}", args=arguments)).status_code == 403, (role, name)


def test_d_21_another_programmes_allowances_do_not_exist(administrator):
    row = allow(ProgrammeFactory(), per_day=1)
    assert administrator.get(reverse("support:allowance", args=[row.pk])).status_code == 404
    assert administrator.post(reverse("support:allowance_remove", args=[row.pk])).status_code == 404
    assert Allowance.objects.count() == 1


def test_b_05_the_list_asks_as_many_questions_for_many_agents_as_for_one(administrator, programme, user):
    counts = []
    for more in (0, 6):
        for _turn in range(more):
            allow(programme, user=UserFactory(role="support agent", programmes=[programme]), per_day=1)
        with CaptureQueriesContext(connection) as asked:
            administrator.get(reverse("support:allowances"))
        counts.append(len(asked))
    assert counts[0] == counts[1]
