"""The lock of a run, which comes before everything else that its work locks (docs/locking.md)."""

from loyalty.database import execute


def lock_run(*, run_id: int, is_shared: bool = False) -> None:
    """Take the run's lock to the end of the transaction: chunks share it, changing the run's state excludes them.

    An advisory lock, because it queues: a chunk that begins behind a waiting pause waits for it. Sharing a row's lock
    would let new chunks pass a waiting pause for as long as two of them overlap.
    """
    function = "pg_advisory_xact_lock_shared" if is_shared else "pg_advisory_xact_lock"
    execute(f"SELECT {function}(hashtextextended(%s, 0))", [f"mass assignment {run_id}"])
