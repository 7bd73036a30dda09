"""Runs from elsewhere as a study: its plan, and the rows of a ledger that it would have."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict

from ablate.errors import InputError, Problem
from ablate.evaluations import Evaluations
from ablate.identity import canonical_json
from ablate.plan.plan import Plan, Run, plan_study
from ablate.plan.select import read_choice
from ablate.run_row import RunRow, RunRows
from ablate.sources.asked import Asked, column_problems, number_of, varying
from ablate.sources.found import Found
from ablate.sources.runs import Result, resolve, value_told
from ablate.spec.models import Study, text
from ablate.spec.trainables import Trainables
from ablate.text import printable, some
from ablate.trainable.contract import TrainableHooks
from ablate.trainable.registry import TrainableEntry

MAX_SEED = 2**32


class FactorValues(BaseModel):
    """A config that is the values of the factors, and nothing else."""

    model_config = ConfigDict(extra="allow")


ELSEWHERE = TrainableEntry(
    name="results-from-elsewhere", target="", hooks=TrainableHooks(config=FactorValues)
)


@dataclass(frozen=True, kw_only=True)
class ForeignStudy:
    """What a report on results from elsewhere is made of."""

    plan: Plan
    rows: RunRows
    notes: Sequence[str]
    seeds: Sequence[int | str]
    """As the source calls them."""
    evaluations: Evaluations
    """What results are means of, where `--within` averages."""


def foreign_study(name: str, source: str, found: Found, asked: Asked) -> ForeignStudy:
    """Results as a study that asks just this of them.

    Args:
        name: What the study is called.
        source: Where the results come from, for people.
        found: The results.
        asked: The question.

    Raises:
        InputError: With all that is wrong of the question and the results.
    """
    problems = column_problems(asked, found)
    broken = {problem.key.partition(" ")[0] for problem in problems}
    if broken & {"--factors", "--seed", "--step", "--step-column", "--within"}:
        may_be = dict.fromkeys([*asked.factors, *varying(asked, found)])
        raise InputError(source, [*problems, *_choices(asked, found, tuple(may_be))[1]])
    resolved = resolve(found, asked)
    choices, wrong = _choices(asked, found, asked.factors)
    problems += [*wrong, *resolved.problems, *_too_few(resolved.results, asked)]
    if not wrong:
        problems += _cell_problems(resolved.results, asked, choices)
    if problems:
        raise InputError(source, problems)
    study = _study(name, resolved.results, asked, choices)
    seeds = _seeds(resolved.results)
    planned = plan_study(study, trainables=Trainables(ELSEWHERE))
    plan, rows, inner = _planned(planned, resolved.results, seeds)
    origin = (
        f"judged from results made elsewhere ({source}: {found.what}, {len(found.rows)} "
        f"row{'s' * (len(found.rows) != 1)}); Ablate did not run them, and knows neither their "
        "code nor their data"
    )
    notes = [*resolved.notes, *_absent(resolved.results, plan.is_paired)]
    if asked.pairing is None and not plan.is_paired:
        notes.append(
            "not every cell has every seed: runs are compared unpaired (--pairing seed compares "
            "those of one seed)"
        )
    shown = [seed if isinstance(seed, int) else text(seed) for seed in seeds]
    told = {name: value for name in asked.metrics if (value := value_told(found, asked, name))}
    return ForeignStudy(
        plan=replace(plan, origin=origin, values_told=told), rows=rows, notes=notes, seeds=shown,
        evaluations=Evaluations(printable(asked.within or ""), inner),
    )  # fmt: skip


@dataclass(frozen=True)
class _Choices:
    """The cells that the command line names."""

    levels: Mapping[str, Sequence[Any]]
    baseline: Mapping[str, Any]
    compare: Sequence[Mapping[str, Any]]


def _choices(asked: Asked, found: Found, factors: Sequence[str]) -> tuple[_Choices, list[Problem]]:
    """The levels of the factors that are there, and the cells that are written of them."""
    levels = {name: _in_order(name, found) for name in factors if name in found.columns}
    problems: list[Problem] = []
    read: list[dict[str, Any]] = []
    written = [("--baseline", asked.baseline), *(("--compare", c) for c in asked.compare)]
    for option, choice in written:
        read.append({})
        if choice:
            try:
                read[-1] = read_choice(option, choice, levels, "the results")
            except InputError as error:
                problems += error.problems
    first = {name: found_levels[0] for name, found_levels in levels.items() if found_levels}
    return _Choices(levels, read[0] or first, read[1:]), problems


def _in_order(name: str, found: Found) -> list[Any]:
    """The values of a factor in the order in which they appear."""
    seen: dict[str, Any] = {}
    for row in found.rows:
        value = row.value(name)
        if value is not None:
            seen.setdefault(canonical_json(value), value)
    return list(seen.values())


def _too_few(results: Sequence[Result], asked: Asked) -> list[Problem]:
    """No verdict is possible where no cell has two runs."""
    counts = Counter(result.key[0] for result in results)
    if max(counts.values(), default=0) > 1:
        return []
    seeds = list(dict.fromkeys(result.seed for result in results))
    told = "no cell has two seeds: without replicates nothing can be told from noise"
    fix = "add runs on other seeds, or name the column that tells them apart"
    return [Problem(f"--seed {asked.seed}", told, some(list(map(str, seeds))), fix=fix)]


def _cell_problems(results: Sequence[Result], asked: Asked, choices: _Choices) -> list[Problem]:
    cells = {result.key[0]: result.labels for result in results}
    problems: list[Problem] = []
    pairs = [
        (key, tuple(canonical_json({**cell, **choices.baseline}[name]) for name in asked.factors))
        for key, cell in cells.items()
    ]
    shown, there = _spelled(choices.baseline), tuple(map(_spelled, cells.values()))
    if not any(key == other for key, other in pairs):
        problems.append(Problem("--baseline", "no run has this cell", shown, there))
    elif len(cells) > 1 and not any(key != other in cells for key, other in pairs):
        told = "of no cell is there one that has these levels and is otherwise the same"
        problems.append(Problem("--baseline", told, shown, there, "name all factors"))
    for written, choice in zip(asked.compare, choices.compare, strict=True):
        keys = {name: canonical_json(value) for name, value in choice.items()}
        if not any(all(canonical_json(cell[n]) == key for n, key in keys.items())
                   for cell in cells.values()):  # fmt: skip
            problems.append(Problem("--compare", "no run has such a cell", written,
                                    tuple(map(_spelled, cells.values()))))  # fmt: skip
    return problems


def _spelled(labels: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={text(label)}" for name, label in labels.items())


def _study(name: str, results: Sequence[Result], asked: Asked, choices: _Choices) -> Study:
    """The study that would have had these cells."""
    cells = {result.key[0]: dict(result.labels) for result in results}
    num_all = 1
    for levels in choices.levels.values():
        num_all *= len(levels)
    is_grid = num_all == len(cells)
    seeds = _seeds(results)
    return Study.model_validate({
        "study": name, "question": asked.question, "trainable": ELSEWHERE.name,
        "metric": asked.metric, "mode": asked.mode, "report_metrics": tuple(asked.report_metrics),
        "margin": number_of(asked.margin) if asked.margin is not None else None,
        "log_scale": asked.log_scale, "factors": {n: list(v) for n, v in choices.levels.items()},
        "baseline": dict(choices.baseline), "design": "grid" if is_grid else "cells",
        "cells": () if is_grid else tuple(cells.values()),
        "compare": tuple(map(dict, choices.compare)) or None,
        "seeds": tuple(_numbers(seeds)), "pairing": asked.pairing or _pairing(results),
    })  # fmt: skip


def _pairing(results: Sequence[Result]) -> str:
    """`seed` where every cell has every seed: else seeds are but numbers of runs."""
    return "seed" if not _num_absent(results) else "none"


def _num_absent(results: Sequence[Result]) -> int:
    """Combinations of cell and seed without a row."""
    keys = {result.key for result in results}
    cells, seeds = ({key[part] for key in keys} for part in (0, 1))
    return len(cells) * len(seeds) - len(keys)


def _seeds(results: Sequence[Result]) -> list[Any]:
    """The seeds: numbers in their order, all else as it appears."""
    seeds = list({result.key[1]: result.seed for result in results}.values())
    if all(isinstance(s, int | float) and not isinstance(s, bool) for s in seeds):
        whole = [int(s) if float(s).is_integer() else s for s in seeds]
        return sorted(whole)
    return seeds


def _numbers(seeds: Sequence[Any]) -> list[int]:
    """Seeds as a plan has them: themselves where they can be, else counted."""
    fit = all(isinstance(s, int) and not isinstance(s, bool) and 0 <= s < MAX_SEED for s in seeds)
    return list(seeds) if fit else list(range(len(seeds)))


def _planned(
    plan: Plan, results: Sequence[Result], seeds: Sequence[Any]
) -> tuple[Plan, RunRows, dict[str, Mapping[str, Sequence[float]]]]:
    """The part of a plan of which there are results, these as rows of a ledger, and their parts."""
    by_key = {result.key: result for result in results}
    spelled = dict(zip(_numbers(seeds), map(canonical_json, seeds), strict=True))
    names = tuple(plan.factors)
    # A run that ended without the metric that is judged may have diverged: its cell lost it.
    lost = {plan.study.metric: math.nan}
    rows = RunRows()
    inner: dict[str, Mapping[str, Sequence[float]]] = {}
    runs: list[Run] = []
    for run in plan.runs:
        cell = tuple(run.cell.levels[name].key for name in names)
        result = by_key.get((cell, spelled[run.seed]))
        if result is None:
            continue
        runs.append(replace(run, run_name=result.name))
        inner[run.run_id] = result.inner
        # Under both names: of `loss` and `loss_best` one must not be read as the other's best.
        measured = {
            f"{name}_{which}": lost.get(name) if value is None else value
            for name, value in result.values.items()
            for which in ("best", "final")
        }
        rows[run.run_id] = RunRow(
            run_id=run.run_id, run_name=result.name, seed=run.seed, status=result.status.value,
            error=result.cause or None, **measured,
        )  # fmt: skip
    return replace(plan, runs=runs), rows, inner


def _absent(results: Sequence[Result], is_paired: bool) -> list[str]:
    """What the reader should know of cells and seeds that the source has no row for."""
    num_absent = _num_absent(results)
    if not num_absent:
        return []
    num_all = num_absent + len({result.key for result in results})
    seeds = Counter(result.key[1] for result in results)
    if max(seeds.values()) == 1:
        told = "no two cells share a seed"
        return [f"{told}: nothing can be paired, so nothing can be compared"] * is_paired
    return [
        f"{num_absent} of {num_all} combinations of cell and seed have no row: whether "
        "they were never run or left out, the results do not say"
    ]
