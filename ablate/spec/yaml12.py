"""YAML 1.2: `1e-3` is a number, `off` a string, and duplicate keys are errors."""

import re
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import Resolver
from yaml.scanner import Scanner

from ablate.errors import InputError, Problem
from ablate.spec.yaml_nodes import MERGE, Inspection, float_of, int_of

FastParser: Any = Parser
if yaml.__with_libyaml__:
    from yaml.cyaml import CParser as FastParser  # pyright: ignore[reportAttributeAccessIssue]

MAX_LENGTH = 4_000_000
"""Most characters of a document."""
LONG = 20_000
"""Documents of more characters are worth reading in C."""


class _Schema(SafeConstructor, Resolver):
    """The YAML 1.2 core schema; duplicate keys are noted."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self) -> None:
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self.duplicates: list[Problem] = []
        self._looked_at: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """As the parent's, noting duplicate keys first: merges may repeat keys legitimately."""
        if id(node) not in self._looked_at:
            self._looked_at.add(id(node))
            self._note_duplicates(node)
        super().flatten_mapping(node)

    def _note_duplicates(self, node: yaml.MappingNode) -> None:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == MERGE:
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
        return int_of(str(self.construct_scalar(node)))

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        return float_of(str(self.construct_scalar(node)), super().construct_yaml_float(node))


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
    _Schema.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first
    )
_add: Any = _Schema.add_constructor
_add("tag:yaml.org,2002:int", _Schema.construct_yaml_int)
_add("tag:yaml.org,2002:float", _Schema.construct_yaml_float)


class _Loader(Reader, Scanner, Parser, Composer, _Schema):
    """Reads everything that a study may contain."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _Schema.__init__(self)


class _FastLoader(Composer, FastParser, _Schema):
    """As `_Loader`, but several times faster.

    Nodes are composed in Python, which has a recursion limit, where C would crash.
    """

    def __init__(self, text: str) -> None:
        FastParser.__init__(self, text)
        Composer.__init__(self)
        _Schema.__init__(self)


class _Dumper(yaml.SafeDumper):
    """Quotes every string that a reader of YAML 1.1 or 1.2 would take for something else."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [
            pattern
            for reader in (yaml.SafeDumper, _Schema)
            for pattern in reader.yaml_implicit_resolvers.get(first, [])
        ]
        for first in yaml.SafeDumper.yaml_implicit_resolvers | _Schema.yaml_implicit_resolvers
    }


def dump_yaml(value: Any) -> str:
    """One YAML document, from which `parse_yaml` reads the same value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def parse_yaml(text: str, source: str) -> Any:
    """Parses one YAML document.

    Args:
        text: The document.
        source: What errors call it: a file name, say.

    Raises:
        InputError: If the text is not YAML, or a mapping has a key twice.
    """
    if len(text) > MAX_LENGTH:
        raise _error(source, "the document", f"is {len(text):,} characters long",
                     f"write {MAX_LENGTH:,} at most")  # fmt: skip
    try:
        loader = _loader(text)
        value = _built(loader, source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the document"
        raise _error(source, place, f"not YAML: {error.problem}") from error
    except RecursionError as error:
        raise _error(source, "the document", "is nested too deep") from error
    except (yaml.YAMLError, ValueError) as error:  # characters that YAML does not have
        raise _error(source, "the document", f"not YAML: {error}") from error
    if loader.duplicates:
        raise InputError(source, loader.duplicates)
    return value


def _built(loader: _Loader | _FastLoader, source: str) -> Any:
    node = loader.get_single_node()
    if node is None:
        return None
    inspection = Inspection(loader.construct_object)
    inspection.look_at(node)
    if inspection.problems:
        raise InputError(source, inspection.problems)
    return loader.construct_document(node)


def _loader(text: str) -> _Loader | _FastLoader:
    # Escapes may be lone surrogates, which C cannot read.
    is_for_c = yaml.__with_libyaml__ and len(text) > LONG and "\\" not in text
    return _FastLoader(text) if is_for_c else _Loader(text)


def _error(source: str, key: str, message: str, fix: str = "") -> InputError:
    return InputError(source, [Problem(key, message, fix=fix)])
