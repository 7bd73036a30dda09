"""Comparisons where cells lost runs by themselves."""

import math

import numpy as np
import pytest

from ablate.stats.all_pairs import compare_pairs, pairs_at_worst
from ablate.stats.verdicts import Cause, compare_to_baseline
from ablate.stats.worst_case import all_no_surer, of_those_that_ended, worst_case

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


class TestNoSurerThanWhatWasSeen:
    """Lost runs that all get one value have no scatter: that is no certainty."""

    ENDED = np.array([
        [1.00, 1.30, 0.90, 1.20, 1.10, 1.00],
        [1.10, 1.20, 1.05, 1.15, 1.20, 1.05],
        [1.05, 1.25, NAN, NAN, NAN, NAN],
    ])  # fmt: skip

    def both(self, ended, mode="min", margin=None):
        seen = compare_to_baseline(ended, 0, mode, margin).each
        lost = np.isnan(ended)
        filled = compare_to_baseline(worst_case(ended, lost, 0, mode), 0, mode, margin).each
        return seen, filled, all_no_surer(filled, seen)

    def test_what_is_made_up_shows_nothing_by_itself(self):
        seen, filled, worst = self.both(self.ENDED)
        assert (seen[2].verdict.text, filled[2].verdict.text) == ("within noise", "worse")
        assert worst[2].verdict.text == "within noise"
        assert worst[2].difference == filled[2].difference
        assert (worst[2].low, worst[2].high) == (seen[2].low, filled[2].high)
        assert worst[2].p == seen[2].p > 0.05

    @pytest.mark.parametrize("mode", ["min", "max"])
    def test_on_tables_at_random(self, mode):
        rng, surer = np.random.default_rng(3), 0
        for _ in range(150):
            ended = rng.normal(size=(4, 5)) + rng.choice([0, 3], size=(4, 1))
            ended[rng.random(size=(4, 5)) < 0.25] = NAN
            for seen, filled, worst in zip(*self.both(ended, mode, 1.0), strict=True):
                surer += filled.p < min(0.05, seen.p)
                assert not worst.p < seen.p
                assert not worst.verdict.is_different or seen.verdict.gist == worst.verdict.gist
                assert worst.verdict.is_different == (worst.low > 0 or worst.high < 0)
                assert worst.verdict.is_different == (worst.p < 0.05)
        assert surer > 10  # else this test would show nothing

    def test_what_survives_is_still_said(self):
        ended = np.vstack([self.ENDED[:2], [-8.0, -7.8, -8.1, -7.9, -8.0, NAN]])
        _, filled, worst = self.both(ended)
        assert worst[2].verdict.text == "better"
        assert worst[2].high == filled[2].high < 0

    def test_of_one_run_that_is_left_nothing_is_made(self):
        ended = np.array([[1.0, NAN], [2.0, NAN]])
        _, filled, worst = self.both(ended)
        assert all(math.isnan(one.p) for one in worst)
        filled = compare_to_baseline(np.array([[1.0, 1.1, 1.2], [2.0, 2.1, 2.3]]), 0, "min").each
        [_, one] = all_no_surer(filled, compare_to_baseline(ended, 0, "min").each)
        assert (one.verdict.cause, math.isnan(one.low)) == (Cause.TOO_FEW_SEEDS, True)

    def test_pairs_and_their_letters(self):
        seen = compare_pairs(self.ENDED, "min")
        filled = compare_pairs(worst_case(self.ENDED, np.isnan(self.ENDED), 0, "min"), "min")
        assert [*filled.letters] == ["a", "ab", "b"]
        worst = pairs_at_worst(filled, seen)
        assert [*worst.letters] == ["a", "a", "a"]
        assert not any(p.comparison.verdict.is_different for p in worst.pairs)
