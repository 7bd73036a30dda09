"""Where cells, data sets or stages scatter differently: scenarios of `calibration.py`."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ablate.stats.dunnett import Family
from ablate.stats.replication import needed_replicates
from ablate.stats.verdicts import Comparisons, compare_to_baseline

Values = NDArray[np.float64]
Row = Sequence[str]
Draw = Callable[[np.random.Generator, int], Values]
GRID = np.array(list(itertools.product(range(3), range(3))))
EFFECT_SD = 3.0
SEEDS = (3, 5, 10)
MOST_SEEDS = 200


def spreads(studies: int) -> Iterator[Row]:
    """Null studies of 9 cells, 3 x 3, or of 4 or 12, whose cells scatter differently."""
    for name, draw in SCATTERS.items():
        for num_seeds in SEEDS:
            yield _spread_row(name, draw, num_seeds, studies)


def unseen(studies: int) -> Iterator[Row]:
    """Null studies with one cell three to seven times as noisy: what few seeds cannot see."""
    for num_seeds in (2, 3, 4, 5, 6):
        for num_cells in (3, 4, 8, 12):
            # Of three, one 7 times as noisy has pairs 5 times as noisy as those of the two others.
            factors = (3.0, 5.0, 7.0) if num_cells == 3 else (3.0, 5.0)
            for cell, factor in itertools.product((0, num_cells - 1), factors):
                draw = partial(_scaled, num_cells=num_cells, factors={cell: factor})
                which = "another cell" if cell else "baseline"
                name = f"{num_cells} cells, {which} x{factor:g}"
                yield _spread_row(name, draw, num_seeds, studies)


def _spread_row(name: str, draw: Draw, num_seeds: int, studies: int) -> Row:
    rng, found = np.random.default_rng([num_seeds, len(name)]), np.zeros(4)
    for _ in range(studies):
        values = draw(rng, num_seeds)
        codes = GRID if len(values) == len(GRID) else None
        comparisons = compare_to_baseline(values, 0, "min", codes=codes, has_ratios=True)
        [group] = comparisons.groups
        seen = [bool(group.spreads.noisy), bool(group.spreads.factors),
                group.spreads.grows_with_mean]  # fmt: skip
        found += [_missed(comparisons), *seen]
    return [name, str(num_seeds), *map("{:.1%}".format, found / studies)]


def trends(studies: int) -> Iterator[Row]:
    """9 cells of means 4 to 1 whose sd is a tenth of the mean, the baseline the loudest."""
    means = np.geomspace(4, 1, 9)
    for log_scale in (False, True):
        for num_seeds in SEEDS:
            rng, found = np.random.default_rng([num_seeds, 17]), np.zeros(2)
            for _ in range(studies):
                values = means[:, None] * np.exp(0.1 * rng.normal(size=(9, num_seeds)))
                values = np.log(values) if log_scale else values
                truth = np.log(means) if log_scale else means * math.exp(0.1**2 / 2)
                comparisons = compare_to_baseline(values, 0, "min", has_ratios=not log_scale)
                grows = comparisons.groups[0].spreads.grows_with_mean
                found += [_missed(comparisons, truth), grows]
            scale = "logarithms" if log_scale else "as they are"
            yield [scale, str(num_seeds), *map("{:.1%}".format, found / studies)]


def cost(studies: int) -> Iterator[Row]:
    """Equal spreads: false verdicts and effects found, with the tests of spread and without."""
    for num_cells in (4, 9, 12):
        for num_seeds in SEEDS:
            rng, found = np.random.default_rng([num_cells, num_seeds]), np.zeros(4)
            for _ in range(studies):
                values = rng.normal(size=(num_cells, num_seeds)) + 3 * rng.normal(size=num_seeds)
                shifted = np.array(values)
                shifted[1] -= EFFECT_SD
                codes = GRID if num_cells == len(GRID) else None
                null, effect = (
                    compare_to_baseline(table, 0, "min", codes=codes) for table in (values, shifted)
                )
                found += np.array([
                    _missed(null), _plain(values).any(),
                    effect.each[1].verdict.is_different, _plain(shifted)[0],
                ])  # fmt: skip
            shares = map("{:.1%}".format, found / studies)
            yield [str(num_cells), str(num_seeds), *shares]


def data_sets(studies: int) -> Iterator[Row]:
    """Null studies of several data sets of three cells, each with a baseline of its own."""
    for scales in ((1.0, 1.0), (1.0, 10.0), (1.0, 100.0), (1.0, 2.5, 6.3, 15.8, 39.8, 100.0)):
        for num_seeds in SEEDS:
            rng, found = np.random.default_rng([len(scales), num_seeds]), np.zeros(4)
            groups = np.repeat(np.arange(len(scales)), 3)
            references = 3 * groups
            for _ in range(studies):
                values = np.vstack([
                    scale * (rng.normal(size=(3, num_seeds)) + 3 * rng.normal(size=num_seeds))
                    for scale in scales
                ])  # fmt: skip
                apart = compare_to_baseline(values, references, "min", groups=groups)
                pooled = compare_to_baseline(values, references, "min")
                alone = compare_to_baseline(values[:3], 0, "min")
                found += [_missed(apart), _missed(pooled),
                          _half(apart) / _half(alone), _half(pooled) / _half(alone)]  # fmt: skip
            false, false_pooled, width, width_pooled = found / studies
            yield [" : ".join(f"{scale:g}" for scale in scales), str(num_seeds), f"{false:.1%}",
                   f"{false_pooled:.1%}", f"{width:.2f}", f"{width_pooled:.1f}"]  # fmt: skip


def blow_ups(studies: int) -> Iterator[Row]:
    """9 cells, an effect of 4 sd in one, and one run of another far off."""
    for off in (0.0, 8.0, 20.0, 1e3, 1e11):
        for num_seeds in SEEDS:
            rng, found = np.random.default_rng([num_seeds, int(math.log1p(off))]), np.zeros(3)
            for _ in range(studies):
                values = rng.normal(size=(9, num_seeds)) + 3 * rng.normal(size=num_seeds)
                values[1] -= 4.0
                values[5, 0] += off
                comparisons = compare_to_baseline(values, 0, "min", codes=GRID)
                named = comparisons.groups[0].spreads.outlying
                others = [c for place, c in enumerate(comparisons.each) if place not in (0, 1, 5)]
                found += [bool(named), comparisons.each[1].verdict.is_different,
                          any(c.verdict.is_different for c in others)]  # fmt: skip
            yield [f"{off:g}", str(num_seeds), *map("{:.1%}".format, found / studies)]


def later_seeds(studies: int) -> Iterator[Row]:
    """Null studies by Stein's rule whose later seeds scatter more than the first ones."""
    for ratio in (1.0, 1.5, 2.0):
        for num_cells, first in ((4, 3), (9, 3), (9, 5)):
            rng, found = np.random.default_rng([num_cells, first, int(ratio * 10)]), np.zeros(2)
            df = (num_cells - 1) * (first - 1)
            width = Family(num_cells - 1, 0.5, df).critical_value() * math.sqrt(2 / (3 * first))
            for _ in range(studies):
                values = rng.normal(size=(num_cells, MOST_SEEDS))
                values[:, first:] *= ratio
                num = min(needed_replicates(values[:, :first], 0, width).num, MOST_SEEDS)
                staged = first if num > first else None
                comparisons = compare_to_baseline(values[:, :num], 0, "min", first_seeds=staged)
                found += [_missed(comparisons),
                          comparisons.groups[0].spreads.later_larger]  # fmt: skip
            yield [f"{ratio:g}", str(num_cells), str(first), *map("{:.1%}".format, found / studies)]


def _missed(comparisons: Comparisons, truth: Values | None = None) -> bool:
    """Whether any interval misses the true difference to the first cell, 0 by default."""
    true = np.zeros(len(comparisons.each)) if truth is None else truth - truth[0]
    return any(c.low > d or c.high < d for c, d in zip(comparisons.each, true, strict=True))


def _half(comparisons: Comparisons) -> float:
    return float(np.median([c.high - c.low for c in comparisons.each[1:3]])) / 2


def _plain(values: Values) -> NDArray[np.bool_]:
    """Dunnett's test on the residual of all cells."""
    num_cells, num_seeds = values.shape
    centred = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    df = (num_cells - 1) * (num_seeds - 1)
    se = math.sqrt(float((centred**2).sum()) / df * 2 / num_seeds)
    differences = values[1:].mean(axis=1) - values[0].mean()
    return np.abs(differences) > Family(num_cells - 1, 0.5, df).critical_value() * se


def _scaled(
    rng: np.random.Generator, num_seeds: int, num_cells: int, factors: dict[int, float]
) -> Values:
    values = rng.normal(size=(num_cells, num_seeds))
    for cell, factor in factors.items():
        values[cell] *= factor
    return _MEAN + values + 3 * rng.normal(size=num_seeds)


def _network(rng: np.random.Generator, num_seeds: int, spread: float, levels: Values) -> Values:
    """Cells of one network share what a seed does to it."""
    own = spread * rng.normal(size=(int(levels.max()) + 1, num_seeds))
    return _MEAN + rng.normal(size=(len(levels), num_seeds)) + own[levels.astype(int)]


_MEAN = 1e3
_THIRD = (GRID[:, 0] == 2).astype(float)
_ALONE, _ARCHS = np.array([1.0] + [0.0] * 8), GRID[:, 0].astype(float)
SCATTERS: dict[str, Draw] = {
    **{
        f"baseline x{factor:g}": partial(_scaled, num_cells=9, factors={0: factor})
        for factor in (2.0, 3.0, 5.0)
    },
    **{
        f"another cell x{factor:g}": partial(_scaled, num_cells=9, factors={8: factor})
        for factor in (3.0, 5.0)
    },
    "two of four cells x5": partial(_scaled, num_cells=4, factors={1: 5.0, 3: 5.0}),
    "one of three cells x5": partial(_scaled, num_cells=3, factors={2: 5.0}),
    **{
        f"the baseline is another network, {spread:g} sd": partial(
            _network, spread=spread, levels=_ALONE
        )
        for spread in (1.0, 3.0, 5.0)
    },
    **{
        f"3 networks x 3, {spread:g} sd": partial(_network, spread=spread, levels=_ARCHS)
        for spread in (0.0, 1.0, 2.0, 3.0, 5.0)
    },
    **{
        f"the third of 3 networks x 3, {spread:g} sd": partial(
            _network, spread=spread, levels=_THIRD
        )
        for spread in (3.0, 5.0)
    },
}
