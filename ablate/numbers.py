"""Numbers for people: as many digits as their uncertainty leaves meaning in."""

import math

PLAIN_DIGITS = 4
UNCERTAIN_DIGITS = 2
"""Significant digits of an uncertainty, and so the last place of the number beside it."""
MIN_P = 0.001
MOST_LOG = 300.0
"""Logarithms above are no results, and no floats either."""


def decimals(uncertainty: float) -> int | None:
    """Decimals at which a number with this uncertainty is cut; None where there is none."""
    if not math.isfinite(uncertainty) or uncertainty <= 0:
        return None
    return UNCERTAIN_DIGITS - 1 - math.floor(math.log10(uncertainty))


def rounded(value: float, uncertainty: float = math.nan, signed: bool = False) -> str:
    """A number cut where its uncertainty begins: `-0.0312` with an uncertainty of 0.0021."""
    if math.isnan(value):
        return "-"
    sign = "+" if signed else ""
    places = decimals(uncertainty)
    if places is None:
        return f"{value:{sign}.{PLAIN_DIGITS}g}"
    if places < 0:
        value = round(value, places)
    return f"{value:{sign}.{max(0, places)}f}"


def spread_text(mean: float, sd: float) -> str:
    """`0.587 ± 0.013`; the mean alone where there is no spread."""
    if math.isnan(sd):
        return rounded(mean)
    return f"{rounded(mean, sd)} ± {rounded(sd, sd)}"


def interval_text(value: float, low: float, high: float) -> str:
    """`-0.031 [-0.044, -0.018]`; the value alone where there is no interval."""
    if math.isnan(value):
        return "-"
    half = (high - low) / 2
    if math.isnan(half):
        return rounded(value, signed=True)
    bounds = ", ".join(rounded(bound, half, signed=True) for bound in (low, high))
    return f"{rounded(value, half, signed=True)} [{bounds}]"


def p_text(p: float) -> str:
    """`0.012`, `< 0.001`."""
    if math.isnan(p):
        return "-"
    return f"< {MIN_P}" if p < MIN_P else f"{p:.3f}"


def share_text(log_ratio: float, low: float = math.nan, high: float = math.nan) -> str:
    """A difference of logarithms as a change: `-7.1 % [-9.9 %, -4.2 %]`."""
    if math.isnan(log_ratio):
        return "-"
    shares = [100 * math.expm1(min(bound, MOST_LOG)) for bound in (log_ratio, low, high)]
    half = (shares[2] - shares[1]) / 2
    uncertainty = abs(shares[0]) if math.isnan(half) else half
    texts = [f"{rounded(share, uncertainty, signed=True)} %" for share in shares]
    return texts[0] if math.isnan(half) else f"{texts[0]} [{texts[1]}, {texts[2]}]"
