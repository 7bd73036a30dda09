"""How often verdicts are wrong where nothing differs, and what they find where something does.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py     # 2,000 simulated studies a line

Studies without any effect: the share with at least one false verdict, and with every interval
holding the truth. Studies in which one cell is better by 4 residual sd: the share that finds it.
Beside Ablate's verdicts stands what papers do: a paired t test a cell, and the best mean without
any test.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from ablate.stats.verdicts import ALPHA, judge

Values = NDArray[np.float64]
EFFECT_SD = 4.0
NOISES: dict[str, Callable[[np.random.Generator, tuple[int, int]], Values]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "t with 3 df": lambda rng, shape: rng.standard_t(3, size=shape) / math.sqrt(3),
    "one cell x3": lambda rng, shape: _one_noisy(rng.normal(size=shape), 3),
    "one cell x5": lambda rng, shape: _one_noisy(rng.normal(size=shape), 5),
}
FOUND = ("better", "worse", "better, within margin", "worse, within margin")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Calibration of Ablate's verdicts.")
    parser.add_argument("--studies", type=int, default=2_000)
    parser.add_argument("--cells", type=int, nargs="+", default=(4, 8, 12))
    parser.add_argument("--seeds", type=int, nargs="+", default=(3, 5, 10))
    arguments = parser.parse_args(argv)
    error = math.sqrt(ALPHA * (1 - ALPHA) / arguments.studies)
    print(f"{arguments.studies} studies a line; Monte-Carlo error of 5 %: +- {2 * error:.1%}")
    print(f"{'':28}{'false verdicts in a study':^36}{'an effect of 4 sd is found':^34}")
    print(f"{'noise':<14}{'cells':>6}{'seeds':>7} {'ablate':>9}{'t tests':>9}{'best mean':>11}"
          f"{'covered':>10}{'ablate':>9}{'t tests':>9}{'best mean':>11}")  # fmt: skip
    for noise in NOISES:
        for num_cells in arguments.cells:
            for num_seeds in arguments.seeds:
                _line(noise, num_cells, num_seeds, arguments.studies)


def _line(noise: str, num_cells: int, num_seeds: int, studies: int) -> None:
    rng = np.random.default_rng([num_cells, num_seeds, sorted(NOISES).index(noise)])
    null, power = np.zeros(4), np.zeros(3)
    for _ in range(studies):
        values = NOISES[noise](rng, (num_cells, num_seeds)) + 3 * rng.normal(size=num_seeds)
        null += _verdicts(values)
        values[1] -= EFFECT_SD
        power += _verdicts(values, cell=1)[:3]
    shares = [f"{share / studies:.1%}" for share in (*null, *power)]
    print(f"{noise:<14}{num_cells:>6}{num_seeds:>7} {shares[0]:>9}{shares[1]:>9}{shares[2]:>11}"
          f"{shares[3]:>10}{shares[4]:>9}{shares[5]:>9}{shares[6]:>11}")  # fmt: skip


def _verdicts(values: Values, cell: int | None = None) -> list[float]:
    """Whether any cell, or the one named, is said to differ: by Ablate, t tests, best mean.

    Last, whether all intervals hold zero.
    """
    cells = range(1, len(values)) if cell is None else [cell]
    comparisons = judge(values, 0, "min").comparisons
    differences = values[1:] - values[0]
    p = np.asarray(stats.ttest_1samp(differences, 0, axis=1))[1]
    best = int(values.mean(axis=1).argmin())
    return [
        float(any(comparisons[c].verdict in FOUND for c in cells)),
        float(any(p[c - 1] < ALPHA for c in cells)),
        float(best in cells),
        float(all(c.low <= 0 <= c.high for c in comparisons[1:])),
    ]


def _one_noisy(values: Values, factor: float) -> Values:
    values[-1] *= factor
    return values


if __name__ == "__main__":
    main()
