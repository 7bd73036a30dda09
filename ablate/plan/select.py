"""Selects a part of a plan: `--only flow=vp,seed=42`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ablate.errors import InputError, Problem
from ablate.identity import canonical_json
from ablate.plan.plan import Plan, Run
from ablate.spec.combinations import Choices
from ablate.spec.models import text
from ablate.spec.yaml12 import parse_yaml

_UNREADABLE = object()
"""Stands for text that is not YAML."""


def select_runs(plan: Plan, only: str) -> list[Run]:
    """The runs that `--only flow=vp,seed=42` names.

    Raises:
        InputError: If a key is neither a factor nor `seed`, or a value is none of its levels.
    """
    labels = {name: [level.label for level in f.levels] for name, f in plan.factors.items()}
    choice = read_choice("--only", only, {**labels, "seed": plan.seeds})
    seed = choice.pop("seed", None)
    wanted = Choices([choice])
    return [r for r in plan.runs if seed in (None, r.seed) and wanted.hold(r.cell.levels)]


def read_choice(
    option: str, written: str, labels: Mapping[str, Sequence[Any]], whole: str = "the study"
) -> dict[str, Any]:
    """The labels by factor that `flow=vp,arch=mlp` names.

    Args:
        option: Where it is written, for errors.
        written: Names and labels, which may hold commas and `=` themselves.
        labels: Those of each factor.
        whole: What the labels are of, for errors.

    Raises:
        InputError: Where a name is no factor, or a label none of its levels.
    """
    keys = {name: _Labels(values) for name, values in labels.items()}
    choice = _read(written, keys)
    if choice is None:
        raise InputError("command line", _problems(option, written, keys, whole))
    return choice


class _Labels:
    """The labels of a factor, found as shown or as any YAML spelling (1e-3 for 0.001)."""

    def __init__(self, labels: Sequence[Any]) -> None:
        self.by_text = {text(label): label for label in labels}
        self._by_key = {canonical_json(label): label for label in labels}

    def label(self, written: str) -> Any:
        """The label that a text stands for; `_UNREADABLE` if none."""
        if written in self.by_text:
            return self.by_text[written]
        value = _parsed(written)
        return self._by_key.get(canonical_json(value), _UNREADABLE)


def _read(only: str, keys: Mapping[str, _Labels]) -> dict[str, Any] | None:
    """The labels by factor; None if the text does not consist of the study's names and levels.

    Names and labels may contain the separators: a value ends at the first comma at which it is a
    level and the rest can be read, too.
    """
    for name, start in _names_at_the_start(only, keys):
        for end in _ends(only, start):
            label = keys[name].label(only[start:end])
            if label is _UNREADABLE:
                continue
            rest = _read(only[end + 1 :], keys) if end < len(only) else {}
            if rest is not None:
                return {name: label, **rest}
    return None


def _names_at_the_start(only: str, keys: Mapping[str, _Labels]) -> Iterator[tuple[str, int]]:
    for name in keys:
        match = re.match(rf"\s*{re.escape(name)}\s*=", only)
        if match:
            yield name, match.end()


def _ends(only: str, start: int) -> Iterator[int]:
    yield from (comma.start() for comma in re.finditer(",", only) if comma.start() >= start)
    yield len(only)


def _parsed(written: str) -> Any:
    try:
        return parse_yaml(written, "a value")
    except InputError:
        return _UNREADABLE


def _problems(option: str, only: str, keys: Mapping[str, _Labels], whole: str) -> list[Problem]:
    """What is wrong with each part that cannot be read."""
    problems: list[Problem] = []
    for part in _parts(only):
        name, _, written = part.partition("=")
        name = name.strip()
        if name not in keys:
            problems.append(Problem(option, "is not a factor", name, tuple(keys)))
        elif keys[name].label(written) is _UNREADABLE:
            value = _parsed(written)
            shown = written if value is _UNREADABLE else value
            problems.append(Problem(f"{option} {name}", f"is not in {whole}", shown,
                                    tuple(keys[name].by_text)))  # fmt: skip
    return problems or [
        Problem(
            option,
            "cannot be read",
            only,
            tuple(keys),
            "write key=value, and quotes around values with commas",
        )
    ]


def _parts(only: str) -> list[str]:
    """`a=x,y,seed=1` as `a=x,y` and `seed=1`: labels may contain commas."""
    parts: list[str] = []
    for part in only.split(","):
        if parts and "=" not in part:
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts
