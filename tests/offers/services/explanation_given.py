"""The stories of what was to be given to her, by runs, doors and imports, and what is said of it (B-02)."""

from loyalty import clock
from offers.models import Assignment, AudienceMember, ConfigOffer, MassAssignment, PersonalOfferImport, PersonalOfferRow
from offers.selectors.explanation import Waiting
from offers.services import eligibility_settings, mass_assignment
from offers.services.explanation_words import from_when
from tests.factories import (
    MemberFactory,
    OfferTemplateFactory,
    TargetingFactory,
    draft_run,
    give,
    launch_run,
    limit_of,
    plan_run,
    work,
)
from tests.offers.services.explanation_story import DAY, NOBODY, NOW, Case, Story


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


def waiting_for_approval(story: Story) -> None:
    story.offer()
    story.made["waiting"] = [Waiting(NOW - DAY, "Ola Agent", "/waiting/1"), Waiting(NOW, "Uma Agent")]


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


def member_inactive_then(story: Story) -> None:
    story.ann.status = "inactive"
    story.ann.save()
    story.refused("member_inactive")
    story.ann.status = "active"
    story.ann.save()


GIVEN: dict[str, Case] = {
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
    "waiting_for_approval": (
        waiting_for_approval,
        "“Coffee” was asked for on your behalf yesterday at 11:00. It is being looked at and not decided yet.",
        "A grant of it waits for approval since yesterday at 11:00, asked by Ola Agent. Nothing is given meanwhile.",
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
    "member_inactive:then": (
        member_inactive_then,
        "Your membership was not active when “Coffee” was given out.",
        "It was refused yesterday at 11:00, because she was not active then. She is now.",
    ),
}
