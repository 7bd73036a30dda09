"""Factors that interact, compared within each other: see `ablate.stats.simple_effects`.

A grid of 2 x 3 x 2 cells. The first factor does nothing on average over the second: within its
levels it does +d, -d and nothing. So of what a table may say of it, all over the others is false,
and so is what it says within the third level.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ablate.stats.effects import Effects, factor_effects
from ablate.stats.marginal_means import adjusted_means
from ablate.stats.simple_effects import SimpleEffects, interacting, simple_effects
from ablate.stats.verdicts import Comparison

Values = NDArray[np.float64]
SHAPE = (2, 3, 2)
CODES = np.array(list(itertools.product(*map(range, SHAPE))))
FACTORS = len(SHAPE)
WITHIN = np.array([1.0, -1.0, 0.0])
"""What the second factor makes of the first one."""
LARGE = 20.0
"""Effect of the second factor: it is there, and no verdict on it is false."""
ROUNDING = 1e-9


def within(studies: int) -> Iterator[Sequence[str]]:
    """Shares of studies with a false verdict on a factor, or in a table."""
    for told, size, on_third in (
        ("none", 0.0, 0.0), ("weak", 0.8, 0.0), ("near the threshold", 1.3, 0.0),
        ("two, near the threshold", 1.3, 1.0), ("strong", 6.0, 0.0),
    ):  # fmt: skip
        for by_seed in (0.0, 1.0):
            for num_seeds in (3, 5):
                rng = np.random.default_rng(
                    [num_seeds, int(10 * size), int(on_third), int(by_seed)]
                )
                truth = _truth(size, on_third)
                found = np.zeros(6)
                for _ in range(studies):
                    found += _found(truth, _noise(rng, num_seeds, by_seed), truth)
                yield [told, f"{by_seed:g}", str(num_seeds),
                       *map("{:.1%}".format, found / studies)]  # fmt: skip


def _truth(size: float, on_third: float) -> Values:
    """Of each cell what it is without noise, (num_cells,)."""
    one, two, three = CODES.T
    third = on_third * size * np.array([0.5, -0.5])[three]
    return one * (size * WITHIN[two] + third) + LARGE * two


def _noise(rng: np.random.Generator, num_seeds: int, by_seed: float) -> Values:
    """Residual sd 1, seed effects of 3 sd, and what seeds change of the first factor."""
    values = rng.normal(size=(len(CODES), num_seeds)) + 3 * rng.normal(size=num_seeds)
    return values + by_seed * rng.normal(size=(SHAPE[0], num_seeds))[CODES[:, 0]]


def _found(means: Values, noise: Values, truth: Values) -> list[float]:
    """Whether the first factor interacts, and what is false.

    Verdicts on it, averaged and as shown; those of the table, averaged, as shown, and as shown or
    a false interaction.
    """
    values = means[:, None] + noise
    effects = factor_effects(values, CODES, SHAPE, [0] * FACTORS, "min")
    partners = interacting(effects)
    averaged = [_false_mains(effects, factor, truth) for factor in range(FACTORS)]
    shown = list(averaged)
    for factor, others in enumerate(partners):
        if others:
            simple = simple_effects(values, CODES, factor, others, 0, "min")
            assert simple is not None
            shown[factor] = _false_simples(simple, truth)
    false_pair = any(_is_false_pair(pair.factors, truth) and pair.p < 0.05
                     for pair in effects.interactions)  # fmt: skip
    return list(map(float, [
        bool(partners[0]), averaged[0], shown[0], any(averaged), any(shown),
        any(shown) or false_pair,
    ]))  # fmt: skip


def _false_mains(effects: Effects, factor: int, truth: Values) -> bool:
    others = np.delete(CODES, factor, axis=1)
    means = adjusted_means(truth[:, None], CODES[:, factor], SHAPE[factor], others)[:, 0]
    each = effects.mains[factor].comparisons.each
    return any(_is_false(found, mean - means[0]) for found, mean in zip(each, means, strict=True))


def _false_simples(simple: SimpleEffects, truth: Values) -> bool:
    others = np.delete(CODES, [simple.factor, *simple.within], axis=1)
    means = adjusted_means(truth[:, None], simple.entries, len(simple.levels), others)[:, 0]
    differences = means - means[simple.references]
    pairs = zip(simple.comparisons.each, differences, strict=True)
    return any(_is_false(found, difference) for found, difference in pairs)


def _is_false(found: Comparison, difference: float) -> bool:
    """Whether a difference is told of where there is none, or to the wrong side."""
    if not found.verdict.is_different:
        return False
    return abs(difference) < ROUNDING or (found.difference > 0) != (difference > 0)


def _is_false_pair(factors: tuple[int, int], truth: Values) -> bool:
    cells = truth.reshape(SHAPE).mean(axis=3 - sum(factors))
    alone = cells.mean(axis=0) + cells.mean(axis=1, keepdims=True) - cells.mean()
    return bool(np.abs(cells - alone).max() < ROUNDING)


SECTIONS: dict[str, tuple[str, Sequence[str], Callable[[int], Iterator[Sequence[str]]]]] = {
    "within": (
        "factors of a 2 x 3 x 2 grid, the first doing +d, -d and 0 within the second: share of "
        "studies in which it interacts, with a false verdict on it, and with one in the table",
        ("interactions", "seed x factor, sd", "seeds", "it interacts", "on it: averaged",
         "on it: as shown", "in the table: averaged", "in the table: as shown",
         "as shown, or a false interaction"), within,
    ),
}  # fmt: skip
