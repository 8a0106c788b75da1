"""The marketers' pages, below `/offers/`."""

from django.urls import path, re_path

from offers.views import catalogue, mass_assignment, mass_assignment_launch, targeting, template, voucher

app_name = "offers"

urlpatterns = [
    path("", catalogue.offers, name="catalogue"),
    path("export.csv", catalogue.export, name="catalogue_export"),
    path("new", catalogue.create, name="offer_new"),
    path("preview", catalogue.preview, name="offer_preview"),
    re_path(r"^suggestions/(?P<kind>products|groups|categories)$", catalogue.suggestions, name="suggestions"),
    path("<int:pk>/", catalogue.offer, name="offer"),
    path("<int:pk>/edit", catalogue.edit, name="offer_edit"),
    path("<int:pk>/publish", catalogue.publish, name="offer_publish"),
    path("<int:pk>/archive", catalogue.archive, name="offer_archive"),
    path("<int:pk>/restore", catalogue.restore, name="offer_restore"),
    path("templates/", template.templates, name="templates"),
    path("templates/new", template.create, name="template_new"),
    path("templates/form", template.preview, name="template_preview"),
    path("templates/<int:pk>/", template.edit, name="template"),
    path("templates/<int:pk>/archive", template.archive, name="template_archive"),
    path("vouchers/", voucher.banks, name="vouchers"),
    path("vouchers/<int:pk>/", voucher.bank, name="voucher_bank"),
    path("vouchers/<int:pk>/check", voucher.check_codes, name="voucher_check"),
    path("vouchers/<int:pk>/import", voucher.import_codes, name="voucher_import"),
    path("vouchers/<int:pk>/low-stock", voucher.low_stock, name="voucher_low_stock"),
    path("vouchers/<int:pk>/count", voucher.count, name="voucher_count"),
    path("audiences/", targeting.targetings, name="targetings"),
    path("audiences/new", targeting.create, name="targeting-create"),
    path("audiences/preview", targeting.preview, name="targeting-preview"),
    path("audiences/count", targeting.count, name="targeting-count"),
    path("audiences/values", targeting.values, name="targeting-values"),
    path("audiences/<int:pk>/", targeting.edit, name="targeting"),
    path("audiences/<int:pk>/archive", targeting.archive, name="targeting-archive"),
    path("runs/", mass_assignment.runs, name="runs"),
    path("runs/export.csv", mass_assignment.export, name="runs_export"),
    path("runs/new", mass_assignment_launch.create, name="run_new"),
    path("runs/new/offers", mass_assignment_launch.offers, name="run_offers"),
    path("runs/new/audiences", mass_assignment_launch.audiences, name="run_audiences"),
    path("runs/new/count", mass_assignment_launch.count, name="run_count"),
    path("runs/new/sample", mass_assignment_launch.sample, name="run_sample"),
    path("runs/new/dry-run", mass_assignment_launch.dry_run, name="run_dry_run"),
    path("runs/<int:run_id>/", mass_assignment.run, name="run"),
    path("runs/<int:run_id>/row", mass_assignment.row, name="run_row"),
    path("runs/<int:run_id>/live", mass_assignment.live, name="run_live"),
    path("runs/<int:run_id>/preview", mass_assignment_launch.preview, name="run_preview"),
    path("runs/<int:run_id>/outcomes", mass_assignment.outcomes, name="run_outcomes"),
    path("runs/<int:run_id>/outcomes.csv", mass_assignment.export_outcomes, name="run_outcomes_export"),
    re_path(
        r"^runs/(?P<run_id>[0-9]{1,18})/(?P<verb>launch|pause|resume|retry|cancel)$",
        mass_assignment.act,
        name="run_act",
    ),
]
