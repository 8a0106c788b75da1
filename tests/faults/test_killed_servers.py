"""PostgreSQL and Valkey killed, frozen and away in the middle of a run and of grants (R5, R6, C-04).

On servers of their own with fsync on. While a run goes on, a caller grants at the door, and repeats what was refused.
"""

import json
import time

import pytest
import redis

from loyalty import servers
from tests import workers
from tests.faults.site import PATIENCE

# A connection is tried for so long and a statement waited for so long, with what a busy machine adds.
LONGEST = 2 * PATIENCE + 6
# The web's processes, whose threads may notice the same thing in the same moment.
LINES = range(1, 5)


def kill_postgres(here, run, *, after):
    """Kill it when so large a part of the run is done, start it again, and see the run go on; return what was kept."""
    before = here.wait_for(run, after)
    here.kill("postgres")
    servers.start(here.instance, which=["postgres"])
    kept = here.assigned(run)
    assert before <= kept < run.members
    workers.wait(lambda: here.assigned(run) > kept, seconds=30, what="the run to go on")
    return kept


def freeze_postgres(here, run, caller, *, after, seconds):
    """Stop it for so long mid-run; return after how many seconds a grant came again."""
    here.wait_for(run, after)
    told = len(caller.answers)
    with here.frozen():
        began = time.monotonic()
        time.sleep(seconds / 2)
        alive, ready = here.ask("/healthz"), here.ask("/readyz")
        time.sleep(max(0.0, began + seconds - time.monotonic()))
    again = caller.waits_for_one_more()
    assert (alive.status, ready.status) == (200, 503)
    assert json.loads(ready.body)["failing"] == ["database"]
    assert 503 in {answer.status for answer in caller.answers[told:]}
    return again


def empty_valkey(here):
    """Kill it, and start it with nothing of what it had."""
    here.kill("valkey")
    for log in here.instance.valkey.glob("appendonlydir/*"):
        log.unlink()
    servers.start(here.instance, which=["valkey"])


def launch_unrung(here, of):
    """Launch the draft at the door while nobody can be rung.

    It waits whole for a sweep; or whoever is at work on the other run found it between two chunks, and it was planned
    for every member, and done as far as it says.
    """
    launched = here.ask(f"/api/v1/mass-assignments/{of.draft}/launch", key=of.key, body={})
    assert launched.status == 200
    run = json.loads(launched.body)
    state, progress = run["state"], run["progress"]
    assert run["launched_at"]
    assert (run["failure"], run["waiting"]) == (None, None)
    assert state in ("scheduled", "running", "finished")
    planned = of.members if state != "scheduled" else None
    assert (run["matched"], run["eligible"], bool(run["planned_at"])) == (planned, planned, planned is not None)
    assert bool(run["finished_at"]) == (state == "finished")
    if state == "scheduled":
        assert progress is None
    else:
        assert (progress["total"], progress["refused"], progress["failed_chunks"]) == (of.members, {}, 0)
        assert progress["assigned"] == progress["done"] <= of.members
    if state == "finished":
        assert progress["done"] == of.members


def valkey_is_away(here, caller, *, seconds):
    """Kill Valkey, launch a run at the door meanwhile, start it again; return how many grants there were without."""
    begun = len(caller.answers)
    here.kill("valkey")
    began = time.monotonic()
    launch_unrung(here, caller.of)
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    meanwhile = caller.answers[begun:]
    assert len(meanwhile) > seconds
    assert {answer.status for answer in meanwhile} == {201}
    assert max(answer.seconds for answer in meanwhile) < LONGEST
    servers.start(here.instance, which=["valkey"])
    return len(meanwhile)


def was_told_to_come_again(caller):
    """Whether each refusal was a 503 in problem details, in time; return how many there were and the longest."""
    for answer in caller.refused():
        assert (answer.status, answer.kind) == (503, "application/problem+json")
        assert int(answer.retry_after) > 0
        assert answer.seconds < LONGEST
    return len(caller.refused()), max(answer.seconds for answer in caller.refused())


def test_a_small_run_and_a_door_outlive_every_outage_of_their_servers(site, fault):
    """R5, R6 (small load), B-01, C-04: PostgreSQL killed and frozen, Valkey away and emptied; each grant once."""
    here = site(chunk=20).busy()
    run = here.launch(4_000)
    with here.calling(run) as caller:
        kill_postgres(here, run, after=0.1)
        assert freeze_postgres(here, run, caller, after=0.2, seconds=2 * PATIENCE + 1) < 30
        was_told_to_come_again(caller)
        valkey_is_away(here, caller, seconds=2)
        workers.wait(lambda: here.is_draft_done(run), seconds=60, what="the run launched without Valkey")
        here.ends_whole(run)


@pytest.mark.chaos
def test_a_run_outlives_its_postgresql(site, fault):
    """R5, B-01, C-04, issue 3: SIGKILL of the postmaster three times; nothing committed is lost or done again."""
    here = site().busy()
    assert here.rows("SHOW fsync") == ("on",)
    run = here.launch(40_000)
    with here.calling(run) as caller:
        for kill in range(1, 4):
            kept = kill_postgres(here, run, after=kill * 0.2)
            again = caller.waits_for_one_more()
            fault.say(f"PostgreSQL killed at {kept:,} of {run.members:,}; the next grant came {again:.1f} s after it")
            assert again < 30
        after = here.ends_whole(run)
    refused, _ = was_told_to_come_again(caller)
    fault.counted(
        "PostgreSQL killed three times, fsync on †",
        before=f"40,000 members and codes, {caller.granted:,} grants meanwhile",
        after=f"{after}; each grant once, {refused} told 503 and repeated",
    )


@pytest.mark.chaos
def test_a_postgresql_frozen_for_twenty_seconds_is_503_and_soon_found_again(site, fault):
    """R5, issue 3: SIGSTOP of all its processes mid-run; exact, and found again within 30 s."""
    here = site().busy()
    run = here.launch(40_000)
    with here.calling(run) as caller:
        again = freeze_postgres(here, run, caller, after=0.2, seconds=20)
        refused, longest = was_told_to_come_again(caller)
        fault.say(f"{refused} told 503, after {longest:.1f} s at most; granted again {again:.1f} s after the thaw")
        assert again < 30
        after = here.ends_whole(run)
    fault.counted(
        "PostgreSQL frozen (SIGSTOP) for 20 s †",
        before=f"40,000 members and codes, {caller.granted:,} grants meanwhile",
        after=f"{after}; each grant once, {refused} told 503 after {longest:.1f} s at most, the next one granted"
        f" {again:.1f} s after the thaw",
    )


@pytest.mark.chaos
def test_a_run_outlives_its_valkey(site, fault):
    """R6, C-04, issue 3: flushed mid-run, then killed and started empty; the sweeper fills the queue again."""
    here = site().busy()
    run = here.launch(40_000)
    here.wait_for(run, 0.1)
    with redis.Redis.from_url(here.instance.redis_url) as client:
        client.flushall()
    fault.say(f"Valkey flushed at {here.wait_for(run, 0.2):,} of {run.members:,}")
    assert not here.is_over(run)
    empty_valkey(here)
    fault.say(f"Valkey killed and started empty at {here.assigned(run):,}")
    after = here.ends_whole(run)
    fault.counted("Valkey flushed, then killed and started empty †", before="40,000 members and codes", after=after)


@pytest.mark.chaos
def test_a_minute_without_valkey_costs_no_grant_and_no_run(site, fault):
    """R6, issue 3: throttles fail open and say so once; 30 s after its return Laurel's own beat has rung for all."""
    here = site().busy(is_beating=True)
    run = here.launch(40_000)
    with here.calling(run) as caller:
        here.wait_for(run, 0.1)
        meanwhile = valkey_is_away(here, caller, seconds=60)
        began = time.monotonic()
        workers.wait(lambda: here.is_draft_begun(run), seconds=60, what="the run launched meanwhile to begin")
        begun = time.monotonic() - began
        fault.say(f"{meanwhile:,} grants without Valkey; the run launched meanwhile had begun {begun:.1f} s after it")
        assert begun < 30
        workers.wait(lambda: here.is_draft_done(run), seconds=60, what="the run launched meanwhile")
        after = here.ends_whole(run)
    assert here.said("rate_limit.not_counted") in LINES
    assert here.said("rate_limit.counted_again") in LINES
    fault.counted(
        "Valkey away for 60 s †",
        before=f"40,000 members and codes, {meanwhile:,} grants and one more launch meanwhile",
        after=f"{after}; each grant once, none refused; the other run had begun {begun:.1f} s after its return",
    )
