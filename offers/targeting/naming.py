"""What stored trees name, without reading them: other targetings, lists, the ids of dimensions. To look up in bulk."""

from collections.abc import Iterator, Mapping
from typing import Any

# Another targeting and its version's number; None for the one that is current.
Named = tuple[int, int | None]


def unpinned(tree: Any) -> Any:
    """Return the tree with other targetings named by their ids alone: as they are now, not as they were."""
    if isinstance(tree, list):
        return [unpinned(item) for item in tree]
    if not isinstance(tree, Mapping):
        return tree
    if "targeting" in tree:
        return {key: value for key, value in tree.items() if key != "version"}
    return {key: unpinned(value) if key == "items" else value for key, value in tree.items()}


def targetings(tree: Any) -> set[Named]:
    """Return the targetings that the tree names itself."""
    return {
        (node["targeting"], node.get("version"))
        for node in _nodes(tree)
        if _is_number(node.get("targeting")) and (node.get("version") is None or _is_number(node["version"]))
    }


def lists(tree: Any) -> set[int]:
    """Return the uploaded lists that the tree names itself."""
    return {node["list"] for node in _nodes(tree) if _is_number(node.get("list"))}


def ids(tree: Any) -> dict[str, set[str]]:
    """Return by dimension the ids that the tree names itself."""
    found: dict[str, set[str]] = {}
    for node in _nodes(tree):
        where = node.get("where")
        for key, given in where.items() if isinstance(where, Mapping) else ():
            if isinstance(given, list):
                found.setdefault(key, set()).update(str(one) for one in given)
    return found


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            yield node
            items = node.get("items")
            waiting += items if isinstance(items, list) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
