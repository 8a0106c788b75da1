"""The members of a large run as a file: memory stays where it is (S4-27)."""

import os
import subprocess
import sys

import pytest

from loyalty import clock
from offers.services import execution
from tests import instance
from tests.faults import runs

# The web process's own work, measured by the operating system; what it holds before the first line is what it has
# loaded: interpreter, Django, the libraries.
MEASURED = """
import sys
from pathlib import Path
import django
django.setup()
from loyalty import clock
from offers.models import MassAssignment
from offers.selectors.audience import Wanted
from offers.services import outcome_export
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
run, file_format, text = MassAssignment.objects.get(), *sys.argv[1:]
before = peak()
answer = outcome_export.export(run=run, wanted=Wanted(text=text), file_format=file_format, now=clock.now())
sent = sum(len(part) for part in answer.streaming_content)
print("peaks", before, peak(), sent)
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("members", [40_000, pytest.param(300_000, marks=pytest.mark.chaos)])
def test_s4_27_the_outcomes_of_a_large_run_are_streamed_in_bounded_memory(settings, members):
    """S4-27, issue 4: a file of any format takes less than 100 MB above what is loaded, however long it is.

    300,000 members in `./run chaos`.
    """
    settings.MASS_ASSIGNMENT_CHUNK = 10_000
    run = runs.launched(members)
    execution.plan(run_id=run.pk, now=clock.now())
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    grown = {}
    # A line of CSV is about 40 bytes and more; the others are compressed.
    for file_format, line in (("csv", 40), ("parquet", 2), ("xlsx", 10)):
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, file_format, ""],
            cwd=instance.BASE,
            env=os.environ | instance.process_environment() | {"DJANGO_SETTINGS_MODULE": "loyalty.settings"},
            capture_output=True,
            text=True,
            check=True,
        )
        before, peak, sent = map(int, done.stdout.split("peaks")[1].split())
        assert sent > members * line, file_format
        grown[file_format] = (peak - before) * 1024
    assert max(grown.values()) < 100_000_000, grown
