"""Granting on the desk (S0-07, S0-08, S0-11, B-02, B-05, C-03; SCREENS, "Granting")."""

import datetime
import threading
import uuid

import pytest
from django.db import connections
from django.urls import reverse

from loyalty import clock
from loyalty.errors import NotFound
from loyalty.models import AuditEvent, OutboxEvent
from offers.models import Assignment, AssignmentEvent, ConfigOffer, DoorEntry, RepeatPolicy, Source
from offers.services import revocation
from offers.services.verb import By
from support.services import assignment as assignments
from support.services import grant as service
from tests.factories import (
    ConfigOfferFactory,
    DraftOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    UserFactory,
    give,
    import_codes,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def template(programme):
    offer = ConfigOfferFactory(
        programme=programme,
        name="Voucher 5 €",
        terms={"validity": {"days": 30}, "benefit": {"type": "amount", "size": 500}, "redemption_limit": {"limit": 1}},
        repeat_policy=RepeatPolicy.UNLIMITED,
    )
    return OfferTemplateFactory(config_offer=offer, name="Make good", required_rules=["benefit"])


def filled(template, **changes):
    return {
        "template": template.pk,
        "reference": str(uuid.uuid4()),
        "reason": "code_refused",
        "ticket": "#48213",
        "note": "",
        "benefit__type": "amount",
        "benefit__size": "4.50",
    } | changes


def send(client, member, data, **options):
    return client.post(reverse("support:grant", args=[member.pk]), data, **options)


def test_a_grant_gives_the_offer_with_the_given_terms_and_keeps_why(agent, user, ann, template):
    """S0-08, S0-11: the record says the support desk made it, by whom; the door keeps reason and ticket."""
    answer = send(agent, ann, filled(template, note="Till 4 was down"), follow=True)
    held = Assignment.objects.get(member=ann)
    assert held.template == template
    assert held.terms == {"benefit": {"type": "amount", "size": 450}}
    assert (held.source, held.actor, held.exposure_minor) == (Source.SUPPORT, user, 450)
    assert DoorEntry.objects.get(assignment=held).context == {
        "reason": "code_refused",
        "ticket": "#48213",
        "note": "Till 4 was down",
    }
    assert "Granted Voucher 5 € to Ann Lee." in answer.text
    assert reverse("support:undo", args=[ann.pk, held.pk]) in answer.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"benefit__type": "", "benefit__size": ""}, "benefit"),
        ({"benefit__size": "abc"}, "abc"),
        ({"benefit__size": "-1"}, "too small"),
        ({"reason": ""}, "required"),
        ({"reference": "no uuid"}, ""),
        ({"validity__days": "0"}, "too small"),
    ],
)
def test_a_form_with_a_problem_names_it_and_gives_nothing(agent, ann, template, changes, said):
    """S0-07: a required rule left empty is refused by name, and what was typed stays."""
    answer = send(agent, ann, filled(template, **changes))
    assert answer.status_code == 422
    assert said in answer.text
    assert "#48213" in answer.text
    assert not Assignment.objects.exists()
    assert not DoorEntry.objects.exists()


def test_the_same_form_sent_twice_is_one_grant(agent, ann, template):
    data = filled(template)
    send(agent, ann, data)
    again = send(agent, ann, data, follow=True)
    assert Assignment.objects.count() == 1
    assert DoorEntry.objects.count() == 1
    assert "It counts once" in again.text


def test_two_tabs_show_one_form_and_a_later_one_is_another_grant(agent, ann, template):
    address = reverse("support:grant", args=[ann.pk])
    first, second = (
        agent.get(address, {"template": template.pk}).context["why"]["reference"].value() for _ in range(2)
    )
    assert first == second
    send(agent, ann, filled(template, reference=str(first)))
    send(agent, ann, filled(template, reference=str(second)))
    assert Assignment.objects.count() == 1
    third = agent.get(address, {"template": template.pk}).context["why"]["reference"].value()
    assert third != first
    send(agent, ann, filled(template, reference=str(third)))
    assert Assignment.objects.count() == 2


def test_a_forms_reference_means_nothing_for_another_member(agent, programme, ann, template):
    data = filled(template)
    send(agent, ann, data)
    other = MemberFactory(programme=programme)
    send(agent, other, data)
    assert Assignment.objects.filter(member=other).count() == 1


def test_the_panel_shows_what_the_grant_will_be(agent, ann, template):
    answer = agent.get(reverse("support:grant", args=[ann.pk]), {"template": template.pk})
    assert answer.context["preview"].code == "assigned"
    assert answer.context["preview"].exposure_minor == 500
    for said in ("Grant Voucher 5 €", "5.00 €", "Costs at most", "She will see"):
        assert said in answer.text
    changed = agent.post(reverse("support:grant_preview", args=[ann.pk]), filled(template, redemption_limit__limit="3"))
    assert "13.50 €" in changed.text
    assert not Assignment.objects.exists()
    assert not DoorEntry.objects.exists()


def test_a_preview_of_a_bad_value_says_so(agent, ann, template):
    address = reverse("support:grant_preview", args=[ann.pk])
    answer = agent.post(address, filled(template, benefit__size="x"))
    assert "not acceptable yet" in answer.text
    # At which field and why; sending it says the same at the field itself.
    assert "Benefit, Size: “x” is not an amount." in answer.text
    assert "disabled" not in answer.text


def test_a_refusal_is_told_in_words_with_its_code_before_and_on_sending(agent, programme, ann):
    """B-02: out_of_codes, already_held and member_inactive are said as what they are; nothing is written."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    template = offer.templates.get()
    data = {"template": template.pk, "reference": str(uuid.uuid4()), "reason": "goodwill", "ticket": "", "note": ""}
    before = agent.get(reverse("support:grant", args=[ann.pk]), {"template": template.pk})
    assert "no voucher code left" in before.text
    answer = send(agent, ann, data)
    assert answer.status_code == 409
    assert "out_of_codes" in answer.text
    assert not Assignment.objects.exists()
    # Codes have come: the form that was refused carries a new reference and goes through.
    import_codes(offer, 1)
    send(agent, ann, data | {"reference": answer.context["why"]["reference"].value()})
    assert Assignment.objects.filter(member=ann).count() == 1
    assert (
        agent.get(reverse("support:grant", args=[ann.pk]), {"template": template.pk}).context["preview"].codes_left == 0
    )


def test_an_offer_that_may_be_held_once_is_refused_the_second_time(agent, programme, ann):
    offer = ConfigOfferFactory(programme=programme, repeat_policy=RepeatPolicy.ONCE_EVER)
    give(ann, offer)
    answer = agent.get(reverse("support:grant", args=[ann.pk]), {"template": offer.templates.get().pk})
    assert "already holds this offer" in answer.text
    assert "already_held" in answer.text


def test_only_published_personalized_offers_of_the_programme_can_be_chosen(agent, programme, ann):
    coffee = ConfigOfferFactory(programme=programme, name="Coffee")
    ConfigOfferFactory(programme=programme, name="Everyone", audience="everyone", terms={})
    DraftOfferFactory(programme=programme, name="Draft")
    archived = ConfigOfferFactory(programme=programme, name="Archived")
    ConfigOffer.objects.filter(pk=archived.pk).update(state="archived")
    foreign = ConfigOfferFactory(name="Foreign")
    listed = agent.get(reverse("support:grant", args=[ann.pk])).context["templates"]
    assert [each.config_offer for each in listed] == [coffee]
    found = agent.get(reverse("support:grant_choices", args=[ann.pk]), {"text": "cof"})
    assert [each.config_offer for each in found.context["templates"]] == [coffee]
    for offer in (archived, foreign):
        other = offer.templates.get()
        assert agent.get(reverse("support:grant", args=[ann.pk]), {"template": other.pk}).status_code == 404
        assert send(agent, ann, filled(other)).status_code == 404
    assert not Assignment.objects.exists()


def test_htmx_gets_a_toast_with_undo_and_an_event_that_renews_the_page(agent, ann, template):
    headers = {"HX-Request": "true", "HX-Target": "grant-body"}
    answer = send(agent, ann, filled(template), headers=headers)
    held = Assignment.objects.get()
    assert answer.headers["HX-Retarget"] == "#panel"
    assert "laurel:granted" in answer.headers["HX-Trigger"]
    assert reverse("support:undo", args=[ann.pk, held.pk]) in answer.headers["HX-Trigger"]
    assert "Voucher 5" in agent.get(reverse("support:member_now", args=[ann.pk])).text


def test_undo_takes_the_grant_back_and_leaves_an_event(agent, user, ann, template):
    send(agent, ann, filled(template))
    held = Assignment.objects.get()
    address = reverse("support:undo", args=[ann.pk, held.pk])
    assert "Undone" in agent.post(address, follow=True).text
    agent.post(address)
    held.refresh_from_db()
    assert held.revoked_at is not None
    event = AssignmentEvent.objects.get(assignment=held)
    assert (event.verb, event.actor) == ("undone", user)
    assert OutboxEvent.objects.filter(type="assignment.revoked", assignment_ids=[held.pk]).count() == 1
    audited = AuditEvent.objects.get(action="assignment.undone")
    assert (audited.user, audited.object_id) == (user, str(held.pk))


def test_undo_is_for_ones_own_grant_of_a_moment_ago(agent, user, programme, ann, template):
    others = give(ann, template, terms={"benefit": {"type": "amount", "size": 100}})
    assert agent.post(reverse("support:undo", args=[ann.pk, others.pk])).status_code == 404
    send(agent, ann, filled(template))
    mine = Assignment.objects.get(actor=user)
    late = clock.now() + datetime.timedelta(seconds=revocation.UNDO_SECONDS + 1)
    assert assignments.undo(member=ann, assignment_id=mine.pk, actor=user, now=late).code == "too_late"
    with pytest.raises(NotFound):
        assignments.undo(member=ann, assignment_id=mine.pk, actor=UserFactory(), now=clock.now())
    assert not Assignment.objects.filter(revoked_at__isnull=False).exists()


def test_what_was_taken_back_may_be_given_again(agent, user, programme, ann):
    """D-01: revoking frees the holding; the event keeps which it was."""
    offer = ConfigOfferFactory(programme=programme, repeat_policy=RepeatPolicy.ONCE_EVER)
    held = give(ann, offer)
    answer = revocation.revoke(
        programme=programme, assignment_id=held.pk, reason="slip", by=By(actor=user), now=clock.now()
    )
    assert answer.code == "revoked"
    assert AssignmentEvent.objects.get(assignment=held).data["holding_key"] == [0, None]
    give(ann, offer)


def test_what_is_used_up_or_elsewhere_is_not_revoked(programme, ann):
    held = give(ann, ConfigOfferFactory(programme=programme))
    Assignment.objects.filter(pk=held.pk).update(used_up_at=clock.now())
    answer = revocation.revoke(programme=programme, assignment_id=held.pk, reason="slip", now=clock.now())
    assert (answer.code, answer.is_revoked) == ("used_up", False)
    with pytest.raises(NotFound):
        revocation.revoke(programme=ProgrammeFactory(), assignment_id=held.pk, reason="slip", now=clock.now())
    assert not AssignmentEvent.objects.exists()


def test_a_viewer_without_the_permission_neither_sees_nor_does_it(client, programme, ann, template):
    from tests.support.test_member_page import permissions

    viewer = UserFactory(programmes=[programme])
    viewer.user_permissions.set(
        permissions("loyalty.view_member", "offers.view_assignment", "offers.view_offertemplate")
    )
    client.force_login(viewer)
    assert "Grant an offer" not in client.get(reverse("support:member", args=[ann.pk])).text
    assert client.get(reverse("support:grant", args=[ann.pk])).status_code == 403
    assert send(client, ann, filled(template)).status_code == 403
    assert not Assignment.objects.exists()


def test_with_the_module_off_the_panel_says_so(agent, programme, ann, template):
    """S4-41: nothing is granted while the programme's offers module is off."""
    programme.offers_enabled = False
    programme.save()
    assert "module of “" in agent.get(reverse("support:grant", args=[ann.pk]), {"template": template.pk}).text
    assert send(agent, ann, filled(template)).status_code == 409
    assert not Assignment.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_ten_clicks_at_once_are_one_grant(programme, ann, user, template):
    """One form sent by ten threads at the same moment: one assignment, ten equal answers."""
    reference, barrier, answers = uuid.uuid4(), threading.Barrier(10), []

    def click():
        try:
            barrier.wait()
            answers.append(
                service.grant(
                    member=ann,
                    template=template,
                    terms={"benefit": {"type": "amount", "size": 450}},
                    reference=reference,
                    why=service.Why(reason="goodwill"),
                    actor=user,
                    now=clock.now(),
                )
            )
        finally:
            connections.close_all()

    threads = [threading.Thread(target=click) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Assignment.objects.count() == 1
    assert len({answer.outcome.assignment_id for answer in answers}) == 1
    assert sorted(answer.is_replayed for answer in answers) == [False] + [True] * 9


def test_a_reference_that_was_answered_for_another_grant_is_replaced_in_the_form(agent, ann, template):
    """S0-11: otherwise every further attempt of this form is refused for the same cause."""
    first = filled(template)
    send(agent, ann, first)
    refused = send(agent, ann, first | {"benefit__size": "9.00"})
    assert refused.status_code == 409
    fresh = refused.context["why"]["reference"].value()
    assert fresh != first["reference"]
    assert f'value="{fresh}"' in refused.text
    before = DoorEntry.objects.count()
    # What becomes of it is another question: it is asked, and answered, as a grant of its own.
    send(agent, ann, first | {"benefit__size": "9.00", "reference": fresh})
    assert DoorEntry.objects.count() == before + 1
