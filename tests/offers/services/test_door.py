"""Doors remember their references, refusals included."""

import pytest

from loyalty import clock
from offers.models import Assignment, DoorEntry, Source
from offers.services import door
from offers.services.assignment import Grant
from offers.services.module import OffersModuleOff
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    import_codes,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


def ask(programme, template, member, reference="r-1", instance="till", **grant):
    return door.grant(
        programme=programme,
        door=Source.API,
        instance=instance,
        grant=Grant(template_id=template.pk, member_external_id=member.external_id, reference=reference, **grant),
        actor=None,
        now=clock.now(),
    )


def test_the_same_reference_answers_as_before_and_gives_nothing_twice(programme):
    """DESIGN 4: replayed is the door's word."""
    template = ConfigOfferFactory(programme=programme).templates.get()
    member = MemberFactory(programme=programme)
    first, again = ask(programme, template, member), ask(programme, template, member)
    assert (first.is_replayed, again.is_replayed) == (False, True)
    assert first.outcome.assignment_id == again.outcome.assignment_id
    assert Assignment.objects.count() == 1


def test_a_refusal_is_replayed_too_with_its_reasons(programme):
    """Also after its cause is gone: the same question has the same answer."""
    template = OfferTemplateFactory(config_offer=ConfigOfferFactory(programme=programme), required_rules=["benefit"])
    member = MemberFactory(programme=programme)
    first = ask(programme, template, member)
    template.required_rules = []
    template.save()
    again = ask(programme, template, member)
    assert (again.outcome.code, again.is_replayed) == ("missing_rule", True)
    assert [r.as_dict() for r in again.outcome.reasons] == [r.as_dict() for r in first.outcome.reasons]


@pytest.mark.parametrize("changed", ["member", "template", "terms", "campaign", "fields", "rank"])
def test_a_reference_is_refused_for_another_grant(programme, changed):
    """S0-11: the first grant's answer would tell that this one was made."""
    template = ConfigOfferFactory(programme=programme).templates.get()
    other = ConfigOfferFactory(programme=programme).templates.get()
    member = MemberFactory(programme=programme)
    terms = {"benefit": {"type": "percent", "size": 5, "maximum_minor": None}}
    ask(programme, template, member, terms=terms)
    differently = {
        "member": {"member": MemberFactory(programme=programme)},
        "template": {"template": other},
        "terms": {"terms": {"benefit": {"type": "percent", "size": 6, "maximum_minor": None}}},
        "campaign": {"campaign_id": CampaignFactory(programme=programme).pk},
        "fields": {"fields": {"note": "x"}},
        "rank": {"rank": 3},
    }[changed]
    with pytest.raises(door.ReferenceReused, match="r-1") as refusal:
        ask(programme, **({"template": template, "member": member, "terms": terms} | differently))
    assert (refusal.value.code, refusal.value.status) == ("reference_reused", 409)
    assert Assignment.objects.count() == DoorEntry.objects.count() == 1


def test_the_order_of_the_values_makes_no_other_grant(programme):
    template = ConfigOfferFactory(programme=programme).templates.get()
    member = MemberFactory(programme=programme)
    ask(programme, template, member, terms={"benefit": {"type": "percent", "size": 5}})
    again = ask(programme, template, member, terms={"benefit": {"size": 5, "type": "percent"}})
    assert again.is_replayed is True


def test_another_door_instance_has_references_of_its_own(programme):
    """Two clients may both say r-1."""
    template = ConfigOfferFactory(programme=programme).templates.get()
    member = MemberFactory(programme=programme)
    ask(programme, template, member, instance="client 1")
    assert ask(programme, template, member, instance="client 2").is_replayed is False
    assert Assignment.objects.count() == 2


def test_a_programme_with_the_module_off_assigns_nothing(programme):
    """S4-41: the action answers clearly."""
    template = ConfigOfferFactory(programme=programme).templates.get()
    member = MemberFactory(programme=programme)
    programme.offers_enabled = False
    programme.save()
    with pytest.raises(OffersModuleOff) as refusal:
        ask(programme, template, member)
    assert refusal.value.code == "offers_module_off"
    assert not DoorEntry.objects.exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "assigned"), ({"terms": {"benefit": {"type": "percent", "size": 900}}}, "invalid_value")],
)
def test_a_preview_says_what_the_grant_would_and_writes_nothing(programme, given, expected):
    template = ConfigOfferFactory(programme=programme, require_vouchers=True).templates.get()
    import_codes(template.config_offer, 2)
    member = MemberFactory(programme=programme)
    grant = Grant(template_id=template.pk, member_id=member.pk, **given)
    preview = door.preview(programme=programme, grant=grant, now=clock.now())
    assert (preview.code, preview.codes_left) == (expected, 2)
    assert not Assignment.objects.exists()
    assert template.config_offer.voucher_bank.segments.get().cursor == 0


def test_a_preview_tells_that_it_is_held_already(programme):
    offer = ConfigOfferFactory(programme=programme, repeat_policy="once_ever")
    member = MemberFactory(programme=programme)
    ask(programme, offer.templates.get(), member)
    grant = Grant(template_id=offer.templates.get().pk, member_id=member.pk)
    assert door.preview(programme=programme, grant=grant, now=clock.now()).code == "already_held"


@pytest.mark.parametrize("names", [("member_id", "pk"), ("member_external_id", "external_id")])
def test_b_02_what_is_refused_for_its_values_is_remembered_with_the_member_it_was_for(names):
    """Her timeline and the explanation of the offer have to know of it, however the door named her."""
    member = MemberFactory()
    template = ConfigOfferFactory(programme=member.programme).templates.get()
    given, attribute = names
    for number, whose in enumerate((getattr(member, attribute), getattr(MemberFactory(), attribute))):
        answer = door.grant(
            programme=member.programme,
            door=Source.API,
            instance="crm",
            grant=Grant(
                template_id=template.pk,
                reference=str(number),
                terms={"redemption_limit": {"limit": 0}},
                **{given: whose},
            ),
            actor=None,
            now=clock.now(),
        )
        assert answer.outcome.code == "invalid_value"
    entries = DoorEntry.objects.order_by("pk")
    assert [entry.member_id for entry in entries] == [member.pk, None], "another programme's member is nobody here"
