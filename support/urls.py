from django.urls import path

from support.views import assignment, grant, home, member, member_import, programme, record, role, search

app_name = "support"

urlpatterns = [
    path("", home.home, name="home"),
    path("home/runs", home.running, name="home_runs"),
    path("home/figures", home.figures, name="home_figures"),
    path("programme/choose", programme.choose, name="choose_programme"),
    path("support/search", search.search, name="search"),
    path("support/go", search.go, name="go"),
    path("support/roles", role.roles, name="roles"),
    path("support/members", member.listing, name="members"),
    path("support/members/export", member.export, name="members_export"),
    path("support/members/imports", member_import.listing, name="member_imports"),
    path("support/members/imports/<int:import_id>", member_import.detail, name="member_import"),
    path("support/members/imports/<int:import_id>/live", member_import.live, name="member_import_live"),
    path("support/members/imports/<int:import_id>/import", member_import.start, name="member_import_start"),
    path("support/members/imports/<int:import_id>/undo", member_import.undo, name="member_import_undo"),
    path("support/members/imports/<int:import_id>/report", member_import.report, name="member_import_report"),
    path("support/members/<int:member_id>", member.detail, name="member"),
    path("support/members/<int:member_id>/now", member.current, name="member_now"),
    path("support/members/<int:member_id>/past", member.past, name="member_past"),
    path("support/members/<int:member_id>/receipts", member.receipts, name="member_receipts"),
    path("support/members/<int:member_id>/timeline", member.timeline, name="member_timeline"),
    path("support/members/<int:member_id>/reveal", member.reveal, name="member_reveal"),
    path("support/members/<int:member_id>/as-member", member.as_member, name="as_member"),
    path("support/members/<int:member_id>/record", record.detail, name="record"),
    path("support/members/<int:member_id>/record/export", record.export, name="record_export"),
    path("support/members/<int:member_id>/grant", grant.grant, name="grant"),
    path("support/members/<int:member_id>/grant/choices", grant.choices, name="grant_choices"),
    path("support/members/<int:member_id>/grant/preview", grant.preview, name="grant_preview"),
    path("support/members/<int:member_id>/undo/<uuid:assignment_id>", assignment.undo, name="undo"),
    path("support/receipts/<int:purchase_id>/lines", member.receipt_lines, name="receipt_lines"),
    path("support/assignments/<uuid:assignment_id>", assignment.detail, name="assignment"),
    path("support/assignments/<uuid:assignment_id>/code", assignment.show_code, name="show_code"),
    path("support/assignments/<uuid:assignment_id>/revoke", assignment.revoke, name="revoke"),
    path("support/assignments/<uuid:assignment_id>/reissue", assignment.reissue, name="reissue"),
    path("support/assignments/<uuid:assignment_id>/extend", assignment.extend, name="extend"),
    path("support/assignments/<uuid:assignment_id>/close", assignment.close, name="close"),
]
