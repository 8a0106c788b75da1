"""`manage.py check_integrity`: every invariant by SQL; exit code 1 when one is broken (docs/operations.md)."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from loyalty.management.data_command import DataCommand
from offers.management import programme as programmes
from offers.selectors import integrity


class Command(DataCommand):
    help = "Check every invariant of assignments, codes, runs and events. Changes nothing; exit code 1: one is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--programme", help="The programme's slug; every programme is checked without it.")
        parser.add_argument("--json", action="store_true", help="One JSON object for all checks.")

    def handle(self, *args: Any, **options: Any) -> None:
        programme = programmes.chosen(options["programme"]) if options["programme"] else None
        findings = integrity.examine(programme=programme)
        broken = [finding for finding in findings if finding.violations]
        if options["json"]:
            self.stdout.write(json.dumps({"is_whole": not broken, "checks": [_as_dict(found) for found in findings]}))
        else:
            for finding in broken:
                more = ", …" if finding.violations > len(finding.samples) else ""
                self.stdout.write(
                    f"{finding.violations:>9,}  {finding.check.name}: {finding.check.says} "
                    f"Not so: {', '.join(finding.samples)}{more}"
                )
            self.stdout.write(f"{len(findings)} checks, {len(broken)} broken.")
        if broken:
            sys.exit(1)


def _as_dict(finding: integrity.Finding) -> dict[str, Any]:
    return {
        "name": finding.check.name,
        "says": finding.check.says,
        "violations": finding.violations,
        "samples": list(finding.samples),
    }
