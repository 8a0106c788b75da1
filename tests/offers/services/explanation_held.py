"""The stories of what she holds or held, and what is said of it (B-02)."""

from datetime import timedelta
from typing import Any

from offers.models import Assignment, Source, VoucherCode
from offers.selectors import explanation_subject
from offers.services import closing, door, reissue, revocation
from offers.services.assignment import Grant
from offers.services.verb import By
from tests.factories import give, import_codes, redeem
from tests.offers.services.explanation_story import DAY, NOW, Case, Story


def usable(story: Story) -> None:
    story.held()


def endless(story: Story) -> None:
    story.held(terms={})


def upcoming(story: Story) -> None:
    story.held(terms={"validity": {"days": 5, "start_in_days": 3}})


def waiting_for_acceptance(story: Story) -> None:
    story.held(terms={"validity": {"days": 6}, "acceptance": {"required": True}})


def waiting_for_acceptance_endless(story: Story) -> None:
    story.held(terms={"acceptance": {"required": True}})


def waiting_for_till(story: Story) -> None:
    story.held(to_synchronize=True, now=NOW - timedelta(minutes=30))


def _with_code(story: Story, **values: Any) -> Assignment:
    offer = story.offer(require_vouchers=True, terms={})
    import_codes(offer, ["ABCD-1", "ABCD-2"], now=NOW - DAY, **values)
    story.made["held"] = held = give(story.ann, offer, now=NOW - DAY)
    return held


def code_expired(story: Story) -> None:
    held = _with_code(story, expires_at=NOW - timedelta(hours=1))
    import_codes(held.config_offer, ["EFGH-1"], now=NOW)


def code_void(story: Story) -> None:
    held = _with_code(story)
    VoucherCode.objects.filter(pk=held.voucher_code_id).update(voided_at=NOW - timedelta(hours=2))


def used_up(story: Story) -> None:
    held = story.held()
    used = redeem(held, is_used_up=True, now=NOW)
    type(used).objects.filter(pk=used.pk).update(redeemed_at=NOW - DAY)


def used_up_unknown(story: Story) -> None:
    held = story.held()
    Assignment.objects.filter(pk=held.pk).update(used_up_at=NOW - DAY)


def expired(story: Story) -> None:
    story.held(now=NOW - 8 * DAY)


def expired_used(story: Story) -> None:
    redeem(story.held(now=NOW - 8 * DAY, terms={"validity": {"days": 6}, "redemption_limit": {"limit": 3}}))


def revoked(story: Story) -> None:
    held = story.held(now=NOW - DAY)
    revocation.revoke(
        programme=story.programme,
        assignment_id=held.pk,
        reason="Wrong member.",
        now=NOW,
        by=By(Source.SUPPORT, story.person()),
    )


def undone(story: Story) -> None:
    offer, person = story.offer(), story.person()
    answer = door.grant(
        programme=story.programme,
        door=Source.SUPPORT,
        instance="desk",
        grant=Grant(member_id=story.ann.pk, template_id=offer.templates.get().pk, reference="1"),
        actor=person,
        now=NOW,
    )
    held = Assignment.objects.get(pk=answer.outcome.assignment_id)
    revocation.undo(programme=story.programme, assignment_id=held.pk, by=By(Source.SUPPORT, person), now=NOW)


def closed(story: Story) -> None:
    held, by = story.held(), By(Source.SUPPORT, story.person())
    closing.close(programme=story.programme, assignment_id=held.pk, reason="She asked.", by=by, now=NOW)


def declined(story: Story) -> None:
    held = story.held()
    closing.decline(programme=story.programme, member_id=story.ann.pk, assignment_id=held.pk, by=By(), now=NOW)


def reissued(story: Story) -> None:
    held = story.held(now=NOW - DAY)
    by = By(Source.SUPPORT, story.person())
    reissue.reissue(programme=story.programme, assignment_id=held.pk, reason="Lost.", by=by, now=NOW)
    story.made["subject"] = explanation_subject.find(programme=story.programme, text=str(held.pk))


HELD: dict[str, Case] = {
    "usable": (
        usable,
        "You have “Coffee”, and you can use it until the end of Sunday 29 November.",
        "She has it, sees it and can use it.",
    ),
    "usable:endless": (
        endless,
        "You have “Coffee”, and you can use it at any time.",
        "She has it, sees it and can use it; it has no end.",
    ),
    "upcoming": (
        upcoming,
        "You have “Coffee”. You can use it from Thursday 26 November.",
        "She has it and sees it. It opens Thursday 26 November.",
    ),
    "waiting_for_acceptance": (
        waiting_for_acceptance,
        "You have “Coffee”, and you have to accept it before you use it: open it in your list by "
        "the end of Sunday 29 November.",
        "She has it and sees it, but has not accepted it. Ask her to open it and to accept it.",
    ),
    "waiting_for_acceptance:endless": (
        waiting_for_acceptance_endless,
        "You have “Coffee”, and you have to accept it before you use it: open it in your list.",
        "She has it and sees it, but has not accepted it. Ask her to open it and to accept it.",
    ),
    "waiting_for_till": (
        waiting_for_till,
        "“Coffee” is on its way to you. You will see it as soon as our tills know it.",
        "She was given it today at 10:30, but the till has not confirmed it yet. Until then she does not see it.",
    ),
    "code_expired": (
        code_expired,
        "The code of “Coffee” expired today at 10:00, so it is no longer taken.",
        "She holds it, but its code expired today at 10:00. Reissue it: she gets another code.",
    ),
    "code_void": (
        code_void,
        "The code of “Coffee” was cancelled today at 09:00, so it is no longer taken.",
        "She holds it, but its code was voided today at 09:00. Reissue it: she gets another code.",
    ),
    "used_up": (
        used_up,
        "You have used “Coffee” as often as it can be used; the last time was yesterday at 11:00.",
        "She used it 1 of 1 times, the last time yesterday at 11:00. It is used up.",
    ),
    "used_up:unknown": (
        used_up_unknown,
        "You have used “Coffee” as often as it can be used.",
        "It was marked as used up yesterday at 11:00; no single use is known.",
    ),
    "expired": (
        expired,
        "“Coffee” was valid until the end of Saturday 21 November. It is over now.",
        "She held it until the end of Saturday 21 November and did not use it.",
    ),
    "expired:used": (
        expired_used,
        "“Coffee” was valid until the end of Saturday 21 November. It is over now.",
        "She held it until the end of Saturday 21 November and used it 1 of 3 times.",
    ),
    "revoked": (
        revoked,
        "“Coffee” was taken back today at 11:00.",
        "It was revoked today at 11:00, by Ola Agent. Reason: Wrong member.",
    ),
    "undone": (
        undone,
        "“Coffee” had been given to you by mistake, and was taken back today at 11:00.",
        "Giving it was undone today at 11:00, by Ola Agent.",
    ),
    "closed": (
        closed,
        "“Coffee” was closed today at 11:00, so it can no longer be used.",
        "It was closed today at 11:00, by Ola Agent. Reason: She asked.",
    ),
    "declined": (
        declined,
        "You declined “Coffee” today at 11:00.",
        "She declined it herself today at 11:00. She may be given it anew.",
    ),
    "reissued": (
        reissued,
        "That was replaced today at 11:00 by a new “Coffee”. Please use the new one.",
        "It was reissued today at 11:00, by Ola Agent, so it is void. Look at the one in its place.",
    ),
}
