"""Verdicts over splits: one split for all seeds against a split a seed. See `calibration.py`."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ablate.stats.splits import widening
from ablate.stats.verdicts import Comparisons, compare_to_baseline

Values = NDArray[np.float64]
NUM_CELLS = 9
HELD_OUT = 0.2 / 0.7
"""Rows tested on for each row trained on, as flow matching has them."""
OVERLAP = HELD_OUT / (1 + HELD_OUT)
"""Correlation of what two splits do to a cell: Nadeau & Bengio's estimate."""
SEED_SD, EFFECT_SD = 3.0, 4.0


def splits(studies: int) -> Iterator[Sequence[str]]:
    """Cells that differ in nothing over splits, and a cell that is better by `EFFECT_SD`."""
    for split_sd in (0.0, 0.5, 1.0):
        for num_seeds in (3, 5, 10):
            rng, found = np.random.default_rng([int(10 * split_sd), num_seeds]), np.zeros(5)
            for _ in range(studies):
                fixed, varied = _studies(rng, num_seeds, split_sd)
                corrected = widening(num_seeds, HELD_OUT)
                effect = EFFECT_SD * (np.arange(NUM_CELLS) == 1)[:, None]
                found += [
                    _any_false(compare_to_baseline(fixed, 0, "min")),
                    _any_false(compare_to_baseline(varied, 0, "min")),
                    _any_false(compare_to_baseline(varied, 0, "min", widening=corrected)),
                    _finds(compare_to_baseline(fixed - effect, 0, "min")),
                    _finds(compare_to_baseline(varied - effect, 0, "min", widening=corrected)),
                ]
            yield [f"{split_sd:g} sd", str(num_seeds), *map("{:.1%}".format, found[:3] / studies),
                   *map("{:.0%}".format, found[3:] / studies)]  # fmt: skip


def by_role(studies: int) -> Iterator[Sequence[str]]:
    """The same, where the baseline has more seeds than the other cells."""
    effect = EFFECT_SD * (np.arange(NUM_CELLS) == 1)[:, None]
    for split_sd in (0.0, 0.5, 1.0):
        for most, others in ((5, 3), (10, 3), (10, 5)):
            rng, found = np.random.default_rng([int(10 * split_sd), most, others]), np.zeros(3)
            for _ in range(studies):
                _, varied = _studies(rng, most, split_sd)
                varied[1:, others:] = np.nan
                corrected = widening(most, HELD_OUT)
                found += [
                    _any_false(compare_to_baseline(varied, 0, "min")),
                    _any_false(compare_to_baseline(varied, 0, "min", widening=corrected)),
                    _finds(compare_to_baseline(varied - effect, 0, "min", widening=corrected)),
                ]
            plain, widened, power = found / studies
            yield [f"{split_sd:g} sd", f"{most}, {others}", f"{plain:.1%}", f"{widened:.1%}",
                   f"{power:.0%}"]  # fmt: skip


def _studies(rng: np.random.Generator, num_seeds: int, split_sd: float) -> tuple[Values, Values]:
    """One study with the split of its first seed for all, and with a split a seed."""
    shared = math.sqrt(OVERLAP) * rng.normal(size=(NUM_CELLS, 1))
    own = math.sqrt(1 - OVERLAP) * rng.normal(size=(NUM_CELLS, num_seeds))
    by_split = split_sd * (shared + own)
    noise = rng.normal(size=(NUM_CELLS, num_seeds)) + SEED_SD * rng.normal(size=num_seeds)
    return noise + by_split[:, :1], noise + by_split


def _any_false(found: Comparisons) -> float:
    return float(any(each.verdict.is_different for each in found.each))


def _finds(found: Comparisons) -> float:
    return float(found.each[1].verdict.is_different)


SECTIONS: dict[str, tuple[str, Sequence[str], Callable[[int], Iterator[Sequence[str]]]]] = {
    "splits": (
        f"share of studies of {NUM_CELLS} cells with a false verdict over splits, and of those "
        f"that find a cell better by {EFFECT_SD:g} residual sd",
        ("sd over splits", "seeds", "one split", "a split a seed, plain", "a split a seed, widened",
         "one split: found", "a split a seed, widened: found"), splits,
    ),
    "splits_by_role": (
        "the same where the baseline has more seeds than the others, a split a seed",
        ("sd over splits", "seeds of the baseline, of others", "plain", "widened",
         "widened: found"), by_role,
    ),
}  # fmt: skip
