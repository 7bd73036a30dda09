"""What a study found, as people read it."""

import io
import math
import pickle
import re
from dataclasses import replace

import pytest
from reports import RESULTS, grid, record, rows_of
from rich.console import Console
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.numbers import interval_text, p_text, rounded, share_text, spread_text
from ablate.plan.plan import plan_study
from ablate.report.files import latex, markdown
from ablate.report.tables import effects_table, metric_table, tables_of
from ablate.report.terminal import print_report
from ablate.report.words import answers

NAN = math.nan


def table_rows(record):
    return metric_table(record, record.metric).rows


def footnotes(record):
    return [note.line for note in metric_table(record, record.metric).notes]


@pytest.mark.parametrize(
    ("value", "uncertainty", "text"),
    [
        (-0.03124, 0.00213, "-0.0312"), (0.58693, 0.0013, "0.5869"), (1234.5, 56.0, "1234"),
        (1234.5, 560.0, "1230"), (0.0, 0.01, "0.000"), (3.14159, NAN, "3.142"), (NAN, 1.0, "-"),
    ],
)  # fmt: skip
def test_numbers_end_where_their_uncertainty_begins(value, uncertainty, text):
    assert rounded(value, uncertainty) == text


def test_texts_of_spreads_intervals_and_p():
    assert spread_text(0.58693, 0.0133) == "0.587 ± 0.013"
    assert spread_text(0.5, NAN) == "0.5"
    assert interval_text(-0.0312, -0.0442, -0.0182) == "-0.031 [-0.044, -0.018]"
    assert interval_text(0.5, NAN, NAN) == "+0.5"
    assert share_text(math.log(0.93), math.log(0.9), math.log(0.96)) == "-7.0 % [-10.0 %, -4.0 %]"
    assert interval_text(1e-9, -3e-9, 5e-9) == "+1.0e-09 [-3.0e-09, +5.0e-09]"
    assert spread_text(5e-7, 3e-8) == "5.00e-07 ± 3.0e-08"
    assert [p_text(p) for p in (0.0004, 0.0123, 1.0, NAN)] == ["< 0.001", "0.012", "1.000", "-"]


@pytest.mark.parametrize(
    ("logs", "text"),
    [
        ((-0.01, -0.11, 0.09), "-1.0 % [-10.4 %, +9.4 %]"),
        ((-0.13, -2.13, 1.87), "-12 % [-88 %, +550 %]"),
        ((-0.3, -3.3, 2.7), "x0.74 [x0.037, x15]"),
        ((-0.13, -6.48, 6.22), "x0.88 [x0.0015, x500]"),
        ((4.6, 4.59, 4.61), "x99.48 [x98.49, x100.48]"),
        ((-6.48,), "x0.0015"),
    ],
)
def test_wide_changes_keep_their_meaning(logs, text):
    assert share_text(*logs) == text


def test_rows_say_how_many_runs_stand_behind_them(tmp_path):
    rows = table_rows(record(tmp_path))
    assert [(row.labels, row.numbers[0], row.verdict.text) for row in rows] == [
        (["1"], "3/3", "baseline"), (["2"], "3/3", "better"), (["3"], "3/3", "within noise"),
        (["4"], "1/3", "worse, of the runs that ended"),
    ]  # fmt: skip
    assert rows[1].numbers[2] == "+5.03 [+4.80, +5.27]"
    notes = footnotes(record(tmp_path))
    assert notes[0] == "floor, training data against test data: 8.25"
    [told] = [note for note in notes if note.startswith("observed differences below")]
    assert told.startswith("observed differences below about 0.24 are not significant; one of ")


def test_a_margin_makes_small_differences_equivalent(tmp_path):
    verdicts = [row.verdict.text for row in table_rows(record(tmp_path, margin=1.0))]
    assert verdicts == ["baseline", "better", "equivalent", "worse, of the runs that ended"]
    [note] = [note for note in footnotes(record(tmp_path, margin=1.0)) if "margin" in note]
    assert note.startswith("margin ±1; equivalent: inside it by two one-sided ")
    assert note.endswith("at 5 % for all comparisons of the table together (Bonferroni)")
    verdicts = [row.verdict.text for row in table_rows(record(tmp_path, margin=8.0))]
    assert verdicts[1] == "better, within margin"


@pytest.mark.parametrize(("results", "told"), [
    ({1: [0.7, 0.7, 0.7], 2: [0.8, 0.8, 0.8]}, "runs do not vary at all between seeds: does the "),
    ({1: [1.0, 2.0, 4.0], 2: [1.5, 2.5, 4.5]}, "differences do not vary at all between seeds: do "),
])  # fmt: skip
def test_runs_that_do_not_vary_are_no_certainty(tmp_path, results, told):
    found = record(tmp_path, results)
    assert table_rows(found)[1].verdict.text == "not enough seeds"
    [caution] = [n.line for n in metric_table(found, found.metric).notes if n.is_caution]
    assert caution.startswith(f"caution: {told}")
    certain = record(tmp_path, {**results, 3: results[1], 4: results[1]})
    assert table_rows(certain)[1].verdict.text == "better"
    assert caution in footnotes(certain)


def test_a_copied_plan_is_the_same_plan(tmp_path):
    """Also where its cells are copies, and the second baseline's runs are among the others."""
    plan = plan_study(toy_study(tmp_path, seeds=[1, 2, 3], aa=True))
    rows = rows_of(plan, lambda labels, seed: labels["gain"] + 0.1 * seed**0.5)
    before = markdown(study_record(plan, rows))
    for copy in (
        pickle.loads(pickle.dumps(plan)),
        replace(plan, cells=[replace(cell) for cell in plan.cells], aa_cell=replace(plan.aa_cell)),
    ):
        assert markdown(study_record(copy, rows)) == before
        assert [run.cell for run in study_record(copy, rows).runs][:3] == [0, 1, -1]


def test_cells_that_are_still_to_be_run_have_not_failed(tmp_path):
    plan = plan_study(toy_study(tmp_path))
    verdicts = [row.verdict.text for row in table_rows(study_record(plan, {}))]
    assert verdicts == ["baseline", "not enough seeds"]


def test_a_baseline_without_results_is_named_as_the_cause(tmp_path):
    found = record(tmp_path, {1: [NAN] * 3, 2: [15.0, 17.1, 16.0], 3: [10.1, 11.9, 11.0]})
    verdicts = [row.verdict.text for row in table_rows(found)]
    assert verdicts == ["baseline, failed", "no baseline", "no baseline"]
    assert answers(found) == [
        "gain=2; gain=3: nothing to compare with: the baseline has 0 of 3 results",
        "gain=1: failed",
    ]


@pytest.mark.parametrize("unmeasured", ["x", "y"])
def test_all_tables_call_what_was_not_measured_so(tmp_path, unmeasured):
    plan = plan_study(toy_study(tmp_path, factors={"a": [1, 2], "b": ["x", "y"]}, seeds=[1, 2, 3]))
    rows = rows_of(plan, lambda c, seed: c["a"] + 0.1 * seed)
    for run in plan.runs:
        if run.cell.labels["b"] == unmeasured:
            rows[run.run_id]["score_best"] = NAN
    found = study_record(plan, rows)
    [block] = found.metric.blocks
    effects = [
        row.verdict.text for row in effects_table(block, block.effects, found.metric).rows[2:]
    ]
    verdicts = [row.verdict.text for row in table_rows(found)[:2]]
    expected = {"x": ["baseline, not measured", "no baseline"], "y": ["baseline", "not measured"]}
    assert verdicts == effects == expected[unmeasured]


def test_what_is_within_the_margin_is_said_in_a_sentence(tmp_path):
    told = answers(grid(tmp_path, margin=50.0))
    assert told[0].startswith("a, within b: at b=x 2 raises score by ")
    assert told[0].count("; better, but within the margin") == 3
    assert "a=2, b=y (against a=1, b=x) raises score" in (cell := told[3])
    assert "; better, but within the margin" in cell


def test_markdown(tmp_path):
    lines = markdown(
        record(tmp_path, question="Does *gain* <script> ~~pay~~ $x$ &copy;?")
    ).splitlines()
    assert lines[0] == "# Does \\*gain\\* &lt;script&gt; \\~\\~pay\\~\\~ \\$x\\$ &amp;copy;?"
    assert (
        lines[2]
        == "- gain=2 raises score by 5.03 \\[4.80, 5.27\\] (11.00 -&gt; 16.03, +46 %); 3 seeds"
    )
    title = "## score (higher is better), best value, 3 seeds, each cell against gain=1"
    assert title in lines
    at = lines.index("| --- | --- | ---: | ---: | ---: | ---: | --- |")
    numbers = "ok/planned | mean ± sd | difference \\[95 %\\] | adj. p"
    assert lines[at - 1] == f"| gain | each seed | {numbers} | verdict |"
    assert lines[at + 1] == "| 1 | `··●·●·●·········` | 3/3 | 11.0 ± 1.0 |  |  | baseline |"
    assert "- missing: gain=4-s1, failed: ValueError: it \\| broke" in lines
    assert {line.count(" | ") for line in lines[at - 1 : at + 5]} == {6}


def test_latex(tmp_path):
    text = latex(record(tmp_path, question="50% of $x_1 & \\input{y}?"))
    assert "\\caption{50\\% of \\$x\\_1 \\& \\textbackslash{}input\\{y\\}? score" in text
    assert "    1 & 3/3 & 11.0 $\\pm$ 1.0 &  &  & baseline \\\\" in text
    assert "\\begin{tabular}{lrrrrl}" in text
    body = text.split("\\begin{table}")[1].split("\\end{table}")[1]
    assert all(line.startswith("% ") for line in body.strip().splitlines())


def test_effects_of_factors_over_the_others(tmp_path):
    found = grid(tmp_path)
    [block] = found.metric.blocks
    table = effects_table(block, block.effects, found.metric)
    assert [(row.labels, row.verdict.text) for row in table.rows][:4] == [
        (["a", "b=x", "1"], "baseline"), (["", "", "2"], "better"), (["", "", "3"], "better"),
        (["", "b=y", "1"], "baseline"),
    ]  # fmt: skip
    assert table.rows[1].numbers[1].startswith("+3.002 [+2.968, ")
    assert [row.verdict.text for row in table.rows[6:] if row.labels[2] == "y"] == [
        "better", "better", "worse",
    ]  # fmt: skip
    told = "of such tables with 2 factors and their interactions about 14 % have a wrong verdict"
    assert told in table.notes[0].line
    [note] = [note.line for note in table.notes if note.is_caution]
    assert note.startswith("caution: a x b interact (adj. p < 0.001)")
    assert re.match(r"a, within b: at b=x 2 raises score by 3.002 \[", answers(found)[0])


def test_levels_with_few_cells_are_said_to_be_judged_apart(tmp_path):
    """A plain note, whatever the factor that it begins with is called."""
    left_out = [{"caution": 1, "b": "y"}, {"caution": 1, "b": "z"}]
    factors = {"caution": [2, 1, 3], "b": ["x", "y", "z"]}
    plan = plan_study(toy_study(tmp_path, factors=factors, exclude=left_out, seeds=[1, 2, 3]))
    noise = iter(0.1 * (n * 5 % 11) for n in range(21))
    found = study_record(plan, rows_of(plan, lambda c, seed: c["caution"] + next(noise)))
    [block] = found.metric.blocks
    notes = effects_table(block, block.effects, found.metric).notes
    [note] = [note for note in notes if "own pairs" in note.text]
    assert note.line.startswith("caution: its levels are means")
    assert not note.is_caution


def test_ratios_on_request(tmp_path):
    results = {1: [10.0, 20.0, 40.0], 2: [11.01, 22.0, 44.0], 3: [10.0, 20.02, 40.0]}
    found = record(tmp_path, results, log_scale=True, margin=0.05)
    assert metric_table(found, found.metric).columns[3] == "change [95 %]"
    rows = table_rows(found)
    assert rows[1].numbers[2].startswith("+10.03 % [+")
    assert [row.verdict.text for row in rows] == ["baseline", "better", "equivalent"]
    assert any(note.startswith("margin -4.8 % to +5.0 %; ") for note in footnotes(found))
    negative = record(tmp_path, {1: [1.0, 2.0, 3.0], 2: [-1.0, 2.0, 3.0]}, log_scale=True)
    caution = "caution: score is not always positive: compared as it is, not by ratios, and "
    caution += "without a margin"
    assert caution in footnotes(negative)
    plan = plan_study(flow_study(tmp_path, seeds=[1, 2], log_scale=True))
    densities = {
        run.run_id: {"status": "ok", "nll_best": 3.0 + n} for n, run in enumerate(plan.runs)
    }
    found_nll = study_record(plan, densities, "nll")
    assert metric_table(found_nll, found_nll.metric).columns[3] == "difference [95 %]"
    assert any("nll has no meaningful zero" in n for n in found_nll.metric.cautions)
    zero = record(
        tmp_path, {1: [1e-3, 0.0, 1e-3], 2: [1e-3, 0.0, 2e-3]}, log_scale=True, margin=0.05
    )
    assert table_rows(zero)[1].verdict.text == "within noise"  # 5 % is not 0.05


def test_failures_that_differ_between_cells_are_said(tmp_path):
    fine = [10.0 + n for n in range(6)]
    results = {1: fine, 2: fine, 3: [NAN] * 6}
    notes = record(tmp_path, results, seeds=[1, 2, 3, 4, 5, 6]).notes
    assert notes[0].startswith("failure rates differ between cells (p < 0.001)")
    assert notes[0].endswith("gain=3 6 of 6")


def test_what_is_no_finite_number_is_no_result(tmp_path):
    results = {1: [1.0, 2.0, math.inf], 2: [1.0, 2.1, 3.0], 3: [2.0, 3.1, 4.0]}
    found = record(tmp_path, results)
    assert [row.numbers[0] for row in table_rows(found)] == ["2/3", "3/3", "3/3"]
    assert [(run.run_name, run.cause) for run in found.missing] == [("gain=1-s3", "score is inf")]


def test_an_interrupted_study_promises_what_its_runs_can(tmp_path):
    done = {gain: values for gain, values in RESULTS.items() if gain < 4}
    begun = {gain: [*values, NAN, NAN, NAN] for gain, values in done.items()}
    whole = record(tmp_path, done)
    found = record(tmp_path, begun, seeds=[1, 2, 3, 4, 5, 6])
    assert found.metric.detectable == pytest.approx(whole.metric.detectable)
    assert found.metric.comparisons.spread_check == whole.metric.comparisons.spread_check


def test_several_baselines_are_named(tmp_path):
    factors = {"gain": [1, 2]}
    block = {"name": "long", "base": {"length": 9}, "factors": {"gain": [2, 4]}}
    plan = plan_study(toy_study(tmp_path, factors=factors, blocks=[block], seeds=[1, 2, 3]))
    noise = iter([0.1, 0.3, 0.2, 0.3, 0.2, 0.5, 0.1, 0.4, 0.2, 0.4, 0.3, 0.1])
    found = study_record(plan, rows_of(plan, lambda c, seed: 5.0 * c["gain"] + next(noise)))
    table = metric_table(found, found.metric)
    assert table.labels == ["block", "gain", "against"]
    assert [row.labels for row in table.rows] == [
        ["", "1", ""], ["", "2", "gain=1"], ["long", "2", ""], ["long", "4", "gain=2"],
    ]  # fmt: skip
    assert answers(found)[0].startswith("gain, all else equal: 2 raises score by ")
    assert answers(found)[1].startswith("gain of long, all else equal: 4 raises score by ")


def test_runs_to_come_have_not_failed_in_any_table(tmp_path):
    plan = plan_study(toy_study(tmp_path, factors={"a": [1, 2], "b": ["x", "y"]}))
    found = study_record(plan, {})
    [block] = found.metric.blocks
    for row in effects_table(block, block.effects, found.metric).rows:
        assert row.verdict.text in ("baseline", "not enough seeds")


def test_only_named_comparisons_count(tmp_path):
    found = record(tmp_path, compare=[{"gain": 3}])
    assert [row.verdict.text for row in table_rows(found)] == [
        "baseline", "not compared", "within noise", "not compared",
    ]  # fmt: skip
    everything = table_rows(record(tmp_path))
    assert len(table_rows(found)[2].numbers[2]) <= len(everything[2].numbers[2])


def shown(record, width):
    with open("/dev/null", "w") as nowhere:
        console = Console(record=True, width=width, file=nowhere)
        print_report(record, console)
    return console.export_text()


@pytest.mark.parametrize("width", [60, 80])
def test_the_terminal_shows_every_verdict_whole(tmp_path, width):
    text = shown(record(tmp_path, {**RESULTS, 4: [NAN] * 3}), width)
    for verdict in ("baseline", "better", "within noise", "failed"):
        assert verdict in text
    assert ("adj. p" in text) == (width > 70)
    assert "0/3" in text
    assert "mean ± sd" in text
    assert "[95 %]" in text
    assert "[+4.82, +5.24]" in text  # below the difference where there is no room beside it


def test_a_verdict_has_its_colour_however_it_came_about(tmp_path):
    """Within the margin, or by the cell's own spread: better is better."""
    calm = [0.1, 0.3, 0.2, 0.4, 0.1, 0.2]
    results = {gain: [value + gain % 3 * 0.1 for value in calm] for gain in (1, 2, 3, 4)}
    results[5] = [90.0, 130.0, 70.0, 110.0, 60.0, 120.0]
    told = {}
    for margin in (1.0, 1000.0):
        found = record(tmp_path, results, seeds=[1, 2, 3, 4, 5, 6], margin=margin)
        console = Console(file=io.StringIO(), width=100, force_terminal=True)
        print_report(found, console)
        told[margin] = console.file.getvalue()
    assert re.search(r"\x1b\[32mbetter \(own spread\)", told[1.0])
    assert re.search(r"\x1b\[32mbetter, within margin \(own spread\)", told[1000.0])


def test_the_terminal_shows_factors_of_wide_changes(tmp_path):
    text = shown(record(tmp_path, {1: [1.0, 9.0, 3.0], 2: [8.0, 7.0, 30.0]}, log_scale=True), 80)
    [line] = [line for line in text.splitlines() if line.startswith("2")]
    assert re.search(r"x4\.\d+ \[x0\.\d+, x\d+\]  ", line)


def test_the_terminal_folds_names_before_numbers(tmp_path):
    levels = {f"an-ingredient-with-a-long-name-{n}": {"gain": n} for n in (1, 2)}
    more = {
        "a-second-one": {f"with-a-name-{n}": {"length": n} for n in (1, 2)},
        "step_s": [0.1, 0.2],
    }
    plan = plan_study(toy_study(tmp_path, factors={"what": levels, **more}, seeds=[1, 2, 3]))
    rows = rows_of(plan, lambda labels, seed: len(str(labels)) + seed + 0.1 * (seed % 2))
    found = study_record(plan, rows)
    text = shown(found, 80)
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for table in tables_of(found):
        for row in table.rows:
            folded = row.numbers[-2].split(" [")  # an interval stands below its difference
            assert all(part in text for part in (*folded, row.numbers[1], row.verdict.text))


def test_a_metric_without_a_better_side_differs_or_does_not(tmp_path):
    judged = {"report_metrics": ["train_distance"], "verdicts": "all"}
    plan = plan_study(flow_study(tmp_path, seeds=[1, 2, 3], **judged))
    rows = {
        run.run_id: {
            "status": "ok",
            "train_distance_best": 3.0 + (run.cell.labels["flow"] == "vp") + 0.01 * n**2,
        }
        for n, run in enumerate(plan.runs)
    }
    found = study_record(plan, rows, "train_distance")
    table = metric_table(found, found.metric)
    assert table.title == (
        "train_distance (neither lower nor higher is better), best weights by val_loss, 3 seeds, "
        "each cell against flow=icfm"
    )
    assert [row.verdict.text for row in table.rows] == ["baseline", "differs"]
