"""The offers' addresses below `/api/v1/`."""

from django.urls import path

from offers.api import (
    assignment,
    assignment_bulk,
    assignment_verbs,
    catalogue,
    eligibility,
    limit,
    mass_assignment,
    mass_assignment_undo,
    member_offers,
    synchronization,
    targeting,
    targeting_breakdown,
    template,
    voucher,
    voucher_code,
    voucher_generation,
)

# Keys from outside may hold slashes; an address with a verb stands before the one without.
urlpatterns = [
    # First, because most requests are members'.
    path("me/offers", member_offers.MyOffers.as_view(), name="my-offers"),
    path("me/offers/<uuid:offer_id>", member_offers.MyOffer.as_view(), name="my-offer"),
    path("me/offers/<uuid:offer_id>/decline", member_offers.DeclineMyOffer.as_view(), name="decline-my-offer"),
    path("me/offers/<uuid:offer_id>/accept", member_offers.AcceptMyOffer.as_view(), name="accept-my-offer"),
    path("me/offers/<uuid:offer_id>/products", member_offers.MyOfferProducts.as_view(), name="my-offer-products"),
    path("config-offers", catalogue.ConfigOffers.as_view(), name="config-offers"),
    path("config-offers/<path:key>/limits", limit.ConfigOfferLimits.as_view(), name="config-offer-limits"),
    path("config-offers/<path:key>/eligibility", eligibility.ConfigOfferEligibility.as_view(), name="eligibility"),
    path("campaigns/<path:key>/limits", limit.CampaignLimits.as_view(), name="campaign-limits"),
    path("config-offers/<path:key>/publish", catalogue.PublishConfigOffer.as_view(), name="publish-config-offer"),
    path("config-offers/<path:key>/archive", catalogue.ArchiveConfigOffer.as_view(), name="archive-config-offer"),
    path("config-offers/<path:key>", catalogue.OneConfigOffer.as_view(), name="config-offer"),
    path("offer-templates", template.OfferTemplates.as_view(), name="offer-templates"),
    path("offer-templates/<path:key>/archive", template.ArchiveOfferTemplate.as_view(), name="archive-offer-template"),
    path("offer-templates/<path:key>", template.OneOfferTemplate.as_view(), name="offer-template"),
    path("voucher-banks/<path:key>/codes/dry-run", voucher.DryRunVoucherCodes.as_view(), name="dry-run-voucher-codes"),
    path("voucher-banks/<path:key>/codes/find", voucher_code.FindVoucherCode.as_view(), name="find-voucher-code"),
    path("voucher-banks/<path:key>/codes/void", voucher_code.VoidVoucherCode.as_view(), name="void-voucher-code"),
    path("voucher-banks/<path:key>/batches", voucher_generation.VoucherBatches.as_view(), name="voucher-batches"),
    path(
        "voucher-banks/<path:key>/batches/<int:batch_id>/export",
        voucher_generation.ExportVoucherBatch.as_view(),
        name="export-voucher-batch",
    ),
    path(
        "voucher-banks/<path:key>/batches/<int:batch_id>/undo",
        voucher_code.UndoVoucherBatch.as_view(),
        name="undo-voucher-batch",
    ),
    path("voucher-banks/<path:key>/codes", voucher.VoucherCodes.as_view(), name="voucher-codes"),
    path("assignments", assignment.Assignments.as_view(), name="assignments"),
    path("assignments/bulk", assignment_bulk.BulkAssignments.as_view(), name="bulk-assignments"),
    path("assignments/synchronize", synchronization.SynchronizeAssignments.as_view(), name="synchronize-assignments"),
    path("assignments/look-up-code", synchronization.LookUpCode.as_view(), name="look-up-code"),
    path("assignments/<uuid:assignment_id>/revoke", assignment_verbs.RevokeAssignment.as_view(), name="revoke"),
    path("assignments/<uuid:assignment_id>/undo", assignment_verbs.UndoAssignment.as_view(), name="undo"),
    path("assignments/<uuid:assignment_id>/reissue", assignment_verbs.ReissueAssignment.as_view(), name="reissue"),
    path("assignments/<uuid:assignment_id>/extend", assignment_verbs.ExtendAssignment.as_view(), name="extend"),
    path("assignments/<uuid:assignment_id>/close", assignment_verbs.CloseAssignment.as_view(), name="close"),
    path("assignments/<uuid:assignment_id>/timeline", assignment_verbs.AssignmentTimeline.as_view(), name="timeline"),
    path("assignments/<uuid:assignment_id>", assignment.OneAssignment.as_view(), name="assignment"),
    path("targetings/count", targeting.CountTargeting.as_view(), name="count-targeting"),
    path("targetings/breakdown", targeting_breakdown.BreakDownTargeting.as_view(), name="break-down-targeting"),
    path("targetings/explain", targeting.ExplainTargeting.as_view(), name="explain-targeting"),
    path("mass-assignments", mass_assignment.MassAssignments.as_view(), name="mass-assignments"),
    path("mass-assignments/dry-run", mass_assignment.DryRunMassAssignment.as_view(), name="dry-run-mass-assignment"),
    path("mass-assignments/<int:run_id>", mass_assignment.OneMassAssignment.as_view(), name="mass-assignment"),
    path("mass-assignments/<int:run_id>/launch", mass_assignment.LaunchMassAssignment.as_view(), name="launch-run"),
    path("mass-assignments/<int:run_id>/pause", mass_assignment.PauseMassAssignment.as_view(), name="pause-run"),
    path("mass-assignments/<int:run_id>/resume", mass_assignment.ResumeMassAssignment.as_view(), name="resume-run"),
    path("mass-assignments/<int:run_id>/retry", mass_assignment.RetryMassAssignment.as_view(), name="retry-run"),
    path("mass-assignments/<int:run_id>/cancel", mass_assignment.CancelMassAssignment.as_view(), name="cancel-run"),
    path("mass-assignments/<int:run_id>/undo", mass_assignment_undo.UndoMassAssignment.as_view(), name="undo-run"),
    path(
        "mass-assignments/<int:run_id>/undo/kept", mass_assignment_undo.KeptOfMassAssignment.as_view(), name="run-kept"
    ),
    path(
        "mass-assignments/<int:run_id>/outcomes", mass_assignment.MassAssignmentOutcomes.as_view(), name="run-outcomes"
    ),
]
