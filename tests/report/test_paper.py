"""What a report gives to the text of a paper: a table and a paragraph."""

import math
import random
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from latex import compiled, needs_latex
from reports import NAN, grid, record, rows_of
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.plan.plan import plan_study
from ablate.report.files import latex, markdown
from ablate.report.methods import methods
from ablate.report.paper import paper
from ablate.report.tables import effects_table, metric_table
from ablate.report.words import answers
from ablate.run_row import RunRow, RunRows

HOSTILE = {
    "a_b%c&d\\e{f}$g$#~^\"'`|<p>": [1.0, 2.0, 3.1],
    "[x] 日本 é ř ß α → ± 😀 ế --": [2.0, 3.0, 4.2],
    "*" + "verylong" * 24: [3.0, 4.1, 5.0],
    "\\end{table}\x1b\n": [1.0, NAN, 2.0],
}


def measured(tmp_path, factors, metrics, value=lambda run, name: 1.0, **facts):
    """A record of made-up metrics of the toy."""
    study = toy_study(
        tmp_path, factors=factors, seeds=[1, 2, 3], metric=metrics[0], report_metrics=metrics[1:]
    )
    plan, rows = plan_study(study), RunRows()
    for run in plan.runs:
        values = {name: value(run, name) for name in metrics}
        row = RunRow(run_id=run.run_id, run_name=run.run_name, status="ok", **facts, **values)
        rows[run.run_id] = row
    return study_record(plan, rows)


def with_best(found, best):
    """A record of which some cells may be the best."""
    cells = [replace(cell, may_be_best=cell.name in best) for cell in found.metric.cells]
    return replace(found, metric=replace(found.metric, cells=cells))


def costs(tmp_path, seconds=lambda gain, seed: 60.0, **facts):
    """A study of which gain=2 is the better one, with training times."""
    plan = plan_study(toy_study(tmp_path, seeds=[1, 2, 3]))
    rows = rows_of(plan, lambda labels, seed: labels["gain"] * (10 + 0.01 * (seed == 2)))
    for run in plan.runs:
        gain = run.cell.labels["gain"]
        row = {"device": "cpu", "trial": run.run_name, "launch": 1, "num_parameters": 100}
        row |= {"seconds": seconds(gain, run.seed)}
        row |= {name: of(gain, run.seed) for name, of in facts.items()}
        rows[run.run_id].update(row)
    return study_record(plan, rows)


def test_a_row_has_the_mean_of_each_metric_then_what_it_costs(tmp_path):
    def value(run, name):
        base = 10.0 * run.cell.labels["gain"] + 0.5 * run.seed
        return base if name == "score" else base * 1e-9

    found = measured(
        tmp_path, {"gain": [1, 2]}, ["score", "small"], value, seconds=5400.0,
        num_parameters=1_234_567,
    )  # fmt: skip
    text = paper(with_best(found, {"gain=2"}))
    assert "gain & score $\\uparrow$ & small $\\uparrow$ & params & CPU h \\\\" in text
    assert (
        "1$^{\\dagger}$ & $11.00 \\pm 0.50$ & $(1.100 \\pm 0.050) \\times 10^{-8}$ & 1.23M & 1.5"
        in text
    )
    assert "2 & $\\mathbf{21.00 \\pm 0.50}$ & $(2.100 \\pm 0.050)" in text
    caption = next(line for line in text.splitlines() if "caption" in line)
    assert "Mean $\\pm$ standard deviation over 3 seeds. Last value. $\\uparrow$" in caption
    assert "Bold: may be the best" in caption
    assert "$\\dagger$ baseline" in caption
    assert "Bold" not in paper(found), "nothing is bold where nobody said what may be the best"


def test_missing_runs_stand_where_they_are_missing(tmp_path):
    text = paper(record(tmp_path, {1: [10.0, 12.0, 11.0], 2: [15.0, NAN, 16.0], 3: [NAN] * 3}))
    assert "2 & $15.50 \\pm 0.71\\,(n{=}2)$" in text
    assert "3 & -- & " in text
    assert "as many as are given as $n$. --: no result." in text
    assert "Without a result, failed: 4 of 9 runs." in text


@needs_latex
@pytest.mark.parametrize("write", [paper, methods, latex])
def test_hostile_names_compile(tmp_path, write):
    found = record(tmp_path, HOSTILE, question="50% of $x_1 & \\input{y} – 日本?\n\n\\par")
    log = compiled(tmp_path / "tex", write(with_best(found, {found.metric.cells[1].name})))
    assert "Missing character" not in log


@needs_latex
@pytest.mark.parametrize(
    ("factors", "num_metrics"),
    [
        ({"gain": list(range(8)), "length": [1, 2, 3, 4, 5]}, 10),
        ({"gain": [1, 2, 3], "length": [1, 2]}, 10),
        ({"gain": list(range(150))}, 2),
        ({f"factor_{letter}": ["a", "b"] for letter in "abcdefg"}, 2),
    ],
)
def test_wide_and_long_tables_stay_on_their_pages(tmp_path, factors, num_metrics):
    draw = random.Random(1)
    names = [f"eval/some_metric_of_number_{n}" for n in range(num_metrics)]
    found = measured(
        tmp_path, factors, names, lambda run, name: draw.gauss(100, 1.5), seconds=100.0,
        num_parameters=10**9,
    )  # fmt: skip
    text = paper(with_best(found, {cell.name for cell in found.metric.cells}))
    log = compiled(tmp_path / "tex", text)
    assert not re.findall(r"Overfull \\hbox.*|Float too large.*|Too many unprocessed.*", log)
    shown = [line for line in text.splitlines() if "\\pm" in line and "caption" not in line]
    assert sum(line.count("\\pm") for line in shown) == num_metrics * len(found.metric.cells)


@needs_latex
def test_what_reports_of_all_kinds_say_compiles(tmp_path):
    plan = plan_study(toy_study(tmp_path, seeds=[1, 2, 3], aa=True))
    again = study_record(plan, rows_of(plan, lambda c, seed: c["gain"] + seed % 7 * 0.1))
    found = [
        grid(tmp_path), grid(tmp_path, log_scale=True, margin=0.05), again,
        record(tmp_path, {1: [1.0], 2: [2.0]}, seeds=[1]), record(tmp_path, {1: [NAN] * 3}),
    ]  # fmt: skip
    compiled(tmp_path / "tex", "\n".join(f"{paper(each)}\n{methods(each)}" for each in found))


def test_a_better_cell_that_costs_over_a_tenth_more_is_flagged(tmp_path):
    found = costs(tmp_path, lambda gain, seed: 50.0 + 14 * (gain == 2) + seed * (seed == 1))
    [price] = [cell.cost for cell in found.metric.cells if not cell.is_baseline]
    assert price.time_ratio == pytest.approx(1.28)
    row = metric_table(found, found.metric).rows[1]
    assert row.verdict_text == "better (costlier)"
    told = "better, but costlier: gain=2: +28 % training time"
    assert [n for n in metric_table(found, found.metric).notes if n.text == told and n.is_caution]
    assert answers(found)[0].endswith("; 3 seeds; +28 % training time")
    assert "{}^{\\ddagger}$" in paper(found)
    assert "$\\ddagger$ better, but costlier: gain=2: +28 \\% training time." in paper(found)
    assert f"Caution: {told}".replace("%", "\\%") in methods(found)
    assert "costlier" in markdown(found)


@pytest.mark.parametrize("costly", [
    {"seconds": lambda gain, seed: 54.0 if gain == 2 else 50.0},
    {"seconds": lambda gain, seed: 40.0 if gain == 2 else 50.0},
    # What is not comparable is no price: another device, another size of pack, a pack of both,
    # another study.
    {"seconds": lambda gain, seed: 90.0 * gain, "device": lambda gain, seed: f"gpu {gain}"},
    {"seconds": lambda gain, seed: 90.0 * gain,
     "trial": lambda gain, seed: "pack" if gain == 2 else f"t{seed}"},
    {"seconds": lambda gain, seed: 90.0 * gain, "trial": lambda gain, seed: f"t{seed}"},
    {"seconds": lambda gain, seed: 90.0 * gain, "reused_from": lambda gain, seed: "another study"},
    # Starts, not training.
    {"seconds": lambda gain, seed: 2.0 * gain},
    {"seconds": lambda gain, seed: None},
    # Other work on the machine while some of the runs trained.
    {"seconds": lambda gain, seed: 60.0 * (seed**2 if gain == 2 else 1)},
])  # fmt: skip
def test_no_price_is_told_that_is_small_or_not_known(tmp_path, costly):
    found = costs(tmp_path, **costly)
    assert metric_table(found, found.metric).rows[1].verdict_text == "better"
    assert "costlier" not in markdown(found) + paper(found) + methods(found)


def test_packs_of_one_cell_each_can_be_compared_and_one_slow_start_changes_nothing(tmp_path):
    found = costs(
        tmp_path, lambda gain, seed: 60.0 * gain + 600 * (seed == gain == 1),
        trial=lambda gain, seed: f"pack of {gain}",
    )  # fmt: skip
    assert found.metric.cells[1].cost.time_ratio == 2.0


def test_one_slow_start_makes_no_short_runs_comparable(tmp_path):
    found = costs(tmp_path, lambda gain, seed: 2.0 * gain + 30 * (seed == 1))
    assert math.isnan(found.metric.cells[1].cost.time_ratio)


def test_a_better_level_of_a_factor_has_its_price_over_the_others(tmp_path):
    study = toy_study(tmp_path, factors={"a": [1, 2], "b": [1, 2]}, seeds=[1, 2, 3, 4])
    plan, draw = plan_study(study), random.Random(3)
    rows = rows_of(plan, lambda c, seed: 10 * c["a"] + c["b"] + seed + draw.gauss(0, 0.01))
    for run in plan.runs:
        rows[run.run_id]["num_parameters"] = 100 * run.cell.labels["a"]
    found = study_record(plan, rows)
    [block] = found.metric.blocks
    table = effects_table(block, block.effects, found.metric)
    verdicts = [row.verdict_text for row in table.rows]
    assert verdicts == ["baseline", "better (costlier)", "baseline", "better"]
    assert "better, but costlier: a=2: +100 % parameters" in [note.text for note in table.notes]
    assert " at +100 % parameters; 4 seeds" in answers(found)[0]
    assert "parameters" not in answers(found)[1]


def test_methods_say_what_this_study_did(tmp_path):
    plan = plan_study(flow_study(tmp_path, seeds=[1, 2, 3], resources={"cpu": 2, "gpu": 0.5}))
    rows, moment = RunRows(), datetime(2026, 1, 2, tzinfo=UTC)
    for number, run in enumerate(plan.runs):
        rows[run.run_id] = RunRow(
            run_id=run.run_id, run_name=run.run_name, status="ok" if number else "failed",
            seconds=7200.0, sliced_w2_best=0.5 + 0.01 * run.seed + 0.001 * (number % 5),
            device="cuda (H100)", versions="python 3.11.7, torch 2.9", started_at=moment,
            ended_at=moment, data_fingerprint="1797x64-7a4a", trial=run.run_name, launch=1,
        )  # fmt: skip
    text = methods(study_record(plan, rows))
    for told in (
        "Each cell was planned with 3 seeds (1, 2, 3), the same for all.",
        "Of 6 planned runs 1 failed; means are of the others.",
        "Verdicts are about sliced\\_w2 (lower is better), best weights by val\\_loss.",
        "split\\_seed 0",
        "seeds vary initialisation, batches and noise",
        "Fingerprint of the data: 1797x64-7a4a.",
        "1 difference of sliced\\_w2 between a cell and the baseline",
        "Training took 6.0 GPU hours (device: cuda (H100)), 0.5 GPU a trial, all 6 runs together, "
        "the 1 failed included.",
        "Versions: python 3.11.7, torch 2.9.",
        "Made from 2026-01-02 to 2026-01-02.",
    ):
        assert told in text
    assert "to add" not in text


def test_methods_claim_nothing_that_was_not_done(tmp_path):
    one = methods(record(tmp_path, {1: [1.0], 2: [2.0]}, seeds=[1]))
    assert "Each cell was planned with one seed (1): no spread over seeds is known." in one
    assert "No interval could be made" in one
    assert "Dunnett" not in one
    assert "$\\pm$ is" not in one
    assert "% to add: data, split, test part, and what a seed varies" in one
    unpriced = methods(measured(tmp_path, {"gain": [1, 2]}, ["score"]))
    assert "Training took" not in unpriced
    assert "% to add: what the runs cost, and on which devices" in unpriced
    results = {1: [10.0, 12.0, 11.0], 2: [15.0, 17.1, 16.0], 3: [14.9, 17.2, 15.9]}
    logs = methods(record(tmp_path, results, log_scale=True))
    assert "2 differences of logarithms of score" in logs
    several = toy_study(
        tmp_path, factors={}, seeds=[1, 2, 3],
        blocks=[{"name": n, "base": {"length": k}, "factors": {"gain": [1, 2]}}
                for n, k in (("x", 2), ("y", 3))],
    )  # fmt: skip
    plan = plan_study(several)
    draw = random.Random(2)
    text = methods(study_record(plan, rows_of(plan, lambda c, seed: c["gain"] + draw.random())))
    assert "Each cell is compared with gain=1, all else equal." in text
    assert "over several baselines Sidak" in text


def test_the_mean_cost_is_that_of_finished_runs(tmp_path):
    found = costs(tmp_path, lambda gain, seed: 60.0 * seed)
    assert [cell.cost.seconds for cell in found.metric.cells] == [120.0, 120.0]
    assert found.compute.seconds == 720.0
    assert not math.isnan(found.metric.cells[0].cost.parameter_ratio)


def test_methods_of_pairs_and_of_several_metrics_with_verdicts(tmp_path):
    results = {1: [10.0, 12.0, 11.0], 2: [15.0, 17.1, 16.0], 3: [14.9, 17.2, 15.9]}
    pairs = methods(record(tmp_path, results, compare="pairs"))
    for told in (
        "All cells are compared with each other; none is a baseline.",
        "3 differences of score between two cells, estimated by least squares",
        "simultaneous 95 \\% intervals (Tukey-Kramer).",
        "the pairs whose interval excludes zero.",
        "All 3 pairs are one family",
    ):
        assert told in pairs
    for untrue in ("baselines", "No interval could be made", "Dunnett"):
        assert untrue not in pairs
    found = record(tmp_path, results, verdicts="all", report_metrics=["other"])
    assert "Verdicts are about score (higher is better), best value; other (higher" in methods(
        found
    )
    assert "nothing is adjusted over metrics" not in methods(found)
    assert r"95\,\% for all 2 metrics together" in paper(found)
