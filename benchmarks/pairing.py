"""Seeds as labs have them: scenarios of `calibration.py`."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ablate.stats.dunnett import Family
from ablate.stats.effects import factor_effects
from ablate.stats.verdicts import Comparison, compare_to_baseline

Values = NDArray[np.float64]
Row = Sequence[str]
EFFECT_SD = 4.0
GRIDS = {4: (2, 2), 9: (3, 3)}
BASELINE_SEEDS = 5


def unpaired(studies: int) -> Iterator[Row]:
    """Null studies whose runs share nothing, judged without pairs and by seed."""
    for num_cells, levels in GRIDS.items():
        codes = np.array(list(np.ndindex(*levels)))
        for num_seeds in (3, 10):
            rng, wrong, found = np.random.default_rng([num_cells, num_seeds]), np.zeros(3), 0.0
            for _ in range(studies):
                values = rng.normal(size=(num_cells, num_seeds))
                alone = compare_to_baseline(values, 0, "min", is_paired=False)
                by_seed = compare_to_baseline(values, 0, "min")
                main = factor_effects(values, codes, levels, [0, 0], "min", is_paired=False).mains[
                    0
                ]
                wrong += [_is_any(c.each) for c in (alone, by_seed, main.comparisons)]
                values[1] -= EFFECT_SD
                each = compare_to_baseline(values, 0, "min", is_paired=False).each
                found += each[1].verdict.is_different
            shares = map("{:.1%}".format, wrong / studies)
            yield [str(num_cells), str(num_seeds), *shares, f"{found / studies:.0%}"]


def single(studies: int) -> Iterator[Row]:
    """Null studies of five seeds of the baseline and one of each other cell.

    With the t statistics and critical values of `compare_to_baseline`, all studies at once.
    """
    df = BASELINE_SEEDS - 1
    for seed_sd, is_paired in ((0.0, False), (0.0, True), (3.0, True)):
        for others_sd in (1.0, 2.0):
            for num_cells in GRIDS:
                rng, num = np.random.default_rng([num_cells, int(others_sd)]), num_cells - 1
                by_seed = seed_sd * rng.normal(size=(studies, BASELINE_SEEDS))
                baseline = rng.normal(size=by_seed.shape) + by_seed
                others = others_sd * rng.normal(size=(studies, num)) + by_seed[:, :1]
                used = baseline[:, :1] if is_paired else baseline.mean(axis=1, keepdims=True)
                share = 1.0 if is_paired else 1 / BASELINE_SEEDS
                se = baseline.std(axis=1, ddof=1, keepdims=True) * np.sqrt(1 + share)
                critical = Family(num, share / (1 + share), df).critical_value(0.95)
                wrong = (np.abs(others - used) > critical * se).any(axis=1).mean()
                yield ["seed" if is_paired else "none", f"{seed_sd:g}", f"{others_sd:g}",
                       str(num_cells), f"{wrong:.1%}"]  # fmt: skip


def _is_any(each: Sequence[Comparison]) -> bool:
    return any(one.verdict.is_different for one in each)
