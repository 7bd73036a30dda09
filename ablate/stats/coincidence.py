"""Whether numbers that are equal to the bit can be so by chance. Pure functions.

A loss with all its digits is never the same in two trainings that differ at all; an accuracy on 50
samples, a count or a rounded number often is. What a number shows is counted in bits: how finely it
is measured, less what results of unlike trainings have in common anyway.
"""

import functools
import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

ENOUGH_BITS = 12.0
"""From which on chance is ruled out: one pair of unlike cells in 4,096."""
COMMON_BITS = 6.0
"""Leading bits that unlike trainings share: their results are taken to differ by half a per cent
or so (uniform over 1/64 of their size)."""
LEAST_BITS = 1.0
"""Of any number, as long as it is not one of those before: equal by chance half of the time."""
SINGLE_BITS = 4.0
"""Of a number in single precision that is no share with a small denominator. It may be one with a
large one, rounded: three such numbers are needed."""
MOST_SAMPLES = 100_000
"""Largest denominator of a share; of decimals, their fifth place."""
FALSE_SHARES = 1e-3
"""How many numbers with all their digits may happen to be close to such a share."""
SINGLE_DIGITS = 5
"""Decimals that are not all of single precision: 0.93200004 is 0.932."""
DOUBLE, SINGLE = 2.0**-52, 2.0**-24
"""Relative rounding errors."""
MOST_SINGLE = 1e38


def is_chance(values: Iterable[float]) -> bool:
    """Whether two trainings that differ may have all of these numbers in common.

    Args:
        values: Numbers that were the same in both; one that comes again shows nothing more.
    """
    bits = 0.0
    for value in {float(value) for value in values if math.isfinite(value)}:
        bits += bits_of(value)
        if bits >= ENOUGH_BITS:  # the first one, mostly
            return False
    return True


@functools.lru_cache(maxsize=4096)
def bits_of(value: float) -> float:
    """What it shows that a number is the same in two trainings, in bits.

    Args:
        value: A metric: a loss, a share of samples, a count.
    """
    is_single = abs(value) < MOST_SINGLE and float(np.float32(value)) == value
    count = _count(value, is_single)
    if count is not None:
        return max(LEAST_BITS, math.log2(max(1, count)) - COMMON_BITS)
    return SINGLE_BITS if is_single else -math.log2(DOUBLE) - COMMON_BITS


def _count(value: float, is_single: bool) -> int | None:
    """The count that a number is, or is a share of; None where it is neither."""
    if value.is_integer():
        return abs(int(value))
    rounding = SINGLE if is_single else 2 * DOUBLE
    share = _share(value, rounding)
    if share is None and is_single:
        short = float(f"{value:.{SINGLE_DIGITS}g}")
        share = _share(short, DOUBLE) if float(np.float32(short)) == value else None
    if share is None:
        return None
    count, of = abs(share.numerator), share.denominator
    return min(count, of - count) if count < of else count


def _share(value: float, rounding: float) -> Fraction | None:
    """The fraction that a number is but for rounding, with as small a denominator as is telling.

    Among fractions up to a denominator N neighbours are about 3 / N^2 apart, so that of all numbers
    a share of about N^2 x their error is close to one.
    """
    error = abs(value) * rounding
    most = min(MOST_SAMPLES, math.isqrt(max(1, int(FALSE_SHARES / error))))
    found = Fraction(value).limit_denominator(most)
    return found if abs(float(found) - value) <= error else None
