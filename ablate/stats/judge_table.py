"""Verdicts on results from anywhere: rows of a table in, a comparison a cell out.

`ablate judge SOURCE` gives the whole report of a study on them: see `ablate.sources`.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ablate.stats.repeats import Flags, Values, counted_once, repeats_of
from ablate.stats.verdicts import Comparison, Mode, compare_to_baseline
from ablate.stats.worst_case import of_those_that_ended

Cell = Hashable
"""A value of the column that names cells; of several columns, a tuple of theirs."""


def judge_table(
    rows: Iterable[Mapping[str, Any]],
    *,
    metric: str,
    cell: str | Sequence[str],
    seed: str = "seed",
    baseline: Cell | None = None,
    mode: Mode = "min",
    margin: float | None = None,
    pairing: Literal["seed", "none"] | None = None,
) -> dict[Cell, Comparison]:
    """Compares every cell of a table with its baseline, as the report of a study does.

    The command `ablate judge` also reads files, Ray's folders and W&B, and writes the report.

    Args:
        rows: One a run, as mappings of columns: `csv.DictReader`, `frame.to_dict("records")`.
        metric: The column with the results; nothing or NaN where a run has none: such a run counts
            as lost by its cell, and verdicts on it are "of the runs that ended". Leave out rows of
            runs that are missing at random.
        cell: The column that names cells, or several.
        seed: The column with the seeds.
        baseline: The cell that the others are compared with; the first one by default.
        mode: Whether lower (`min`) or higher values are better.
        margin: Differences smaller than this do not matter; fixed before the results were seen.
        pairing: Whether runs of one seed are paired; by default where every cell has every seed.

    Returns:
        A comparison by cell, in the order of the rows; `comparison.verdict.text` is for people:
        `same numbers` where a cell repeats its baseline's to the bit, and that is no chance.

    Raises:
        ValueError: Where a column is missing, a cell has a seed twice, or there is no baseline.
    """
    values = _results(rows, metric, cell, seed)
    seeds = {
        key: n for n, key in enumerate(dict.fromkeys(k for one in values.values() for k in one))
    }
    if not values or (baseline is not None and baseline not in values):
        raise ValueError(f"no cell {baseline!r}; there are {', '.join(map(repr, values))}")
    table = np.full((len(values), len(seeds)), np.nan)
    for at, found in enumerate(values.values()):
        for key, value in found.items():
            table[at, seeds[key]] = value
    reference = 0 if baseline is None else list(values).index(baseline)
    recurs = all(len(one) == len(seeds) for one in values.values())
    is_paired = recurs if pairing is None else pairing == "seed"
    lost = np.array([[math.isnan(one.get(key, 0)) for key in seeds] for one in values.values()])
    comparisons = _compared(table, lost, reference, mode, margin, is_paired)
    return dict(zip(values, of_those_that_ended(comparisons, reference, lost), strict=True))


def _compared(
    table: Values, lost: Flags, reference: int, mode: Mode, margin: float | None, is_paired: bool
) -> Sequence[Comparison]:
    """Each cell with the baseline; those with the same numbers count once."""
    references, family = np.full(len(table), reference), np.ones(len(table), dtype=bool)
    once = counted_once(repeats_of(table, references, lost), references, family)
    found = compare_to_baseline(
        once.of(table), once.references, mode, margin, is_paired=is_paired, same=once.same
    )
    return once.for_all(found).each


def _results(
    rows: Iterable[Mapping[str, Any]], metric: str, cell: str | Sequence[str], seed: str
) -> dict[Cell, dict[Hashable, float]]:
    """The results by cell and seed, in the order of the rows."""
    values: dict[Cell, dict[Hashable, float]] = {}
    for number, row in enumerate(rows):
        missing = [name for name in (metric, seed, *_names(cell)) if name not in row]
        if missing:
            raise ValueError(f"row {number} has no {', '.join(missing)}; it has {', '.join(row)}")
        name = row[cell] if isinstance(cell, str) else tuple(row[column] for column in cell)
        found = values.setdefault(name, {})
        if row[seed] in found:
            raise ValueError(f"row {number}: cell {name} has seed {row[seed]} twice")
        found[row[seed]] = _number(row[metric], number, metric)
    return values


def _names(cell: str | Sequence[str]) -> Sequence[str]:
    return [cell] if isinstance(cell, str) else cell


def _number(value: Any, number: int, metric: str) -> float:
    if value is None or value == "":
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"row {number}: {metric} is {value!r}, which is no number") from None
