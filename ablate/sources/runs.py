"""Rows -> runs: one result for each cell and seed, from one row or from several."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ablate.errors import Problem
from ablate.identity import canonical_json
from ablate.run_row import Status
from ablate.sources.asked import LAST, NAMED, STEP_COLUMNS, Asked, number_of
from ablate.sources.found import Found, Row
from ablate.text import printable, some

Key = tuple[tuple[str, ...], str]
"""A cell, as its factors' values, and a seed; in a form that does not depend on how they are
written."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run came to."""

    name: str
    labels: Mapping[str, Any]
    """Of each factor, its value."""
    seed: Any
    values: Mapping[str, float | None]
    """Of each metric; None where it has none."""
    status: Status
    cause: str
    inner: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])
    """Of each metric that has a value, what that is the mean of."""

    @property
    def key(self) -> Key:
        """Its cell and seed."""
        return tuple(canonical_json(v) for v in self.labels.values()), canonical_json(self.seed)

    @property
    def where(self) -> str:
        """Its cell and seed for people."""
        labels = ", ".join(f"{name}={value}" for name, value in self.labels.items())
        return printable(f"{labels}, seed {self.seed}")


@dataclass
class Resolved:
    """The runs of a source."""

    results: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def resolve(found: Found, asked: Asked) -> Resolved:
    """One result a cell and seed.

    Args:
        found: Rows whose factors and seeds all have values.
        asked: Which step of a run counts, and what its rows are averaged over.
    """
    resolved = Resolved(notes=list(found.notes))
    groups: dict[Key, list[Row]] = {}
    for row in _at_steps(found, asked, resolved):
        groups.setdefault(_result(row, asked).key, []).append(row)
    for rows in groups.values():
        averaged = _averaged(rows, asked, resolved)
        resolved.results.append(averaged or _only(rows, asked, resolved))
    _tell_inner(groups.values(), asked, resolved)
    _tell_clones(resolved, asked)
    if resolved.problems:
        resolved.problems = [_of_duplicates(resolved.problems, groups.values(), found, asked)]
    return resolved


def _result(row: Row, asked: Asked) -> Result:
    values = {name: number_of(row.measured.get(name)) for name in asked.metrics}
    return Result(
        name=row.name,
        labels={name: row.value(name) for name in asked.factors},
        seed=row.value(asked.seed),
        values={n: None if v is None or math.isnan(v) else v for n, v in values.items()},
        status=row.status,
        cause=row.cause,
    )


def _at_steps(found: Found, asked: Asked, resolved: Resolved) -> list[Row]:
    """The rows of the steps that count: all where a row is a run, and no step was asked for."""
    if found.has_last_only or (asked.step is None and not any(row.run for row in found.rows)):
        return list(found.rows)
    series: dict[Any, list[Row]] = {}
    for row in found.rows:
        inner = canonical_json(row.value(asked.within)) if asked.within else ""
        series.setdefault((_result(row, asked).key, row.run, inner), []).append(row)
    column = asked.steps_in(found)
    if asked.step in (None, LAST):
        kept = [_last(rows, column) for rows in series.values()]
        _tell_steps([row for rows in kept for row in rows], column, asked, resolved)
        return [row for rows in kept for row in rows]
    step = number_of(asked.step)
    return [row for rows in series.values() for row in _of_step(rows, column, step)]


def value_told(found: Found, asked: Asked, metric: str) -> str:
    """Which value of a run its result is, for people; empty where nobody says."""
    is_a_row = asked.step is None and not any(row.run for row in found.rows)
    if metric in found.named_columns or (is_a_row and not found.has_last_only):
        return ""
    if found.has_last_only or asked.step in (None, LAST):
        return "last value"
    return f"at {printable(asked.steps_in(found))} {number_of(asked.step):g}"


def _last(rows: Sequence[Row], column: str) -> list[Row]:
    """Those with the highest step; the last one of a run whose source has them in order."""
    steps = [_step(row, column) for row in rows]
    if rows[0].run or all(map(math.isnan, steps)):
        return [rows[-1]] if rows[0].run else list(rows)
    return [row for row, step in zip(rows, steps, strict=True) if step == max(steps)]


def _of_step(rows: Sequence[Row], column: str, step: float | None) -> list[Row]:
    """Those of a step; without any, one that says so."""
    told = f"has no {column} {step:g}"
    lacking = replace(rows[-1], measured={}, cause=rows[-1].cause or told)
    return [row for row in rows if _step(row, column) == step] or [lacking]


def _step(row: Row, column: str) -> float:
    step = number_of(row.measured.get(column))
    return math.nan if step is None else step


def _tell_steps(rows: Sequence[Row], column: str, asked: Asked, resolved: Resolved) -> None:
    steps = [_step(row, column) for row in rows if row.status is Status.OK]
    known = [step for step in steps if not math.isnan(step)]
    if not known:
        return
    shown = f"{min(known):g}"
    if min(known) != max(known):
        shown += f" to {max(known):g}: runs of unlike length are compared"
    if asked.step is None or min(known) != max(known):
        resolved.notes.append(f"each run counts with its last {column}, {shown}")


def _averaged(rows: Sequence[Row], asked: Asked, resolved: Resolved) -> Result | None:
    """The mean of a run's rows that differ in one column, never the best of them."""
    if asked.within is None:
        return None
    names = [canonical_json(row.value(asked.within)) for row in rows]
    if len(set(names)) != len(names):
        return None
    parts = [_result(row, asked) for row in rows]
    bad = next((part for part in parts if part.status is not Status.OK), None)
    values: dict[str, float | None] = {}
    inner: dict[str, Sequence[float]] = {}
    lacking: list[str] = []
    for metric in asked.metrics:
        known = [v for part in parts if (v := part.values[metric]) is not None]
        values[metric] = math.fsum(known) / len(known) if len(known) == len(parts) else None
        if values[metric] is not None:
            inner[metric] = known
        if known and len(known) < len(parts):
            lacking.append(f"{len(parts) - len(known)} of its {len(parts)} rows have no {metric}")
    if lacking:
        resolved.notes.append(f"{parts[0].where} has no result: {'; '.join(lacking)}")
    return replace(bad or parts[0], name=parts[0].name, values=values, inner={} if bad else inner)


def _tell_inner(groups: Iterable[Sequence[Row]], asked: Asked, resolved: Resolved) -> None:
    counts = sorted({len(rows) for rows in groups})
    if asked.within is not None and counts and counts[-1] > 1:
        shown = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
        told = f"each result is the mean of {shown} rows that differ in {asked.within}"
        resolved.notes.append(told)


def _only(rows: Sequence[Row], asked: Asked, resolved: Resolved) -> Result:
    """The one result of a cell and seed; the same run under two names counts once."""
    results = [_result(row, asked) for row in rows]
    first = results[0]
    if len(results) == 1:
        return first
    names = some([result.name for result in results], NAMED)
    has_any = any(value is not None for value in first.values.values())
    if has_any and all((r.values, r.status) == (first.values, first.status) for r in results):
        resolved.notes.append(
            f"{names} are one run under several names ({first.where}: every value is the same to "
            "the last digit): it counts once"
        )
    else:
        resolved.problems.append(Problem("SOURCE", f"{names} are all {first.where}"))
    return first


def _of_duplicates(
    problems: Sequence[Problem], groups: Iterable[Sequence[Row]], found: Found, asked: Asked
) -> Problem:
    """All cells and seeds with several results as one mistake, and what may be meant."""
    told = "; ".join(problem.message for problem in problems[:NAMED])
    if len(problems) > NAMED:
        told += f"; and {len(problems) - NAMED} more"
    several = [rows for rows in groups if len(rows) > 1]
    fix = _what_may_be_meant(several, found, asked)
    return Problem("SOURCE", f"several rows of one cell and seed: {told}", fix=fix)


def _what_may_be_meant(groups: Sequence[Sequence[Row]], found: Found, asked: Asked) -> str:
    """By the columns in which such rows differ: steps, inner replicates, or one more factor."""
    used = {*asked.factors, asked.seed, *asked.metrics}
    apart = [
        name for name in found.columns
        if name not in used and all(_varies(name, rows) for rows in groups)
    ]  # fmt: skip
    steps = asked.steps_in(found)
    ways: list[str] = []
    if asked.step is None and steps in apart:
        named = "" if steps in STEP_COLUMNS else f" --step-column {steps}"
        ways.append(f"--step last{named} (or --step N) takes one {steps} of each run")
    for name in [n for n in apart if n not in STEP_COLUMNS and _recurs(n, groups)][:3]:
        ways.append(f"--within {name} averages over it, or it is a factor: add it to --factors")
    return "; ".join(ways) or "keep one row of each, or name the factor that they differ in"


def _varies(name: str, rows: Sequence[Row]) -> bool:
    return len({repr(row.value(name)) for row in rows}) > 1


def _recurs(name: str, groups: Sequence[Sequence[Row]]) -> bool:
    """Whether a column has the same values in several runs: no time, and no name of a run."""
    seen = [{repr(row.value(name)) for row in rows} for rows in groups]
    values = [row.value(name) for rows in groups for row in rows]
    return all(not isinstance(v, float) for v in values) and (
        len(seen) == 1 or all(one & seen[0] for one in seen)
    )


def _tell_clones(resolved: Resolved, asked: Asked) -> None:
    """Cells that are equal on every seed: one run twice, or a factor that does nothing."""
    by_cell: dict[tuple[str, ...], dict[str, Result]] = {}
    for result in resolved.results:
        by_cell.setdefault(result.key[0], {})[result.key[1]] = result
    seen: dict[str, Result] = {}
    for cell in by_cell.values():
        known = {seed: list(r.values.values()) for seed, r in cell.items()
                 if r.status is Status.OK and r.values[asked.metric] is not None}  # fmt: skip
        one = next(iter(cell.values()))
        first = seen.setdefault(repr(sorted(known.items())), one) if len(known) > 1 else one
        if first is not one:
            cells = " and ".join(r.where.rpartition(", seed ")[0] for r in (first, one))
            resolved.notes.append(
                f"{cells} have the same values on every seed, to the last digit: one run under "
                "two names, or a factor that does nothing"
            )
