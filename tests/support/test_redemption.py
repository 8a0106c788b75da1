"""Marking an offer as used by hand at the desk, with its receipt; the menus of verbs (issue 5, S0-01, D-14, D-21)."""

import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from loyalty import clock, money
from loyalty.models import AuditEvent
from offers.models import Assignment, Redemption, Source
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, PurchaseFactory, UserFactory, give

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(programme, ann):
    held = give(ann, ConfigOfferFactory(programme=programme, name="Coffee"))
    long_ago = clock.now() - timedelta(days=30)
    Assignment.objects.filter(pk=held.pk).update(issued_at=long_ago, starts_at=long_ago)
    held.refresh_from_db()
    return held


@pytest.fixture
def receipt(ann):
    return PurchaseFactory(member=ann, external_id="R-77", purchased_at=clock.now() - timedelta(hours=3))


def mark(client, held, *, headers=None, **values):
    values = {"reference": str(uuid.uuid4()), "receipt": "", "receipt_number": "", "reason": ""} | values
    return client.post(reverse("support:redeem", args=[held.pk]), values, headers=headers or {})


def test_a_chosen_receipt_makes_a_use_of_its_moment_audited_and_undone(agent, user, held, receipt):
    """Issue 5: receipt, benefit in money, one row, and an undo for a moment."""
    key = uuid.uuid4()
    answer = mark(agent, held, reference=key, receipt=receipt.pk, benefit="2.40")
    assert answer["Location"] == reverse("support:assignment", args=[held.pk])
    used = Redemption.objects.get()
    assert (used.purchase, used.redeemed_at, used.benefit_minor, used.external_id) == (
        receipt, receipt.purchased_at, 240, f"desk-{key}",
    )  # fmt: skip
    assert AuditEvent.objects.get(action="assignment.redeemed").user == user
    page = agent.get(reverse("support:assignment", args=[held.pk])).text
    undo = reverse("support:undo_redemption", args=[held.pk, used.external_id])
    assert undo in page
    assert "R-77" in page
    assert str(user) in page
    # The very same form once more is the same use.
    mark(agent, held, reference=key, receipt=receipt.pk, benefit="2.40")
    assert Redemption.objects.count() == 1
    agent.post(undo)
    used.refresh_from_db()
    assert used.returned_at is not None
    assert Assignment.objects.get(pk=held.pk).used_up_at is None
    assert "use given back" in agent.get(reverse("support:assignment", args=[held.pk])).text


def test_a_worth_above_the_receipt_or_the_offer_is_taken_for_a_slip(agent, programme, ann, receipt):
    """D-08: 240 was meant as 2.40; nothing is written, and the field says what is wrong."""
    held = give(ann, ConfigOfferFactory(programme=programme, terms={"benefit": {"type": "amount", "size": 500}}))
    long_ago = clock.now() - timedelta(days=30)
    Assignment.objects.filter(pk=held.pk).update(issued_at=long_ago, starts_at=long_ago)
    above = (receipt.total_minor + receipt.discount_minor) // 100 + 1
    htmx = {"HX-Request": "true"}
    refused = mark(agent, held, receipt=receipt.pk, benefit=f"{above}.00", headers=htmx)
    assert (refused.status_code, "The receipt is for less than that." in refused.text) == (422, True)
    refused = mark(agent, held, reason="She called", benefit="5.01", headers=htmx)
    assert (refused.status_code, "The offer is worth at most 5.00 €." in refused.text) == (422, True)
    assert not Redemption.objects.exists()
    mark(agent, held, reason="She called", benefit="5.00")
    assert Redemption.objects.get().benefit_minor == 500


def test_a_typed_number_has_to_be_hers(agent, programme, held, receipt):
    """S0-01, D-21: another's number is answered like one that does not exist."""
    PurchaseFactory(member=MemberFactory(programme=programme), external_id="R-theirs")
    PurchaseFactory(external_id="R-elsewhere")
    said = {mark(agent, held, receipt_number=number, headers={"HX-Request": "true"}).text.count(
        "She has no receipt with this number") for number in ("R-theirs", "R-elsewhere", "R-none")}  # fmt: skip
    assert said == {1}
    assert not Redemption.objects.exists()
    assert mark(agent, held, receipt_number="R-77").status_code == 302
    assert Redemption.objects.get().purchase == receipt


def test_s0_01_anothers_receipt_cannot_be_told_from_none_by_what_it_is_worth(agent, programme, held):
    """D-21: whatever is sent beside the number, the answers are the very same; else sums would be found by halving."""
    theirs = PurchaseFactory(member=MemberFactory(programme=programme), external_id="R-9001")
    total = theirs.total_minor + theirs.discount_minor
    for benefit in ("", f"{(total - 1) // 100}.00", f"{total // 100 + 1}.00"):
        told = []
        for number in ("R-9001", "R-9002"):
            sent = {"reference": "7e0c2d1e-94c8-4a0e-9d0f-0d7e1f0f0a11", "benefit": benefit, "receipt_number": number}
            answer = mark(agent, held, headers={"HX-Request": "true"}, **sent)
            assert "She has no receipt with this number" in answer.text
            assert "The receipt is for less than that." not in answer.text
            told.append((answer.status_code, form_of(answer).replace(number, "")))
        assert told[0] == told[1], benefit
    assert not Redemption.objects.exists()


def form_of(answer):
    """Return the answer without the tokens that each answer has anew."""
    return re.sub(r'(csrfmiddlewaretoken" value=|nonce=)"[^"]*"', "", answer.text)


def test_s0_01_who_may_not_see_purchases_cannot_find_a_receipts_sum_by_trying(programme, held, receipt):
    """D-08, D-21: she would learn it from what is refused; what the offer is worth at most bounds her all the same."""
    Assignment.objects.filter(pk=held.pk).update(exposure_minor=0)
    user = UserFactory(programmes=[programme])
    names = ["view_member", "view_assignment", "redeem_assignment"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    above = (receipt.total_minor + receipt.discount_minor) // 100 + 1
    wrong = {"receipt_number": "R-77", "used_at": "2999-01-01T00:00", "headers": {"HX-Request": "true"}}
    told = [mark(client, held, benefit=benefit, **wrong) for benefit in ("0.01", f"{above}.00")]
    assert [answer.status_code for answer in told] == [409, 409]
    assert not any("The receipt is for less than that." in answer.text for answer in told)
    Assignment.objects.filter(pk=held.pk).update(exposure_minor=500)
    wrong.pop("used_at")
    refused = mark(client, held, benefit="5.01", **wrong)
    assert (refused.status_code, "The offer is worth at most 5.00 €." in refused.text) == (422, True)
    assert not Redemption.objects.exists()


def test_who_may_not_see_purchases_is_shown_no_receipt_and_may_type_a_number(programme, held, receipt):
    """D-21, issue 5: a role of one's own that marks uses and does not look at receipts; the number is hers to say."""
    user = UserFactory(programmes=[programme])
    names = ["view_member", "view_assignment", "redeem_assignment"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    htmx = {"HX-Request": "true"}
    total = money.display(receipt.total_minor, programme.currency)
    for address in (
        reverse("support:verb_dialog", args=[held.pk, "redeem"]),
        reverse("support:assignment", args=[held.pk]),
    ):
        page = client.get(address).text
        assert "The receipt&#x27;s number" in page
        for unseen in ('name="receipt"', "R-77", total, "No receipt at hand"):
            assert unseen not in page, unseen
    # Sent all the same, a receipt of the list is none.
    refused = mark(client, held, receipt=receipt.pk, headers=htmx)
    assert refused.status_code == 422
    assert "Give the receipt&#x27;s number, or say why there is none." in refused.text
    assert "R-77" not in refused.text
    assert not Redemption.objects.exists()
    mark(client, held, receipt_number="R-77")
    assert Redemption.objects.get().purchase == receipt


def test_without_a_receipt_there_has_to_be_a_reason(agent, held):
    refused = mark(agent, held, headers={"HX-Request": "true"})
    assert refused.status_code == 422
    assert "say why there is none" in refused.text
    mark(agent, held, reason="Cashier forgot")
    assert Redemption.objects.get().purchase is None
    assert "Cashier forgot" in agent.get(reverse("support:assignment", args=[held.pk])).text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"benefit": "2.405"}, "too many decimals"),
        ({"benefit": "-1"}, "0 or more"),
        ({"benefit": "1e30"}, "such as 12.50"),
        ({"benefit": "9" * 30}, "at most"),
        ({"benefit": "NaN"}, "such as 12.50"),
        ({"used_at": "0001-01-01T00:00"}, "Give the moment"),
        ({"used_at": "2999-01-01T00:00"}, "has not come yet"),
        ({"receipt": "999999999"}, "Select a valid choice"),
        ({"receipt_number": "x" * 201}, "at most 200"),
        ({"reference": "no uuid"}, ""),
    ],
)
def test_what_cannot_be_is_said_beside_its_field_and_nothing_is_done(agent, held, values, said):
    answer = mark(agent, held, reason="because", headers={"HX-Request": "true"}, **values)
    assert answer.status_code in {409, 422}
    assert said in answer.text
    assert not Redemption.objects.exists()


def test_from_her_page_a_menu_opens_the_same_dialog_and_leads_back(agent, ann, held, receipt):
    """Issue 5: two clicks; the assignment's page has the same form."""
    page = agent.get(reverse("support:member", args=[ann.pk])).text
    for verb in ("redeem", "extend", "reissue", "close", "revoke"):
        address = reverse("support:verb_dialog", args=[held.pk, verb])
        assert address in page, verb
        dialog = agent.get(address, headers={"HX-Request": "true"}).text
        assert 'name="back" value="member"' in dialog
        assert f"{reverse('support:assignment', args=[held.pk])}/{verb}" in dialog
    answer = mark(agent, held, receipt=receipt.pk, back="member", headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == reverse("support:member", args=[ann.pk])


def test_d_14_what_an_import_made_is_not_offered_for_extending_and_says_why(agent, programme, ann):
    held = give(ann, ConfigOfferFactory(programme=programme, name="Tea"), source=Source.ATTRIBUTE)
    page = agent.get(reverse("support:member", args=[ann.pk])).text
    assert reverse("support:verb_dialog", args=[held.pk, "revoke"]) in page
    for verb in ("extend", "reissue"):
        assert reverse("support:verb_dialog", args=[held.pk, verb]) not in page
    assert "An import made it from her data" in page


def test_who_may_not_is_offered_nothing_and_refused(client, programme, ann, held):
    """By role and by permission; D-21: another programme's agent finds nothing."""
    client.force_login(UserFactory(role="auditor", programmes=[programme]))
    assert "verb_dialog" not in client.get(reverse("support:member", args=[ann.pk])).text
    assert "/dialog/" not in client.get(reverse("support:member", args=[ann.pk])).text
    assert mark(client, held, reason="x").status_code == 403
    assert client.get(reverse("support:verb_dialog", args=[held.pk, "redeem"])).status_code == 403
    assert client.post(reverse("support:undo_redemption", args=[held.pk, "x"])).status_code == 403
    client.force_login(UserFactory(role="support agent", programmes=[ProgrammeFactory()]))
    assert mark(client, held, reason="x").status_code == 404
    assert client.get(reverse("support:verb_dialog", args=[held.pk, "redeem"])).status_code == 404
    assert not Redemption.objects.exists()


def test_a_dialog_of_no_verb_is_refused(agent, held):
    assert agent.get(reverse("support:verb_dialog", args=[held.pk, "grant"])).status_code == 403


def test_a_look_at_an_offers_page_is_noted(agent, user, ann, held):
    """Issue 5: an assignment's page tells as much of its member as her own."""
    agent.get(reverse("support:assignment", args=[held.pk]))
    noted = AuditEvent.objects.get(action="assignment.opened")
    assert (noted.user, noted.object_id, noted.data) == (user, str(held.pk), {"member": ann.external_id})
