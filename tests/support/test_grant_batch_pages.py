"""Making good for many on its pages: lists that are pasted or uploaded, from the list to the set and back (B-05)."""

import io
import re
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from loyalty import clock
from offers.models import Assignment
from offers.services import member_list
from support.forms.grant_batch import as_text
from support.models import GrantBatch
from support.services import grant_batch as service
from support.services.grant import Why
from support.services.grant_batch_lines import Plan
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, UserFactory
from tests.factories.allowance import allow
from tests.support.test_grant_batch import agent, lead, make, template

__all__ = ["agent", "lead", "template"]

pytestmark = pytest.mark.django_db


def test_a_pasted_list_keeps_the_numbers_of_its_lines():
    text = "M-1\n\n M-2 , M-3;M-4\nann@example.com\n"
    assert member_list.pasted_lines(text) == [
        (1, "M-1"), (3, "M-2"), (3, "M-3"), (3, "M-4"), (4, "ann@example.com")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name;member\nAnn;M-1\nBen; M-2 \n", [(2, "M-1"), (3, "M-2")]),
        (b"M-1\nM-2\n", [(1, "M-1"), (2, "M-2")]),
        (b"external_id\nM-1\n\nM-3\n", [(2, "M-1"), (4, "M-3")]),
    ],
)
def test_a_file_is_read_as_uploaded_lists_are_and_its_lines_stay(content, expected):
    named = member_list.named(file=io.BytesIO(content), file_name="list.csv", most=10)
    assert named == expected
    assert member_list.pasted_lines(as_text(named)) == expected


def form(template, members, **more):
    return {
        "template": template.pk, "members": members, "reason": "service", "ticket": "#77", "note": "",
        "reference": uuid.uuid4(), "benefit__type": "amount", "benefit__size": "5.00",
    } | more  # fmt: skip


def prefilled(client, template):
    """Return the benefit's fields as the page shows them."""
    page = client.get(reverse("support:make_good"), {"template": template.pk})
    return dict(re.findall(r'name="(benefit[^"]*)"[^>]*?value="([^"]*)"', page.text))


def test_b_05_from_the_list_to_the_set_and_back(client, programme, agent, template):
    """Shown before, done as shown, told line by line, exported, undone."""
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    client.force_login(agent)
    url = reverse("support:make_good")
    assert f"?template={template.pk}" in client.get(url).text
    fields = prefilled(client, template)
    given = form(template, f"{ann.external_id}\nNOBODY") | fields
    seen = client.post(url, given | {"act": "preview"})
    assert seen.status_code == 200
    assert "Grant to 1 member" in seen.text
    assert Assignment.objects.count() == 0
    mark = re.search(r'name="seen" value="(\w+)"', seen.text)[1]
    # Something else than was looked at is shown first.
    other = client.post(url, given | {"act": "grant", "seen": mark, "members": ben.external_id})
    assert "Something was changed since you looked" in other.text
    assert Assignment.objects.count() == 0
    done = client.post(url, given | {"act": "grant", "seen": mark})
    [batch] = GrantBatch.objects.all()
    assert done["Location"] == reverse("support:grant_batch", args=[batch.pk])
    assert client.post(url, given | {"act": "grant", "seen": mark})["Location"] == done["Location"]
    assert Assignment.objects.count() == 1
    page = client.get(done["Location"])
    assert "nobody is called this" in page.text
    assert "Undo 1 grant" in page.text
    assert client.get(done["Location"], {"outcome": "assigned"}).context["listing"].count == 1
    answer = client.get(reverse("support:grant_batch_export", args=[batch.pk, "csv"]))
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    assert [line.split(",")[3] for line in lines] == ["outcome", "assigned", "unknown_member"]
    client.post(reverse("support:grant_batch_undo", args=[batch.pk]))
    assert Assignment.objects.get().revoked_at
    assert "Undo 1 grant" not in client.get(done["Location"]).text


def test_a_file_comes_back_as_text_and_its_problems_by_line(client, programme, agent, template):
    ann = MemberFactory(programme=programme)
    client.force_login(agent)
    url = reverse("support:make_good")
    fields = prefilled(client, template)
    file = SimpleUploadedFile("list.csv", f"member\n{ann.external_id}\nNOBODY\n".encode())
    seen = client.post(url, form(template, "") | fields | {"act": "preview", "file": file})
    assert [line.line for line in seen.context["problems"]] == [3]
    assert f"\n{ann.external_id}\nNOBODY</textarea>" in seen.text
    bad = SimpleUploadedFile("list.csv", b"a,b\n1,2\n")
    assert client.post(url, form(template, "") | fields | {"file": bad}).status_code == 422
    nobody = client.post(url, form(template, "  \n") | fields)
    assert "Name at least one member" in nobody.text


def test_only_own_sets_are_seen_but_by_who_looks_after_them(client, programme, agent, lead, template):
    allow(programme, per_day=0)
    batch = make(template, [MemberFactory(programme=programme)], agent)
    page = reverse("support:grant_batch", args=[batch.pk])
    other = UserFactory(role="support agent", programmes=[programme])
    client.force_login(other)
    assert client.get(page).status_code == 404
    client.force_login(lead)
    assert "Approve and grant the set" in client.get(page).text
    client.post(reverse("support:grant_batch_approve", args=[batch.pk]))
    batch.refresh_from_db()
    assert batch.state == "granted"
    stranger = UserFactory(role="support lead", programmes=[ProgrammeFactory()])
    client.force_login(stranger)
    assert client.get(page).status_code == 404


def test_d_08_a_set_whose_cost_nobody_knows_says_so_on_its_page_and_in_the_lists(programme, agent, lead, client):
    """B-05, D-08: an offer without a ceiling in money; a set that gives nothing costs nothing."""
    allow(programme, user=agent, per_day=1)
    offer = ConfigOfferFactory(programme=programme, terms={"validity": {"days": 30}})
    template = offer.templates.get()
    ann, ben, cy = MemberFactory.create_batch(3, programme=programme)

    def given(*members):
        named = [(n, one.external_id) for n, one in enumerate(members, 1)]
        wish = Plan(programme, template, {}, named, Why("service", "#77", ""))
        return service.make(plan=wish, reference=uuid.uuid4(), actor=agent, now=clock.now())

    granted, waiting = given(ann), given(ben, cy)
    assert [one.state for one in (granted, waiting)] == ["granted", "waiting"]
    client.force_login(lead)
    for batch in (granted, waiting):
        page = client.get(reverse("support:grant_batch", args=[batch.pk])).text
        assert ("unknown" in page, "0.00" in page) == (True, False)
    page = client.get(reverse("support:make_good")).text
    assert (page.count("unknown"), "0.00" in page) == (2, False)
    page = client.get(reverse("support:grant_requests")).text
    assert ("cost unknown" in page, "0.00" in page) == (True, False)
    page = client.get(reverse("support:ledger")).text
    assert ("unknown" in page, "0.00" in page) == (True, False)
    nothing = service.make(
        plan=Plan(programme, template, {}, [(1, "nobody")], Why("service", "#78", "")),
        reference=uuid.uuid4(),
        actor=agent,
        now=clock.now(),
    )
    page = client.get(reverse("support:grant_batch", args=[nothing.pk])).text
    assert "0.00" in page
