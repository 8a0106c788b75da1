"""Real servers in a folder of their own: started, adopted, killed, and started again."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import kombu
import psycopg
import pytest
import redis

from loyalty import embedded, servers
from tests import instance as test_instance


@pytest.fixture(scope="module")
def instance():
    """A durable instance, kept for the module because initdb takes a second."""
    with tempfile.TemporaryDirectory(prefix="laurel-", dir="/tmp") as folder:
        # Root's servers run as somebody else, who must get through.
        Path(folder).chmod(0o755)
        made = embedded.instance_at(Path(folder) / "var", name="main")
        yield made
        servers.stop(made)


def connect(instance):
    return psycopg.connect(host=str(instance.sockets), user="laurel", dbname="laurel", autocommit=True)


def pids(instance):
    found = servers.status(instance)
    return found["postgres"], found["valkey"]


def is_postmaster(command_line, instance):
    try:
        return f"-D\0{instance.postgres}\0".encode() in command_line.read_bytes()
    except OSError:
        return False


def wait_until_dead(pid):
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_start_adopts_what_runs_and_stop_ends_it(instance):
    servers.start(instance)
    first = pids(instance)
    assert all(first)
    servers.start(instance)
    assert pids(instance) == first
    servers.stop(instance)
    assert pids(instance) == (None, None)
    assert not Path(f"/proc/{first[0]}/exe").exists() or "Z" in Path(f"/proc/{first[0]}/stat").read_text()
    servers.stop(instance)


def test_servers_are_not_roots_and_nobody_else_may_enter(instance):
    servers.start(instance)
    for pid in pids(instance):
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        assert "0" not in status["Uid"].split()
        if os.geteuid() == 0:
            assert "0" not in status["Gid"].split()
            assert status["Groups"].split() == []
    for folder in (instance.postgres, instance.valkey, instance.sockets):
        assert folder.stat().st_mode & 0o777 == 0o700
    with connect(instance) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_the_cluster_is_tuned_and_has_what_laurel_needs(instance):
    servers.start(instance)
    with connect(instance) as connection:
        for name, value in servers.POSTGRES_SETTINGS.items():
            assert (name, connection.execute(f"SHOW {name}").fetchone()) == (name, (value,))
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        locale = "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'laurel'"
        assert connection.execute(locale).fetchone() == ("b", "PG_UNICODE_FAST")
        for extension in ("pg_trgm", "btree_gist", "unaccent", "citext", "pg_stat_statements"):
            connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")


def test_killed_servers_start_again_with_their_data(instance):
    servers.start(instance)
    with connect(instance) as connection:
        connection.execute("CREATE TABLE kept (id int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
    with redis.Redis.from_url(instance.redis_url) as client:
        client.set("kept", "value")
        # Written at most a second later (appendfsync everysec): the kill is of the process, not the machine.
    first = pids(instance)
    for pid in first:
        os.kill(pid, signal.SIGKILL)
        wait_until_dead(pid)
    servers.start(instance)
    assert set(pids(instance)).isdisjoint({*first, None})
    with connect(instance) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    with redis.Redis.from_url(instance.redis_url) as client:
        assert client.get("kept") == b"value"


def test_a_stale_pid_file_that_names_a_strangers_process_is_no_obstacle(instance):
    servers.start(instance)
    lines = (instance.postgres / "postmaster.pid").read_text().splitlines()
    for pid in pids(instance):
        os.kill(pid, signal.SIGKILL)
        wait_until_dead(pid)
    # The same user's process, as after a restart of the machine that gave the number to another program.
    owner = instance.postgres.stat()
    identity = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(["/bin/sleep", "60"], **identity) as stranger:
        (instance.postgres / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        (instance.valkey / "valkey.pid").write_text(f"{stranger.pid}\n")
        servers.start(instance)
        assert all(pids(instance))
        servers.stop(instance)
        assert stranger.poll() is None
        stranger.kill()


def test_many_starts_at_once_make_one_server(instance):
    servers.stop(instance)
    problems: list[Exception] = []

    def start():
        try:
            servers.start(instance)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    postmasters = [path for path in Path("/proc").glob("[0-9]*/cmdline") if is_postmaster(path, instance)]
    assert [path.parent.name for path in postmasters] == [str(pids(instance)[0])]


def test_a_long_path_is_served_through_a_private_folder():
    with tempfile.TemporaryDirectory(prefix="laurel-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        deep = Path(folder) / ("a folder with a very long name " * 3)
        deep.mkdir(mode=0o755)
        instance = embedded.instance_at(deep / "var", name="test")
        try:
            servers.start(instance)
            with connect(instance) as connection:
                assert connection.execute("SHOW fsync").fetchone() == ("off",)
            with redis.Redis.from_url(instance.redis_url) as client:
                assert client.ping()
            with kombu.Connection(instance.celery_url) as queue:
                queue.ensure_connection(max_retries=1)
        finally:
            servers.stop(instance)
            instance.sockets.rmdir()


def test_children_do_not_outlive_a_killed_supervisor(tmp_path):
    script = tmp_path / "supervise.py"
    script.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from loyalty.supervisor import Child\n"
        "child = Child('web', ['/bin/sleep', '600'], Path(sys.argv[1]))\n"
        "child.start()\n"
        "print(child.process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "web.log")],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(test_instance.BASE)},
    ) as killed:
        child = int(killed.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        killed.kill()
    wait_until_dead(child)


@pytest.mark.django_db(transaction=True)
def test_up_serves_on_servers_of_ones_own_refuses_a_second_and_stops_in_order_r11(tmp_path, free_port):
    environment = test_instance.process_environment()
    command = [sys.executable, "manage.py", "up", "--concurrency", "1", "--port"]
    with (tmp_path / "up.log").open("w+") as log:
        first = subprocess.Popen(
            [*command, str(free_port)], cwd=test_instance.BASE, env=environment, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + 90
            while "Ready after" not in (tmp_path / "up.log").read_text():
                assert first.poll() is None, (tmp_path / "up.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)
            try:
                with urlopen(f"http://127.0.0.1:{free_port}/healthz") as answer:
                    assert answer.status == 200
            except HTTPError as error:
                pytest.fail(f"/healthz answers {error.code}")
            second = subprocess.run(
                [*command, str(free_port + 1)], cwd=test_instance.BASE, env=environment, capture_output=True, text=True
            )
            assert second.returncode == 1
            assert f"Laurel is already running in this folder (process {first.pid})." in second.stderr
        finally:
            first.send_signal(signal.SIGTERM)
            first.wait(timeout=60)
    said = (tmp_path / "up.log").read_text()
    assert first.returncode == 0
    assert "ended (" not in said
    assert said.endswith("Stopping web, worker, beat ...\nStopped.\n")
    if "postgres" in embedded.needed():
        assert servers.postgres_is_running(test_instance.INSTANCE)
