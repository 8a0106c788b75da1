"""Values per member out of an uploaded list, in the launch form and on the list's page (S1-01, S1-05)."""

import io
import uuid

import pytest
from django.urls import reverse

from offers.models import MassAssignment
from offers.services import member_list
from tests.factories import MemberFactory, work
from tests.offers.views.marketer import filled_in, sign_in, words

pytestmark = pytest.mark.django_db


def test_s1_01_a_column_of_an_uploaded_list_is_chosen_in_the_terms_and_its_page_says_who_takes_it(
    programme, coffee, everyone, rung
):
    """S1-01, S1-05: offered by list and column, refused beside its input, said in words, launched; then archived."""
    for number in (1, 2):
        MemberFactory(programme=programme, external_id=f"M-{number}")
    file = io.BytesIO(b'member,Discount\nM-1,12.5\nM-2,"7,4"\n')
    made = member_list.upload(programme=programme, name="Spring", file=file, file_name="spring.csv", actor=None)
    client, page = sign_in(programme), reverse("offers:run_new")
    template = coffee.templates.get()
    own = {"benefit__type": "percent", "benefit__size__column": f"{made.pk}:Discount"}
    shown = words(client.get(page, {"reference": str(uuid.uuid4()), "template": template.pk, "step": "terms"}))
    assert f'<optgroup label="Spring"> <option value="{made.pk}:Discount">Discount</option>' in shown

    refused = client.get(page, filled_in(template, everyone, **own) | {"step": "terms"})
    assert "give the least and the most that a member may get" in words(refused)
    unknown = own | {"benefit__size__column": "x:Discount", "benefit__size__least": "5", "benefit__size__most": "30"}
    assert "there is no list of members" in words(client.get(page, filled_in(template, everyone, **unknown)))

    values = filled_in(template, everyone, **own, benefit__size__least="5", benefit__size__most="30")
    assert "each member&#x27;s “Discount” in the list “Spring”, from 5 to 30" in words(client.get(page, values))
    found = words(client.get(reverse("offers:run_dry_run"), values))
    assert "from 7 % to 13 %" in found
    client.post(page, values)
    run = MassAssignment.objects.get()
    assert run.member_values["benefit"]["size"] == {
        "list": made.pk, "column": "Discount", "minimum": 5, "maximum": 30
    }  # fmt: skip
    seen = words(client.get(reverse("offers:member_list", args=[made.pk])))
    assert f'<a class="main" href="/offers/runs/{run.pk}/">{run.name}</a><span class="under soft">takes rule' in seen
    answer = client.post(reverse("offers:member_list_archive", args=[made.pk]), follow=True)
    assert "These still take their values from it" in words(answer)
    assert "benefit__size__column" in words(client.get(page, values | {"step": "terms"}))
    assert work(run).eligible == 2
