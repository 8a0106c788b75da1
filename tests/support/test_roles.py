"""Who sees contact data, and the page that says what each role may do (issue 5, C-03, D-21)."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from loyalty.models import AuditEvent, Member, User
from tests.factories import MemberFactory, ProgrammeFactory, UserFactory
from tests.flows.admin import address

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory(name="Here")


@pytest.fixture
def ann(programme):
    return MemberFactory(
        programme=programme, external_id="M-1", first_name="Ann", last_name="Lee", email="ann@home.example",
        email_key="ann@home.example", phone="+33612345678", phone_key="+33612345678",
    )  # fmt: skip


@pytest.fixture
def as_role(programme):
    def sign_in(role, **options):
        client = Client()
        client.force_login(UserFactory(role=role, programmes=[programme], **options))
        return client

    return sign_in


def pages(ann):
    """Every page that shows how a member is reached."""
    return {
        "member": reverse("support:member", args=[ann.pk]),
        "list": reverse("support:members"),
        "search": f"{reverse('support:search')}?q=ann+l",
        "admin list": address("loyalty.member", "changelist"),
        "admin page": address("loyalty.member", "change", ann.pk),
        "admin history": address("loyalty.member", "history", ann.pk),
    }


@pytest.mark.parametrize("role", ["support agent", "auditor"])
def test_contact_data_is_masked_everywhere_for_who_may_not_see_it(as_role, programme, ann, role):
    """Member page, list, search, admin list, admin page, history, export (issue 5)."""
    MemberFactory(programme=programme, first_name="Ann", last_name="Lowe")
    client = as_role(role)
    for name, page in pages(ann).items():
        answer = client.get(page)
        assert answer.status_code == 200, name
        assert ann.email not in answer.text, name
        assert ann.phone not in answer.text, name
    exported = b"".join(client.get(reverse("support:members_export")).streaming_content).decode()
    assert ann.email not in exported
    assert ann.phone not in exported
    assert "a••••@home.example" in exported


def test_who_may_see_contact_data_sees_it_in_clear_but_not_in_an_export(as_role, programme, ann):
    MemberFactory(programme=programme, first_name="Ann", last_name="Lowe")
    client = as_role("administrator")
    for name, page in pages(ann).items():
        assert (ann.email in client.get(page).text) == (name != "admin history"), name
    assert ann.phone in client.get(pages(ann)["member"]).text
    exported = b"".join(client.get(reverse("support:members_export")).streaming_content).decode()
    assert ann.email not in exported


def test_only_who_may_reveal_is_offered_it(as_role, ann):
    show = reverse("support:member_reveal", args=[ann.pk])
    agent, auditor = as_role("support agent"), as_role("auditor")
    assert show in agent.get(pages(ann)["member"]).text
    assert show not in auditor.get(pages(ann)["member"]).text
    assert agent.post(show, {"field": "email"}).status_code == 200
    assert auditor.post(show, {"field": "email"}).status_code == 403


def test_the_admin_finds_by_the_beginning_of_an_address_only_who_sees_addresses(as_role, ann):
    """Letter by letter, a beginning would tell a masked address."""
    page = address("loyalty.member", "changelist")
    for role, beginning in (("administrator", True), ("support agent", False)):
        client = as_role(role)
        assert ("M-1" in client.get(page, {"q": "ann@ho"}).text) == beginning
        assert ("M-1" in client.get(page, {"q": "+33612"}).text) == beginning
        assert "M-1" in client.get(page, {"q": "ann@home.example"}).text


def test_the_admin_keeps_a_members_keys_in_step_and_her_name_out_of_every_history(as_role, ann):
    """What she is found by follows what was typed; histories, which stay, name her by her external id."""
    client = as_role("administrator")
    page = address("loyalty.member", "change", ann.pk)
    form = client.get(page).context["adminform"].form
    values = {name: form.initial.get(name) or "" for name in form.fields} | {
        "email": "New@Home.example",
        "joined_at_0": "2024-01-01",
        "joined_at_1": "00:00",
        "attributes": "{}",
    }
    assert client.post(page, values).status_code == 302
    ann.refresh_from_db()
    assert (ann.email, ann.email_key) == ("New@Home.example", "new@home.example")
    assert [entry.object_repr for entry in LogEntry.objects.all()] == ["M-1"]
    noted = AuditEvent.objects.get(action="member.changed")
    assert (noted.object_label, "email" in noted.data["fields"]) == ("M-1", True)
    assert "Home" not in str(noted.data)


class TestMatrix:
    def test_it_shows_each_role_as_the_groups_are_and_follows_a_change(self, as_role):
        """Read from the groups: what is given to one stands there at the next look (issue 5)."""
        client = as_role("administrator")
        before = cells(client, "Can void voucher codes")
        assert before["support agent"] == ""
        assert before["administrator"] == "yes"
        Group.objects.get(name="support agent").permissions.add(Permission.objects.get(codename="void_vouchers"))
        Group.objects.create(name="night shift")
        after = cells(client, "Can void voucher codes")
        assert after["support agent"] == "yes"
        assert after["night shift"] == ""
        assert cells(client, "Can open a member's own pages in her place")["auditor"] == ""
        assert "see" in cells(client, "Members")["auditor"]
        assert "change" not in cells(client, "Members")["auditor"]

    def test_it_names_who_is_in_each_role_and_nobody_of_another_programme(self, as_role, programme):
        """D-21."""
        UserFactory(role="support agent", programmes=[programme], first_name="Ola", last_name="Here")
        UserFactory(role="support agent", programmes=[ProgrammeFactory()], first_name="Una", last_name="There")
        text = as_role("administrator").get(reverse("support:roles")).text
        assert "Ola Here" in text
        assert "Una There" not in text

    def test_administrators_and_auditors_see_it_and_no_other_role(self, as_role):
        seen = {
            role: as_role(role).get(reverse("support:roles")).status_code
            for role in ("support agent", "marketer", "administrator", "integration", "auditor")
        }
        assert seen == {
            "support agent": 403, "marketer": 403, "administrator": 200, "integration": 403, "auditor": 200,
        }  # fmt: skip

    def test_it_asks_as_often_for_few_people_as_for_many(self, as_role, programme, django_assert_max_num_queries):
        client = as_role("administrator")
        UserFactory.create_batch(30, role="support agent", programmes=[programme])
        with django_assert_max_num_queries(14):
            client.get(reverse("support:roles"))


def cells(client, label):
    """Return what the matrix says of one line, by role."""
    found = client.get(reverse("support:roles")).context["matrix"]
    line = next(line for area in found.areas for line in area.lines if line.label == label)
    return dict(zip([role.group.name for role in found.roles], line.cells, strict=True))


class TestChanges:
    def change(self, client, role, codenames):
        group = Group.objects.get(name=role)
        chosen = Permission.objects.filter(codename__in=codenames).values_list("pk", flat=True)
        return client.post(address("auth.group", "change", group.pk), {"name": group.name, "permissions": list(chosen)})

    def test_what_is_given_to_a_role_and_taken_from_it_is_audited(self, as_role):
        group = Group.objects.get(name="integration")
        group.permissions.set(Permission.objects.filter(codename__in=["view_store", "view_product"]))
        assert self.change(as_role("administrator"), "integration", ["view_store", "view_member"]).status_code == 302
        noted = AuditEvent.objects.get(action="role.changed")
        assert noted.data["given"] == ["loyalty.view_member"]
        assert noted.data["taken"] == ["loyalty.view_product"]
        assert noted.object_label == "integration"

    def test_nobody_gives_what_she_may_not_do(self, as_role):
        Group.objects.get(name="integration").permissions.add(
            *Permission.objects.filter(codename__in=["change_group", "view_group"])
        )
        answer = self.change(as_role("integration"), "support agent", ["void_vouchers"])
        assert answer.status_code == 200
        assert "You may not give what you may not do" in answer.text
        assert not AuditEvent.objects.filter(action="role.changed").exists()

    @pytest.mark.parametrize("name", ["support agent", "night shift"])
    def test_b_05_a_role_keeps_its_name_by_which_templates_know_it(self, as_role, programme, name):
        """Renamed, nobody could grant the templates that name it; a new role is named freely."""
        client = as_role("administrator")
        if name == "night shift":
            made = client.post(address("auth.group", "add"), {"name": name})
            assert made.status_code == 302
        held = Group.objects.get(name=name)
        page = address("auth.group", "change", held.pk)
        chosen = list(held.permissions.values_list("pk", flat=True))
        assert "name" not in client.get(page).context["adminform"].form.fields
        assert client.post(page, {"name": "desk agent", "permissions": chosen}).status_code == 302
        held.refresh_from_db()
        assert held.name == name

    def test_d_21_who_works_in_some_programmes_only_looks_at_roles_that_hold_in_all(self, as_role):
        ProgrammeFactory(name="There")
        client = as_role("administrator")
        before = set(Group.objects.get(name="support agent").permissions.values_list("codename", flat=True))
        assert self.change(client, "support agent", ["void_vouchers"]).status_code == 403
        assert client.get(reverse("support:roles")).status_code == 200
        assert set(Group.objects.get(name="support agent").permissions.values_list("codename", flat=True)) == before

    def test_a_role_that_somebody_has_is_not_deleted(self, as_role, programme):
        UserFactory(role="support agent", programmes=[programme])
        client = as_role("administrator")
        held, free = Group.objects.get(name="support agent"), Group.objects.create(name="night shift")
        assert client.post(address("auth.group", "delete", held.pk), {"post": "yes"}).status_code == 403
        assert client.post(address("auth.group", "delete", free.pk), {"post": "yes"}).status_code == 302
        assert AuditEvent.objects.get(action="role.deleted").object_label == "night shift"

    def test_a_persons_new_role_is_audited_by_name(self, as_role, programme):
        ola = UserFactory(role="support agent", programmes=[programme])
        client = as_role("administrator")
        values = {
            "username": ola.username, "first_name": "Ola", "last_name": "Agent", "email": ola.email,
            "is_active": "on", "is_staff": "on", "programmes": [programme.pk],
            "groups": [Group.objects.get(name="auditor").pk],
        }  # fmt: skip
        assert client.post(address("loyalty.user", "change", ola.pk), values).status_code == 302
        noted = AuditEvent.objects.get(action="user.roles_changed")
        assert noted.data == {"given": ["auditor"], "taken": ["support agent"]}

    def give(self, client, person, *roles):
        """Send a person's change page with these roles."""
        values = {
            "username": person.username, "first_name": person.first_name, "last_name": person.last_name,
            "email": person.email, "is_active": "on", "is_staff": "on",
            "programmes": [each.pk for each in person.programmes.all()],
            "groups": list(Group.objects.filter(name__in=roles).values_list("pk", flat=True)),
        }  # fmt: skip
        return client.post(address("loyalty.user", "change", person.pk), values)

    def test_d_21_nobody_gives_a_person_a_role_beyond_her_own(self, programme):
        """Nor herself; what somebody has already stays, and what goes beyond nothing is given."""
        person, lead = (UserFactory(programmes=[programme], role=role) for role in (None, "support lead"))
        person.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
        small = Group.objects.create(name="looks at people")
        small.permissions.set(Permission.objects.filter(codename="view_user"))
        client = Client()
        client.force_login(person)
        for target, roles in ((person, ["administrator"]), (lead, ["support lead", "administrator", small.name])):
            answer = self.give(client, target, *roles)
            assert answer.status_code == 200
            assert answer.context["adminform"].form.errors["groups"] == [
                "You may not give what you may not do: administrator."
            ]
        assert not User.objects.filter(groups__name="administrator").exists()
        taken = self.give(client, lead)
        assert taken.context["adminform"].form.errors["groups"] == [
            "You may not take away what you may not do: support lead."
        ]
        assert self.give(client, lead, "support lead", small.name).status_code == 302
        assert set(lead.groups.values_list("name", flat=True)) == {"support lead", small.name}

    @pytest.mark.parametrize("is_active", [True, False])
    def test_d_21_nobody_sets_the_password_of_who_may_do_more(self, programme, is_active):
        """Also while that person is inactive: she may be let in again."""
        person = UserFactory(programmes=[programme])
        person.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
        lead = UserFactory(programmes=[programme], role="support lead", is_active=is_active)
        peer = UserFactory(programmes=[programme], is_active=is_active)
        client = Client()
        client.force_login(person)
        values = {"password1": "a-new-Pass-word-77", "password2": "a-new-Pass-word-77"}
        for target, status in ((lead, 403), (peer, 302)):
            before = target.password
            # Nor her e-mail address, to which a new password would be sent, nor whether she may come in at all.
            sent = {
                "username": target.username, "email": "mine@evil.example", "programmes": [programme.pk],
                "groups": list(target.groups.values_list("pk", flat=True)),
            }  # fmt: skip
            assert client.post(address("loyalty.user", "change", target.pk), sent).status_code == 302
            was = (target.email, target.is_active)
            target.refresh_from_db()
            assert ((target.email, target.is_active) == was) == (status == 403)
            page = reverse("admin:auth_user_password_change", args=[target.pk])
            assert client.post(page, values).status_code == status
            target.refresh_from_db()
            assert (target.password != before) == (status == 302)

    def test_an_administrator_gives_every_role_of_laurels(self, as_role, programme):
        """C-03: each is within what she may do herself."""
        client, person = as_role("administrator"), UserFactory(programmes=[programme])
        roles = list(Group.objects.values_list("name", flat=True))
        assert len(roles) >= 6
        assert self.give(client, person, *roles).status_code == 302
        assert set(person.groups.values_list("name", flat=True)) == set(roles)


def test_the_audit_names_a_member_by_her_external_id(as_role, ann):
    """It cannot be changed: a name in it would stay for good, also once she is erased."""
    as_role("support agent").get(reverse("support:member", args=[ann.pk]))
    assert AuditEvent.objects.get(action="member.opened").object_label == "M-1"
    assert Member.objects.get(pk=ann.pk).name == "Ann Lee"
