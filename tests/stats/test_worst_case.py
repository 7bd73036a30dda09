"""Comparisons where cells lost runs by themselves."""

import math

import numpy as np
import pytest

from ablate.stats.verdicts import compare_to_baseline
from ablate.stats.worst_case import of_those_that_ended, worst_case

NAN = math.nan
VALUES = np.array([
    [1.0, 2.1, 3.0, 4.1],
    [9.0, 10.0, 11.1, 12.0],
    [-4.0, -3.0, NAN, -1.0],
    [-4.1, -3.0, NAN, -1.0],
    [1.1, NAN, 3.0, NAN],
])  # fmt: skip
LOST = np.isnan(VALUES) & (np.arange(5) != 3)[:, None]
"""The fourth cell's run is missing at random."""


def texts(comparisons):
    return [found.verdict.text for found in comparisons]


def test_verdicts_say_of_which_runs_they_are():
    found = of_those_that_ended(compare_to_baseline(VALUES, 0, "min").each, 0, LOST)
    assert texts(found) == [
        "baseline", "worse", "better, of the runs that ended", "better",
        "within noise, of the runs that ended",
    ]  # fmt: skip


def test_what_the_baseline_lost_qualifies_every_comparison_with_it():
    references = np.array([0, 0, 2, 2, 4])
    found = of_those_that_ended(
        compare_to_baseline(VALUES, references, "max").each, references, LOST
    )
    assert texts(found) == [
        "baseline", "better", "baseline", "within noise, of the runs that ended", "baseline",
    ]  # fmt: skip


@pytest.mark.parametrize(("mode", "worst"), [("min", 12.0), ("max", -4.1)])
def test_lost_runs_count_as_the_worst_of_those_that_are_compared(mode, worst):
    filled = worst_case(VALUES, LOST, 0, mode)
    assert filled[2].tolist() == [-4, -3, worst, -1]
    assert filled[4].tolist() == [1.1, worst, 3, worst]
    assert np.isnan(filled[3, 2])


def test_the_worst_is_not_that_of_another_baselines_cells():
    references = np.array([0, 1, 0, 1, 0])
    filled = worst_case(VALUES, np.isnan(VALUES), references, "min")
    assert (filled[2, 2], filled[3, 2], filled[4, 1]) == (4.1, 12.0, 4.1)


def test_a_cell_that_loses_its_bad_runs_is_never_plainly_better():
    """Of three times the noise, and no other mean: its worst third ends without a result."""
    rng, plain, partial, at_worst, num = np.random.default_rng(0), 0, 0, 0, 100
    for _ in range(num):
        values = rng.normal(size=(4, 6))
        values[-1] *= 3
        lost = np.zeros((4, 6), dtype=bool)
        lost[-1, np.argsort(values[-1])[-2:]] = True
        values[lost] = NAN
        found = of_those_that_ended(compare_to_baseline(values, 0, "min").each, 0, lost)[-1].verdict
        plain += found.text == "better"
        partial += found.text == "better, of the runs that ended"
        filled = worst_case(values, lost, 0, "min")
        at_worst += compare_to_baseline(filled, 0, "min").each[-1].verdict.text == "better"
    assert (plain, at_worst) == (0, 0)
    assert partial > num / 10  # else this test would show nothing
