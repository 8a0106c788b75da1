from offers.models.assignment import STATUS_LABELS, Assignment, AssignmentEvent, DoorEntry, Source
from offers.models.campaign import Campaign
from offers.models.catalogue import Audience, ConfigOffer, OfferRevision, RepeatPolicy
from offers.models.field import FieldDefinition
from offers.models.grant_ledger import GrantLedgerEntry
from offers.models.limit import Limit, LimitReservation, MemberCount
from offers.models.mass_assignment import AudienceMember, CodeReservation, MassAssignment, MassAssignmentChunk
from offers.models.mass_assignment_undo import KeptAssignment, MassAssignmentUndo, MassAssignmentUndoChunk
from offers.models.member_list import MemberList, MemberListEntry, MemberListLine
from offers.models.personal_offer import (
    PersonalOfferImport,
    PersonalOfferPart,
    PersonalOfferRow,
    PersonalOfferValue,
)
from offers.models.promotion import (
    PersonalizedPromotion,
    PromotionChoice,
    PromotionEnrolment,
    PromotionEvent,
    PromotionListItem,
    PromotionProductList,
)
from offers.models.redemption import Redemption
from offers.models.run_approval import RunApproval
from offers.models.run_notification import RunFollower, RunNotification
from offers.models.run_schedule import RunSchedule
from offers.models.targeting import Targeting, TargetingVersion
from offers.models.template import OfferTemplate
from offers.models.voucher import VoucherBank, VoucherBatch, VoucherCode, VoucherSegment

__all__ = [
    "STATUS_LABELS",
    "Assignment",
    "AssignmentEvent",
    "Audience",
    "AudienceMember",
    "Campaign",
    "CodeReservation",
    "ConfigOffer",
    "DoorEntry",
    "FieldDefinition",
    "GrantLedgerEntry",
    "KeptAssignment",
    "Limit",
    "LimitReservation",
    "MassAssignment",
    "MassAssignmentChunk",
    "MassAssignmentUndo",
    "MassAssignmentUndoChunk",
    "MemberCount",
    "MemberList",
    "MemberListEntry",
    "MemberListLine",
    "OfferRevision",
    "OfferTemplate",
    "PersonalOfferImport",
    "PersonalOfferPart",
    "PersonalOfferRow",
    "PersonalOfferValue",
    "PersonalizedPromotion",
    "PromotionChoice",
    "PromotionEnrolment",
    "PromotionEvent",
    "PromotionListItem",
    "PromotionProductList",
    "Redemption",
    "RepeatPolicy",
    "RunApproval",
    "RunFollower",
    "RunNotification",
    "RunSchedule",
    "Source",
    "Targeting",
    "TargetingVersion",
    "VoucherBank",
    "VoucherBatch",
    "VoucherCode",
    "VoucherSegment",
]
