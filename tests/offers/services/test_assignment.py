"""The one statement that assigns: outcomes, codes, holdings, terms."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from loyalty import clock
from loyalty.models import Member, OutboxEvent
from offers.models import Assignment, RepeatPolicy, Source, VoucherCode
from offers.services import assignment
from offers.services.assignment import Grant
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    DraftOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    import_codes,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


def template_of(offer):
    return offer.templates.get(is_default=True)


def assign(programme, *grants, source=Source.API, actor=None, now=None):
    with transaction.atomic():
        return assignment.assign(programme=programme, grants=grants, source=source, actor=actor, now=now or clock.now())


def codes(outcomes):
    return [outcome.code for outcome in outcomes]


def test_each_assignment_is_a_record_of_its_own_with_the_source_ids_of_offer_and_template(programme):
    """S0-01, S0-02, S0-03, S0-10, S0-11, S4-09, S4-10: found by its id, tied to one member, told by its door."""
    offer, member = ConfigOfferFactory(programme=programme), MemberFactory(programme=programme)
    grant = Grant(template_id=template_of(offer).pk, member_id=member.pk)
    first, second = assign(programme, grant, grant, source=Source.CAMPAIGN)
    assert codes([first, second]) == ["assigned", "assigned"]
    assert first.assignment_id != second.assignment_id
    record = Assignment.objects.get(pk=first.assignment_id)
    assert (record.member, record.config_offer, record.template) == (member, offer, template_of(offer))
    assert record.source == Source.CAMPAIGN
    assert record.revision == offer.current_revision


def test_every_grant_of_a_set_gets_its_own_outcome_and_none_fails_its_neighbours(programme):
    """B-02: a stable code for each."""
    offer = ConfigOfferFactory(programme=programme)
    template = template_of(offer)
    draft = OfferTemplateFactory(config_offer=DraftOfferFactory(programme=programme))
    strict = OfferTemplateFactory(config_offer=offer, required_rules=["benefit"])
    ann, ian = MemberFactory(programme=programme), MemberFactory(programme=programme, status=Member.Status.INACTIVE)
    stranger = MemberFactory()
    outcomes = assign(
        programme,
        Grant(template_id=template.pk, member_external_id=ann.external_id),
        Grant(template_id=template.pk, member_id=ian.pk),
        Grant(template_id=template.pk, member_external_id="nobody"),
        Grant(template_id=template.pk, member_id=stranger.pk),
        Grant(template_id=draft.pk, member_id=ann.pk),
        Grant(template_id=strict.pk, member_id=ann.pk),
        Grant(template_id=template.pk, member_id=ann.pk, terms={"benefit": {"type": "percent", "size": 900}}),
        Grant(template_id=0, member_id=ann.pk),
    )
    assert codes(outcomes) == [
        "assigned",
        "member_inactive",
        "unknown_member",
        "unknown_member",
        "offer_closed",
        "missing_rule",
        "invalid_value",
        "offer_closed",
    ]
    assert outcomes[5].reasons[0].rule == "benefit"
    assert (outcomes[6].reasons[0].rule, outcomes[6].reasons[0].field) == ("benefit", "size")
    assert Assignment.objects.count() == 1


def test_a_template_of_another_programme_is_unknown(programme):
    """D-21."""
    elsewhere = ConfigOfferFactory()
    member = MemberFactory(programme=programme)
    outcomes = assign(programme, Grant(template_id=template_of(elsewhere).pk, member_id=member.pk))
    assert codes(outcomes) == ["offer_closed"]
    assert not Assignment.objects.exists()


def test_values_given_override_the_offers_own(programme):
    """S0-08: config limit 1, assigned limit 3: 3 counts."""
    offer = ConfigOfferFactory(programme=programme, terms={"redemption_limit": {"limit": 1}})
    member = MemberFactory(programme=programme)
    given = {"redemption_limit": {"limit": 3}, "benefit": {"type": "amount", "size": 200}}
    [outcome] = assign(programme, Grant(template_id=template_of(offer).pk, member_id=member.pk, terms=given))
    record = Assignment.objects.get(pk=outcome.assignment_id)
    assert record.terms == given
    assert record.exposure_minor == 600


def test_required_rules_of_the_template_must_be_given(programme):
    """S0-07, S0-09: the error names each missing rule; with them, it is assigned."""
    offer = ConfigOfferFactory(programme=programme)
    strict = OfferTemplateFactory(config_offer=offer, required_rules=["benefit", "validity"])
    member = MemberFactory(programme=programme)
    [refused] = assign(programme, Grant(template_id=strict.pk, member_id=member.pk))
    assert [reason.rule for reason in refused.reasons] == ["validity", "benefit"]
    given = {"benefit": {"type": "percent", "size": 10}, "validity": {"days": 3}}
    assert codes(assign(programme, Grant(template_id=strict.pk, member_id=member.pk, terms=given))) == ["assigned"]


@pytest.mark.parametrize(
    ("vouchers", "sync"),
    [(False, False), (False, True), (True, False), (True, True)],
    ids=["S4-12 case 1", "S4-13 case 2", "S4-14 case 3", "S4-15 case 4"],
)
def test_the_four_cases_of_vouchers_and_synchronization(programme, vouchers, sync):
    """S4-06, S4-07, S4-12..15, S4-16, D-19: only a synchronized assignment is ready; only a bank gives codes."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=vouchers, to_synchronize=sync)
    if vouchers:
        import_codes(offer, ["CODE-1"])
    member, now = MemberFactory(programme=programme), clock.now()
    [outcome] = assign(programme, Grant(template_id=template_of(offer).pk, member_id=member.pk), now=now)
    record = Assignment.objects.select_related("voucher_code").get(pk=outcome.assignment_id)
    assert (record.voucher_code.code if vouchers else record.voucher_code) == ("CODE-1" if vouchers else None)
    assert record.is_synchronized is not sync
    assert record.status(now) == ("waiting_for_till" if sync else "usable")
    event = OutboxEvent.objects.get(type="assignment.created")
    assert (event.assignment_ids, event.is_synchronized) == ([record.pk], not sync)


def test_codes_are_drawn_earliest_expiry_first_and_never_twice(programme):
    """S4-22, B-01: three segments, drawn across their borders; what is short is refused with its reason."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    now = clock.now()
    import_codes(offer, ["never-1", "never-2"])
    import_codes(offer, ["late-1"], expires_at=now + timedelta(days=20))
    import_codes(offer, ["soon-1"], expires_at=now + timedelta(days=2))
    import_codes(offer, ["over-1"], expires_at=now + timedelta(seconds=1), now=now)
    members = MemberFactory.create_batch(6, programme=programme)
    later = now + timedelta(minutes=1)
    outcomes = assign(
        programme, *(Grant(template_id=template_of(offer).pk, member_id=m.pk) for m in members), now=later
    )
    assert codes(outcomes) == ["assigned"] * 4 + ["out_of_codes"] * 2
    given = [Assignment.objects.get(pk=o.assignment_id).voucher_code.code for o in outcomes[:4]]
    assert given == ["soon-1", "late-1", "never-1", "never-2"]


def test_a_repeat_is_refused_by_the_policy_and_costs_no_code(programme):
    """D-01: once ever; the refused one leaves the code where it is."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy="once_ever")
    import_codes(offer, 3)
    ann, bob = MemberFactory.create_batch(2, programme=programme)
    grants = [Grant(template_id=template_of(offer).pk, member_id=m.pk) for m in (ann, ann, bob)]
    assert codes(assign(programme, *grants)) == ["assigned", "already_held", "assigned"]
    assert codes(assign(programme, *grants)) == ["already_held"] * 3
    assert offer.voucher_bank.segments.get().cursor == 2


def test_once_per_campaign_lets_another_campaign_give_it_again(programme):
    """D-01, S0-22: campaignId+offerId; without a campaign each grant stands for itself."""
    offer, member = ConfigOfferFactory(programme=programme), MemberFactory(programme=programme)
    spring, autumn = CampaignFactory.create_batch(2, programme=programme)
    wish = {"template_id": template_of(offer).pk, "member_id": member.pk}
    outcomes = assign(
        programme,
        Grant(**wish, campaign_id=spring.pk),
        Grant(**wish, campaign_id=spring.pk),
        Grant(**wish, campaign_id=autumn.pk),
        Grant(**wish),
        Grant(**wish),
    )
    assert codes(outcomes) == ["assigned", "already_held", "assigned", "assigned", "assigned"]


def test_one_open_at_a_time_is_freed_by_expiry(programme):
    """D-01: expiring frees it only under this policy."""
    offer = ConfigOfferFactory(programme=programme, repeat_policy="one_open")
    member, now = MemberFactory(programme=programme), clock.now()
    wish = Grant(
        template_id=template_of(offer).pk, member_external_id=member.external_id, terms={"validity": {"days": 2}}
    )
    assert codes(assign(programme, wish, now=now)) == ["assigned"]
    assert codes(assign(programme, wish, now=now + timedelta(days=1))) == ["already_held"]
    assert codes(assign(programme, wish, now=now + timedelta(days=4))) == ["assigned"]


def test_the_number_of_statements_does_not_depend_on_the_number_of_grants(programme):
    """P1: set-based; the same for 1 and for 200 grants, one more where a template is new to the process."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, 202)
    template = template_of(offer)
    members = MemberFactory.create_batch(202, programme=programme)
    counted = []
    for some in (members[:1], members[1:2], members[2:]):
        grants = [Grant(template_id=template.pk, member_id=member.pk) for member in some]
        with CaptureQueriesContext(connection) as queries:
            outcomes = assign(programme, *grants)
        assert set(codes(outcomes)) == {"assigned"}
        counted.append(len(queries))
    assert counted[0] - 1 == counted[1] == counted[2]


def test_events_address_at_most_a_thousand_assignments_each(programme):
    """DESIGN 5: one row per set and offer, ids up to 1,000."""
    offer, member = ConfigOfferFactory(programme=programme), MemberFactory(programme=programme)
    assign(programme, *[Grant(template_id=template_of(offer).pk, member_id=member.pk)] * 1500)
    sizes = sorted(OutboxEvent.objects.filter(type="assignment.created").values_list("size", flat=True))
    assert sizes == [500, 1000]
    told = {i for event in OutboxEvent.objects.filter(type="assignment.created") for i in event.assignment_ids}
    assert told == set(Assignment.objects.values_list("pk", flat=True))


def test_nobody_else_inserts_assignments(programme):
    """DESIGN 4: the queryset's bulk_create refuses."""
    with pytest.raises(TypeError, match="assign alone"):
        Assignment.objects.bulk_create([])


@pytest.mark.django_db(transaction=True)
def test_assigning_outside_a_transaction_is_a_programming_error():
    with pytest.raises(RuntimeError, match="transaction"):
        assignment.assign(programme=ProgrammeFactory(), grants=[], source=Source.API, actor=None, now=clock.now())


def test_every_drawn_code_belongs_to_the_offers_own_bank(programme):
    """Two offers in one set draw from their own banks."""
    offers = [ConfigOfferFactory(programme=programme, require_vouchers=True) for _ in range(2)]
    for offer in offers:
        import_codes(offer, 5)
    members = MemberFactory.create_batch(5, programme=programme)
    outcomes = assign(
        programme, *(Grant(template_id=template_of(o).pk, member_id=m.pk) for m in members for o in offers)
    )
    assert set(codes(outcomes)) == {"assigned"}
    for record in Assignment.objects.select_related("voucher_code__bank"):
        assert record.voucher_code.bank.config_offer_id == record.config_offer_id
    assert VoucherCode.objects.count() == 10


def test_the_second_wish_for_a_holding_shares_the_firsts_refusal(programme):
    """B-02: who got nothing for want of codes does not hold it already."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy=RepeatPolicy.ONCE_EVER)
    import_codes(offer, 1)
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    wishes = [Grant(template_id=template_of(offer).pk, member_id=member.pk) for member in (ann, ann, ben, ben)]
    assert codes(assign(programme, *wishes)) == ["assigned", "already_held", "out_of_codes", "out_of_codes"]
    assert Assignment.objects.get().member == ann
