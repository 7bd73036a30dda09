"""What is asked of results from elsewhere, and whether their columns can answer it."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ablate.errors import Problem
from ablate.sources.found import Found, Row

STEP_COLUMNS = ("step", "epoch", "training_iteration", "_step")
LAST = "last"
NAMED = 5
"""Rows that an error names."""
MOST_LEVELS = 20
"""Columns with more values are not proposed as factors."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question to results; columns by name.

    Attributes:
        factors: What is varied.
        seed: What tells replicates apart.
        pairing: Whether runs of one seed are paired; by default where all cells have all seeds.
        metric: What the verdicts are about.
        mode: Whether lower (`min`) or higher (`max`) values are better.
        report_metrics: Further metrics to report.
        baseline: `flow=icfm,arch=mlp`, whatever the levels of factors are that it leaves out; by
            default the first level of all.
        compare: The cells whose comparison was planned, as `baseline`; all by default.
        margin: Differences smaller than this do not matter, as a number.
        log_scale: Whether ratios are compared.
        step: Of several rows a run, which: `last`, or a number in `step_column`.
        step_column: By default the first of `STEP_COLUMNS` that is there.
        within: A run's rows that differ in this are averaged.
        question: The title.
    """

    factors: Sequence[str]
    seed: str = "seed"
    metric: str
    mode: Literal["min", "max"] = "min"
    report_metrics: Sequence[str] = ()
    baseline: str = ""
    compare: Sequence[str] = ()
    margin: str | None = None
    log_scale: bool = False
    step: str | None = None
    step_column: str | None = None
    within: str | None = None
    question: str = ""
    pairing: Literal["seed", "none"] | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics, each once."""
        return tuple(dict.fromkeys([self.metric, *self.report_metrics]))

    def steps_in(self, found: Found) -> str:
        """The column with the steps; `` where there is none."""
        if self.step_column is not None:
            return self.step_column
        used = {*self.factors, self.seed, *self.metrics, self.within}
        return next((n for n in STEP_COLUMNS if n in found.measured_columns and n not in used), "")


def names_in(written: str | None) -> tuple[str, ...]:
    """`flow,arch` as names; one with a comma in it stands in double quotes."""
    rows = list(csv.reader([written or ""], skipinitialspace=True))
    return tuple(name.strip() for name in (rows[0] if rows else ()) if name.strip())


def number_of(value: Any) -> float | None:
    """A number, also as text (W&B's `NaN`); nan for no value, None for what is no number."""
    if value is None or value == "":
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def column_problems(asked: Asked, found: Found) -> list[Problem]:
    """Columns that are missing, have two uses, or hold what they cannot."""
    problems = [*_missing(asked, found), *_used_twice(asked), *_margin(asked)]
    config = set(found.columns)
    for name in (name for name in asked.factors if name in config):
        problems += _empty("--factors", name, found.rows)
        if len({repr(row.value(name)) for row in found.rows} - {"None"}) == 1:
            label = next(row.value(name) for row in found.rows if row.value(name) is not None)
            problems.append(Problem(f"--factors {name}", "has one value in all rows", label,
                                    varying(asked, found), "drop it"))  # fmt: skip
    if asked.seed in config:
        problems += _empty("--seed", asked.seed, found.rows)
    measured = set(found.measured_columns)
    for option, name in _metrics(asked):
        if name in measured:
            problems += _no_numbers(option, name, found.rows)
    return [*problems, *_step_problems(asked, found)]


def _missing(asked: Asked, found: Found) -> Iterator[Problem]:
    choices = varying(asked, found)
    if not asked.factors:
        fix = f"write --factors {','.join(choices[:3])}, say" if choices else ""
        yield Problem("--factors", "is missing: these columns vary", choices=choices, fix=fix)
    for name in asked.factors:
        if name not in found.columns:
            yield Problem("--factors", "is no column", name, found.config_columns)
    if asked.seed not in found.columns:
        yield Problem("--seed", "is no column", asked.seed, found.config_columns,
                      "name the column that tells replicates apart")  # fmt: skip
    numbers = _numeric(asked, found)
    if not asked.metric:
        yield Problem("--metric", "is missing: these columns are numbers", choices=numbers)
    for option, name in _metrics(asked):
        if name not in found.measured_columns:
            yield Problem(option, "is no column", name, numbers)
    for option, name in (("--within", asked.within), ("--step-column", asked.step_column)):
        if name is not None and name not in found.columns:
            yield Problem(option, "is no column", name, found.columns)


def _metrics(asked: Asked) -> Iterator[tuple[str, str]]:
    if asked.metric:
        yield "--metric", asked.metric
    yield from (("--report-metrics", name) for name in asked.report_metrics)


def _used_twice(asked: Asked) -> Iterator[Problem]:
    uses = [*(("--factors", name) for name in asked.factors), ("--seed", asked.seed),
            *_metrics(asked), ("--within", asked.within)]  # fmt: skip
    seen: dict[str, str] = {}
    for option, name in uses:
        if name and name in seen:
            yield Problem(f"{option} {name}", f"is also in {seen[name]}", fix="drop one of them")
        seen.setdefault(name or "", option)
    for name in asked.factors:
        above = next((o for o in asked.factors if name.startswith(f"{o}.")), "")
        if above:
            yield Problem(f"--factors {name}", f"stands below {above}, a factor, too",
                          fix="drop one of them")  # fmt: skip


def _margin(asked: Asked) -> Iterator[Problem]:
    number = number_of(asked.margin)
    if asked.margin is not None and not (number is not None and 0 < number < math.inf):
        yield Problem("--margin", "is no number above 0", asked.margin, fix="write 0.01, say")


def _empty(option: str, column: str, rows: Sequence[Row]) -> Iterator[Problem]:
    empty = [row.name for row in rows if row.value(column) is None]
    if empty:
        yield Problem(f"{option} {column}", f"has no value in {_some(empty)}",
                      fix="fill it in, or leave those rows out")  # fmt: skip


def _no_numbers(option: str, column: str, rows: Sequence[Row]) -> Iterator[Problem]:
    wrong = [row for row in rows if number_of(row.measured.get(column)) is None]
    if wrong:
        told = f"is no number in {_some([row.name for row in wrong])}"
        fix = "leave it empty where a run has no result"
        yield Problem(f"{option} {column}", told, wrong[0].measured[column], fix=fix)


def _step_problems(asked: Asked, found: Found) -> Iterator[Problem]:
    if asked.step is None:
        return
    number = number_of(asked.step)
    if asked.step != LAST and (number is None or not math.isfinite(number)):
        yield Problem("--step", "is neither a step nor `last`", asked.step, fix="write --step last")
        return
    if found.has_last_only:
        if asked.step != LAST:
            told = f"{found.what}: of each run the last values alone are there"
            yield Problem("--step", told, asked.step, fix="write --step last, or judge a table of "
                          "the history")  # fmt: skip
        return
    column = asked.steps_in(found)
    if not column:
        yield Problem("--step", "needs a column of steps", asked.step, found.columns,
                      "name it with --step-column")  # fmt: skip
    elif column in found.columns:
        known = [row for row in found.rows if row.measured]
        yield from _empty("--step-column", column, known)
        yield from _no_numbers("--step-column", column,
                               [row for row in known if column in row.measured])  # fmt: skip


def varying(asked: Asked, found: Found) -> tuple[str, ...]:
    """Columns that may be meant as factors: they vary, and their values recur."""
    used = {asked.seed, asked.within, asked.step_column, *asked.metrics, *STEP_COLUMNS}
    most = min(MOST_LEVELS, max(2, len(found.rows) // 2))
    return tuple(n for n, count in found.differing() if n not in used and count <= most)


def _numeric(asked: Asked, found: Found) -> tuple[str, ...]:
    used = {asked.seed, *asked.factors}
    rows = found.rows
    return tuple(
        name for name in found.measured_columns
        if name not in used and all(number_of(row.measured.get(name)) is not None for row in rows)
        and any(row.value(name) is not None for row in rows)
    )  # fmt: skip


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join([*names[:NAMED], *[f"{more} more"] * (more > 0)])
