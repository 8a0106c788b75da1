"""The stories that the programme, the member, the offer or the question alone settles, and what is said (B-02)."""

from typing import Any

from offers.models import ConfigOffer
from offers.selectors import explanation_subject
from tests.factories import DraftOfferFactory, MemberFactory, give, import_codes
from tests.offers.services.explanation_story import DAY, NOW, Case, Story


def offers_module_off(story: Story) -> None:
    story.held()
    story.programme.offers_enabled = False
    story.programme.save()


def member_inactive(story: Story) -> None:
    story.held()
    story.ann.status = "inactive"
    story.ann.save()


def offer_draft(story: Story) -> None:
    story.made["offer"] = DraftOfferFactory(programme=story.programme, name="Coffee")


def offer_archived(story: Story) -> None:
    ConfigOffer.objects.filter(pk=story.offer().pk).update(state="archived")


def offer_over(story: Story) -> None:
    story.offer(terms={"validity": {"ends_at": "2026-11-20"}}, published_at=NOW - 30 * DAY)


def unknown_code(story: Story) -> None:
    story.made["subject"] = explanation_subject.by_code(programme=story.programme, code="WHAT-1")


def ambiguous_code(story: Story) -> None:
    for name in ("Coffee", "Tea"):
        import_codes(story.offer(name=name, require_vouchers=True), ["ABCD-1"])
    story.made["subject"] = explanation_subject.by_code(programme=story.programme, code="abcd-1")


def code_not_given(story: Story) -> None:
    import_codes(story.offer(require_vouchers=True), ["ABCD-1"])
    story.made["subject"] = explanation_subject.by_code(programme=story.programme, code="abcd-1")


def _code_of_bob(story: Story, **values: Any) -> None:
    offer = story.offer(require_vouchers=True, **values)
    import_codes(offer, ["ABCD-1"], now=NOW - DAY)
    give(MemberFactory(programme=story.programme, first_name="Bob"), offer, now=NOW - DAY)
    story.made["subject"] = explanation_subject.by_code(programme=story.programme, code="ABCD-1")


def code_of_another(story: Story) -> None:
    _code_of_bob(story)


def bearer_code_of_another(story: Story) -> None:
    _code_of_bob(story, is_bearer=True)


def offer_of_another(story: Story) -> None:
    held = give(MemberFactory(programme=story.programme), story.offer())
    story.made["subject"] = explanation_subject.find(programme=story.programme, text=str(held.pk))


ASKED: dict[str, Case] = {
    "offers_module_off": (
        offers_module_off,
        "There are no personal offers at the moment.",
        "The programme's offers module is off, so nobody sees or gets offers.",
    ),
    "member_inactive": (
        member_inactive,
        "Your membership is not active, so no offers are shown to you.",
        "The member is not active: she sees no offers, and nothing can be given to her.",
    ),
    "offer_draft": (
        offer_draft,
        "“Coffee” is not available.",
        "It is a draft: a marketer publishes it before anybody can have it.",
    ),
    "offer_archived": (
        offer_archived,
        "“Coffee” is no longer available.",
        "It was archived, so nobody is given it any more.",
    ),
    "offer_over": (
        offer_over,
        "“Coffee” was valid until the end of Friday 20 November, and is over now.",
        "Its period is over: it was valid until the end of Friday 20 November.",
    ),
    "unknown_code": (
        unknown_code,
        "We do not know this code. Please check that you read it out as it is printed.",
        "No offer has this code.",
    ),
    "ambiguous_code": (
        ambiguous_code,
        "This code belongs to several offers. Please tell me which one is meant.",
        "Several offers have this code. Name the offer, then type the code again.",
    ),
    "code_not_given": (
        code_not_given,
        "This code was not given to anybody, so it cannot be used.",
        "The code lies in the bank of “Coffee” and was given to nobody.",
    ),
    "code_of_another": (
        code_of_another,
        "This code does not belong to your membership, so it cannot be used with it.",
        "The code was given to another member, and only she can use it.",
    ),
    "bearer_code_of_another": (
        bearer_code_of_another,
        "This code can be used by whoever has it: show it at the till.",
        "The code was given to another member, but this offer's codes work for whoever brings them.",
    ),
    "offer_of_another": (
        offer_of_another,
        "This offer does not belong to your membership.",
        "This Personalized Offer ID is another member's.",
    ),
}
