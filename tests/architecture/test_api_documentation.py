"""docs/api.md has each address of the API with its methods, and none that is not there (DESIGN 8)."""

import re
from collections.abc import Iterator
from pathlib import Path

from django.urls import get_resolver

from tests.architecture import addresses

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"
ROOT = "/api/v1/"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# A line of the table: | `address` | METHOD, METHOD | what |
LINE = re.compile(r"^\| `(?P<address>[^`]+)` \| (?P<methods>[A-Z, ]+) \| (?P<what>\S.*) \|$", re.MULTILINE)
# An address in a sentence: `POST assignments/{id}/revoke`, perhaps broken over two lines, perhaps with a query.
SAID = re.compile(rf"`(?P<method>{'|'.join(METHODS)})\s+(?P<address>[a-z][^`?\s]*)[^`]*`")


def written(address: str) -> str:
    """Return an address of the URL configuration as the document writes it: `members/{external_id}`."""
    return addresses.PARAMETER.sub(lambda found: f"{{{found['name'] or found['group']}}}", address).translate(
        str.maketrans("", "", "^$")
    )


def of_code() -> dict[str, set[str]]:
    """Return each address of the API with the methods that its view answers."""
    found: dict[str, set[str]] = {}
    for pattern, view in _views(get_resolver().url_patterns, "/"):
        if pattern.startswith(ROOT) and hasattr(view, "cls"):
            methods = {name for name in METHODS if hasattr(view.cls, name.lower())}
            found.setdefault(written(pattern).removeprefix(ROOT), set()).update(methods)
    return found


def _views(patterns, prefix: str) -> Iterator[tuple[str, object]]:
    for pattern in patterns:
        whole = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _views(pattern.url_patterns, whole)
        else:
            yield whole, pattern.callback


def of_document() -> dict[str, set[str]]:
    """Return each address of the document's table with its methods."""
    found = {}
    for line in LINE.finditer(DOCUMENT.read_text()):
        assert line["address"] not in found, f"{line['address']} stands there twice"
        found[line["address"]] = set(line["methods"].split(", "))
    return found


def test_each_address_of_the_api_is_documented_with_its_methods_and_no_other_design_8():
    """DESIGN 8: a new address needs a line of docs/api.md, and one that is gone takes its line along."""
    code, document = of_code(), of_document()
    assert len(code) > 80, "the walk over the URL configuration finds them no more"
    assert sorted(code.keys() - document.keys()) == [], "not in docs/api.md"
    assert sorted(document.keys() - code.keys()) == [], "in docs/api.md, and nowhere else"
    assert {one: document[one] for one in code if document[one] != code[one]} == {}, "other methods than the code has"


def test_whatever_a_sentence_calls_is_there_design_8():
    """DESIGN 8: an address in a sentence, with its method, is one of the API's."""
    code = {
        re.compile(re.sub(r"\\\{[^}]*\\\}", "[^ ]+", re.escape(one))): methods for one, methods in of_code().items()
    }
    called = [(one["method"], one["address"]) for one in SAID.finditer(DOCUMENT.read_text())]
    assert len(called) > 30, "the sentences are found no more"
    strange = [
        (method, address)
        for method, address in called
        if "…" not in address
        and not any(pattern.fullmatch(address) and method in methods for pattern, methods in code.items())
    ]
    assert strange == []
