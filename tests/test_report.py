"""What a study found, as people read it."""

import math

import pytest
from rich.console import Console
from studies import toy_study

from ablate.paths import StudyPaths
from ablate.plan import plan_study
from ablate.report.files import latex, markdown, write_report
from ablate.report.numbers import interval_text, p_text, rounded, spread_text
from ablate.report.records import study_record
from ablate.report.table import footnotes, table_rows
from ablate.report.terminal import print_report

NAN = math.nan
RESULTS = {1: [10.0, 12.0, 11.0], 2: [15.0, 17.1, 16.0], 3: [10.1, 11.9, 11.0], 4: [NAN, 9.0, NAN]}


def record(tmp_path, results=None, metric=None, **changes):
    """A study record of made-up results: one factor, three seeds; nan has failed."""
    results = RESULTS if results is None else results
    raw = {"factors": {"gain": list(results)}, "seeds": [1, 2, 3], **changes}
    plan = plan_study(toy_study(tmp_path, **raw))
    rows = {}
    for run in plan.runs:
        value = results[run.cell.labels["gain"]][run.seed - 1]
        status = {"status": "failed", "error_type": "ValueError", "error": "it | broke\n<b>"}
        if value == value:
            status = {"status": "ok", "score_best": value, "score_floor": 8.25, "seconds": 60.0}
        rows[run.run_id] = {"run_id": run.run_id, "run_name": run.run_name, **status}
    return study_record(plan, rows, metric)


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
    assert [p_text(p) for p in (0.0004, 0.0123, 1.0, NAN)] == ["< 0.001", "0.012", "1.000", "-"]


def test_rows_say_how_many_runs_stand_behind_them(tmp_path):
    rows = table_rows(record(tmp_path))
    assert [(row.labels, row.numbers[0], row.verdict) for row in rows] == [
        (["1"], "3/3", "baseline"), (["2"], "3/3", "better"), (["3"], "3/3", "within noise"),
        (["4"], "1/3", "not enough seeds"),
    ]  # fmt: skip
    assert rows[1].numbers[2] == "+5.03 [+4.82, +5.24]"
    notes = footnotes(record(tmp_path))
    assert notes[0] == "floor, training data against test data: 8.25"
    assert "differences below about 0.21 are noise to this study" in notes


def test_a_margin_makes_small_differences_equivalent(tmp_path):
    verdicts = [row.verdict for row in table_rows(record(tmp_path, margin=1.0))]
    assert verdicts == ["baseline", "better", "equivalent", "not enough seeds"]
    verdicts = [row.verdict for row in table_rows(record(tmp_path, margin=8.0))]
    assert verdicts[1] == "better, within margin"


def test_cells_that_are_still_to_be_run_have_not_failed(tmp_path):
    plan = plan_study(toy_study(tmp_path))
    verdicts = [row.verdict for row in table_rows(study_record(plan, {}))]
    assert verdicts == ["baseline", "not enough seeds"]


def test_markdown(tmp_path):
    text = markdown(record(tmp_path, question="Does *gain* <script> pay?"))
    lines = text.splitlines()
    assert lines[0] == "# Does \\*gain\\* &lt;script&gt; pay?"
    assert lines[2] == "score (higher is better), 3 seeds"
    assert (
        lines[4] == "| gain | ok/planned | mean ± sd | difference \\[95 %\\] | adj. p | verdict |"
    )
    assert lines[5] == "| --- | ---: | ---: | ---: | ---: | --- |"
    assert lines[6] == "| 1 | 3/3 | 11.0 ± 1.0 |  |  | baseline |"
    assert "- missing: gain=4-s1, failed: ValueError: it \\| broke" in lines
    assert {line.count(" | ") for line in lines[4:10]} == {5}


def test_latex(tmp_path):
    text = latex(record(tmp_path, question="50% of $x_1 & \\input{y}?"))
    assert "\\caption{50\\% of \\$x\\_1 \\& \\textbackslash{}input\\{y\\}? score" in text
    assert "    1 & 3/3 & 11.0 $\\pm$ 1.0 &  &  & baseline \\\\" in text
    assert "\\begin{tabular}{lrrrrl}" in text
    body = text.split("\\begin{table}")[1].split("\\end{table}")[1]
    assert all(line.startswith("% ") for line in body.strip().splitlines())


def test_files_are_written_beside_the_ledger(tmp_path):
    paths = StudyPaths(tmp_path)
    write_report(record(tmp_path), paths)
    assert (tmp_path / "report" / "table.md").read_text() == markdown(record(tmp_path))
    assert (tmp_path / "report" / "table.tex").read_text() == latex(record(tmp_path))


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_every_verdict_whole(tmp_path, width):
    with open("/dev/null", "w") as nowhere:
        console = Console(record=True, width=width, file=nowhere)
        print_report(record(tmp_path), console)
    text = console.export_text()
    for verdict in ("baseline", "better", "within noise", "not enough seeds"):
        assert verdict in text
    assert ("adj. p" in text) == (width > 100)
