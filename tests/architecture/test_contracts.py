"""Who may import whom, and what is written once (DESIGN 3, 4, 10)."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("loyalty", "offers", "support")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts of pyproject.toml over the packages in `folder`."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def sources() -> list[Path]:
    return [path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]


@pytest.fixture
def copy(tmp_path):
    """The code alone, in a folder where a violation may be planted."""
    for name in (*APPS, "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("static", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_import_contracts_are_kept():
    """DESIGN 3."""
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("loyalty/money.py", "from offers.models import ConfigOffer", "Apps look down"),
        ("offers/rules/benefit.py", "from loyalty import clock", "Rules and targeting are pure"),
        ("offers/services/door.py", "from offers.tasks import mass_assignment", "Services never import tasks"),
        ("offers/models/voucher.py", "from offers.selectors import voucher", "Inside offers"),
    ],
)
def test_a_planted_violation_breaks_its_contract(copy, file, line, contract):
    """A contract that nothing can break would show nothing."""
    path = copy / file
    path.write_text(path.read_text() + f"\n{line}\n")
    result = lint_imports(copy)
    assert result.returncode == 1
    assert re.search(rf"{contract}[^\n]*BROKEN|{contract}[^\n]*\n[^\n]*BROKEN", result.stdout), result.stdout


@pytest.mark.parametrize("package", ["offers/rules", "offers/targeting"])
def test_pure_packages_touch_no_database_and_no_settings(package):
    """DESIGN 3: they know neither models, settings nor the clock."""
    forbidden = ("django.db", "django.conf", "django.utils.timezone", "psycopg")
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.startswith(forbidden)], path


def test_one_place_inserts_assignments():
    """DESIGN 4: one statement text, and no create or bulk_create of assignments anywhere else."""
    pattern = re.compile(
        r"INSERT INTO offers_assignment\b(?!event)|\bAssignment\.objects\.(bulk_create|create|get_or_create)"
        r"|\bAssignment\("
    )
    found = {
        str(path.relative_to(ROOT))
        for path in sources()
        if any(
            pattern.search(line) and not line.lstrip().startswith("class ") for line in path.read_text().splitlines()
        )
    }
    assert found == {"offers/services/assignment_statements.py"}


def test_nobody_uses_signals_or_utils_modules():
    """DESIGN 10.11."""
    for path in sources():
        assert path.name != "utils.py", path
        assert "django.dispatch" not in path.read_text(), path
        assert "django.db.models.signals" not in path.read_text(), path


def test_only_doors_and_tasks_read_the_clock():
    """DESIGN 10.4: `now` comes in as an argument."""
    inner = ("services", "selectors", "models", "rules", "targeting")
    for path in sources():
        parts = path.relative_to(ROOT).parts
        if len(parts) > 1 and parts[1] in inner:
            text = path.read_text()
            assert not re.search(r"\bclock\.now\(\)|timezone\.now\(\)|datetime\.now\(", text), path


def test_who_reads_no_table_loads_no_arrow():
    """Its 50 MB belong to imports and exports of tables, not to each web process, worker and command."""
    asked = "import django; django.setup(); import sys, loyalty.urls, loyalty.celery; print('pyarrow' in sys.modules)"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "loyalty.settings"}
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
