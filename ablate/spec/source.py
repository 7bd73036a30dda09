"""What a study was read from: it knows where each key is written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import yaml

from ablate.errors import InputError, Location, Problem
from ablate.spec.yaml12 import composed
from ablate.spec.yaml_lines import place_of


@dataclass(frozen=True)
class Source:
    """A file and the overrides of the command line.

    Attributes:
        name: What errors call it: the file's name, say.
        text: Its YAML; empty where a study comes from no file.
        overrides: `key=value` each, the last one counts.
    """

    name: str = field(compare=False)
    text: str = field(default="", compare=False, repr=False)
    overrides: Sequence[str] = field(default=(), compare=False)

    def refusal(self, problems: Iterable[Problem]) -> InputError:
        """The error that tells mistakes, each once and with its place.

        Lines are found only now: a study without mistakes does not pay for them.
        """
        root = composed(self.text) if self.text else None
        located = [self._located(problem, root) for problem in problems]
        return InputError(self.name, _once(located))

    def _located(self, problem: Problem, root: yaml.Node | None) -> Problem:
        if any(place.is_known for place in problem.locations):
            return problem
        places = self._places(root, problem.key, problem.is_about_key)
        for key in problem.others:
            found = self._places(root, key, True) or [Location()]
            places += [replace(place, key=key) for place in found]
        return replace(problem, locations=tuple(dict.fromkeys(places)))

    def _places(self, root: yaml.Node | None, key: str, is_about_key: bool) -> list[Location]:
        """Where a key is written, and the parts of its value that are overridden."""
        inside: list[Location] = []
        for override in reversed(self.overrides):
            set_key = override.partition("=")[0]
            option = Location(option=f"--set {override.strip()}")
            if _is_within(key, set_key):
                return [option, *inside]
            if _is_within(set_key, key):
                inside.insert(0, option)
        place = place_of(root, key, is_about_key)
        return [*([place] if place else []), *inside]


def _is_within(key: str, outer: str) -> bool:
    return key.startswith(outer) and key[len(outer) :][:1] in ("", ".", "[")


def _once(problems: Iterable[Problem]) -> list[Problem]:
    """Problems without those that tell the same of one place, as of a value that is merged."""
    once: dict[tuple[object, ...], Problem] = {}
    for problem in problems:
        place = problem.locations or (problem.key, *problem.others)
        name = problem.key.rpartition(".")[2]
        once.setdefault((place, name, problem.message, repr(problem.value)), problem)
    return list(once.values())
