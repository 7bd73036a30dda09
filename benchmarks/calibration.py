"""How often verdicts are wrong if nothing differs, and how much they find if something does.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py                 # all, a few minutes
    OMP_NUM_THREADS=1 python benchmarks/calibration.py cells stages --studies 4000

- cells: in simulated studies without any effect, the share with at least one false verdict, and
  with the truth in every interval; and the share that finds a cell that is better by 4 residual
  sd. Compared with what papers do: a paired t test per cell, and the best mean without a test.
- factors: the main effect of a factor that does nothing on average, but varies over seeds by half
  the residual sd. Compared with a test on the residual of the cells.
- stages: seeds until the intervals are narrow enough, by Stein's two stages. Compared with the same
  seeds but the variance of all of them, and with stopping as soon as the intervals are narrow.
- lost: a cell that differs in nothing but its noise (3 times the others'), and loses its worst
  runs: a third of them, or whatever is worse than `LOST_ABOVE`. What is said of it then, and what
  is said where lost runs count as the worst of the table. Beside it equal noise.
- equivalence, best, pairs: statements about many cells at once, see `calibration_families.py`.
- visible: whether designs find what they are said to find, see `visible.py`.
- splits: verdicts over splits from one split, and from a split a seed: `calibration_splits.py`.
- again: real runs of one config with 60 seeds, dealt into cells that differ in nothing else.
"""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))

import calibration_factors
import calibration_families
import calibration_splits

from ablate.stats.dunnett import Family
from ablate.stats.effects import factor_effects
from ablate.stats.replication import needed_replicates
from ablate.stats.verdicts import Comparison, compare_to_baseline
from ablate.stats.worst_case import no_surer, of_those_that_ended, worst_case
from benchmarks import at_once, odd_pairs, pairing, scatter, visible

Values = NDArray[np.float64]
Row = Sequence[str]
ALPHA = 0.05
EFFECT_SD = 4.0
NOISES: dict[str, Callable[[np.random.Generator, tuple[int, int]], Values]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "t with 3 df": lambda rng, shape: rng.standard_t(3, size=shape) / math.sqrt(3),
    "one cell x3": lambda rng, shape: _one_noisy(rng.normal(size=shape), 3),
    "one cell x5": lambda rng, shape: _one_noisy(rng.normal(size=shape), 5),
}
OTHER_CELLS = 36
"""Cells per level of a factor."""
MOST_SEEDS = 400
LOST_ABOVE = 1.29
"""A third of the values of a noise of 3 sd."""
POOL = 60
"""Real runs of one config."""
PACK = 16
AA_CONFIG = {
    "scale": "tiny", "epochs": 10, "batch_size": 128, "lr": 3e-3, "ema_decay": 0.9,
    "solver_steps": 5, "data": {"source": "moons", "rows": 1500}, "device": "cpu",
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Calibration of Ablate's verdicts.")
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; by default all")
    parser.add_argument("--studies", type=int, default=500, help="simulated studies per line")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}: choose from {', '.join(SECTIONS)}")
    error = math.sqrt(ALPHA * (1 - ALPHA) / arguments.studies)
    print(f"{arguments.studies} studies per line; Monte-Carlo error of 5 %: +- {2 * error:.1%}")
    for name in arguments.sections or SECTIONS:
        title, columns, rows = SECTIONS[name]
        print(f"\n{name}: {title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
        for row in rows(arguments.studies):
            print(f"| {' | '.join(row)} |", flush=True)


def cells(studies: int) -> Iterator[Row]:
    """Null studies, and a quarter as many with an effect."""
    for noise in NOISES:
        for num_cells in (4, 8, 12):
            for num_seeds in (3, 5, 10):
                rng = np.random.default_rng([num_cells, num_seeds, sorted(NOISES).index(noise)])
                null, power, with_effect = np.zeros(4), np.zeros(3), max(1, studies // 4)
                for number in range(studies):
                    shape = (num_cells, num_seeds)
                    values = NOISES[noise](rng, shape) + 3 * rng.normal(size=num_seeds)
                    null += np.array(_verdicts(values)) / studies
                    if number < with_effect:
                        values[1] -= EFFECT_SD
                        power += np.array(_verdicts(values, cell=1)[:3]) / with_effect
                yield [noise, str(num_cells), str(num_seeds), *map("{:.1%}".format, null),
                       *map("{:.0%}".format, power)]  # fmt: skip


def factors(studies: int) -> Iterator[Row]:
    """Null studies of one factor of 2 or 3 levels over `OTHER_CELLS` other cells."""
    for num_levels in (2, 3):
        codes = np.repeat(np.arange(num_levels), OTHER_CELLS)[:, None]
        for num_seeds in (3, 5, 10):
            rng, verdicts = np.random.default_rng([num_levels, num_seeds]), np.zeros((2, 2))
            for _ in range(studies):
                noise = rng.normal(size=(len(codes), num_seeds)) + rng.normal(size=num_seeds)
                by_seed = rng.normal(size=(num_levels, num_seeds))[codes[:, 0]]
                for place, spread in enumerate((0.0, 0.5)):
                    values = noise + spread * by_seed
                    main = factor_effects(values, codes, [num_levels], [0], "min").mains[0]
                    verdicts[place] += [_any_verdict(main.comparisons.each),
                                     _on_residual(values, num_levels)]  # fmt: skip
            shares = map("{:.1%}".format, verdicts.ravel() / studies)
            yield [str(num_levels), str(num_seeds), *shares]


def stages(studies: int) -> Iterator[Row]:
    """Null studies that need about three times their first seeds."""
    for num_cells, first in ((2, 3), (4, 3), (12, 3), (4, 5), (12, 5)):
        width = _critical(num_cells, first) * math.sqrt(2 / (3 * first))
        rng, verdicts = np.random.default_rng([num_cells, first]), np.zeros((3, 3))
        for _ in range(studies):
            values = rng.normal(size=(num_cells, MOST_SEEDS))
            num = min(needed_replicates(values[:, :first], 0, width).num, MOST_SEEDS)
            narrow = first
            while _half_width(values[:, :narrow]) > width:
                narrow += 1
            verdicts += [_outcome(values[:, :num], width, first), _outcome(values[:, :num], width),
                      _outcome(values[:, :narrow], width)]  # fmt: skip
        for rule, (held, reached, num) in zip(
            ("two stages", "two stages, variance of all", "stop when narrow"),
            verdicts / studies, strict=True,
        ):  # fmt: skip
            yield [rule, str(num_cells), str(first), f"{width:.2f} sd", f"{held:.1%}",
                   f"{reached:.1%}", f"{num:.1f}"]  # fmt: skip


def lost(studies: int) -> Iterator[Row]:
    """Null studies with one cell whose bad runs end without a result."""
    for noise, num_cells in ((3.0, 9), (1.0, 9)):
        for num_seeds in (3, 5, 10):
            for rule in ("worst third", f"above {LOST_ABOVE:g} sd"):
                rng, said = np.random.default_rng([num_cells, num_seeds, int(noise)]), Counter()
                for _ in range(studies):
                    values = rng.normal(size=(num_cells, num_seeds))
                    values[-1] *= noise
                    gone = np.zeros_like(values, dtype=bool)
                    worst = np.sort(values[-1])[-math.ceil(num_seeds / 3)]
                    least = worst if rule == "worst third" else LOST_ABOVE * noise / 3
                    gone[-1] = values[-1] >= least
                    if not gone[-1].all():
                        said.update(_said_of_lost(values + 3 * rng.normal(size=num_seeds), gone))
                shares = [said[name] / studies for name in _OF_LOST]
                yield [f"x{noise:g}", str(num_cells), str(num_seeds), rule,
                       *map("{:.1%}".format, shares)]  # fmt: skip


def aa(studies: int) -> Iterator[Row]:
    """Real A/A studies: the same runs, dealt anew into cells each time."""
    pool = _real_runs()
    for metric, results in pool.items():
        named = f"{metric} (skewness {stats.skew(results):.2f})"
        for num_cells, num_seeds in ((4, 3), (12, 3), (4, 5), (12, 5), (4, 10), (6, 10)):
            rng, verdicts = np.random.default_rng([num_cells, num_seeds]), np.zeros(4)
            for _ in range(studies):
                dealt = rng.permutation(results)[: num_cells * num_seeds]
                verdicts += _verdicts(dealt.reshape(num_cells, num_seeds))
            shares = map("{:.1%}".format, verdicts / studies)
            yield [named, str(num_cells), str(num_seeds), *shares]


def _verdicts(values: Values, cell: int | None = None) -> list[float]:
    """Whether any cell, or the given one, differs according to Ablate, t tests, the best mean.

    Last, whether all intervals contain zero.
    """
    named = slice(1, None) if cell is None else slice(cell, cell + 1)
    comparisons = compare_to_baseline(values, 0, "min").each
    pairs, num_seeds = values[1:] - values[0], values.shape[1]
    t = pairs.mean(axis=1) / pairs.std(axis=1, ddof=1) * math.sqrt(num_seeds)
    by_t_test = np.append(False, np.abs(t) > stats.t.ppf(1 - ALPHA / 2, num_seeds - 1))
    best = np.arange(len(values)) == values.mean(axis=1).argmin()
    held = all(c.low <= 0 <= c.high for c in comparisons[1:])
    return [_any_verdict(comparisons[named]), float(by_t_test[named].any()),
            float(best[named].any()), float(held)]  # fmt: skip


def _said_of_lost(values: Values, gone: NDArray[np.bool_]) -> Iterator[str]:
    """What is said of the last cell, without its lost runs and with them as the worst."""
    ended = np.where(gone, math.nan, values)
    observed = compare_to_baseline(ended, 0, "min").each
    worst = compare_to_baseline(worst_case(ended, gone, 0, "min"), 0, "min").each[-1]
    yield of_those_that_ended(observed, 0, gone)[-1].verdict.text
    yield f"at worst {no_surer(worst, observed[-1]).verdict.text}"
    yield f"made up {worst.verdict.text}"


def _any_verdict(comparisons: Sequence[Comparison]) -> float:
    return float(any(comparison.verdict.is_different for comparison in comparisons))


def _one_noisy(values: Values, factor: float) -> Values:
    values[-1] *= factor
    return values


def _on_residual(values: Values, num_levels: int) -> float:
    """Whether a test of level means on the cells' residual finds any difference."""
    means = values.reshape(num_levels, -1).mean(axis=1)
    df = (values.shape[0] - 1) * (values.shape[1] - 1)
    se = math.sqrt(_residual_variance(values) * 2 * num_levels / values.size)
    critical = Family(num_levels - 1, 0.5, df).critical_value()
    return float((np.abs(means[1:] - means[0]) > critical * se).any())


def _outcome(values: Values, width: float, first: int | None = None) -> list[float]:
    """Whether all intervals hold zero, whether all are narrow enough, and the seeds it took."""
    found = compare_to_baseline(values, 0, "min", first_seeds=first).each[1:]
    held = all(c.low <= 0 <= c.high for c in found)
    reached = all((c.high - c.low) / 2 <= width * (1 + 1e-9) for c in found)
    return [float(held), float(reached), float(values.shape[1])]


def _half_width(values: Values) -> float:
    num_cells, num_seeds = values.shape
    sd = math.sqrt(_residual_variance(values))
    return _critical(num_cells, num_seeds) * sd * math.sqrt(2 / num_seeds)


@cache
def _critical(num_cells: int, num_seeds: int) -> float:
    return Family(num_cells - 1, 0.5, (num_cells - 1) * (num_seeds - 1)).critical_value()


def _residual_variance(values: Values) -> float:
    """The residual variance of cells x seeds without missing runs."""
    centred = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    return float((centred**2).sum() / ((values.shape[0] - 1) * (values.shape[1] - 1)))


def _real_runs() -> dict[str, Values]:
    """Metrics of `POOL` runs that differ only in their seed; trained in about ten seconds."""
    import torch

    from trainables.flow.config.run import FlowConfig
    from trainables.flow.data.dataset import load_dataset
    from trainables.flow.engine.pack import Pack
    from trainables.flow.engine.state import RunSpec

    torch.set_num_threads(1)
    config = FlowConfig.model_validate(AA_CONFIG)
    specs = [RunSpec(f"again-{seed}", seed, config) for seed in range(POOL)]
    results: dict[str, list[float]] = {"sliced_w2": [], "val_loss": []}
    for start in range(0, POOL, PACK):
        part = specs[start : start + PACK]
        pack = Pack(part, [load_dataset(config.data)] * len(part), torch.device("cpu"))
        while pack.active:
            pack.train_epoch()
        for run in pack.runs:
            results["sliced_w2"].append(run.final_metrics["sliced_w2_best"])
            results["val_loss"].append(run.progress.best_val_loss)
    return {metric: np.array(values) for metric, values in results.items()}


_OF_LOST = (
    "better", "worse", "better, of the runs that ended", "worse, of the runs that ended",
    "at worst better", "at worst worse", "made up better", "made up worse",
)  # fmt: skip
_SIZE = ("cells", "seeds")
_FALSE = ("ablate: false verdict", "t tests", "best mean", "ablate: all intervals hold")
SECTIONS: dict[str, tuple[str, Sequence[str], Callable[[int], Iterator[Row]]]] = {
    "cells": (
        f"share of studies without any effect, and of those with one of {EFFECT_SD:g} sd",
        ("noise", *_SIZE, *_FALSE, "ablate: effect found", "t tests", "best mean"), cells,
    ),
    "factors": (
        "share of studies with a false verdict on a factor that does nothing; its spread over "
        "seeds is 0, or half the residual sd",
        ("levels", "seeds", "ablate, 0", "on the residual, 0", "ablate, 0.5",
         "on the residual, 0.5"), factors,
    ),
    "stages": (
        "seeds until intervals are narrow: how often all hold, and whether they are so narrow",
        ("rule", "cells", "first seeds", "half-width", "all hold", "narrow enough",
         "seeds in all, mean"), stages,
    ),
    "lost": (
        "share of studies in which a cell of other noise, and no other mean, loses its worst runs "
        "and is said to be ...",
        ("noise", *_SIZE, "lost", *_OF_LOST), lost,
    ),
    "again": (
        f"share of studies of cells that differ in nothing, from {POOL} real runs",
        ("metric", *_SIZE, *_FALSE), aa,
    ),
    **calibration_families.SECTIONS,
    **calibration_factors.SECTIONS,
    **calibration_splits.SECTIONS,
    **at_once.SECTIONS,
    **visible.SECTIONS,
    **odd_pairs.SECTIONS,
    "spreads": (
        "share of studies with a false verdict where cells scatter differently, and of those with "
        "a cell named, a factor x seed found, log_scale advised",
        ("scatter", "seeds", "false verdict", "cells named", "factor x seed", "log_scale"),
        scatter.spreads,
    ),
    "unseen": (
        "the same where the baseline or another cell is three or five times as noisy",
        ("scatter", "seeds", "false verdict", "cells named", "factor x seed", "log_scale"),
        scatter.unseen,
    ),
    "trends": (
        "sd a tenth of the mean: share of studies with a false verdict, and with log_scale advised",
        ("values", "seeds", "false verdict", "log_scale advised"), scatter.trends,
    ),
    "cost": (
        f"equal spreads: false verdicts, and an effect of {scatter.EFFECT_SD:g} sd found, with the "
        "tests of spread and by Dunnett's test alone",
        (*_SIZE, "false verdict", "Dunnett alone", "effect found", "Dunnett alone"), scatter.cost,
    ),
    "data_sets": (
        "data sets of 3 cells: false verdicts with a residual each and with one for all; "
        "half-widths on the first as a multiple of its own alone",
        ("spreads", "seeds", "false verdict", "one residual", "half-width", "one residual"),
        scatter.data_sets,
    ),
    "blow_ups": (
        "one run far off: how often any run is named, an effect of 4 sd in another cell found, and "
        "a verdict false of a cell of neither",
        ("sd off", "seeds", "run named", "effect found", "false verdict"), scatter.blow_ups,
    ),
    "unpaired": (
        "runs that share nothing: false verdicts of cells without pairs and by seed, and of a "
        f"factor; an effect of {pairing.EFFECT_SD:g} sd found without pairs",
        (*_SIZE, "unpaired", "by seed", "a factor, unpaired", "effect found"), pairing.unpaired,
    ),
    "single": (
        f"{pairing.BASELINE_SEEDS} seeds of the baseline, one of each other "
        "cell: share of studies with a false verdict",
        ("pairing", "sd of seeds", "sd of the others", "cells", "false verdict"), pairing.single,
    ),
    "later_seeds": (
        "two stages whose second scatters so many times as much: false verdicts, and how often "
        "the second is seen to",
        ("ratio", "cells", "first seeds", "false verdict", "seen"), scatter.later_seeds,
    ),
}  # fmt: skip


if __name__ == "__main__":
    main()
