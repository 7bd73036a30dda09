"""Which columns of a table a terminal shows, and that files and pipes get all of it."""

import io
import sys

import pytest
from reports import NAN, RESULTS, record, rows_of
from rich.cells import cell_len
from rich.console import Console
from studies import toy_study

from ablate.analysis.build import study_record
from ablate.plan.plan import plan_study
from ablate.process.screen import standard_output
from ablate.report.columns import Column, Folds, Leaves, fitting_columns
from ablate.report.tables import metric_table
from ablate.report.terminal import print_report

LONG = [f"an-ingredient-with-a-long-name-{n}" for n in (1, 2)]


def shown(found, width=80):
    console = Console(file=io.StringIO(), width=width)
    print_report(found, console)
    return console.file.getvalue()


def of_factors(tmp_path, factors, value=None, **changes):
    changes = {"base": {}, "seeds": [1, 2, 3], **changes}
    plan = plan_study(toy_study(tmp_path, factors=factors, **changes))
    noise = iter([10 + 0.01 * ((7 * n) % 5) for n in range(100)])
    return study_record(plan, rows_of(plan, value or (lambda labels, seed: next(noise))))


@pytest.mark.parametrize(
    "factors",
    [
        {"what": LONG, "steps": [50], "batch": ["small", "large"]},
        {"模型": ["变分自编码器", "扩散模型 大号"], "数据": ["全部数据", "一半"], "steps": [50]},
        {"a-long-factor": LONG, "another-one": LONG, "a-third-one": ["x", "y"]},
    ],
)
@pytest.mark.parametrize("width", [80, 100])
def test_means_and_verdicts_stay(tmp_path, factors, width):
    found = of_factors(tmp_path, factors)
    text = shown(found, width)
    lines = text.splitlines()
    table = metric_table(found, found.metric)
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for row in table.rows:
        assert any(row.numbers[1] in line for line in lines), row.numbers[1]
        assert any(row.numbers[1] in line and row.verdict.text in line for line in lines)
    first = next(n for n, line in enumerate(lines) if line.startswith(table.title.split(",")[0]))
    last = lines.index("", first)
    assert max(map(cell_len, lines[first:last])) <= width


def test_what_is_the_same_in_every_row_is_said_once(tmp_path):
    factors = {
        "模型": ["变分自编码器", "扩散模型 大号"],
        "数据": ["全部数据", "一半"],
        "steps": [50],
    }
    found = of_factors(tmp_path, factors)
    narrow, wide = shown(found, 80), shown(found, 120)
    assert narrow.count("every row: steps 50\n") == 1
    [header] = [line for line in narrow.splitlines() if "verdict" in line and "mean ± sd" in line]
    assert header.split()[:2] == ["模型", "数据"]
    assert "every row" not in wide
    assert "ok/planned" in wide


@pytest.mark.parametrize("results", [{n: [NAN] * 3 for n in (1, 2, 3)}, {1: [10.0, 12.0, 11.0]}])
def test_failed_cells_and_one_cell_have_their_counts_and_means(tmp_path, results):
    """A mean that is missing in each row is none that could go, nor is a lone row a repetition."""
    text = shown(record(tmp_path, results), 60)
    assert "every row" not in text
    assert "ok/planned" in text
    assert "mean ± sd" in text
    assert text.count("0/3") + text.count("3/3") >= len(results)


def test_p_goes_before_labels_fold_and_intervals_last():
    columns = [
        Column(title="cell", texts=["a" * 30, "b"], folds=Folds.LABEL, may_be_told=True),
        Column(title="ok", texts=["3/3", "1/1"], leaves=Leaves.COUNT, may_be_told=True),
        Column(title="mean", texts=["1.00", "2.00"]),
        Column(title="difference [95 %]", texts=["", "+0.28 [+0.16, +0.39]"],
               folds=Folds.DIFFERENCE, leaves=Leaves.DIFFERENCE),
        Column(title="adj. p", texts=["", "0.010"], leaves=Leaves.P),
        Column(title="verdict", texts=["baseline", "better"], folds=Folds.VERDICT),
    ]  # fmt: skip
    whole = {0: 30, 1: 3, 2: 4, 3: 20, 4: 6, 5: 8}
    assert fitting_columns(columns, 81).widths == whole
    assert fitting_columns(columns, 80).widths == {n: whole[n] for n in (0, 1, 2, 3, 5)}
    assert set(fitting_columns(columns, 72).widths) == {0, 2, 3, 5}
    assert fitting_columns(columns, 60).widths == {0: 22, 2: 4, 3: 20, 5: 8}
    assert fitting_columns(columns, 50).widths == {0: 16, 2: 4, 3: 16, 5: 8}
    assert fitting_columns(columns, 40).widths == {0: 24, 2: 4, 5: 8}
    for width in range(28, 90):
        fitting = fitting_columns(columns, width)
        assert sum(fitting.widths.values()) + 2 * (len(fitting.widths) - 1) <= width


@pytest.mark.parametrize(("told", "width"), [(None, None), ("90", 90), ("wide", None)])
def test_a_pipe_gets_every_column_of_a_table_in_one_line(tmp_path, monkeypatch, told, width):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    if told is not None:
        monkeypatch.setenv("COLUMNS", told)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    found = record(tmp_path, {f"{LONG[0] * 9} {n}": results for n, results in RESULTS.items()})
    console = standard_output()
    print_report(found, console)
    lines = sys.stdout.getvalue().splitlines()
    rows = [row.texts for row in metric_table(found, found.metric).rows]
    whole = [row for row in rows if any(all(text in line for text in row) for line in lines)]
    if width is None:
        assert whole == rows
    else:
        assert console.width == width
        assert whole == []
