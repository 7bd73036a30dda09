"""Factors that the trainable ignores: results that are equal to the bit are told as such."""

import itertools
import random

import numpy as np
import pytest
from reports import record, rows_of
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.plan.plan import plan_study
from ablate.report.flags import flags_of
from ablate.report.same_numbers import same_notes
from ablate.report.words import answers
from ablate.run_row import RunRow
from ablate.stats.coincidence import is_chance
from ablate.stats.judge_table import judge_table
from ablate.stats.verdicts import Cause


def noise(*key):
    """The same for the same key, with all its digits."""
    return 10 + random.Random(str(key)).gauss(0, 1)


def study(tmp_path, factors, value, **changes):
    raw = {"factors": factors, "seeds": [1, 2, 3], **changes}
    plan = plan_study(toy_study(tmp_path, **raw))
    return study_record(plan, rows_of(plan, value))


def told(found):
    return [text for text in flags_of(found) if "the same " in text]


def gists(found):
    return [cell.comparison.verdict.gist for cell in found.metric.cells]


@pytest.mark.parametrize("changes", [{}, {"pairing": "none"}, {"log_scale": True}])
def test_a_factor_that_does_nothing_is_asked_back_and_not_judged(tmp_path, changes):
    found = study(tmp_path, {"depth": [1, 2, 3]}, lambda c, seed: noise(seed), **changes)
    assert told(found) == [
        "depth: the same numbers for 1, 2 and 3 on every seed: does the trainable read it?"
    ]
    assert answers(found) == ["depth: the same numbers for 1, 2 and 3"]
    assert gists(found)[1:] == [Cause.SAME_NUMBERS] * 2


def test_a_nested_factor_in_a_grid_is_told_over_all_the_others(tmp_path):
    factors = {"net.depth": [1, 2], "gain": [1, 2]}
    found = study(tmp_path, factors, lambda c, seed: noise(c["gain"], seed))
    assert told(found) == [
        "net.depth: the same numbers for 1 and 2 on every seed: does the trainable read it?"
    ]
    [block] = found.metric.blocks
    verdicts = [one.verdict.gist for one in block.effects.mains[0].comparisons.each]
    assert verdicts == ["baseline", Cause.SAME_NUMBERS]
    assert not any("net.depth" in line for line in answers(found)[1:])


def test_repeated_cells_are_counted_once(tmp_path):
    """As runs of their own they would narrow the intervals of all others."""
    values = {"a": 0, "b": 0.5, "c": 1}
    alone = study(tmp_path, {"x": [*values]}, lambda c, s: values[c["x"]] + noise(c["x"], s))
    factors = {"x": [*values], "depth": [1, 2, 3]}
    again = study(tmp_path, factors, lambda c, s: values[c["x"]] + noise(c["x"], s))
    one = {c.name: c.comparison for c in alone.metric.cells}
    for cell in again.metric.cells[:: len(factors["depth"])]:
        other = one[f"x={cell.labels['x']}"]
        assert (cell.comparison.p, cell.comparison.df) == pytest.approx(
            (other.p, other.df), nan_ok=True
        )
    assert [c.comparison.p for c in again.metric.cells[3:6]] == [one["x=b"].p] * 3
    pairs = study(
        tmp_path, factors, lambda c, s: values[c["x"]] + noise(c["x"], s), compare="pairs"
    ).metric.pairs
    assert sum(p.comparison.verdict.cause is Cause.SAME_NUMBERS for p in pairs.pairs) == 9
    assert len(pairs.pairs) == 36


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (lambda c, s: noise(min(c["dropout"], 0.1), c["net"], c["gain"], s),
         "dropout: the same numbers for 0.1 and 0.2 on every seed: does it take effect?"),
        (lambda c, s: noise(c["dropout"] if c["net"] == "unet" else 0, c["net"], c["gain"], s),
         "dropout: the same numbers for 0, 0.1 and 0.2 at net=mlp on every seed: does the "
         "trainable read it there?"),
        (lambda c, s: noise(c["dropout"] * (c["net"] == "unet" or c["gain"] == 1), str(c), s)
         if c["net"] == "unet" or c["gain"] == 1 else noise(c["gain"], c["net"], s),
         "dropout: the same numbers for 0, 0.1 and 0.2 at net=mlp, gain=2 on every seed: does the "
         "trainable read it there?"),
    ],
)  # fmt: skip
def test_levels_that_do_nothing_in_part_say_where(tmp_path, value, text):
    factors = {"dropout": [0, 0.1, 0.2], "net": ["mlp", "unet"], "gain": [1, 2]}
    assert told(study(tmp_path, factors, value)) == [text]


def test_a_factor_that_applies_to_some_cells_only(tmp_path):
    changes = {"when": {"depth": {"net": "unet"}}}
    factors = {"net": ["mlp", "unet"], "depth": [1, 2]}
    found = study(tmp_path, factors, lambda c, s: noise(c["net"], s), **changes)
    assert told(found) == [
        "depth: the same numbers for 1 and 2 on every seed: does the trainable read it?"
    ]


def test_cells_that_differ_in_several_factors(tmp_path):
    cells = [{"a": 1, "b": 1}, {"a": 2, "b": 2}]
    changes = {"design": "cells", "cells": cells}
    found = study(tmp_path, {"a": [1, 2], "b": [1, 2]}, lambda c, s: noise(s), **changes)
    assert told(found) == [
        "the same numbers for a=1, b=1 and a=2, b=2 on every seed: does the trainable read what "
        "they differ in?"
    ]


class TestChance:
    """Numbers that unlike trainings may have in common raise no alarm."""

    @pytest.mark.parametrize(
        "values",
        [
            [0.92, 0.94, 0.9],  # of 50 samples
            [37 / 49, 38 / 49, 39 / 49],
            [float(np.float32(912 / 1000)), float(np.float32(0.93))],
            [17.0, 18.0, 21.0],  # counts
            [1.0, 1.0, 1.0],
        ],
    )
    def test_coarse_numbers_show_little(self, tmp_path, values):
        assert is_chance(values)
        found = study(tmp_path, {"depth": [1, 2]}, lambda c, s: values[s % len(values)])
        assert told(found) == []
        assert Cause.SAME_NUMBERS not in gists(found)

    @pytest.mark.parametrize(
        "value", [0.1 + 0.2 / 7 * 1.234567, 2.345678912e-5, 123.45678901, -0.7310585]
    )
    def test_one_number_with_all_its_digits_shows_it(self, value):
        assert not is_chance([value])

    def test_a_constant_metric_says_nothing_of_any_factor(self, tmp_path):
        found = study(tmp_path, {"depth": [1, 2]}, lambda c, seed: 0.6931471805599453)
        assert told(found) == []
        assert flags_of(found)[0].startswith("runs do not vary at all between seeds")

    def test_coarse_results_with_equal_losses_are_told(self, tmp_path):
        plan = plan_study(toy_study(tmp_path, factors={"depth": [1, 2]}, seeds=[1, 2]))
        rows = rows_of(plan, lambda c, seed: 0.9)
        for run in plan.runs:
            rows[run.run_id] |= {"lr_final": 0.00123456789, "loss_final": noise(run.seed)}
            rows[run.run_id]["score_best"] = 0.9 + run.seed / 50
        assert told(study_record(plan, rows))
        for run in plan.runs:  # the learning rate is that of all runs, whatever they read
            rows[run.run_id].pop("loss_final")
        assert told(study_record(plan, rows)) == []

    def test_equal_by_chance_on_one_seed_is_not_told(self, tmp_path):
        results = {1: [noise(1), noise(2), noise(3)], 2: [noise(1), noise(2), noise(4)]}
        assert told(record(tmp_path, results)) == []


def test_other_metrics_that_differ_are_named(tmp_path):
    plan = plan_study(toy_study(tmp_path, factors={"solver_steps": [10, 20]}))
    rows = rows_of(plan, lambda c, seed: noise(seed))
    for number, run in enumerate(plan.runs):
        rows[run.run_id]["fid_final"] = float(number)
    [text] = told(study_record(plan, rows))
    assert text.startswith("solver_steps: the same score for 10 and 20 on every seed (fid differs)")


def test_runs_that_are_missing_by_no_fault_of_the_cell_leave_the_seeds_that_are_shared(tmp_path):
    nan = float("nan")
    results = {1: [noise(1), nan, noise(3)], 2: [noise(1), noise(2), nan], 3: [nan, noise(2), nan]}
    plan = plan_study(toy_study(tmp_path, factors={"gain": [1, 2, 3]}, seeds=[1, 2, 3]))
    rows = rows_of(plan, lambda c, seed: results[c["gain"]][seed - 1])
    for run in plan.runs:
        rows[run.run_id]["lost_to"] = "infrastructure"
    assert told(study_record(plan, rows)) == [
        "gain: the same numbers for 1 and 2 on seed 1: does it take effect?"
    ]


def test_cells_that_are_known_to_be_the_same_training_are_told_once_with_that(tmp_path):
    base = {"schedule": "constant", "hidden_dim": 64, "num_layers": 2}
    factors = {"flow": ["icfm", "vp"], "final_lr": [0.0, 0.1]}
    plan = plan_study(flow_study(tmp_path, base=base, factors=factors))
    rows = {
        run.run_id: RunRow(
            run_id=run.run_id, status="ok", sliced_w2_best=noise(run.cell.labels["flow"], run.seed)
        )
        for run in plan.runs
    }
    found = study_record(plan, rows)
    [same] = found.metric.same
    assert (same.factor, same.are_twins) == ("final_lr", True)
    assert told(found) == []
    assert found.metric.cells[1].comparison.verdict.cause is Cause.SAME_NUMBERS


def test_many_levels_and_cells_need_no_time(tmp_path):
    levels = list(range(40))
    value = itertools.count()
    found = study(tmp_path, {"a": levels, "b": levels[:5]}, lambda c, s: noise(next(value)))
    assert found.metric.same == ()


def test_a_table_from_anywhere(tmp_path):
    rows = [{"x": x, "seed": s, "y": noise(s)} for x in "ab" for s in range(3)]
    rows += [{"x": "c", "seed": s, "y": noise("c", s)} for s in range(3)]
    found = judge_table(rows, metric="y", cell="x")
    assert [one.verdict.text for one in found.values()][:2] == ["baseline", "same numbers"]
    assert found["c"].df == 2


@pytest.mark.parametrize(
    ("metric", "other", "is_asked"),
    [
        ("flops", "score", False),  # the study's own, which varies over seeds
        ("score", "seconds_a_step", True),  # as a duration always does
        ("score", "warm_up", True),  # the same for all seeds, as a setting is
    ],
)
def test_no_question_is_asked_that_another_metric_answers(tmp_path, metric, other, is_asked):
    values = {
        "flops": lambda c, s: {"mlp": 3744641234.5, "unet": 12344641235.25}[c["net"]],
        "score": lambda c, s: noise(c["net"], s) + (metric == "flops") * noise(c["lr"], s),
        "seconds_a_step": lambda c, s: noise(c["lr"], c["net"], s),
        "warm_up": lambda c, s: float(c["lr"]),
    }
    factors = {"net": ["mlp", "unet"], "lr": [1, 2]}
    plan = plan_study(toy_study(tmp_path, factors=factors, seeds=[1, 2, 3]))
    rows = rows_of(plan, lambda c, s: 1.0, "unused")
    for run in plan.runs:
        own = {f"{name}_best": values[name](run.cell.labels, run.seed) for name in (metric, other)}
        rows[run.run_id] = RunRow(run_id=run.run_id, status="ok", seconds=1.0, **own)
    found = study_record(plan, rows, metric)
    [same] = [note for note in same_notes(found.metric) if note.text.startswith("lr: the same ")]
    assert f"({other} differs)" in same.text
    assert ("does the trainable read it?" in same.text) == same.is_caution == is_asked
