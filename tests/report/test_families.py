"""What is in bold, all pairs, and metrics beside the study's own: in every output."""

import io
import math
import re

import numpy as np
import pytest
from reports import grid, record, rows_of
from rich.console import Console
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.driver.wandb_table import table_message
from ablate.plan.plan import plan_study
from ablate.report.files import latex, markdown
from ablate.report.page import page
from ablate.report.pair_table import SHOWN
from ablate.report.sections import sections_of
from ablate.report.tables import metric_table, tables_of
from ablate.report.terminal import print_report
from ablate.report.words import answers
from ablate.study_dir import StudyPaths

NAN = math.nan
CLEAR = {1: [10.0, 12.0, 11.0], 2: [15.0, 17.1, 16.0], 3: [14.9, 17.2, 15.9], 4: [NAN, 9.0, NAN]}
BOLD = "bold: not significantly worse than the best (Hsu's comparisons with the best, 95 %)"


class _NoCurves:
    """A history without any curve."""

    def __getattr__(self, name):
        return lambda *_: {}


def shown(found, width=100, is_terminal=True):
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal)
    print_report(found, console)
    return console.file.getvalue()


def html(found):
    return page(found, [], "")


def with_metrics(tmp_path, **changes):
    """Two metrics: `score` and `other`, which is what `score` is."""
    changes = {"report_metrics": ["other"], "factors": {"gain": [1, 2, 3]}, **changes}
    plan = plan_study(toy_study(tmp_path, seeds=[1, 2, 3], **changes))
    rows = rows_of(plan, lambda c, seed: CLEAR[c["gain"]][seed - 1])
    rows = {
        run_id: {
            "status": "ok",
            **dict.fromkeys(("score_best", "other_best"), row.result("score", "best")),
        }
        for run_id, row in rows.items()
    }
    return study_record(plan, rows), plan


def test_what_may_be_the_best_is_bold_in_every_output(tmp_path):
    found = record(tmp_path, CLEAR)
    assert [cell.may_be_best for cell in found.metric.cells] == [False, True, True, False]
    assert BOLD in [note.line for note in metric_table(found, found.metric).notes]
    assert [line.count("**") for line in markdown(found).splitlines() if "3/3" in line] == [0, 2, 2]
    assert "| **16.0 ± 1.1** |" in markdown(found)
    assert latex(found).count(r"\textbf{16.0 $\pm$ 1.") == 2
    assert html(found).count(' class="number bold">16.0 ± 1.') == 2


@pytest.mark.parametrize("width", [60, 100])
def test_what_may_be_the_best_is_bold_in_the_terminal(tmp_path, width):
    lines = shown(record(tmp_path, {**CLEAR, 4: [NAN] * 3}), width).splitlines()
    bold = [line for line in lines if re.match(r"\x1b\[1m[1-4] *\x1b\[0m", line)]
    assert len(bold) == 2
    assert any(line.endswith(f"{BOLD}\x1b[0m") for line in lines)
    assert BOLD not in shown(record(tmp_path, CLEAR), is_terminal=False)  # in a pipe nothing is


@pytest.mark.parametrize("changes", [{"seeds": [1]}, {"results": {1: [1.0, 2.0, 3.0]}}])
def test_nothing_is_bold_where_nothing_can_be_said(tmp_path, changes):
    found = record(tmp_path, **{"results": CLEAR, **changes})
    assert {cell.may_be_best for cell in found.metric.cells} == {None}
    assert "**" not in markdown(found)
    assert BOLD not in markdown(found)


def test_nothing_is_bold_of_metrics_that_do_not_rank_or_measure_different_things(tmp_path):
    changes = {"report_metrics": ["train_distance", "val_loss"], "seeds": [1, 2, 3]}
    plan = plan_study(flow_study(tmp_path, **changes))
    names = [f"{name}_best" for name in plan.study.metrics]
    rows = {
        run.run_id: {"status": "ok", **dict.fromkeys(names, 3.0 + 0.01 * n**2)}
        for n, run in enumerate(plan.runs)
    }
    found = study_record(plan, rows)
    known = [{cell.may_be_best for cell in metric.cells} for metric in found.metrics]
    assert known == [{True}, {None}, {None}]


def test_a_further_metric_has_no_verdict_in_any_output(tmp_path):
    found, plan = with_metrics(tmp_path)
    own, other = (metric_table(found, metric) for metric in found.metrics)
    assert [row.verdict.text for row in own.rows] == ["baseline", "better", "better"]
    assert [row.verdict.text for row in other.rows] == ["baseline", *["further metric"] * 2]
    assert [row.numbers[2:] for row in other.rows][1:] == [
        [own.rows[n].numbers[2], "-"] for n in (1, 2)
    ]
    explained = [n.line for n in other.notes if n.line.startswith("further metric: no verdict")]
    assert len(explained) == 1
    message = table_message(found, plan.study, _paths(tmp_path))
    for text in (shown(found, 200), markdown(found), latex(found), html(found)):
        further = text.split("other (higher is better)")[1].split("<script")[0]
        assert further.count("further metric") == 3
        assert not re.search("(better|within noise)", further)
    rows = message.end.tables["ablation 1: other"].rows
    assert [row[-1] for row in rows] == ["baseline", "further metric", "further metric"]


def _paths(tmp_path):
    paths = StudyPaths(tmp_path)
    paths.uid.write_text("1", encoding="utf-8")
    return paths


def test_a_metric_asked_for_is_a_further_one_too(tmp_path):
    plan = plan_study(toy_study(tmp_path, factors={"a": [1, 2], "b": [1, 2]}, seeds=[1, 2, 3]))
    rows = {
        run.run_id: {"status": "ok", "other_best": 5.0 * run.cell.labels["a"] + 0.1 * (n % 5)}
        for n, run in enumerate(plan.runs)
    }
    found = study_record(plan, rows, "other")
    assert answers(found) == ["No verdict on other: a further metric, the table has its intervals."]
    for table in tables_of(found):
        assert {row.verdict.text for row in table.rows} == {"baseline", "further metric"}


def test_verdicts_on_all_metrics_are_adjusted_for_their_number(tmp_path):
    alone, _ = with_metrics(tmp_path)
    both, _ = with_metrics(tmp_path, verdicts="all")
    assert [m.num_families for m in both.metrics] == [2, 2]
    for metric in both.metrics:
        for found, once in zip(metric.cells[1:], alone.metric.cells[1:], strict=True):
            assert found.comparison.verdict.text == "better"
            assert found.comparison.p == pytest.approx(2 * once.comparison.p)
    notes = [note.line for note in metric_table(both, both.metric).notes]
    assert any("over the 2 comparisons of each of 2 metrics (Dunnett, " in note for note in notes)


def test_all_pairs_have_a_table_and_letters_and_no_baseline(tmp_path):
    found = record(tmp_path, {**CLEAR, 4: [NAN] * 3}, compare="pairs")
    cells, pairs = tables_of(found)
    assert cells.numbers == ("ok/planned", "mean ± sd", "letters")
    assert [(row.numbers[-1], row.verdict.text) for row in cells.rows] == [
        ("b", "in pairs"), ("a", "in pairs"), ("a", "in pairs"), ("", "failed"),
    ]  # fmt: skip
    assert pairs.title == "score, best value: all pairs"
    assert [(row.labels, row.verdict.text) for row in pairs.rows] == [
        (["gain=2", "gain=3"], "within noise"), (["gain=2", "gain=1"], "better"),
        (["gain=3", "gain=1"], "better"),
    ]  # fmt: skip
    told = answers(found)
    assert re.match(
        r"gain=2: better than gain=1, \+5\.03 \[.*\], p < 0.001 \(adjusted over 3 pairs\)", told[0]
    )
    assert told[2:] == [
        "1 of 3 pairs: within noise: this study cannot tell the two apart",
        "gain=4: failed",
    ]
    for text in (shown(found), markdown(found), latex(found), html(found)):
        assert "Tukey-Kramer" in text
        assert "all 3 pairs are one family" in text
        assert "Dunnett" not in text


def test_pairs_have_a_resolution_of_their_own(tmp_path):
    with_baseline, pairs = (record(tmp_path, CLEAR, **c) for c in ({}, {"compare": "pairs"}))
    assert pairs.metric.resolution > 1.01 * with_baseline.metric.resolution
    assert pairs.metric.detectable > 1.01 * with_baseline.metric.detectable


def test_what_is_said_of_the_scatter_is_what_pairs_rest_on(tmp_path):
    """Seeds change what b does: to pairs that is residual, no error of theirs tells it apart."""
    draw = np.random.default_rng(5)
    shifts = 3 * draw.normal(size=8)

    def value(labels, seed):
        return labels["b"] * shifts[seed - 1] + 0.1 * draw.normal()

    changes = {"factors": {"a": [1, 2, 3], "b": [0, 1]}, "seeds": [*range(1, 9)]}
    plan = plan_study(toy_study(tmp_path, compare="pairs", **changes))
    metric = study_record(plan, rows_of(plan, value)).metric
    assert metric.comparisons.residual_sd == pytest.approx(metric.pairs.residual_sd)
    assert metric.comparisons.df == metric.pairs.df
    assert metric.detectable > metric.resolution
    assert not metric.seed_factors


def test_a_grid_in_pairs_compares_no_factor_with_a_baseline(tmp_path):
    titles = [table.title for table in tables_of(grid(tmp_path, compare="pairs"))]
    assert titles == [
        "score (higher is better), best value, 4 seeds",
        "score, best value: all pairs",
    ]


def test_many_pairs_are_those_that_differ_most(tmp_path):
    results = {n: [n + 0.3 * ((7 * n + 3 * s) % 5) for s in range(3)] for n in range(1, 14)}
    pairs = tables_of(record(tmp_path, results, compare="pairs"))[1]
    assert len(pairs.rows) == SHOWN
    assert pairs.notes[1].line == "and 18 more pairs, none with a smaller p: see the letters"


def test_pairs_of_a_further_metric_have_no_verdict(tmp_path):
    found, _ = with_metrics(tmp_path, compare="pairs")
    _, own, cells, pairs = tables_of(found)
    assert {row.verdict.text for row in own.rows} == {"better", "within noise"}
    assert {row.verdict.text for row in [*cells.rows, *pairs.rows]} == {"further metric"}
    assert {row.numbers[-1] for row in cells.rows} == {""}
    assert {row.numbers[-1] for row in pairs.rows} == {"-"}


def test_pairs_of_a_metric_without_a_better_side_differ_or_do_not(tmp_path):
    plan = plan_study(flow_study(
        tmp_path, seeds=[1, 2, 3], report_metrics=["train_distance"], verdicts="all",
        compare="pairs"))  # fmt: skip
    rows = {
        run.run_id: {"status": "ok", "train_distance_best":
                     3.0 + (run.cell.labels["flow"] == "vp") + 0.01 * n**2}
        for n, run in enumerate(plan.runs)
    }  # fmt: skip
    found = study_record(plan, rows, "train_distance")
    assert [row.verdict.text for row in tables_of(found)[1].rows] == ["differs"]
    assert answers(found)[0].startswith("flow=icfm: differs from flow=vp, -")


def test_the_page_of_a_study_in_pairs_has_charts(tmp_path):
    found = record(tmp_path, CLEAR, compare="pairs")
    assert [section.title for section in sections_of(found, _NoCurves())][:1] == ["Factors"]


def test_a_rule_for_seeds_asks_for_pairs_as_narrow(tmp_path):
    from ablate.analysis.seed_rule import _decide

    rule = {"min": 3, "max": 500, "until": {"half_width": 0.1}}
    needed = []
    for changes in ({}, {"compare": "pairs"}):
        plan = plan_study(toy_study(tmp_path, factors={"gain": [1, 2, 3]}, seeds=rule, **changes))
        rows = rows_of(plan, lambda c, seed: CLEAR[c["gain"]][seed])
        needed.append(_decide(plan, plan.study.seeds, rows)[0])
    assert 3 < needed[0] < needed[1]
