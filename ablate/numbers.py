"""Formats numbers for people, with as many digits as their uncertainty warrants."""

import math
from collections.abc import Sequence

PLAIN_DIGITS = 4
UNCERTAIN_DIGITS = 2
"""Significant digits of an uncertainty; the number beside it is cut at the same place."""
MIN_P = 0.001
MOST_LOG = 300.0
"""Larger logarithms are clipped: their exponentials overflow."""
LEAST_PLAIN, MOST_PLAIN = 1e-5, 1e9
"""Numbers outside are written with an exponent."""
MOST_SHARE = math.log(10)
"""Larger changes are written as factors rather than per cent."""
ALIKE = math.log(2)
"""Half-width of an interval of logarithms up to which its bounds are cut at the same place."""


def decimals(uncertainty: float) -> int | None:
    """Decimals to which a number with this uncertainty is rounded; None without uncertainty."""
    if not math.isfinite(uncertainty) or uncertainty <= 0:
        return None
    return UNCERTAIN_DIGITS - 1 - math.floor(math.log10(uncertainty))


def rounded(value: float, uncertainty: float = math.nan, signed: bool = False) -> str:
    """A number rounded to its uncertainty: `-0.0312` with an uncertainty of 0.0021.

    Args:
        value: The number.
        uncertainty: Its standard error, say; nan for none.
        signed: Whether positive numbers get a `+`.
    """
    return _alike([value], uncertainty, signed)[0]


def spread_text(mean: float, sd: float) -> str:
    """`0.587 ± 0.013`; the mean alone if there is no spread."""
    return rounded(mean) if math.isnan(sd) else " ± ".join(_alike([mean, sd], sd))


def interval_text(value: float, low: float, high: float, signed: bool = True) -> str:
    """`-0.031 [-0.044, -0.018]`; the value alone if there is no interval."""
    if math.isnan(value):
        return "-"
    half = (high - low) / 2
    if math.isnan(half):
        return rounded(value, signed=signed)
    return _interval(_alike([value, low, high], half, signed))


def p_text(p: float) -> str:
    """`0.012`, `< 0.001`."""
    if math.isnan(p):
        return "-"
    return f"< {MIN_P}" if p < MIN_P else f"{p:.3f}"


def size_text(size: float, log_scale: bool) -> str:
    """How large a difference or an sd is, without a sign; on the log scale as a share."""
    return share_text(size).lstrip("+") if log_scale else rounded(size, size)


def share_text(log_ratio: float, low: float = math.nan, high: float = math.nan) -> str:
    """A difference of logarithms as a change: `-7.1 % [-9.9 %, -4.2 %]`.

    As factors, `x0.88 [x0.0015, x500]`, if one of them is more than tenfold.
    """
    if math.isnan(log_ratio):
        return "-"
    is_alone = math.isnan(high - low)
    logs = [min(log, MOST_LOG) for log in ((log_ratio,) if is_alone else (log_ratio, low, high))]
    if max(map(abs, logs)) > MOST_SHARE:
        values = [math.exp(log) for log in logs]
        cuts = values if is_alone else _ratio_cuts(logs)
        texts = [f"x{rounded(value, cut)}" for value, cut in zip(values, cuts, strict=True)]
    else:
        values = [100 * math.expm1(log) for log in logs]
        cuts = map(abs, values) if is_alone else (100 * cut for cut in _ratio_cuts(logs))
        texts = [f"{rounded(v, cut, signed=True)} %" for v, cut in zip(values, cuts, strict=True)]
    return texts[0] if is_alone else _interval(texts)


def _interval(texts: Sequence[str]) -> str:
    return f"{texts[0]} [{texts[1]}, {texts[2]}]"


def _ratio_cuts(logs: Sequence[float]) -> list[float]:
    """Uncertainties to which the ratios of a value, low and high are rounded, never to zero."""
    half = (logs[2] - logs[1]) / 2
    if half <= ALIKE:
        return [(math.expm1(logs[2]) - math.expm1(logs[1])) / 2] * 3
    return [math.exp(log) * min(1.0, half) for log in logs]


def _alike(values: Sequence[float], uncertainty: float, signed: bool = False) -> list[str]:
    """Numbers that belong together: rounded to one place, all plain or all with an exponent."""
    places = decimals(uncertainty)
    sizes = [abs(value) for value in values if math.isfinite(value)]
    largest = max([*sizes, 0 if places is None else uncertainty], default=0)
    is_plain = LEAST_PLAIN <= largest < MOST_PLAIN
    sign = "+" if signed else ""
    return [_cut(value, places, is_plain, sign) for value in values]


def _cut(value: float, places: int | None, is_plain: bool, sign: str) -> str:
    if math.isnan(value):
        return "-"
    if places is None or math.isinf(value):
        return f"{value:{sign}.{PLAIN_DIGITS}g}"
    if is_plain:
        value = round(value, places) if places < 0 else value
        return f"{value:{sign}.{max(0, places)}f}"
    value = round(value, places)
    if value == 0:
        return f"{value:{sign}.0f}"
    return f"{value:{sign}.{max(0, places + math.floor(math.log10(abs(value))))}e}"


def clock(seconds: float) -> str:
    """A duration for people: `41 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
