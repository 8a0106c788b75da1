"""One story for each way to say a verdict: what is done, what is asked, and what is answered (B-02)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from loyalty import clock
from loyalty.models import Member, Programme
from offers.models import (
    Assignment,
    AudienceMember,
    ConfigOffer,
    MassAssignment,
    PersonalOfferImport,
    PersonalOfferRow,
    Source,
    VoucherCode,
)
from offers.selectors import explanation_subject
from offers.selectors.explanation_subject import Subject
from offers.services import (
    closing,
    door,
    eligibility_settings,
    mass_assignment,
    reissue,
    revocation,
)
from offers.services.assignment import Grant
from offers.services.explanation_words import from_when
from offers.services.verb import By
from tests.factories import (
    ConfigOfferFactory,
    DraftOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    TargetingFactory,
    UserFactory,
    draft_run,
    give,
    import_codes,
    launch_run,
    limit_of,
    plan_run,
    redeem,
    work,
)

# A Monday, 11:00 in Paris.
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
DAY = timedelta(days=1)
NOBODY = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Nowhere"}]}
DOORS = By(Source.SUPPORT)


@dataclass
class Story:
    """The programme, Ann, and what the case made."""

    programme: Programme
    ann: Member
    now: datetime = NOW
    made: dict[str, Any] = field(default_factory=dict)

    def offer(self, **values: Any) -> ConfigOffer:
        values = {"name": "Coffee", "terms": {"validity": {"days": 6}}, "repeat_policy": "unlimited"} | values
        self.made["offer"] = offer = ConfigOfferFactory(programme=self.programme, **values)
        return offer

    def held(self, *, now: datetime = NOW, **values: Any) -> Assignment:
        self.made["held"] = held = give(self.ann, self.offer(**values), now=now)
        return held

    def person(self) -> Any:
        return UserFactory(programmes=[self.programme], first_name="Ola", last_name="Agent")

    def refused(self, code: str, *, offer: ConfigOffer | None = None, **grant: Any) -> ConfigOffer:
        """Have the API's door refuse it to her yesterday."""
        offer = offer or self.made.get("offer") or self.offer()
        values = {"template_id": offer.templates.get(is_default=True).pk, "member_id": self.ann.pk} | grant
        answer = door.grant(
            programme=self.programme,
            door=Source.API,
            instance="crm",
            grant=Grant(**({"reference": f"crm-{code}"} | values)),
            actor=None,
            now=NOW - DAY,
        )
        assert answer.outcome.code == code, answer
        return offer

    def subject(self) -> Subject:
        found = self.made.get("subject")
        if isinstance(found, Subject):
            return found
        return explanation_subject.by_id(programme=self.programme, offer_id=self.made["offer"].pk)


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
        source=Source.SUPPORT,
        actor=story.person(),
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


def being_given(story: Story) -> None:
    plan_run(story.offer(), name="Autumn")
    story.now = clock.now()


def run_stopped(story: Story) -> None:
    run = plan_run(story.offer(), name="Autumn")
    mass_assignment.pause(run=run, actor=None, now=clock.now())
    story.now = clock.now()


def planned(story: Story) -> None:
    story.now = clock.now()
    run = draft_run(story.offer(), name="Autumn")
    MassAssignment.objects.filter(pk=run.pk).update(state="scheduled", launch_at=story.now + 3 * DAY)
    story.made["when"] = from_when(story.now + 3 * DAY, zone=story.programme.zone, now=story.now)


def not_targeted(story: Story) -> None:
    nobody = TargetingFactory(programme=story.programme, name="Nobody", criteria=NOBODY)
    work(launch_run(story.offer(), name="Autumn", targeting=nobody))
    story.now = clock.now()


def held_out(story: Story) -> None:
    run = work(launch_run(story.offer(), name="Autumn"))
    Assignment.objects.filter(run=run).update(member_id=MemberFactory(programme=story.programme).pk)
    AudienceMember.objects.filter(run=run, member_id=story.ann.pk).update(outcome="held_out", ordinal=None)
    story.now = clock.now()


def never_given(story: Story) -> None:
    story.offer()


def import_refused(story: Story) -> None:
    offer = story.offer()
    upload = PersonalOfferImport.objects.create(
        programme=story.programme,
        config_offer=offer,
        file_name="terms.csv",
        state="finished",
        created_at=NOW - DAY,
        committed_at=NOW - DAY,
        finished_at=NOW - DAY,
    )
    PersonalOfferRow.objects.create(
        upload=upload,
        number=1,
        line=2,
        member=story.ann,
        member_external_id=story.ann.external_id,
        outcome="faulty",
        problems=[{"code": "unknown_column", "line": 2, "field": "bennefit", "value": "x"}],
    )


def ineligible(story: Story) -> None:
    offer = story.offer()
    eligibility_settings.put_conditions(offer=offer, criteria=NOBODY, actor=None)


def ineligible_then(story: Story) -> None:
    offer = story.offer()
    eligibility_settings.put_conditions(offer=offer, criteria=NOBODY, actor=None)
    offer.refresh_from_db()
    story.refused("ineligible", offer=offer)
    story.ann.city = "Nowhere"
    story.ann.save()


def already_held(story: Story) -> None:
    offer = story.offer(repeat_policy="once_ever")
    held = give(story.ann, offer, now=NOW - 2 * DAY)
    story.refused("already_held", offer=offer)
    # As when her memberships are merged: what stands against it is somebody else's now.
    Assignment.objects.filter(pk=held.pk).update(member_id=MemberFactory(programme=story.programme).pk)


def offer_closed(story: Story) -> None:
    offer = story.offer()
    ConfigOffer.objects.filter(pk=offer.pk).update(state="archived")
    story.refused("offer_closed", offer=offer)
    ConfigOffer.objects.filter(pk=offer.pk).update(state="published")


def missing_rule(story: Story) -> None:
    template = OfferTemplateFactory(config_offer=story.offer(), name="Win-back", required_rules=["benefit"])
    story.refused("missing_rule", template_id=template.pk)


def invalid_value(story: Story) -> None:
    story.refused("invalid_value", terms={"redemption_limit": {"limit": 0}})


def cap_reached(story: Story) -> None:
    offer = story.offer()
    limit_of(offer, cap=1)
    give(MemberFactory(programme=story.programme), offer, now=NOW - DAY)
    story.refused("cap_reached", offer=offer)


def budget_reached(story: Story) -> None:
    offer = story.offer(terms={"benefit": {"type": "amount", "size": 500}})
    limit_of(offer, budget_minor=100, is_budget_hard=True)
    story.refused("budget_reached", offer=offer)


def out_of_codes(story: Story) -> None:
    story.refused("out_of_codes", offer=story.offer(require_vouchers=True))


def offers_module_off(story: Story) -> None:
    story.held()
    story.programme.offers_enabled = False
    story.programme.save()


def member_inactive(story: Story) -> None:
    story.held()
    story.ann.status = "inactive"
    story.ann.save()


def member_inactive_then(story: Story) -> None:
    story.ann.status = "inactive"
    story.ann.save()
    story.refused("member_inactive")
    story.ann.status = "active"
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


# By the verdict's key: what happened, what is read out to her, what the agent reads. `{when}` is the case's own.
CASES: dict[str, tuple[Callable[[Story], None], str, str]] = {
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
    "being_given": (
        being_given,
        "“Coffee” is being given out just now. Please look again in a few minutes.",
        "The run “Autumn” is to give it to her, and has not come to her yet.",
    ),
    "run_stopped": (
        run_stopped,
        "“Coffee” is meant for you, but could not be given out so far.",
        "The run “Autumn” is to give it to her, but stands still: paused.",
    ),
    "planned": (
        planned,
        "“Coffee” is given out {when}, and as things stand you are among those who get it.",
        "“Autumn” gives it {when}, and she is in its audience as things stand.",
    ),
    "not_targeted": (
        not_targeted,
        "You were not part of this campaign.",
        "It was given out by runs, and she was not part of any of them.",
    ),
    "held_out": (
        held_out,
        "You were not part of this campaign.",
        "She is in the group that was held out, to measure what the offer does. Do not tell her.",
    ),
    "never_given": (
        never_given,
        "You have not been given “Coffee”.",
        "She was never given it: no run, campaign, import or person tried to.",
    ),
    "import_refused": (
        import_refused,
        "“Coffee” could not be given to you because of a mistake on our side.",
        "An import of personal offers left her out: {why}",
    ),
    "ineligible": (
        ineligible,
        "“Coffee” is for members who meet certain conditions, and they are not met at the moment.",
        "She may not have it: The offer asks of its members: City is Nowhere. That does not hold for this one.",
    ),
    "ineligible:then": (
        ineligible_then,
        "“Coffee” is for members who meet certain conditions, and they were not met when it was given out.",
        "It was refused yesterday at 11:00: The offer asks of its members: City is Nowhere. That does not hold for "
        "this one.",
    ),
    "already_held": (
        already_held,
        "You have had “Coffee” already, and it is given to each member once.",
        "It was refused yesterday at 11:00: The member already holds this offer, and may not hold it again. Look at it "
        "under “Now” or “Before”.",
    ),
    "offer_closed": (
        offer_closed,
        "“Coffee” was not available when it was to be given to you.",
        "It was refused yesterday at 11:00: “Coffee” is archived. Publish it before assigning it.",
    ),
    "missing_rule": (
        missing_rule,
        "“Coffee” could not be given to you because of a mistake on our side.",
        "It was refused yesterday at 11:00: The template “Win-back” requires a value for “Benefit”.",
    ),
    "invalid_value": (
        invalid_value,
        "“Coffee” could not be given to you because of a mistake on our side.",
        "It was refused yesterday at 11:00: {why}",
    ),
    "cap_reached": (
        cap_reached,
        "“Coffee” has run out.",
        "It was refused yesterday at 11:00: The offer may be given 1 times in all, and no more is left.",
    ),
    "budget_reached": (
        budget_reached,
        "“Coffee” has run out.",
        "It was refused yesterday at 11:00: The offer has a budget of 1.00 €, and what is left does not cover this.",
    ),
    "out_of_codes": (
        out_of_codes,
        "“Coffee” has run out.",
        "It was refused yesterday at 11:00: The offer's bank has no voucher code left. Ask a marketer to import codes, "
        "or choose another offer.",
    ),
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
    "member_inactive:then": (
        member_inactive_then,
        "Your membership was not active when “Coffee” was given out.",
        "It was refused yesterday at 11:00, because she was not active then. She is now.",
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
