"""Looking at the nodes of a YAML file: whatever is asked of one that is not there, or of another kind, is nothing."""

from __future__ import annotations

from collections.abc import Iterator

from opslib.settings.yamlfile import Node


def text(node: Node | None) -> str:
    """A scalar as it is written."""
    return node.text if node is not None and node.is_scalar else ""


def items(node: Node | None) -> list[Node]:
    """The items of a list; what is none is its only one."""
    return [] if node is None else node.value if isinstance(node.value, list) else [node]


def values(node: Node | None) -> list[Node]:
    """The values of a map."""
    return list(node.value.values()) if node is not None and isinstance(node.value, dict) else []


def scalars(node: Node) -> Iterator[Node]:
    """All scalars in it, each once however often it is referred to."""
    seen: set[int] = set()
    todo = [node]
    while todo:
        one = todo.pop()
        if one.is_scalar:
            yield one
        elif id(one.value) not in seen:
            seen.add(id(one.value))
            todo += one.value.values() if isinstance(one.value, dict) else items(one)


def size(node: Node) -> int:
    """How many values a document has, each as often as it is referred to."""
    counts: dict[int, int] = {}

    def count(one: Node) -> int:
        if one.is_scalar:
            return 1
        if id(one.value) not in counts:
            entries = one.value.items() if isinstance(one.value, dict) else (("", item) for item in items(one))
            counts[id(one.value)] = 1 + sum(merged(below) if key == "<<" else count(below) for key, below in entries)
        return counts[id(one.value)]

    def merged(one: Node) -> int:
        return sum(count(each) - 1 for each in items(one))

    return count(node)  # aliases refer to what stands before them: no deeper than the text
