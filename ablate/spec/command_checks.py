"""Finds mistakes in how a study's commands and its factors fit each other."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ablate.commands.checks import command_problems, file_problems, lines_of, own_names
from ablate.commands.render import OVERRIDES, config_value
from ablate.commands.shell_checks import exit_code_problems
from ablate.commands.spec import Command, FileRead
from ablate.commands.template import Placeholder, Word, names_in
from ablate.dotted import flatten
from ablate.errors import Problem
from ablate.spec.design import DesignBlock
from ablate.spec.models import Study
from ablate.text import some

_KEY = re.compile(r"[\w.+~@/\-]+(?::\S*)?")
"""What may be meant as a key; also `{lr:.3f}`."""


def missing_files(study: Study) -> list[Problem]:
    """What the commands of a study name and is not there: no report needs it."""
    written = [("", study.trainable)] + [
        (f"blocks[{index}].", block.trainable) for index, block in enumerate(study.blocks)
    ]
    return [
        problem
        for place, command in written
        if isinstance(command, Command)
        for problem in file_problems(f"{place}trainable", command, Path(study.path("")))
    ]


def problems_of_commands(study: Study, blocks: Sequence[DesignBlock]) -> list[Problem]:
    """Every mistake of a study's commands that neither cells nor files are needed for.

    Args:
        study: The study.
        blocks: Its blocks.
    """
    problems: list[Problem] = []
    if study.tracking.runs == "script" and not any(block.entry.command for block in blocks):
        problems.append(Problem("tracking.runs", "is of commands, and the study has none", "script",
                                fix="drop it"))  # fmt: skip
    seen: dict[str, Command] = {}
    for place, command, own in _commands(study, blocks):
        key = f"{place}trainable"
        problems += command_problems(key, command)
        problems += _read_problems(key, command, study)
        problems += _gpu_problems(key, command, study)
        unknown = list(_name_problems(key, command, own))
        problems += unknown
        for block in own if not unknown else ():  # a misspelt key is one mistake
            problems += _unpassed(command, block)
        if seen.setdefault(command.identity, command) != command:
            problems.append(Problem(f"{key}.name", "another command has this name, and runs of "
                            "the two would count as the same", command.identity,
                            fix="give each its own name"))  # fmt: skip
    return problems


def new_problems_of_commands(study: Study, blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """Further mistakes, of studies that are to be run: kept ones may have been run with them."""
    for place, command, own in _commands(study, blocks):
        yield from _shadow_problems(f"{place}trainable", command, own)
        yield from exit_code_problems(f"{place}trainable.command", command.command)


def keyless_cells(study: Study, blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """Placeholders of commands whose key only some of the cells have."""
    for place, command, own in _commands(study, blocks):
        for name, words in lines_of(command).items():
            for key in names_in(words):
                cells = [cell for block in own for cell in block.cells]
                lacking = [c.name for c in cells if key not in own_names(name)
                           if not _has(c.config, key)]  # fmt: skip
                if lacking:
                    yield Problem(
                        f"{place}trainable.{name}",
                        f"has {{{key}}}, a key that cells lack: {some(lacking, 3, '; ')}", key,
                        fix=f"give base.{key} a value, or write {{overrides}} in its place",
                    )  # fmt: skip


def _commands(
    study: Study, blocks: Sequence[DesignBlock]
) -> Iterator[tuple[str, Command, list[DesignBlock]]]:
    """The commands as they are written: place, command, the blocks that have it."""
    written = {block.place: block for block in blocks}
    of_study = [block for block in blocks if not block.has_own_trainable]
    if isinstance(study.trainable, Command):
        yield "", study.trainable, of_study
    for index, spec in enumerate(study.blocks):
        place = f"blocks[{index}]."
        if isinstance(spec.trainable, Command) and place in written:
            yield place, spec.trainable, [written[place]]


def _read_problems(key: str, command: Command, study: Study) -> Iterator[Problem]:
    if command.read is None or isinstance(command.read, FileRead):
        return
    patterns = tuple(name for name in command.read if name != "step")
    if not patterns:
        yield Problem(f"{key}.read", "has no pattern for a metric", dict(command.read),
                      fix=f"write {study.metric}: '{study.metric}=([-+.0-9eE]+|nan)'")  # fmt: skip
        return
    for place, metric in (("metric", study.metric), *(
        (f"report_metrics[{n}]", name) for n, name in enumerate(study.report_metrics)
    )):  # fmt: skip
        if metric not in patterns:
            yield Problem(place, f"is not read: {key}.read has no pattern for it", metric, patterns)


def _gpu_problems(key: str, command: Command, study: Study) -> Iterator[Problem]:
    """That torchrun would start as many processes as a trial has GPUs: none."""
    for word in lines_of(command).get("command", ()) if not study.resources.gpu else ():
        if Placeholder("num_gpus") in word and any(
            "nproc" in p for p in word if isinstance(p, str)
        ):
            yield Problem(f"{key}.command", "{num_gpus} is 0: no process would be started",
                          "num_gpus", fix="write resources: {gpu: 2}, or a number")  # fmt: skip


def _name_problems(key: str, command: Command, blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """Placeholders that are no key in any cell."""
    keys = dict.fromkeys(name for block in blocks for name in _keys(block))
    if not blocks:
        return
    for line, words in lines_of(command).items():
        own = own_names(line)
        for name in names_in(words):
            if name not in own and name not in keys and name != "latest" and name != "step":
                fix = "" if _KEY.fullmatch(name) else "write {{ and }} for braces themselves"
                yield Problem(f"{key}.{line}", f"has {{{name}}}, which is no key of base or "
                              "factors, nor a word of Ablate's", name, (*keys, *own),
                              fix)  # fmt: skip


def _shadow_problems(
    key: str, command: Command, blocks: Sequence[DesignBlock]
) -> Iterator[Problem]:
    """Placeholders that are both a key and a word of Ablate's: the key would never be passed on."""
    keys = {name for block in blocks for name in _keys(block)} - {"seed"}
    for line, words in lines_of(command).items():
        for name in names_in(words):
            if name in keys and name in own_names(line):
                yield Problem(f"{key}.{line}", f"has {{{name}}}, which is a word of Ablate's, and "
                              "not that key of base or factors", name,
                              fix=f"call the key otherwise: my_{name}; or write {{overrides}} in "
                              f"the place of {{{name}}}")  # fmt: skip


def _unpassed(command: Command, block: DesignBlock) -> Iterator[Problem]:
    """Keys that never reach the script: their levels would all train the same thing."""
    words = lines_of(command).get("command")
    if words is None or {OVERRIDES, "config"} & set(names_in(words)):
        return
    fix = "write {%s} or {overrides} in the command"
    for factor in block.factors:
        for key in factor.keys:
            if not _is_passed(words, key):
                yield Problem(f"{block.place}factors.{factor.name}",
                              f"{key} does not reach the script: the command has no {{{key}}}",
                              fix=fix % key)  # fmt: skip
    varied = {key for factor in block.factors for key in factor.keys}
    written = dict(flatten(block.spec.base))
    for key in written.keys() - varied:
        if not _is_passed(words, key) and not any(v.startswith(f"{key}.") for v in varied):
            yield Problem(f"{block.place}base.{key}",
                          f"does not reach the script: the command has no {{{key}}}",
                          written[key], fix=f"{fix % key}, or drop it")  # fmt: skip


def _is_passed(words: Sequence[Word], key: str) -> bool:
    """Whether a placeholder is the key, or one above or below it."""
    return any(
        name == key or key.startswith(f"{name}.") or name.startswith(f"{key}.")
        for name in names_in(words)
    )


def _keys(block: DesignBlock) -> Iterator[str]:
    """The dotted keys of a block's configs, with those above them."""
    sets: dict[str, Any] = {}
    for factor in block.factors:
        for level in factor.levels:
            sets |= level.sets
    for key, value in (*flatten(block.base), *sets.items()):
        nested = flatten(value, f"{key}.") if isinstance(value, Mapping) else ()
        for name in (key, *(name for name, _ in nested)):
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(len(parts), 0, -1))


def _has(config: Mapping[str, Any], key: str) -> bool:
    try:
        config_value(config, key)
    except KeyError:
        return False
    return True
