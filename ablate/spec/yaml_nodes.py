"""Checks a YAML document node by node, before any value is constructed."""

import math
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import yaml

from ablate.dotted import MAX_DEPTH
from ablate.errors import Location, Problem
from ablate.text import printable

MAX_DIGITS = 100
"""Of a number; longer ones are not parsed."""
MAX_NODES = 1_000_000
"""Most values of a document once its aliases (*) are expanded."""
_PREFIX = "tag:yaml.org,2002:"
MERGE = f"{_PREFIX}merge"
_TEXT = f"{_PREFIX}str"
_SCALARS = {f"{_PREFIX}{kind}" for kind in ("null", "bool", "int", "float", "str")}
_TAGS: dict[type[yaml.Node], set[str]] = {
    yaml.ScalarNode: {*_SCALARS, MERGE},
    yaml.SequenceNode: {f"{_PREFIX}seq"},
    yaml.MappingNode: {f"{_PREFIX}map"},
}
_UNREAD = (ValueError, LookupError, AttributeError, TypeError, yaml.YAMLError)
"""What is raised for a scalar whose text does not fit its type."""


class Inspection:
    """Checks every node of a document once, however often aliases repeat it.

    Args:
        construct: Builds a scalar's value; raises if its text does not fit its type.
    """

    def __init__(self, construct: Callable[[yaml.Node], Any]) -> None:
        self.problems: list[Problem] = []
        self._construct = construct
        self._open: set[int] = set()
        self._sizes: dict[int, tuple[int, int]] = {}

    def look_at(self, root: yaml.Node) -> None:
        """Notes what is wrong below a node."""
        size, depth = self._look_at(root, "")
        if size > MAX_NODES:
            key = max(_children(root), key=lambda child: self._sizes[id(child[1])][0])[0]
            message = f"is {size:,} values long once its aliases (*) are expanded"
            self._note(root, key, message, f"have {MAX_NODES:,} at most: drop aliases")
        if depth > MAX_DEPTH:
            key = max(_children(root), key=lambda child: self._sizes[id(child[1])][1])[0]
            self._note(root, key, f"is nested {depth} deep", f"nest at most {MAX_DEPTH} deep")

    def _look_at(self, node: yaml.Node, place: str) -> tuple[int, int]:
        """Number of values and depth of a node, with all aliases expanded."""
        measured = self._sizes.get(id(node))
        if measured is not None:
            return measured
        if id(node) in self._open:
            self._note(node, place, "an anchor (&) contains itself", "write it out")
            return 1, 1
        self._open.add(id(node))
        _read_merge_as_text(node)
        self._look_at_itself(node, place)
        size, depth = 1, 0
        for name, child in _children(node):
            num, below = self._look_at(child, f"{place}{name}" if place else name.lstrip("."))
            size, depth = size + num, max(depth, below)
        self._open.discard(id(node))
        self._sizes[id(node)] = size, depth + 1
        return size, depth + 1

    def _look_at_itself(self, node: yaml.Node, place: str) -> None:
        if node.tag not in _TAGS[type(node)]:
            message = f"has the tag {_shown(node.tag)}, which is not a type of a study's values"
            self._note(node, place, message, "drop the tag, or put quotes around a text")
        elif isinstance(node, yaml.MappingNode):
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    self._note(key, place, "has a key that is a list or a mapping", "write a word")
            self._look_for_duplicates(node, place)
        elif isinstance(node, yaml.ScalarNode) and node.tag not in (_TEXT, MERGE):
            self._look_at_scalar(node, place)

    def _look_at_scalar(self, node: yaml.ScalarNode, place: str) -> None:
        try:
            self._construct(node)
        except OutOfRangeError as error:
            self._note(node, place, str(error), "write a smaller one, or quotes around a text")
        except _UNREAD:
            message = f"{printable(node.value)!r} is not {_shown(node.tag)}"
            self._note(node, place, message, "drop the tag")

    def _look_for_duplicates(self, node: yaml.MappingNode, place: str) -> None:
        """Notes keys that a mapping itself has twice; merges may repeat them."""
        first: dict[Hashable, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            value = self._read(key)
            if value in first:
                name = f"{place}.{printable(key.value)}"
                message = f"the key appears twice in one mapping (first on line {first[value]})"
                self._note(key, name, message, "keep one of them")
            first.setdefault(value, key.start_mark.line + 1)

    def _read(self, key: yaml.ScalarNode) -> Hashable:
        """A key's value; its text where it has none, which is told by itself."""
        try:
            return self._construct(key)
        except _UNREAD:
            return key.tag, key.value

    def _note(self, node: yaml.Node, place: str, message: str, fix: str) -> None:
        where = location(node)
        self.problems.append(Problem(place.lstrip("."), message, fix=fix, locations=(where,)))


def location(node: yaml.Node) -> Location:
    """Where a node begins."""
    return Location(node.start_mark.line + 1, node.start_mark.column + 1)


class OutOfRangeError(ValueError):
    """A number does not fit into 64 bits."""


def int_of(digits: str) -> int:
    """An integer of YAML 1.2."""
    base = {"0o": 8, "0x": 16}.get(digits[:2], 10)
    value = int(digits, base) if len(digits) < MAX_DIGITS else 2**64
    if not -(2**63) <= value < 2**63:
        raise OutOfRangeError(f"has {len(digits.lstrip('+-'))} digits: beyond 64 bits")
    return value


def float_of(digits: str, value: float) -> float:
    """A float as it was read; a finite number that overflowed is refused."""
    if math.isinf(value) and "inf" not in digits.lower():
        raise OutOfRangeError("is beyond 64 bits, which end at 1.8e308")
    return value


def _read_merge_as_text(node: yaml.Node) -> None:
    """Reads `<<` as text where it is a value: it merges only as a key."""
    values: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        values = node.value
    elif isinstance(node, yaml.MappingNode):
        values = [value for _, value in node.value]
    for value in values:
        if value.tag == MERGE:
            value.tag = _TEXT


def _shown(tag: str) -> str:
    return tag.replace(_PREFIX, "!!")


def _children(node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    """The child nodes of a node, keys included, with their places."""
    if isinstance(node, yaml.SequenceNode):
        yield from ((f"[{index}]", item) for index, item in enumerate(node.value))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = f".{printable(key.value)}" if isinstance(key, yaml.ScalarNode) else ".?"
            yield from ((name, key), (name, value))
