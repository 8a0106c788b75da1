import pytest
from django.core.management import call_command

from loyalty.models import Member

pytestmark = pytest.mark.django_db
TRAITS = (
    "external_id",
    "first_name",
    "last_name",
    "email_key",
    "phone_key",
    "birth_date",
    "city",
    "tier",
    "attributes",
)


def test_generated_members_depend_on_their_number_alone_and_are_made_once():
    call_command("generate_members", count=200, programme="one", verbosity=0)
    call_command("generate_members", count=300, programme="one", verbosity=0)
    call_command("generate_members", count=300, programme="two", verbosity=0)

    one = list(Member.objects.filter(programme__slug="one").order_by("external_id").values_list(*TRAITS))
    two = list(Member.objects.filter(programme__slug="two").order_by("external_id").values_list(*TRAITS))
    assert one == two
    assert len({traits[0] for traits in one}) == len({traits[3] for traits in one}) == 300
    assert one[0][0] == "M-00000001"
    # Spread, not all alike.
    assert len({traits[6] for traits in one}) > 20
    assert {traits[7] for traits in one} == {"bronze", "silver", "gold"}
