"""What `--plan` says of what a design can find."""

import math
import random
import re
from types import SimpleNamespace

import numpy as np
import pytest
from reports import grid, rows_of
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.analysis.forecast import visible
from ablate.analysis.resolution import further_visible, in_seed_sd, no_verdict
from ablate.analysis.seed_rule import plan_so_far
from ablate.plan.plan import plan_study
from ablate.report.tables import effects_table, metric_table
from ablate.run_row import RunRows
from ablate.stats.error_terms import ErrorTerm
from ablate.stats.replication import visible_differences
from ablate.stats.spread_cost import SpreadTests

GRID = {"factors": {"a": [1, 2, 3], "b": ["x", "y"]}, "seeds": [1, 2, 3]}


def plan_of(tmp_path, **changes):
    return plan_study(toy_study(tmp_path, **{**GRID, **changes}))


def told(plan, rows=None):
    return further_visible(plan, RunRows() if rows is None else rows)


def made_up(plan, sd=2.0, scatter=0.0, draw=3):
    """Results of a residual sd; by seed, level y of b shifts by the scatter."""
    rng, shifts = np.random.default_rng(draw), {}

    def value(labels, seed):
        shift = shifts.setdefault(seed, scatter * rng.normal())
        return sd * rng.normal() + shift * (labels["b"] == "y")

    return rows_of(plan, value)


def test_factors_have_degrees_of_freedom_of_their_own(tmp_path):
    [factors, _] = told(plan_of(tmp_path))
    sds = {"a": math.sqrt(1 / 2), "b": math.sqrt(1 / 3)}
    a, b = (
        visible_differences(sds["a"], 4, 2, 3, tests=SpreadTests(3, 3)).found,
        visible_differences(sds["b"], 2, 1, 3).found,
    )
    assert factors == (
        f"resolution of factors, each over all the others: a {a:.2g} seed sd (large, df 4), "
        f"b {b:.2g} seed sd (large, df 2); more where seeds change what a factor does"
    )


@pytest.mark.parametrize(
    ("size", "pairing", "told"),
    [
        (
            0.3,
            "seed",
            "0.3 seed standard deviations (small: the better cell wins on 58 % of seeds)",
        ),
        (0.8, "seed", "0.8 seed standard deviations (moderate: the better cell wins on 71 % of"),
        (
            2.0,
            "none",
            "2 seed standard deviations (large: the better cell wins in 92 % of pairs of",
        ),
        (9.0, "seed", "9 seed standard deviations (very large: the better cell wins on over 99 %"),
    ],
)
def test_a_difference_in_seed_sd_is_put_into_words(size, pairing, told):
    assert in_seed_sd(size, pairing == "seed").startswith(told)
    rng = np.random.default_rng(5)
    wins = np.mean(size + rng.normal(size=100_000) > rng.normal(size=100_000))
    share = float(re.search(r"(\d+) %", in_seed_sd(size, pairing == "seed")).group(1))
    assert share == pytest.approx(100 * min(wins, 0.99), abs=1)


def test_what_a_plan_sees_is_in_words_before_and_in_units_after(tmp_path):
    plan = plan_of(tmp_path)
    before, after = visible(plan, RunRows()), visible(plan, made_up(plan))
    assert before.startswith("resolution: can see differences of 3.")
    assert before.endswith("four times in five (df 10); in units of score once runs have ended")
    least, found, sd = map(float, re.findall(r"(?:about|of|far) ([\d.]+)", after))
    [metric] = study_record(plan, made_up(plan)).metrics
    assert least == pytest.approx(metric.resolution, rel=0.05)
    assert found == pytest.approx(metric.detectable, rel=0.05)
    assert sd == pytest.approx(metric.comparisons.residual_sd, rel=0.05)
    assert "in score below about" in after


def of_plan(told):
    """What cannot be seen, and the degrees of freedom."""
    least, df = re.search(r"below about ([\d.]+) .* df (\d+)\)", told).groups()
    return float(least), int(df)


@pytest.mark.parametrize(
    "changes",
    [
        {"baseline": {"b": "x"}},  # each level of a has a baseline of its own
        {"baseline": {"a": 1}},
        {"baseline": {"b": "x"}, "compare": [{"a": 1}, {"a": 2}]},
        {"seeds": {"baseline": 6, "others": 3}},
        {"verdicts": "all", "report_metrics": ["other"]},
        {"pairing": "none"},
    ],
)
def test_a_plan_counts_the_comparisons_that_its_report_will_have(tmp_path, changes):
    plan = plan_of(tmp_path, **changes)
    rows = made_up(plan, draw=4 if changes == {"pairing": "none"} else 3)
    metric = study_record(plan, rows).metric
    assert all(one.pooled for one in metric.comparisons.each)
    told = visible(plan, rows)
    least, df = of_plan(told)
    assert df == metric.comparisons.df
    assert least == pytest.approx(metric.resolution, rel=0.03)
    found = float(re.search(r"one of ([\d.]+) is found four times in five", told)[1])
    assert found == pytest.approx(metric.detectable, rel=0.03)


def test_a_plan_of_all_pairs_finds_what_its_report_says(tmp_path):
    plan = plan_of(tmp_path, compare="pairs")
    rows = made_up(plan)
    metric = study_record(plan, rows).metric
    found = float(re.search(r"one of ([\d.]+) is found four times", visible(plan, rows))[1])
    assert found == pytest.approx(metric.detectable, rel=0.03)


@pytest.mark.parametrize("baseline", [{"a": 1, "b": "x"}, {"a": 1}, {"b": "x"}])
@pytest.mark.parametrize("pairing", ["seed", "none"])
def test_a_plan_does_not_count_trainings_that_repeat_others(tmp_path, baseline, pairing):
    """Factor b does nothing at levels 2 and 3 of a: of six cells four are trained."""
    plan = plan_of(tmp_path, baseline=baseline, pairing=pairing)

    def value(labels, seed):
        key = (labels["a"], labels["b"] if labels["a"] == 1 else "any", seed, "a")
        return 10 + random.Random(str(key)).gauss(0, 1)

    rows = rows_of(plan, value)
    metric = study_record(plan, rows).metric
    assert all(one.pooled for one in metric.comparisons.each)
    least, df = of_plan(visible(plan, rows))
    assert df == metric.comparisons.df == (3 * 2 if pairing == "seed" else 4 * 2)
    assert least == pytest.approx(metric.resolution, rel=0.03)  # of two digits


def test_what_trains_the_same_by_the_trainables_own_word_counts_once(tmp_path):
    base = {"sigma": 0.0, "hidden_dim": 64, "num_layers": 2, "epochs": 6}
    flows = {"flow": ["icfm", "target", "vp"]}  # without sigma the first two are one
    plan = plan_study(flow_study(tmp_path, base=base, factors=flows, seeds=[1, 2, 3]))
    assert plan.are_twins([0, 1])
    assert "(df 2)" in visible(plan, RunRows())


def test_results_put_it_into_units_of_the_metric(tmp_path):
    """And show what seeds change of a factor's effect, which no residual tells of."""
    plan = plan_of(tmp_path, seeds=40)
    calm, moved = (
        {name: float(x) for name, x in re.findall(r"(\w) ([\d.]+) \(df", told(plan, rows)[0])}
        for rows in (made_up(plan), made_up(plan, scatter=5.0))
    )
    expected = visible_differences(2 * math.sqrt(1 / 3), 39, 1, 40).found
    assert calm["b"] == pytest.approx(expected, rel=0.25)
    assert moved["b"] > 3 * calm["b"]
    assert moved["a"] < 1.5 * calm["a"]


def test_the_same_runs_as_more_seeds_of_fewer_cells(tmp_path):
    [_, advice] = told(plan_of(tmp_path))
    cells = visible_differences(1.0, 2 * 5, 2, 6, tests=SpreadTests(3, 6)).found
    assert advice.startswith(
        "seeds against cells: 3 cells x 6 seeds (18 runs in place of 18) find differences of "
        f"{cells:.2g} seed sd (large, df 10); of one factor, with half the others' cells: a "
    )
    rule = {"min": 3, "max": 9, "until": {"half_width": 1}}
    assert len(told(plan_of(tmp_path, seeds=rule))) == 1  # the rule says how many seeds


def test_what_a_margin_lets_one_find(tmp_path):
    plan = plan_of(tmp_path, margin=4.0, seeds=10)
    [_, unknown, _] = told(plan)
    assert unknown.startswith("equivalence: a cell that does not differ is found so four times in")
    assert unknown.endswith("seed sd (large, df 45)")
    [_, known, _] = told(plan, made_up(plan))
    share, least = re.search(r"in (\d+) % of studies within .* ±([\d.]+) \(df 45\)", known).groups()
    assert (int(share) > 80) == (float(least) < 4)


def test_shares_on_the_log_scale(tmp_path):
    plan = plan_of(tmp_path, log_scale=True, margin=0.1)
    rng = np.random.default_rng(0)
    rows = rows_of(plan, lambda labels, seed: math.exp(0.02 * rng.normal()))
    assert all(re.search(r"[\d.]+ % \(df \d", line) for line in told(plan, rows))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"seeds": 1}, "1 seed does not tell a difference from noise; 3 or more do (seeds: 3)"),
        ({"factors": {"gain": [1]}}, "the study has one cell"),
        ({"compare": [{"a": 1, "b": "x"}]}, "no comparison is planned (compare:)"),
    ],
)
def test_no_verdict_is_told_beforehand(tmp_path, changes, why):
    plan = plan_of(tmp_path, **changes)
    assert visible(plan, RunRows()) == ""
    assert no_verdict(plan) == f"no verdict will be possible: {why}"


def test_a_report_says_what_it_could_find_of_factors_and_of_equivalence(tmp_path):
    found = grid(tmp_path, margin=0.5)
    [block] = found.metric.blocks
    notes = [note.text for note in effects_table(block, block.effects, found.metric).notes]
    [said] = [note for note in notes if note.startswith("differences found four times in five: ")]
    assert re.search(r"a within b [\d.]+ \(df 15\), b within a [\d.]+ \(df 15\)$", said, re.M)
    plan = plan_of(tmp_path)
    alone = study_record(plan, made_up(plan)).metric
    [block] = alone.blocks
    notes = [note.text for note in effects_table(block, block.effects, alone).notes]
    [said] = [note for note in notes if note.startswith("differences found four")]
    assert re.search(r"a [\d.]+ \(df 4\), b [\d.]+ \(df 2\); few degrees of freedom", said)
    notes = [note.text for note in metric_table(found, found.metric).notes]
    assert any("found equivalent in over 99 % of studies" in note for note in notes)


def test_what_is_found_within_others_counts_what_seeds_change(tmp_path):
    """No difference is found four times in five that is smaller than half an interval."""
    plan, rng = plan_of(tmp_path, margin=1.0), np.random.default_rng(4)
    by_seed = {seed: rng.normal() for seed in (1, 2, 3)}

    def value(labels, seed):
        interacts = 20 * labels["a"] * (labels["b"] == "y")
        return interacts + by_seed[seed] * (labels["b"] == "y") + 0.01 * rng.normal()

    record = study_record(plan, rows_of(plan, value)).metric
    [block] = record.blocks
    judged = [one for one in block.compared(1).each if not math.isnan(one.p)]
    assert {one.error for one in judged} == {ErrorTerm.SPLIT_PLOT}
    assert block.detectable[1] > np.median([(one.high - one.low) / 2 for one in judged]) > 1
    notes = [note.text for note in effects_table(block, block.effects, record).notes]
    [said] = [note for note in notes if note.startswith("differences found four")]
    assert re.search(r"b within a [\d.]+ \(df 2\)", said)
    assert record.equivalence_power < 0.5  # the residual alone would find nearly all


def test_pairs_and_metrics_beside_the_studys_own_are_counted(tmp_path):
    """What a plan finds by more seeds of fewer cells is on the same terms as what it finds."""
    several = {"verdicts": "all", "report_metrics": ["other"]}
    found, margins = [], []
    for changes in ({}, several, {"compare": "pairs"}, {"compare": "pairs", **several}):
        lines = told(plan_of(tmp_path, margin=0.5, **changes))
        assert any("of factors" in line for line in lines) == ("compare" not in changes)
        more = next(line for line in lines if line.startswith("seeds against cells"))
        found.append(float(re.search("find differences of ([0-9.]+)", more)[1]))
        same = next(line for line in lines if line.startswith("equivalence"))
        margins.append(float(re.search("within ±([0-9.]+)", same)[1]))
    assert found[0] < found[1] < found[3]
    assert found[0] < found[2] < found[3]
    assert margins[0] < margins[1] < margins[3]
    assert margins[0] < margins[2] < margins[3]


def test_the_chance_of_equivalence_counts_pairs_and_metrics(tmp_path):
    def power(**changes):
        plan = plan_of(tmp_path, margin=1.0, **changes)
        return study_record(plan, made_up(plan, 0.3)).metric.equivalence_power

    several = {"verdicts": "all", "report_metrics": ["other"]}
    assert power() > power(**several) > 0
    assert power() > power(compare="pairs") > power(compare="pairs", **several) > 0


def test_a_rule_for_seeds_counts_all_metrics_that_have_verdicts(tmp_path):
    """Else the intervals of the report are wider than what was asked for."""

    def num_seeds(**changes):
        rule = {"min": 3, "max": 900, "until": {"half_width": 0.5}}
        study = toy_study(tmp_path, **{**GRID, **changes, "seeds": rule})
        rows = made_up(plan_study(study))
        ledger = SimpleNamespace(rows=rows, started_names=dict)
        return len(plan_so_far(study, ledger).seeds)

    several = {"verdicts": "all", "report_metrics": ["other"]}
    assert 3 < num_seeds() < num_seeds(**several) < 900
    assert 3 < num_seeds(compare="pairs") < num_seeds(compare="pairs", **several) < 900
