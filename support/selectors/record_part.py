"""The parts of what we know of a member, kind by kind: each with its tables, its rows and its words (B-18; issue 5).

A part names the tables that it reads, and a test compares them with every table that names a member: whoever adds one
decides here what of it is hers to know. Codes that nobody was shown stay hidden (D-10). Who is held out of a run is
told nowhere (D-19), so of runs only those stand here that did not. People who work here are not named: that is
what they did, not who she is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, Model, OuterRef, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.models import (
    AuditEvent,
    Consent,
    ConsentEvent,
    Member,
    MemberImportChange,
    Purchase,
    PurchaseLine,
)
from offers import rules
from offers.models import (
    Assignment,
    AssignmentEvent,
    AudienceMember,
    DoorEntry,
    MemberListEntry,
    PersonalOfferValue,
    PromotionEnrolment,
    PromotionEvent,
    Redemption,
    Source,
)
from support.models import GrantRequest

Row = dict[str, Any]

# Rows in memory at a time while a file is written.
PART = 2000

LOOKED_AT = ("field", "fields")


@dataclass(frozen=True)
class Part:
    """One kind of what we know: its rows, newest first where they happened at moments."""

    key: str
    label: str | Promise
    about: str | Promise
    """Why it is kept, in a sentence to read out."""
    models: tuple[type[Model], ...]
    read: Callable[[Member], QuerySet[Any]]
    row: Callable[[Any], Row]
    is_wide: bool = False
    """More than fits a line: a page shows each row as a card of what is known."""

    def rows(self, member: Member) -> Iterator[Row]:
        """Yield the rows, a part of them in memory at a time."""
        for found in self.read(member).iterator(chunk_size=PART):
            yield self.row(found)


def _consent_row(row: Consent | ConsentEvent) -> Row:
    return {"channel": row.channel.name, "agreed": row.is_granted, "at": row.changed_at, "through": row.source}


def _assignment_row(held: Assignment) -> Row:
    campaign = held.campaign.name if held.campaign and not held.campaign.is_of_run else None
    return {
        "offer": held.config_offer.name,
        "personalized_offer_id": str(held.pk),
        "through": str(Source(held.source).label),
        "campaign": campaign,
        "issued": held.issued_at,
        "usable_from": held.starts_at,
        "usable_until": held.ends_at,
        "terms": _terms(held),
        "code": _code(held),
        "seen": held.seen_at,
        "accepted": held.accepted_at,
        "used_up": held.used_up_at,
        "revoked": held.revoked_at,
        "closed": held.closed_at,
    }


def _terms(held: Assignment) -> list[str]:
    programme = held.config_offer.programme
    effective = rules.effective(held.revision.terms, held.terms or {})
    return [str(line.text) for line in rules.explain(effective, currency=programme.currency, zone=programme.zone)]


def _code(held: Assignment) -> str | None:
    """Return the code that somebody was shown already; reading this shows none (D-10)."""
    return held.voucher_code.code if held.voucher_code and held.exposed_at else None


def _event_row(row: AssignmentEvent) -> Row:
    # What changed stands with the offer as it is now; of a code that came or left not even a part is told.
    return {
        "offer": row.assignment.config_offer.name,
        "personalized_offer_id": str(row.assignment_id),
        "at": row.at,
        "what": row.verb,
        "through": str(Source(row.source).label) if row.source else None,
        "reason": row.data.get("reason"),
    }


def _request_row(row: DoorEntry) -> Row:
    return {
        "at": row.created_at,
        "through": str(Source(row.door).label),
        "answer": row.answer.get("outcome"),
        "personalized_offer_id": str(row.assignment_id) if row.assignment_id else None,
        "noted": row.context,
    }


def _waiting_row(row: GrantRequest) -> Row:
    return {
        "at": row.asked_at,
        "offer": row.template.config_offer.name,
        "became": str(row.get_state_display()),
        "decided_at": row.decided_at,
        "noted": {"reason": row.reason, "ticket": row.ticket, "note": row.note, "answer": row.answer},
    }


def _redemption_row(row: Redemption) -> Row:
    return {
        "offer": row.config_offer.name,
        "at": row.redeemed_at,
        "receipt": row.purchase.external_id if row.purchase else None,
        "benefit_minor": row.benefit_minor,
        "points": row.points,
        "given_back_at": row.returned_at,
    }


def _purchase_row(row: Purchase) -> Row:
    return {
        "receipt": row.external_id,
        "at": row.purchased_at,
        "store": row.store.name if row.store else None,
        "total_minor": row.total_minor,
        "discount_minor": row.discount_minor,
    }


def _line_row(row: PurchaseLine) -> Row:
    return {
        "receipt": row.purchase.external_id,
        "product": row.product.name,
        "quantity": row.quantity,
        "amount_minor": row.amount_minor,
        "discount_minor": row.discount_minor,
    }


def _run_row(row: AudienceMember) -> Row:
    return {
        "run": row.run.name,
        "offer": row.run.config_offer.name,
        "at": row.run.planned_at,
        "outcome": row.outcome or _given(row),
        "values": row.given,
    }


def _given(row: Any) -> str:
    """Return what became of who was to get it: a run may not have come to her yet, or was taken back."""
    if row.is_standing:
        return "assigned"
    return "taken back" if row.is_given else "not assigned"


def _runs(member: Member) -> QuerySet[AudienceMember]:
    given = Assignment.objects.filter(member=member, run_id=OuterRef("run_id"))
    return (
        AudienceMember.objects.filter(member=member)
        .exclude(outcome="held_out")
        .annotate(is_given=Exists(given), is_standing=Exists(given.filter(revoked_at__isnull=True)))
        .select_related("run__config_offer")
        .order_by("-run_id")
    )


def _list_row(row: MemberListEntry) -> Row:
    return {"list": row.member_list.name, "at": row.member_list.created_at, "values": row.values}


def _personal_row(row: PersonalOfferValue) -> Row:
    return {"offer": row.config_offer.name, "value": row.value, "at": row.updated_at}


def _promotion_row(row: PromotionEnrolment) -> Row:
    return {
        "promotion": row.promotion.name,
        "list": row.product_list.name,
        "assigned": row.assigned_at,
        "chosen": [choice.item.product.name for choice in row.choices.all()],
        "chosen_at": row.chosen_at,
        "locked": row.locked_at,
        "withdrawn": row.withdrawn_at,
    }


def _promotion_event_row(row: PromotionEvent) -> Row:
    return {"promotion": row.enrolment.promotion.name, "at": row.at, "what": row.verb, "details": row.data}


def _change_row(row: MemberImportChange) -> Row:
    return {"file": row.member_import.file_name, "at": row.member_import.imported_at, "before": row.before}


def _look_row(row: AuditEvent) -> Row:
    # What an audit row says besides may be about others.
    return {"at": row.at, "what": row.action, "details": {key: row.data[key] for key in LOOKED_AT if key in row.data}}


PARTS: Sequence[Part] = (
    Part(
        "consents",
        _("Consents"),
        _("Whether you agreed to be written to, channel by channel."),
        (Consent,),
        lambda member: Consent.objects.filter(member=member).select_related("channel").order_by("channel_id"),
        _consent_row,
    ),
    Part(
        "consent_history",
        _("How consents came to be"),
        _("The proof of who agreed to what, when and through whom."),
        (ConsentEvent,),
        lambda member: ConsentEvent.objects.filter(member=member).select_related("channel").order_by("-id"),
        _consent_row,
    ),
    Part(
        "offers",
        _("Offers"),
        _("Every offer that you were given, with its terms and what became of it."),
        (Assignment,),
        lambda member: (
            Assignment.objects.filter(member=member)
            .select_related("config_offer__programme", "revision", "campaign", "voucher_code")
            .order_by("-issued_at", "-pk")
        ),
        _assignment_row,
        is_wide=True,
    ),
    Part(
        "offer_changes",
        _("What happened to offers"),
        _("Changes of your offers: seen, accepted, extended, revoked."),
        (AssignmentEvent,),
        lambda member: (
            AssignmentEvent.objects.filter(assignment__member=member)
            .select_related("assignment__config_offer")
            .order_by("-at", "-pk")
        ),
        _event_row,
    ),
    Part(
        "uses",
        _("Uses of offers"),
        _("When an offer was used, and what it was worth."),
        (Redemption,),
        lambda member: (
            Redemption.objects.filter(member=member)
            .select_related("config_offer", "purchase")
            .order_by("-redeemed_at", "-pk")
        ),
        _redemption_row,
    ),
    Part(
        "requests",
        _("Requests at our doors"),
        _("Each time somebody asked to give you an offer, what was answered, and what was noted."),
        (DoorEntry,),
        lambda member: DoorEntry.objects.filter(member=member).order_by("-created_at", "-pk"),
        _request_row,
        is_wide=True,
    ),
    Part(
        "waiting_grants",
        _("Offers that a second person looked at"),
        _("What somebody wanted to give you and could not decide alone, and what became of it."),
        (GrantRequest,),
        lambda member: (
            GrantRequest.objects.filter(member=member)
            .select_related("template__config_offer")
            .order_by("-asked_at", "-pk")
        ),
        _waiting_row,
        is_wide=True,
    ),
    Part(
        "purchases",
        _("Purchases"),
        _("Your receipts, as the tills sent them."),
        (Purchase,),
        lambda member: Purchase.objects.filter(member=member).select_related("store").order_by("-purchased_at", "-pk"),
        _purchase_row,
    ),
    Part(
        "purchase_lines",
        _("What was bought"),
        _("The lines of these receipts."),
        (PurchaseLine,),
        lambda member: (
            PurchaseLine.objects.filter(purchase__member=member)
            .select_related("purchase", "product")
            .order_by("-purchase__purchased_at", "pk")
        ),
        _line_row,
    ),
    Part(
        "runs",
        _("Campaigns that considered you"),
        _("Runs that looked at you for an offer, and what came of it."),
        (AudienceMember,),
        _runs,
        _run_row,
    ),
    Part(
        "lists",
        _("Lists"),
        _("Uploaded lists that name you, and what stands there."),
        (MemberListEntry,),
        lambda member: (
            MemberListEntry.objects.filter(member=member).select_related("member_list").order_by("-member_list_id")
        ),
        _list_row,
    ),
    Part(
        "personal_offers",
        _("Terms of your own"),
        _("Values that were imported for you alone, from which offers take their terms."),
        (PersonalOfferValue,),
        lambda member: (
            PersonalOfferValue.objects.filter(member=member).select_related("config_offer").order_by("config_offer_id")
        ),
        _personal_row,
    ),
    Part(
        "promotions",
        _("Personalized promotions"),
        _("Promotions that are yours, and what you chose from your list."),
        (PromotionEnrolment,),
        lambda member: (
            PromotionEnrolment.objects.filter(member=member)
            .select_related("promotion", "product_list")
            .prefetch_related("choices__item__product")
            .order_by("-assigned_at", "-pk")
        ),
        _promotion_row,
        is_wide=True,
    ),
    Part(
        "promotion_changes",
        _("What happened to promotions"),
        _("Each time a promotion was given to you or taken, and each choice."),
        (PromotionEvent,),
        lambda member: (
            PromotionEvent.objects.filter(enrolment__member=member)
            .select_related("enrolment__promotion")
            .order_by("-at", "-pk")
        ),
        _promotion_event_row,
    ),
    Part(
        "former_values",
        _("Former values"),
        _("What an import changed, kept so that it can be taken back."),
        (MemberImportChange,),
        lambda member: MemberImportChange.objects.filter(member=member).select_related("member_import").order_by("-pk"),
        _change_row,
    ),
    Part(
        "looks",
        _("Who looked"),
        _("Each time somebody who works here looked at your page, saw your contact data, or took it out."),
        (AuditEvent,),
        lambda member: AuditEvent.objects.filter(
            object_type=Member._meta.label_lower, object_id=str(member.pk)
        ).order_by("-id"),
        _look_row,
    ),
)
