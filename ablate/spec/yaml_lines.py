"""Finds the place of a YAML document on which a key or a value is written."""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from ablate.errors import Location
from ablate.spec.yaml_nodes import MERGE, location


@dataclass(frozen=True)
class _Found:
    """What a document has of a key: all of it, or what is around it."""

    num_unmatched: int
    """Characters of the key that name what is not there."""
    key: yaml.Node
    value: yaml.Node


def place_of(root: yaml.Node | None, key: str, is_about_key: bool = True) -> Location | None:
    """Where something is written; None if nothing of it is.

    Args:
        root: The document.
        key: A dotted name from its top, with positions in lists: `base.data.path`, `factors.lr[1]`.
            Where it is not there, the place of the nearest thing around it is meant.
        is_about_key: Whether the key is meant, or its value, which may stand elsewhere: at an
            anchor, say.
    """
    found = min(_found(root, key), key=lambda each: each.num_unmatched, default=None)
    if found is None:
        return None
    is_written = found.value.start_mark.index != found.value.end_mark.index
    is_scalar = isinstance(found.value, yaml.ScalarNode) and is_written
    is_value = is_scalar and not is_about_key and not found.num_unmatched
    return location(found.value if is_value else found.key)


def _found(node: yaml.Node | None, key: str) -> Iterator[_Found]:
    """Everything that the beginning of a key names: names may have dots in them."""
    for written, key_node, value in _entries(node):
        rest = key[len(written) :]
        if not key.startswith(written) or rest[:1] not in ("", ".", "["):
            continue
        yield _Found(len(rest), key_node, value)
        yield from _found(value, rest.removeprefix("."))


def _entries(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """How the items of a node are written in a key; what a mapping says itself comes first."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):  # of a study's own keys, and of a config's
            yield from ((f"[{index}]", item, item), (str(index), item, item))
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
            yield key.value, key, value
    for key, value in node.value:
        if key.tag == MERGE:
            merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for one in merged:
                yield from _entries(one)
