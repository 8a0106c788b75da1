"""The settings' own promises."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from loyalty import embedded

BASE = Path(settings.BASE_DIR)


def test_the_example_lists_every_variable_that_is_read():
    sources = [*BASE.glob("loyalty/**/*.py"), *BASE.glob("offers/**/*.py"), *BASE.glob("support/**/*.py")]
    read = set()
    for path in sources:
        text = path.read_text()
        read |= set(re.findall(r'\benv\.\w+\(\s*"([A-Z_]+)"', text))
        read |= set(re.findall(r'os\.environ(?:\.get\(|\[)"(LAUREL_\w+|PORT)"', text))
    listed = set(re.findall(r"^#([A-Z_]+)=", (BASE / ".env.example").read_text(), re.MULTILINE))
    assert "DATABASE_URL" in read
    assert read - listed == set()


def test_where_no_secret_can_be_kept_the_variable_is_named(tmp_path):
    (tmp_path / "var").write_text("a file, so that no folder can be made here")
    with pytest.raises(RuntimeError, match="Set SECRET_KEY: no secret can be kept in"):
        embedded.secret(tmp_path, "secret_key")
