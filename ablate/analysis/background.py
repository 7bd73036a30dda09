"""How the results of a study came about: its runs, what is missing and why, who made them."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ablate.analysis.arrays import value_taken
from ablate.analysis.forecast import price
from ablate.analysis.records import Environment, MissingRun, RunRecord
from ablate.analysis.unequal_training import misleading_training, unequal_training
from ablate.losses import Loss
from ablate.numbers import p_text
from ablate.plan.plan import Plan
from ablate.run_row import ENDED, RunRow, RunRows, Status
from ablate.spec.seeds import SeedRule
from ablate.stats.failures import failures_differ
from ablate.study_dir import StudyPaths
from ablate.text import first_line, num_runs, printable, quoted, some
from ablate.trainable.code_files import (
    IMPORTED,
    CodeFile,
    differing,
    num_versions,
    parse_hashes,
    shown,
)

FAILURES_ALPHA = 0.05
NAMED = 20
"""Runs that are named one by one."""


def run_records(plan: Plan, rows: RunRows) -> list[RunRecord]:
    """Every planned run."""
    return [
        RunRecord(
            run_id=run.run_id,
            run_name=run.run_name,
            cell=run.cell.index,
            seed=run.seed,
            status=rows.status(run.run_id),
            seconds=rows.of(run.run_id).seconds or math.nan,
        )
        for run in plan.runs
    ]


def missing_runs(plan: Plan, rows: RunRows, metric: str) -> list[MissingRun]:
    """Planned runs without a value of a metric, each with its cause."""
    missing: list[MissingRun] = []
    taken = value_taken(plan, rows, metric)
    for run in plan.runs:
        row = rows.of(run.run_id)
        status = row.status
        if status is Status.OK:
            if math.isnan(row.result(metric, taken)):
                value = row.measured(metric, taken)
                cause = f"reported no {metric}" if value is None else f"{metric} is {value}"
                cause = first_line(row.cause) or cause
                if value is None and plan.model.metric(metric).is_measurable:
                    cause += f" (ablate evaluate STUDY_DIR --metric {quoted([metric])} adds it)"
                missing.append(MissingRun(run_name=run.run_name, status=status, cause=cause))
            continue
        cause = first_line(row.cause)
        if row.loss(metric) is Loss.INFRASTRUCTURE:
            cause += " (lost to the infrastructure)"
        missing.append(MissingRun(run_name=run.run_name, status=status, cause=cause))
    return missing


def how_it_came(plan: Plan, rows: RunRows) -> list[str]:
    """What the reader should know: seeds by rule or added later, failures that differ."""
    notes = [f"seeds: {plan.seeding}"] if plan.seeding else []
    notes += [*_second_stage(plan), *_added_seeds(plan, rows)]
    waiting = [run for run in plan.runs if not rows.status(run.run_id).has_ended]
    left = price(plan, waiting, rows)
    if left and not plan.origin:
        notes.append(f"runs left: {len(waiting)}; {left}")
    notes += [*_taken(plan, rows), *_lost_to_machines(plan, rows), *unequal_training(plan, rows)]
    return [*notes, *_failures(plan, rows), *_other_code(plan, rows)]


def _second_stage(plan: Plan) -> list[str]:
    """What seeds by rule assume of the later ones; the number is of `benchmarks/scatter.py`."""
    rule = plan.study.seeds
    if not isinstance(rule, SeedRule) or len(plan.seeds) <= rule.min:
        return []
    return [
        f"intervals rest on the spread of the first {rule.min} seeds, unless later ones are seen "
        "to vary more: where they vary twice as much and that is not seen, up to 10 % of tables "
        "are wrong"
    ]


def cautions_of(plan: Plan, rows: RunRows) -> list[str]:
    """Those of `how_it_came` that mislead whoever does not read them, the most serious first."""
    return [
        *_added_seeds(plan, rows), *misleading_training(plan, rows), *_failures(plan, rows),
        *_other_code(plan, rows),
    ]  # fmt: skip


def environment(plan: Plan, rows: RunRows) -> Environment:
    """What the runs of a plan were made with."""
    known = [rows[run.run_id] for run in plan.runs if run.run_id in rows]
    code = [_code(row) for row in known]
    started = [row.started_at for row in known if row.started_at]
    ended = [row.ended_at for row in known if row.ended_at]
    return Environment(
        versions=_distinct(row.versions for row in known),
        code=_distinct(code),
        devices=_distinct(row.device for row in known),
        data=_distinct(row.data_fingerprint for row in known),
        started=min(started, default=None),
        ended=max(ended, default=None),
        same_bits=plan.model.shares_draws,
        snapshots=_snapshots(plan),
    )


def _snapshots(plan: Plan) -> Sequence[str] | None:
    if all(entry.command is None for entry in plan.entries):
        return None
    place = StudyPaths(plan.study.directory).snapshots
    found = place.iterdir() if place.is_dir() else ()
    return sorted(p.name for p in found if p.is_dir() and not p.name.startswith("."))


def _added_seeds(plan: Plan, rows: RunRows) -> list[str]:
    """Seeds that were planned only after others had been run: looking and adding."""
    by_rule = isinstance(plan.study.seeds, SeedRule)
    looked_at = plan.study.first_seeds if by_rule else plan.seeds
    planned: dict[int, set[int]] = {}
    for run in plan.runs:
        launch = rows.of(run.run_id).planned_in
        if launch is not None and run.seed in looked_at:
            planned.setdefault(run.seed, set()).add(launch)
    by_launch: dict[int, list[int]] = {}
    for seed, launches in planned.items():
        by_launch.setdefault(min(launches), []).append(seed)
    if len(by_launch) < 2:
        return []
    told = "; ".join(
        f"launch {launch}: {', '.join(map(str, seeds))}"
        for launch, seeds in sorted(by_launch.items())
    )
    return [
        f"seeds were added later ({told}). Adding seeds after looking at results is optional "
        "stopping: intervals cover less often than stated. A rule (seeds: {min, max, until}) "
        "decides in advance"
    ]


def _taken(plan: Plan, rows: RunRows) -> list[str]:
    """Runs that were not trained here, by the study that trained them."""
    by_study: dict[str, list[str]] = {}
    for run in plan.runs:
        if name := rows.of(run.run_id).reused_from:
            by_study.setdefault(name, []).append(run.run_name)
    return [
        f"{num_runs(len(names))} of {len(plan.runs)} taken from study {printable(study)}, where "
        f"{'its result' if len(names) == 1 else 'their results'} could be seen before "
        f"({some(names, NAMED)})"
        for study, names in by_study.items()
    ]


def _lost_to_machines(plan: Plan, rows: RunRows) -> list[str]:
    metric = plan.study.metric
    lost = [
        run.run_name for run in plan.runs if rows.of(run.run_id).loss(metric) is Loss.INFRASTRUCTURE
    ]
    what = f"{num_runs(len(lost))} lost to the infrastructure"
    fix = "missing at random, whatever their cell (--retry-failed makes them again)"
    return [f"{what} ({some(lost)}): {fix}"] * bool(lost)


def _failures(plan: Plan, rows: RunRows) -> list[str]:
    counts = [
        Counter(rows.status(run.run_id) for run in plan.runs_of[cell.index].values())
        for cell in plan.cells
    ]
    ended = np.array([sum(count[name] for name in ENDED) for count in counts])
    failed = ended - np.array([count[Status.OK] for count in counts])
    if not failed.any():
        return []
    p = failures_differ(ended, failed)
    if not p < FAILURES_ALPHA:
        return []
    cells = map(int, np.flatnonzero(failed))
    worst = sorted(cells, key=lambda cell: -failed[cell] / ended[cell])[:3]
    told = ", ".join(f"{plan.cells[i].name} {failed[i]} of {ended[i]}" for i in worst)
    return [f"failure rates differ between cells (p {p_text(p)}): {told}"]


def code_versions(begun: Sequence[RunRow]) -> tuple[int, list[str]]:
    """How many versions of the training code runs were made with, and the files that differ."""
    made_with = dict.fromkeys((row.code_files, row.code_hash) for row in begun)
    hashes = [parse_hashes(files) for files, _ in made_with]
    package = CodeFile(IMPORTED, "")
    if not all(hashes):  # some are of earlier versions, which knew of it as a whole only
        hashes = [
            {**known, package: whole} if whole else known
            for known, (_, whole) in zip(hashes, made_with, strict=True)
        ]
    count = num_versions(hashes)
    files = {file for known in hashes for file in differing(known, hashes[0])} - {shown(package)}
    return count, sorted(files)


def _other_code(plan: Plan, rows: RunRows) -> list[str]:
    begun = [rows[run.run_id] for run in plan.runs if rows.of(run.run_id).started_at]
    count, files = code_versions(begun)
    if count < 2:
        return []
    named = f" ({some(files)})" if files else ""
    return [f"the runs were made with {count} versions of the training code{named}"]


def _code(row: RunRow) -> str | None:
    if not row.code_hash:
        return None
    commit = row.git_commit
    dirty = ", with uncommitted changes" if row.git_dirty else ""
    return f"commit {commit[:12]}{dirty}" if commit else f"source {row.code_hash}"


def _distinct(values: Any) -> Sequence[str]:
    return tuple(dict.fromkeys(value for value in values if value))
