"""The configs that the scripts of commands really get, as their `config_command` says."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ablate.commands.render import RunContext, render_line, write_config
from ablate.commands.resolve import Answer, ask, ask_again
from ablate.commands.spec import line_text
from ablate.commands.template import names_in, words_of
from ablate.dotted import flatten
from ablate.errors import InputError, Problem
from ablate.identity import canonical_json, content_id
from ablate.spec.design import Cell, DesignBlock
from ablate.spec.models import Study
from ablate.spec.yaml12 import parse_yaml
from ablate.study_dir import StudyPaths, user_cache, write_atomically
from ablate.text import some

SEED = 73_939_133
"""Stands for the seeds of runs: no config has this number of its own."""
_RUN = "RUN"
_TAIL = 8
"""Lines of an error that are shown."""
VOLATILE = "volatile"
_DATES = ("%Y-%m-%d", "%Y%m%d", "%Y_%m_%d", "%d-%m-%Y", "%m-%d-%Y", "%H-%M", "%H:%M", "%y%m%d")


def cell_key(cell: Cell, config: Mapping[str, Any]) -> str:
    """What a cell's config is resolved by."""
    return content_id([cell.entry.name, line_text(_line(cell) or ""), config])


def resolve(study: Study, blocks: Sequence[DesignBlock]) -> None:
    """Has the configs of all cells resolved, where a command can, and notes them in the study.

    Raises:
        InputError: If a call fails, or does not print a config.
    """
    asked = {
        cell_key(cell, cell.config): _Asked(block, cell)
        for block in blocks
        if block.entry.command is not None and block.entry.command.config_command is not None
        for cell in block.cells
    }
    new = {key: each for key, each in asked.items() if key not in study.resolved}
    if not new:
        return
    folder, storage = study.path(""), study.path(study.storage)
    lines = {key: each.line(key) for key, each in new.items()}
    answers = ask(list(dict.fromkeys(lines.values())), folder, storage)
    configs, problems = _read({key: (new[key], answers[line]) for key, line in lines.items()})
    if problems:
        raise study.refusal(problems)
    first = next(iter(lines))
    again, _ = _read({first: (new[first], ask_again(lines[first], folder, storage))})
    volatile = {*study.resolved.get(VOLATILE, ()), *_differing(configs[first], again.get(first))}
    for key, line in lines.items():
        volatile |= _dated(configs[key], answers[line].asked_at)
    study.resolved.update({key: _without(config, volatile) for key, config in configs.items()})
    study.resolved[VOLATILE] = sorted(volatile)


def resolved_of(study: Study, cell: Cell, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """A cell's config as it was resolved; None where its trainable has no way to."""
    return study.resolved.get(cell_key(cell, config)) if _line(cell) else None


def with_seed(resolved: Any, seed: int) -> Any:
    """A resolved config of a run."""
    if isinstance(resolved, Mapping):
        return {key: with_seed(value, seed) for key, value in resolved.items()}
    if isinstance(resolved, list):
        return [with_seed(value, seed) for value in resolved]
    if isinstance(resolved, str):
        return resolved.replace(str(SEED), str(seed))
    return seed if resolved == SEED and type(resolved) is int else resolved


def without_seed(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config by dotted keys, without what a run's seed decides."""
    return {
        key: value
        for key, value in flatten(resolved)
        if key != "seed" and canonical_json(with_seed(value, 0)) == canonical_json(value)
    }


def keep_resolved(study: Study, paths: StudyPaths) -> None:
    """Keeps what the configs of a study were resolved to: a report does not ask again."""
    if study.resolved:
        write_atomically(paths.resolved_configs, json.dumps(study.resolved))


def volatile_notes(study: Study) -> Iterator[str]:
    """Keys of resolved configs that are not the same each time."""
    if study.resolved.get(VOLATILE):
        yield (
            "not in run ids, since config_command says otherwise each time: "
            f"{some(study.resolved[VOLATILE])}"
        )


@dataclass(frozen=True)
class _Asked:
    block: DesignBlock
    cell: Cell

    @property
    def place(self) -> str:
        return f"{self.block.trainable_place}.config_command"

    def line(self, key: str) -> tuple[str, ...]:
        """What is called, with stand-ins for what only a run has."""
        line, command = _line(self.cell), self.cell.entry.command
        assert line is not None
        assert command is not None
        varied = {key for factor in self.block.factors for key in factor.keys}
        context = RunContext(
            config=self.cell.config, seed=SEED, run_dir=str(_folder_of(key)), run_id=_RUN,
            run_name=_RUN, varied=tuple(sorted(varied)),
        )  # fmt: skip
        if "config" in names_in(words_of(line)):
            write_config(context)
        return tuple(render_line(command, line, context))


def _folder_of(key: str) -> Path:
    return user_cache() / "configs" / key


def _line(cell: Cell) -> Any:
    return cell.entry.command and cell.entry.command.config_command


def _read(
    answers: Mapping[str, tuple[_Asked, Answer]],
) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """The configs in answers by cell, and one problem for each command that did not print one."""
    configs: dict[str, dict[str, Any]] = {}
    wrong: dict[str, list[tuple[str, Problem]]] = {}
    for key, (asked, answer) in answers.items():
        why = "it is no mapping"
        try:
            found = None if answer.error else parse_yaml(answer.printed, "the output")
        except InputError as error:
            found, why = None, error.problems[0].message
        if isinstance(found, Mapping):
            plain = _anywhere(found, str(_folder_of(key)), asked.cell.entry.folder)
            configs[key] = {name: value for name, value in plain.items() if name != "hydra"}
            continue
        told = answer.error or answer.printed or "nothing"
        what = "failed" if answer.error else f"did not print a config as YAML or JSON ({why})"
        value = line_text(asked.line(key))
        problem = Problem(asked.place, f"{what}:{_tail(told)}", value)
        wrong.setdefault(asked.place, []).append((asked.cell.name, problem))
    problems: list[Problem] = []
    for place, found in wrong.items():
        _, first = found[0]
        cells = some([name for name, _ in found], 3, "; ")
        more = f"in {len(found)} cells ({cells})" if len(found) > 1 else f"in cell {cells}"
        problems.append(Problem(place, f"{more} {first.message}", first.value))
    return configs, problems


def _anywhere(value: Any, run_dir: str, folder: str) -> Any:
    """A config that is the same on every machine."""
    if isinstance(value, Mapping):
        return {name: _anywhere(inner, run_dir, folder) for name, inner in value.items()}
    if isinstance(value, list):
        return [_anywhere(inner, run_dir, folder) for inner in value]
    if isinstance(value, str):
        return value.replace(run_dir, "{run_dir}").replace(f"{folder}/", "")
    return value


def _tail(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "".join(f"\n      | {line}" for line in lines[-_TAIL:])


def _differing(config: Mapping[str, Any], again: Mapping[str, Any] | None) -> set[str]:
    """The dotted keys whose values are not the same each time."""
    if again is None:
        return set()
    first, second = dict(flatten(config)), dict(flatten(again))
    return {key for key in {*first, *second} if _word(first.get(key)) != _word(second.get(key))}


def _dated(config: Mapping[str, Any], asked_at: float) -> set[str]:
    """The dotted keys whose values have the date, or the hour and minute, of when they were asked.

    Two calls in the same minute do not show these.
    """
    at = datetime.fromtimestamp(asked_at)
    shown = {at.strftime(each) for each in _DATES}
    texts = {key: value for key, value in flatten(config) if isinstance(value, str)}
    return {key for key, value in texts.items() if any(each in value for each in shown)}


def _word(value: Any) -> str:
    return canonical_json(value)


def _without(config: Mapping[str, Any], keys: set[str], above: str = "") -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in config.items():
        key = f"{above}{name}"
        if key not in keys:
            inner = isinstance(value, Mapping) and value
            kept[name] = _without(value, keys, f"{key}.") if inner else value
    return kept
