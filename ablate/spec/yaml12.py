"""YAML 1.2: `1e-3` is a number, `off` a string, and duplicate keys are errors."""

import re
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import Resolver
from yaml.scanner import Scanner

from ablate.errors import InputError, Problem
from ablate.spec.yaml_nodes import Inspection, float_of, int_of
from ablate.spec.yaml_words import character_problem, syntax_problem, with_lines

FastParser: Any = Parser
if yaml.__with_libyaml__:
    from yaml.cyaml import CParser as FastParser  # pyright: ignore[reportAttributeAccessIssue]

MAX_LENGTH = 4_000_000
"""Most characters of a document."""
LONG = 20_000
"""Documents of more characters are worth reading in C."""
MAX_EXPLAINED = 200_000
"""Most characters of a document that is read again in Python, whose parser says more."""


class _Schema(SafeConstructor, Resolver):
    """The YAML 1.2 core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self) -> None:
        SafeConstructor.__init__(self)
        Resolver.__init__(self)

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
        return _built(_loader(text), text, source)
    except yaml.MarkedYAMLError as error:
        raise InputError(source, [syntax_problem(_explained(error, text), text)]) from error
    except RecursionError as error:
        raise _error(source, "the document", "is nested too deep") from error
    except ReaderError as error:
        raise InputError(source, [character_problem(error, text)]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise _error(source, "the document", f"not YAML: {error}") from error


def composed(text: str) -> yaml.Node | None:
    """The nodes of a document that has been parsed, with their places."""
    return _loader(text).get_single_node()


def _explained(error: yaml.MarkedYAMLError, text: str) -> yaml.MarkedYAMLError:
    """What the parser in Python says where another one found the text to be no YAML."""
    if len(text) > MAX_EXPLAINED:
        return error
    try:
        _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as explained:
        return explained
    return error


def _built(loader: _Loader | _FastLoader, text: str, source: str) -> Any:
    node = loader.get_single_node()
    if node is None:
        return None
    inspection = Inspection(loader.construct_object)
    inspection.look_at(node)
    if inspection.problems:
        raise InputError(source, [with_lines(problem, text) for problem in inspection.problems])
    return loader.construct_document(node)


def _loader(text: str) -> _Loader | _FastLoader:
    # Escapes may be lone surrogates, which C cannot read.
    is_for_c = yaml.__with_libyaml__ and len(text) > LONG and "\\" not in text
    return _FastLoader(text) if is_for_c else _Loader(text)


def _error(source: str, key: str, message: str, fix: str = "") -> InputError:
    return InputError(source, [Problem(key, message, fix=fix)])
