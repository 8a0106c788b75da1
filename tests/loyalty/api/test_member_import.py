"""`/api/v1/members/imports` and `import_members`: files of members from outside and from the command line (issue 4)."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from loyalty.models import Member, MemberImport, Scope
from loyalty.services import member_import
from loyalty.tasks import member_import as task
from tests.factories import ApiClientFactory, MemberFactory, ProgrammeFactory

pytestmark = pytest.mark.django_db
FILE = b"external_id,first_name\nm1,Ada\nm2,Grace\n"


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def ask(programme):
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.MEMBERS])

    def go(method: str, path: str = "", body: bytes | None = None, kind: str = "text/csv"):
        given = {"data": body, "content_type": kind} if body is not None else {}
        return getattr(Client(), method)(
            f"/api/v1/members/imports{path}", **given, headers={"Authorization": f"Api-Key {key}"}
        )

    return go


def test_a_file_is_checked_imported_and_undone_over_the_api(programme, ask):
    checked = ask("post", "?dry_run=true&file_name=ours.csv", FILE)
    assert checked.status_code == 201
    assert {key: checked.json()[key] for key in ("state", "rows", "created", "file_name")} == {
        "state": "checked", "rows": 2, "created": 2, "file_name": "ours.csv",
    }  # fmt: skip
    assert not Member.objects.exists()
    path = f"/{checked.json()['id']}"
    assert ask("post", f"{path}/import").json()["state"] == "finished"
    assert Member.objects.filter(programme=programme).count() == 2
    assert ask("post", f"{path}/import").status_code == 409
    undone = ask("post", f"{path}/undo")
    assert (undone.json()["state"], undone.json()["removed"]) == ("undone", 2)
    assert ask("get", path).json()["state"] == "undone"
    assert ask("post", f"{path}/undo").json()["state"] == "undone"


def test_a_file_with_problems_changes_nothing_and_names_each(ask):
    answer = ask("post", "", b"external_id,email\nm1,nonsense\nm1,\n")
    assert (answer.status_code, answer.json()["state"], answer.json()["problem_count"]) == (201, "refused", 2)
    assert [(one["line"], one["field"], one["code"], one["value"]) for one in answer.json()["problems"]] == [
        (2, "email", "invalid_email", "nonsense"), (3, "external_id", "given_twice", "m1"),
    ]  # fmt: skip
    assert ask("get", f"/{answer.json()['id']}?offset=1").json()["problems"][0]["line"] == 3
    assert ask("get", f"/{answer.json()['id']}?offset=x").status_code == 422
    assert not Member.objects.exists()
    for body, kind in ((b"", "text/csv"), (b"PAR1", "text/csv"), (b"nonsense", "application/vnd.apache.parquet")):
        assert ask("post", "", body, kind).status_code == 422
    assert ask("post", "?dry_run=perhaps", FILE).status_code == 422
    assert ask("post", "", b'{"external_id": "m9"}', "application/x-ndjson").json()["created"] == 1


def test_anothers_import_does_not_exist(ask):
    """D-21."""
    other = member_import.receive(
        programme=ProgrammeFactory(), file=io.BytesIO(FILE), file_name="a.csv", now=MemberFactory().created_at
    )
    assert ask("get", f"/{other.pk}").status_code == 404
    assert ask("post", f"/{other.pk}/import").status_code == 404
    assert ask("post", f"/{other.pk}/undo").status_code == 404


def test_a_large_file_is_left_to_a_worker_and_found_again_by_the_sweeper(ask, monkeypatch):
    rung: list[int] = []
    monkeypatch.setattr(member_import, "SMALL", 10)
    monkeypatch.setattr(task, "ring", rung.append)
    answer = ask("post", "", FILE)
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    # The message was lost.
    task.sweep()
    assert rung == [answer.json()["id"]] * 2
    task.work(rung[0])
    task.work(rung[0])
    assert ask("get", f"/{rung[0]}").json()["created"] == 2
    task.sweep()
    assert len(rung) == 2


def test_the_command_checks_imports_and_names_every_problem(programme, tmp_path, capsys):
    file = tmp_path / "members.csv"
    file.write_bytes(FILE)
    call_command("import_members", str(file), "--dry-run")
    assert "2 rows: 2 members would be made" in capsys.readouterr().out
    call_command("import_members", str(file), "--programme", programme.slug)
    assert "2 rows: 2 members made" in capsys.readouterr().out
    file.write_bytes(FILE + b"m3,Eve,\nm1,\n")
    with pytest.raises(CommandError, match="2 problems; nothing was written"):
        call_command("import_members", str(file))
    said = capsys.readouterr().out
    assert "4: : The line has 3 cells; the header has 2." in said
    assert "5: external_id “m1”: This member is on line 2 too." in said
    with pytest.raises(CommandError, match="Choose a programme"):
        call_command("import_members", str(file), "--programme", "nowhere")
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_members", str(tmp_path / "none.csv"))
    assert MemberImport.objects.count() == 3
