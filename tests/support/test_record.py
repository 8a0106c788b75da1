"""What we know of a member, as a page and as one file (B-18; issue 5, "asks what we know of her")."""

import itertools
import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty import clock, contact
from loyalty.models import AuditEvent, Channel, Consent, ConsentEvent, Member
from loyalty.services import consent
from offers.models import Assignment, AudienceMember, DoorEntry, Redemption
from offers.services import assignment_verbs
from support.selectors.record_part import PARTS
from support.services import grant as desk
from support.services.grant import Why
from tests.factories import (
    AttributeDefinitionFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    PromotionFactory,
    PurchaseFactory,
    PurchaseLineFactory,
    UserFactory,
    choose,
    enlist,
    import_codes,
    launch_run,
    plan_run,
    product_list,
    redeem,
    work,
)

pytestmark = pytest.mark.django_db

# Tables that name a member and are no part of her record, each with its reason.
NOT_HERS = {
    "support.GrantBatchLine": "the report of a set that an agent gave to many: each member's own stands under requests",
    "offers.KeptAssignment": "an undo's report of assignments, which stand under offers",
    "offers.GrantLedgerEntry": "the books of what agents gave: each entry stands under requests",
    "offers.MemberCount": "how many of a campaign's offers stand under offers",
    "offers.PersonalOfferRow": "an import's report of values, which stand under terms of your own and under offers",
}


@pytest.fixture
def ann(programme):
    AttributeDefinitionFactory(programme=programme, name="shoe_size", label="Shoe size", type="number")
    return MemberFactory(
        programme=programme,
        external_id="M-1029",
        first_name="Ann",
        last_name="Lee",
        email="ann@example.com",
        phone="+33612345678",
        attributes={"shoe_size": 39},
    )


@pytest.fixture
def agent(programme):
    return UserFactory(programmes=[programme], role="support agent", first_name="Olga", last_name="Secretary")


@pytest.fixture
def story(programme, ann, agent):
    """One of nearly everything: two offers with codes, one shown; a refusal; a use; a receipt; a run that held out."""
    now = clock.now()
    offer = ConfigOfferFactory(programme=programme, name="Coffee", require_vouchers=True)
    import_codes(offer, ["SHOWN-1", "HIDDEN-2"])
    template = OfferTemplateFactory(config_offer=offer, name="Make good")
    why = Why(reason="goodwill", ticket="#48213", note="Was very patient")
    references = (f"00000000-0000-4000-8000-00000000000{number}" for number in itertools.count(1))
    for _ in range(3):
        desk.grant(member=ann, template=template, terms={}, reference=next(references), why=why, actor=agent, now=now)
    shown = Assignment.objects.get(voucher_code__code="SHOWN-1")
    assignment_verbs.expose(member_id=ann.pk, assignment_id=shown.pk, now=now)
    receipt = PurchaseFactory(member=ann, external_id="R-77", total_minor=8420)
    PurchaseLineFactory(purchase=receipt, quantity=2, amount_minor=500)
    Redemption.objects.filter(pk=redeem(shown).pk).update(purchase=receipt)
    consent.put(
        programme=programme,
        consents=[{"member": ann.external_id, "channel": "email", "is_granted": True}],
        source="web form",
        now=now,
    )
    other = ConfigOfferFactory(programme=programme, name="Secret tea")
    plan_run(other)
    # As planning writes it for the share that is held out; which members that are is the hash's to say.
    AudienceMember.objects.filter(member=ann).update(ordinal=None, outcome="held_out")
    return now


def _read(client, member) -> dict:
    answer = client.post(reverse("support:record_export", args=[member.pk]))
    assert answer.status_code == 200
    return json.loads(b"".join(answer.streaming_content))


def _allow(user) -> None:
    user.user_permissions.add(Permission.objects.get(codename="export_member_record"))


def test_b_18_every_table_that_names_a_member_is_a_part_of_her_record_or_says_why_not():
    """Whoever adds a table decides here what of it is hers to know."""
    naming = {
        model._meta.label
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if getattr(field, "related_model", None) is Member and not field.auto_created
    }
    read = {model._meta.label for part in PARTS for model in part.models}
    assert naming - read == set(NOT_HERS)
    assert read - naming == {"offers.AssignmentEvent", "offers.PromotionEvent", "loyalty.AuditEvent"}


def test_b_18_the_file_holds_everything_that_names_her(client, ann, agent, story):
    _allow(agent)
    client.force_login(agent)
    record = _read(client, ann)
    assert record["record"]["member"] == "M-1029"
    assert record["about"]["email"] == "ann@example.com"
    assert record["about"]["phone"] == "+33612345678"
    assert record["about"]["attributes"] == {"Shoe size": 39}
    assert [(row["channel"], row["agreed"], row["through"]) for row in record["consents"]] == [
        ("E-mail", True, "web form")
    ]
    assert len(record["consent_history"]) == ConsentEvent.objects.filter(member=ann).count() == 1
    assert {row["offer"] for row in record["offers"]} == {"Coffee"}
    assert sorted(row["code"] or "" for row in record["offers"]) == ["", "SHOWN-1"]
    assert [row["answer"] for row in record["requests"]] == ["out_of_codes", "assigned", "assigned"]
    assert record["requests"][0]["noted"] == {"reason": "goodwill", "ticket": "#48213", "note": "Was very patient"}
    assert [(row["receipt"], row["offer"]) for row in record["uses"]] == [("R-77", "Coffee")]
    assert [(row["receipt"], row["total_minor"]) for row in record["purchases"]] == [("R-77", 8420)]
    assert [(row["quantity"], row["amount_minor"]) for row in record["purchase_lines"]] == [(2, 500)]
    assert "exposed" in {row["what"] for row in record["offer_changes"]}
    assert [row["what"] for row in record["looks"]] == ["member.record_exported"]


def test_d_10_d_19_the_record_shows_no_unseen_code_no_hold_out_and_nobody_who_works_here(client, ann, agent, story):
    """B-18: on the page and in the file; reading it exposes nothing."""
    _allow(agent)
    client.force_login(agent)
    before = Assignment.objects.filter(exposed_at__isnull=False).count()
    page = client.get(reverse("support:record", args=[ann.pk])).content.decode()
    written = json.dumps(_read(client, ann))
    shown = page[page.index("<main") : page.index("</main>")]
    for text in (shown, written):
        for hidden in ("HIDDEN-2", "held_out", "Secret tea", "Olga", "Secretary"):
            assert hidden not in text
        assert "SHOWN-1" in text
    assert Assignment.objects.filter(exposed_at__isnull=False).count() == before


def test_the_page_masks_contact_data_and_the_file_is_for_who_may_take_it_out(client, ann, agent, story):
    """Issue 5: an agent reads the page out; the file with contact data in clear needs a permission of its own."""
    client.force_login(agent)
    page = client.get(reverse("support:record", args=[ann.pk]))
    assert page.status_code == 200
    assert "ann@example.com" not in page.content.decode()
    assert contact.masked_email("ann@example.com") in page.content.decode()
    assert reverse("support:record_export", args=[ann.pk]) not in page.content.decode()
    assert client.post(reverse("support:record_export", args=[ann.pk])).status_code == 403
    actions = AuditEvent.objects.filter(object_id=str(ann.pk), user=agent).values_list("action", flat=True)
    assert list(actions) == ["member.record_read"]


def test_d_10_an_auditor_reads_that_there_is_a_code_and_not_which(client, programme, ann, story):
    """D-10, B-18: a code is for who may see voucher codes, on this page as on every other."""
    client.force_login(UserFactory(programmes=[programme], role="auditor"))
    page = client.get(reverse("support:record", args=[ann.pk])).content.decode()
    assert "SHOWN-1" not in page
    assert "has one" in page


def test_b_18_a_run_that_gave_nothing_yet_is_not_told_as_given(client, ann, agent, story):
    """B-18: what became of a member in a run is what exists, whatever the run was to do."""
    other = ConfigOfferFactory(programme=ann.programme, name="Not begun")
    plan_run(other)
    finished = work(launch_run(ConfigOfferFactory(programme=ann.programme, name="Given")))
    _allow(agent)
    client.force_login(agent)
    told = {row["offer"]: row["outcome"] for row in _read(client, ann)["runs"]}
    assert told == {"Not begun": "not assigned", "Given": "assigned"}
    Assignment.objects.filter(run=finished).update(revoked_at=clock.now())
    assert {row["offer"]: row["outcome"] for row in _read(client, ann)["runs"]}["Given"] == "taken back"


def test_b_18_the_record_says_nothing_of_others_that_an_audit_row_knows(client, ann, agent, story):
    """B-18: what was noted beside a look may name another member, and stays in the audit."""
    AuditEvent.objects.create(
        programme=ann.programme, action="member.explained", object_type="loyalty.member", object_id=str(ann.pk),
        data={"offer": 3, "owner": 987654},
    )  # fmt: skip
    _allow(agent)
    client.force_login(agent)
    looks = _read(client, ann)["looks"]
    assert [row["details"] for row in looks if row["what"] == "member.explained"] == [{}]
    page = client.get(reverse("support:record", args=[ann.pk])).content.decode()
    assert "987654" not in page
    assert "asked why she has or does not have an offer" in page


def test_of_a_member_of_whom_nothing_is_known_the_page_says_so(client, programme, agent):
    ben = MemberFactory(programme=programme, external_id="M-2")
    client.force_login(agent)
    page = client.get(reverse("support:record", args=[ben.pk])).content.decode()
    assert "Nothing of these names her:" in page
    assert "Purchases" in page


def test_p1_the_page_asks_a_fixed_number_of_questions(client, programme, ann, agent, story):
    """P1: however much there is of each part."""
    client.force_login(agent)
    client.get(reverse("support:record", args=[ann.pk]))

    def asked() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(reverse("support:record", args=[ann.pk])).status_code == 200
        return len(queries)

    few = asked()
    channel = Channel.objects.get(programme=programme, code="sms")
    Consent.objects.create(
        member=ann, channel=channel, is_granted=False, changed_at=story - timedelta(days=1), source="x"
    )
    for number in range(10):
        PurchaseLineFactory(purchase=PurchaseFactory(member=ann, external_id=f"R-{number}"))
    assert DoorEntry.objects.filter(member=ann).count() == 3
    assert Redemption.objects.filter(member=ann).count() == 1
    assert asked() == few


def test_s2_11_her_promotions_and_what_became_of_her_choice_are_hers_to_know(client, ann, agent):
    _allow(agent)
    client.force_login(agent)
    offered = product_list(PromotionFactory(programme=ann.programme, name="Your three"), name="Short")
    choose(enlist(offered, ann), "tea", "cake")
    record = _read(client, ann)
    [row] = record["promotions"]
    assert (row["promotion"], row["list"], row["chosen"]) == ("Your three", "Short", ["Tea", "Cake"])
    assert [one["what"] for one in record["promotion_changes"]] == ["chosen", "assigned"]
