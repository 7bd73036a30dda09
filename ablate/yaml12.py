"""YAML as people mean it: 1.2 scalars (`1e-3` is a number, `off` a word), no duplicate keys."""

import json
import re
from collections.abc import Hashable
from typing import Any

import yaml

from ablate.errors import InputError, Problem


class _Loader(yaml.SafeLoader):
    """A safe loader with the YAML 1.2 core schema that notes duplicate keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.duplicates: list[Problem] = []
        self._looked_at: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """As the parent's, noting keys that stand twice; before merges, which may repeat keys."""
        if id(node) not in self._looked_at:
            self._looked_at.add(id(node))
            self._note_duplicates(node)
        super().flatten_mapping(node)

    def _note_duplicates(self, node: yaml.MappingNode) -> None:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)  # pyright: ignore[reportUnknownMemberType]
            if not isinstance(key, Hashable):
                continue
            if key in seen:
                line = key_node.start_mark.line + 1
                message = f"the key appears twice in one mapping (again on line {line})"
                self.duplicates.append(Problem(str(key), message, fix="keep one of them"))
            seen.add(key)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


_NUMBER = list("-+0123456789.")
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _NUMBER),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        _NUMBER,
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first
    )
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that a reader of YAML 1.1 or 1.2 would take for something else."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [
            pattern
            for reader in (yaml.SafeDumper, _Loader)
            for pattern in reader.yaml_implicit_resolvers.get(first, [])
        ]
        for first in yaml.SafeDumper.yaml_implicit_resolvers | _Loader.yaml_implicit_resolvers
    }


def dump_yaml(value: Any) -> str:
    """One YAML document, which `parse_yaml` reads back as it was."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def parse_yaml(text: str, source: str) -> Any:
    """Parses one YAML document.

    Args:
        text: The document.
        source: What errors call it, a file name say.

    Raises:
        InputError: Where the text is not YAML, or a mapping has a key twice.
    """
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:  # characters that no YAML file may hold
        raise InputError(source, [Problem("the document", f"not YAML: {error}")]) from error
    try:
        value = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the document"
        raise InputError(source, [Problem(place, f"not YAML: {error.problem}")]) from error
    except (yaml.YAMLError, ValueError) as error:  # `!!int abc` is the latter
        raise InputError(source, [Problem("the document", f"not YAML: {error}")]) from error
    finally:
        loader.dispose()
    try:
        json.dumps(value, default=str, skipkeys=True)
    except ValueError as error:
        problem = Problem("the document", "an anchor (&) contains itself")
        raise InputError(source, [problem]) from error
    if loader.duplicates:
        raise InputError(source, loader.duplicates)
    return value
