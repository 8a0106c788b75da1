"""Addresses, secrets and the supervisor's manners; the servers themselves are in tests/faults/test_servers.py."""

import os
import re
import socket
import threading
from pathlib import Path

import pytest

from loyalty import embedded, server_home, servers, supervisor
from loyalty.management.commands import up
from loyalty.server_home import ServerError


def test_pytest_alone_chooses_the_test_instance(monkeypatch, tmp_path):
    monkeypatch.delenv("LAUREL_INSTANCE", raising=False)
    assert embedded.addresses(tmp_path).is_throwaway
    monkeypatch.setenv("LAUREL_INSTANCE", "main")
    assert not embedded.addresses(tmp_path).is_throwaway
    monkeypatch.setenv("LAUREL_INSTANCE", "production")
    with pytest.raises(ValueError, match="LAUREL_INSTANCE is main or test, not 'production'"):
        embedded.addresses(tmp_path)


def test_what_tests_write_can_be_kept_elsewhere_apart_for_each_checkout_and_never_what_is_real(monkeypatch, tmp_path):
    monkeypatch.setenv("LAUREL_TEST_FOLDER", "/dev/shm/tests")
    monkeypatch.setenv("LAUREL_INSTANCE", "test")
    checkouts = [tmp_path / name for name in ("first", "second")]
    for checkout in checkouts:
        checkout.mkdir()
    first, second = map(embedded.addresses, checkouts)
    assert first.folder.parent == second.folder.parent == Path("/dev/shm/tests")
    assert first.folder != second.folder
    assert first.is_throwaway
    monkeypatch.setenv("LAUREL_INSTANCE", "main")
    assert embedded.addresses(tmp_path).folder == embedded.home_of(tmp_path)


def test_only_servers_without_a_url_are_embedded(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
    assert embedded.needed() == ["postgres"]


@pytest.mark.parametrize(
    "folder", ["/srv/" + "long/" * 20, "/srv/with a space", "/srv/ümlaut", "/srv/100%"], ids=lambda path: path[:16]
)
def test_a_path_no_socket_can_have_moves_the_sockets_to_a_private_folder(folder):
    instance = embedded.instance_at(Path(folder), name="main")
    assert instance.folder == Path(folder)
    assert len(str(instance.sockets / embedded.LONGEST_SOCKET_NAME)) < 104
    assert re.fullmatch(r"/(run|tmp)/[a-z0-9/-]+", str(instance.sockets))
    assert instance.sockets == embedded.instance_at(Path(folder), name="main").sockets


def test_a_plain_path_keeps_its_sockets():
    assert embedded.instance_at(Path("/srv/laurel/var"), name="main").sockets == Path("/srv/laurel/var/run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody else")
def test_roots_private_checkout_keeps_its_data_under_var_lib(tmp_path):
    tmp_path.chmod(0o700)
    assert str(embedded.home_of(tmp_path)).startswith("/var/lib/laurel-")


def test_a_secret_is_made_once_even_by_many_at_once(tmp_path):
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(embedded.secret(tmp_path, "secret_key"))) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    path = tmp_path / "var" / "secrets" / "secret_key"
    assert len(found) == 16
    assert set(found) == {path.read_text()}
    assert len(found[0]) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_strangers_socket_folder_is_refused(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "run").symlink_to(elsewhere)
    with pytest.raises(ServerError, match="Run as that user, or remove the folder"):
        server_home.Owner().folder(tmp_path / "run")


def test_data_of_another_postgresql_is_refused_with_the_way_out_and_left_alone(tmp_path):
    instance = embedded.instance_at(tmp_path, name="test")
    instance.postgres.mkdir()
    (instance.postgres / "PG_VERSION").write_text("17\n")
    if os.geteuid() == 0:
        os.chown(instance.postgres, 65534, 65534)
    with pytest.raises(ServerError) as refusal:
        servers.start(instance)
    assert str(refusal.value) == (
        f"The data in {instance.postgres} was written by PostgreSQL 17, and this Laurel brings 18. "
        f"Back it up with the Laurel that made it (./run backup), move {instance.postgres} away, start this one, "
        "then ./run restore. docs/operations.md, 'Upgrade', has the steps."
    )
    assert [path.name for path in instance.postgres.iterdir()] == ["PG_VERSION"]


def test_a_second_supervisor_refuses_and_names_the_first_r11(tmp_path):
    with (
        supervisor.only_one(tmp_path),
        pytest.raises(ServerError) as refusal,
        supervisor.only_one(tmp_path),
    ):
        pytest.fail("two supervisors at once")
    assert str(refusal.value) == (
        f"Laurel is already running in this folder (process {os.getpid()}). "
        "Stop it with Ctrl-C where it runs, or with ./run stop."
    )
    with supervisor.only_one(tmp_path):
        pass


def test_a_port_in_use_is_named_with_the_way_out(monkeypatch):
    monkeypatch.setattr(up, "PORT_SECONDS", 0)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServerError) as refusal:
            up.wait_for_port(port)
    assert str(refusal.value) == (f"Port {port} is in use by another program. Choose another: PORT={port + 1} ./run")


def test_a_child_that_ends_is_started_again_slower_each_time(tmp_path):
    said: list[str] = []
    child = supervisor.Child("web", ["/bin/sh", "-c", "echo broken; exit 3"], tmp_path / "web.log")
    kept = supervisor.Supervisor([child], said.append, embedded.instance_at(tmp_path, name="test"))
    kept.start()
    pauses = []
    for _ in range(3):
        assert child.process is not None
        child.process.wait()
        kept.watch()
        assert child.process is None
        pauses.append(round(child.due_at - child.started_at))
        child.due_at = 0
        kept.watch()
    kept.stop()
    assert pauses == [1, 2, 4]
    assert said[0].startswith("web ended (exit code 3); starting it again in 1 s.")
    assert said[1] == "broken"
    assert said[-1] == "Stopped."
