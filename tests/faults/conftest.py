"""Every test here ends with all invariants holding; and sites for those that kill servers."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from loyalty import embedded, servers
from tests.faults.site import Site
from tests.integrity import whole_at_the_end

__all__ = ["whole_at_the_end"]


@pytest.fixture
def site(django_db_setup: None) -> Iterator[Callable[..., Site]]:
    """Give a function that makes a site, with chunks of so many members; its processes end with the test."""
    with ExitStack() as stack:

        def make(*, chunk: int = 500) -> Site:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="laurel-", dir="/tmp")))
            # Root's servers run as somebody else, who must get through.
            folder.chmod(0o755)
            stack.callback(lambda: servers.stop(embedded.instance_at(folder / "var", name="main")))
            return Site(folder, stack, chunk=chunk)

        yield make
