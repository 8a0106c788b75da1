"""Editing a member's contact data at the desk (issue 5, S0-01, D-21)."""

import pytest
from django.urls import reverse

from loyalty.models import AuditEvent, Member
from support.selectors import member as members
from tests.factories import MemberFactory, ProgrammeFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory(timezone="Europe/Paris")


@pytest.fixture
def ann(programme):
    return MemberFactory(
        programme=programme, external_id="M-1", first_name="Ann", last_name="Lee", email="ann@old.example",
        email_key="ann@old.example", phone="+33612345678", phone_key="+33612345678", city="Lyon", country="FR",
    )  # fmt: skip


@pytest.fixture
def as_role(client, programme):
    def sign_in(role):
        user = UserFactory(role=role, programmes=[programme])
        client.force_login(user)
        return user

    return sign_in


def address(member):
    return reverse("support:member_contact", args=[member.pk])


def form_of(client, member):
    """What the open form would send."""
    form = client.get(address(member)).context["form"]
    return {name: form.initial.get(name) or "" for name in form.fields if not name.startswith("remove_")}


def save(client, member, **values):
    return client.post(address(member), form_of(client, member) | values, headers={"HX-Request": "true"})


def test_what_was_typed_is_saved_with_its_keys_and_the_audit_names_the_fields_alone(client, as_role, programme, ann):
    """Issue 5: field names, never values; she is found by what is new and no more by what was."""
    user = as_role("administrator")
    answer = save(client, ann, email="Ann@New.example", phone="06 98 76 54 32", last_name="Moreau", country="fr")
    assert answer["HX-Redirect"] == reverse("support:member", args=[ann.pk])
    ann.refresh_from_db()
    assert (ann.email_key, ann.phone_key, ann.name) == ("ann@new.example", "+33698765432", "Ann Moreau")
    noted = AuditEvent.objects.get(action="member.contact_changed")
    assert (noted.user, noted.object_label) == (user, "M-1")
    assert noted.data == {"fields": ["email", "last_name", "phone"]}
    for old in ("old.example", "Lee", "612345678"):
        assert old not in str(list(AuditEvent.objects.values()))
    found = members.search(programme=programme, text="ann@new.example")
    assert [hit.member for hit in found] == [ann]
    assert not members.search(programme=programme, text="ann@old.example")


def test_who_may_not_see_an_address_keeps_it_by_leaving_it_empty(client, as_role, ann):
    """Masked in the form too: nothing is told by editing."""
    as_role("support agent")
    page = client.get(address(ann)).text
    assert "ann@old.example" not in page
    assert "+33612345678" not in page
    assert "a••••@old.example" in page
    assert save(client, ann, city="Paris").status_code == 200
    ann.refresh_from_db()
    assert (ann.email, ann.phone, ann.city) == ("ann@old.example", "+33612345678", "Paris")
    save(client, ann, remove_email="on", phone="+33700000001")
    ann.refresh_from_db()
    assert (ann.email, ann.email_key, ann.phone_key) == ("", "", "+33700000001")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"phone": "12"}, "phone"),
        ({"language": "English"}, "language"),
        ({"country": "Fr1"}, "country"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"first_name": "x" * 101}, "first_name"),
        ({"city": "a\0b"}, "city"),
        ({"last_name": "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace") * 101}, "last_name"),
    ],
)
def test_what_the_api_would_refuse_is_refused_here_beside_its_field(client, as_role, ann, values, field):
    as_role("administrator")
    answer = save(client, ann, city="Paris" if field != "city" else values["city"], **{
        name: value for name, value in values.items() if name != "city"
    })  # fmt: skip
    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    ann.refresh_from_db()
    assert ann.city == "Lyon"
    assert not AuditEvent.objects.filter(action="member.contact_changed").exists()


def test_every_problem_is_said_at_once(client, as_role, ann):
    as_role("administrator")
    answer = save(client, ann, email="no address", phone="12", country="FRA")
    assert {"country"} <= set(answer.context["form"].errors) or len(answer.context["form"].errors) >= 2
    answer = save(client, ann, email="no address", phone="12", timezone="Mars")
    assert set(answer.context["form"].errors) == {"email", "phone", "timezone"}


def test_of_two_editors_the_second_one_is_told_and_overwrites_only_knowingly(client, as_role, programme, ann):
    """Optimistic: what stands there now is shown beside what was typed."""
    as_role("administrator")
    typed = form_of(client, ann) | {"city": "Nantes"}
    Member.objects.filter(pk=ann.pk).update(city="Paris")
    told = client.post(address(ann), typed, headers={"HX-Request": "true"})
    assert told.status_code == 409
    assert "Paris" in told.text
    assert "Nantes" in told.text
    ann.refresh_from_db()
    assert ann.city == "Paris"
    again = typed | {"seen": told.context["form"].data["seen"]}
    assert client.post(address(ann), again, headers={"HX-Request": "true"}).status_code == 200
    ann.refresh_from_db()
    assert ann.city == "Nantes"


def test_what_an_import_changed_besides_is_no_conflict(client, as_role, ann):
    as_role("administrator")
    typed = form_of(client, ann) | {"city": "Nantes"}
    Member.objects.filter(pk=ann.pk).update(attributes={"score": 3}, tier="gold", updated_at="2030-01-01T00:00:00Z")
    client.post(address(ann), typed)
    ann.refresh_from_db()
    assert (ann.city, ann.tier) == ("Nantes", "gold")


def test_nothing_different_changes_nothing_and_is_not_noted(client, as_role, ann):
    as_role("administrator")
    before = Member.objects.get(pk=ann.pk).updated_at
    save(client, ann)
    assert Member.objects.get(pk=ann.pk).updated_at == before
    assert not AuditEvent.objects.filter(action="member.contact_changed").exists()


def test_an_erased_member_is_not_edited(client, as_role, ann):
    as_role("administrator")
    typed = form_of(client, ann) | {"city": "Nantes"}
    Member.objects.filter(pk=ann.pk).update(status="erased")
    client.post(address(ann), typed)
    assert client.get(address(ann)).status_code == 302
    ann.refresh_from_db()
    assert ann.city == "Lyon"
    assert address(ann) not in client.get(reverse("support:member", args=[ann.pk])).text


def test_by_role_and_by_programme(client, as_role, ann):
    """S0-01, D-21."""
    for role, status in (("support agent", 200), ("administrator", 200), ("auditor", 403), ("marketer", 403)):
        as_role(role)
        assert client.get(address(ann)).status_code == status, role
        assert (address(ann) in client.get(reverse("support:member", args=[ann.pk])).text) == (status == 200), role
    client.force_login(UserFactory(role="administrator", programmes=[ProgrammeFactory()]))
    assert client.get(address(ann)).status_code == 404
    assert client.post(address(ann), {"city": "Nantes"}).status_code == 404


def test_a_part_of_her_page_asked_for_alone_is_a_look_too_and_noted_once(client, as_role, ann):
    """Issue 5: reading her timeline without opening her page leaves a row; the page's own parts leave no more."""
    as_role("support agent")
    for _ in range(3):
        client.get(reverse("support:member_timeline", args=[ann.pk]))
    assert AuditEvent.objects.filter(action="member.opened").count() == 1
    client.get(reverse("support:member", args=[ann.pk]))
    for name in ("member_now", "member_past", "member_receipts", "member_timeline"):
        client.get(reverse(f"support:{name}", args=[ann.pk]))
    assert AuditEvent.objects.filter(action="member.opened").count() == 2
