"""Equivalence holds of all cells at once."""

import math

import numpy as np
import pytest
from layouts import layout
from scipy import stats

from ablate.stats.distributions import t_quantile
from ablate.stats.equivalence import lies_inside
from ablate.stats.verdicts import compare_to_baseline


def test_one_difference_is_schuirmanns_two_tests():
    pairs = np.random.default_rng(0).normal(0.1, 1, 12)
    se = pairs.std(ddof=1) / math.sqrt(12)
    for margin in (0.3, 0.6, 0.8, 1.0):
        low = stats.ttest_1samp(pairs, -margin, alternative="greater").pvalue
        high = stats.ttest_1samp(pairs, margin, alternative="less").pvalue
        assert lies_inside(float(pairs.mean()), se, 11, margin, 0.05) == (max(low, high) < 0.05)


@pytest.mark.parametrize("num_families", [1, 4])
@pytest.mark.parametrize("num_cells", [2, 9])
def test_the_margin_is_met_just_where_each_cells_share_of_the_error_allows(num_cells, num_families):
    values = layout(num_cells, 8, 3)
    found = compare_to_baseline(values, 0, "min")
    widest = max(abs(c.difference) for c in found.each[1:])
    share = 0.05 / (num_cells - 1) / num_families
    bound = widest + t_quantile(1 - share, found.df) * found.residual_sd * math.sqrt(2 / 8)
    for factor, all_equivalent in ((1.001, True), (0.999, False)):
        judged = compare_to_baseline(values, 0, "min", bound * factor, num_families=num_families)
        kinds = [c.verdict.text for c in judged.each[1:]]
        assert all("equivalent" in k or "within margin" in k for k in kinds) == all_equivalent


def test_several_metrics_share_the_error():
    values = layout(5, 6, 2)
    one, three = (compare_to_baseline(values, 0, "min", num_families=n).each[1:] for n in (1, 3))
    for alone, among in zip(one, three, strict=True):
        assert among.p == pytest.approx(min(1, 3 * alone.p))
        assert among.high - among.low > alone.high - alone.low


@pytest.mark.parametrize("sides", [[1] * 8, [1, -1] * 4])
def test_falsely_equivalent_in_no_more_than_one_study_in_twenty(sides):
    """True differences at the margin, to one side and to both."""
    rng, margin, false = np.random.default_rng(3), 2.0, 0
    for _ in range(500):
        values = rng.normal(size=(9, 10))
        values[1:] += margin * np.array(sides)[:, None]
        found = compare_to_baseline(values, 0, "min", margin).each[1:]
        false += any(c.verdict.text == "equivalent" or c.verdict.within_margin for c in found)
    assert false <= 0.05 * 500 + 2 * math.sqrt(500 * 0.05 * 0.95)
