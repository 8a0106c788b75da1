"""Members by file in a browser: check, read the report, import, undo (issue 4)."""

import pytest
from playwright.sync_api import Page, expect

from loyalty.models import Member


@pytest.fixture
def desk(page, person, sign_in) -> Page:
    sign_in(page, person("administrator"))
    return page


def check(desk: Page, content: bytes) -> None:
    desk.goto("/support/members/imports")
    file = {"name": "members.csv", "mimeType": "text/csv", "buffer": content}
    desk.get_by_label("File of members").set_input_files(file)
    desk.get_by_role("button", name="Check the file").click()
    expect(desk.get_by_role("heading", name="members.csv", level=1)).to_be_visible()


def test_a_file_is_checked_mended_imported_and_undone(desk, programme, assert_accessible, shoot):
    """Issue 4: dry run, per-line report, undo; nothing is written before the button that says so."""
    desk.goto("/support/members/imports")
    shoot(desk, "member-imports")
    assert_accessible(desk)

    check(desk, b"external_id,first_name,email\nm1,Ada,nonsense\nm1,Ada,\n")
    expect(desk.get_by_text("2 problems, so nothing was written.")).to_be_visible()
    expect(desk.get_by_role("row", name="2 email nonsense This is no e-mail address.")).to_be_visible()
    shoot(desk, "member-import-refused", whole=True)
    assert_accessible(desk)
    with desk.expect_download() as download:
        desk.get_by_role("link", name="The whole report as CSV").click()
    assert "This member is on line 2 too." in download.value.path().read_text()

    check(desk, b"external_id,first_name,consent.email\nm1,Ada,yes\nm2,Grace,\n")
    assert not Member.objects.exists()
    shoot(desk, "member-import-checked", whole=True)
    assert_accessible(desk)
    desk.get_by_role("button", name="Import 2 rows").click()
    expect(desk.get_by_role("heading", name="What it did imported")).to_be_visible()
    assert Member.objects.filter(programme=programme).count() == 2

    desk.get_by_role("button", name="Undo…").click()
    shoot(desk, "member-import-undo")
    assert_accessible(desk)
    desk.get_by_role("button", name="Take the import back").click()
    expect(desk.get_by_role("heading", name="What it did undone")).to_be_visible()
    # She who agreed to something is spoken of: her word stays on record, and she becomes inactive.
    assert list(Member.objects.values_list("external_id", "status")) == [("m1", "inactive")]
    shoot(desk, "member-import-undone", whole=True)
    assert_accessible(desk)
