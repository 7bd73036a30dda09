"""Statements about many cells at once: equivalence, the best, all pairs. See `calibration.py`."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ablate.stats.all_pairs import compare_pairs
from ablate.stats.best import against_the_best
from ablate.stats.equivalence import lies_inside
from ablate.stats.verdicts import VerdictKind, compare_to_baseline

Values = NDArray[np.float64]
ALPHA = 0.05
MISSING = 0.15


def equivalence(studies: int) -> Iterator[Sequence[str]]:
    """Cells that all differ from the baseline by the margin, to one side or to both."""
    for num_compared in (1, 8, 20):
        for num_seeds in (3, 10):
            margin = 2 * math.sqrt(10 / num_seeds)
            for sides, signs in (("one", [1.0]), ("both", [1.0, -1.0])):
                if num_compared == 1 and sides == "both":
                    continue
                rng, found = (
                    np.random.default_rng([num_compared, num_seeds, len(signs)]),
                    np.zeros(4),
                )
                shift = np.append(0, margin * np.resize(signs, num_compared))[:, None]
                for _ in range(studies):
                    noise = _noise(rng, num_compared + 1, num_seeds)
                    found += [
                        *_equivalent(noise + shift, margin, any),
                        *_equivalent(noise, margin, np.mean),
                    ]
                yield [str(num_compared), str(num_seeds), sides,
                       *map("{:.1%}".format, found[:2] / studies),
                       *map("{:.0%}".format, found[2:] / studies)]  # fmt: skip


def best(studies: int) -> Iterator[Sequence[str]]:
    """Whether the true best cell is among those that may be, and how many these are."""
    for told, gap in (("all equal", 0.0), ("0.5 sd apart", 0.5), ("2 sd apart", 2.0)):
        for num_seeds in (3, 10):
            for share in (0.0, MISSING):
                rng, found = (
                    np.random.default_rng([num_seeds, int(10 * gap), int(100 * share)]),
                    np.zeros(4),
                )
                for _ in range(studies):
                    values = _noise(rng, 9, num_seeds, share) + gap * np.arange(9)[:, None]
                    bold = [each is not None and each.may_be_best
                            for each in against_the_best(values, "min")]  # fmt: skip
                    means = np.nanmean(values, axis=1)
                    near = means <= means.min() + np.nanstd(values, axis=1, ddof=1)[means.argmin()]
                    found += [bold[0], sum(bold), means.argmin() == 0, near[0]]
                held, num, by_mean, by_sd = found / studies
                yield ["9", str(num_seeds), told, f"{share:.0%}", f"{held:.1%}", f"{num:.1f}",
                       f"{by_mean:.1%}", f"{by_sd:.1%}"]  # fmt: skip


def pairs(studies: int) -> Iterator[Sequence[str]]:
    """Null studies: whether any pair is said to differ."""
    for num_cells in (4, 9):
        for num_seeds in (3, 10):
            for share in (0.0, MISSING):
                rng, found = (
                    np.random.default_rng([num_cells, num_seeds, int(100 * share)]),
                    np.zeros(2),
                )
                for _ in range(studies):
                    values = _noise(rng, num_cells, num_seeds, share)
                    compared = compare_pairs(values, "min").pairs
                    found += [any(p.comparison.verdict.is_different for p in compared),
                              _t_tests(values)]  # fmt: skip
                yield [str(num_cells), str(num_seeds), f"{share:.0%}",
                       *map("{:.1%}".format, found / studies)]  # fmt: skip


def _noise(
    rng: np.random.Generator, num_cells: int, num_seeds: int, missing: float = 0.0
) -> Values:
    """Residual sd 1, seed effects of 3 sd; each cell keeps two results."""
    values = rng.normal(size=(num_cells, num_seeds)) + 3 * rng.normal(size=num_seeds)
    lost = rng.random(values.shape) < missing
    lost[np.isnan(np.where(lost, np.nan, values)).sum(axis=1) > num_seeds - 2] = False
    return np.where(lost, np.nan, values)


def _equivalent(
    values: Values, margin: float, over: Callable[[Sequence[bool]], float]
) -> list[float]:
    """Cells found equivalent, or within the margin: by Ablate, and one comparison at a time."""
    judged = compare_to_baseline(values, 0, "min", margin)
    found = judged.each[1:]
    se = judged.residual_sd * math.sqrt(2 / values.shape[1])
    inside = [c.verdict.kind is VerdictKind.EQUIVALENT or c.verdict.within_margin for c in found]
    alone = [lies_inside(c.difference, se, judged.df, margin, ALPHA) for c in found]
    return [float(over(inside)), float(over(alone))]


def _t_tests(values: Values) -> bool:
    """Whether any paired t test finds a difference."""
    one, other = np.triu_indices(len(values), 1)
    differences = values[one] - values[other]
    num = (~np.isnan(differences)).sum(axis=1)
    kept = num > 1
    differences, num = differences[kept], num[kept]
    t = np.nanmean(differences, axis=1) / np.nanstd(differences, axis=1, ddof=1) * np.sqrt(num)
    return bool((np.abs(t) > stats.t.ppf(1 - ALPHA / 2, num - 1)).any())


SECTIONS: dict[str, tuple[str, Sequence[str], Callable[[int], Iterator[Sequence[str]]]]] = {
    "equivalence": (
        "share of studies with a cell falsely called equivalent, all being at the margin of "
        "2 sd x sqrt(10 / seeds); and share of cells called so that do not differ",
        ("compared", "seeds", "sides", "ablate: any false", "one at a time: any false",
         "ablate: found", "one at a time: found"), equivalence,
    ),
    "best": (
        "share of studies in which the true best cell may be the best; how many may be; and that "
        "share by the best mean alone, and by all means within one sd of it",
        ("cells", "seeds", "cells are", "missing", "ablate: holds the best", "cells in bold",
         "best mean", "within one sd"), best,
    ),
    "pairs": (
        "share of studies without any effect in which some pair differs",
        ("cells", "seeds", "missing", "ablate: false verdict", "t tests"), pairs,
    ),
}  # fmt: skip
