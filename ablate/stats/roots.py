"""Where a function crosses zero."""

from collections.abc import Callable

TOLERANCE = 1e-10


def rising_root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function crosses zero, by false position with the Illinois rule.

    (Dowell & Jarratt 1971, BIT 11. `scipy.optimize` takes a third of a second to import.)
    """
    at_low, at_high, last = rising(low), rising(high), 0
    while high - low > TOLERANCE * max(1.0, high):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        value = rising(middle)
        if value == 0 or not low < middle < high:
            return middle
        if value > 0:
            at_low = at_low / 2 if last > 0 else at_low
            high, at_high, last = middle, value, 1
        else:
            at_high = at_high / 2 if last < 0 else at_high
            low, at_low, last = middle, value, -1
    return (low + high) / 2
