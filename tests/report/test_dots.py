"""A dot a seed, as text: in a wide terminal and in Markdown."""

import io

import pytest
from reports import NAN, RESULTS, record
from rich.console import Console

from ablate.report.dots import DOT, EMPTY, PLACES, REFERENCE, dots, meaning
from ablate.report.files import latex, markdown
from ablate.report.terminal import print_report


def printed(found, width):
    console = Console(file=io.StringIO(), width=width)
    print_report(found, console)
    return console.file.getvalue()


def test_each_seed_stands_on_one_scale_beside_its_baselines_mean(tmp_path):
    lines = dots(record(tmp_path, {1: [0.0, 10.0, 20.0], 2: [30.0, 30.0, NAN]}).metric)
    assert [len(line) for line in lines] == [PLACES] * 2
    assert [n for n, mark in enumerate(lines[0]) if mark == DOT] == [0, 5, 10]
    assert [n for n, mark in enumerate(lines[1]) if mark == DOT] == [15]
    assert lines[1][5] == REFERENCE
    assert lines[1].count(EMPTY) == PLACES - 2


@pytest.mark.parametrize(
    ("results", "marks"),
    [
        ({1: [NAN] * 3, 2: [NAN] * 3}, []),
        ({1: [1e308, -1e308, 0.0], 2: [0.0, 1.0, 2.0]}, []),
        ({1: [0.7] * 3}, [(1, 0)]),
        ({1: [1.0, 2.0, 3.0], 2: [NAN] * 3}, [(3, 0), (0, 1)]),
    ],
)
def test_what_has_no_scale_or_no_run_has_no_dots(tmp_path, results, marks):
    lines = dots(record(tmp_path, results).metric)
    assert [(line.count(DOT), line.count(REFERENCE)) for line in lines] == marks


def test_pairs_have_no_baseline_to_mark(tmp_path):
    lines = dots(record(tmp_path, compare="pairs").metric)
    assert DOT in lines[0]
    assert REFERENCE not in "".join(lines)
    assert "baseline" not in meaning(lines)


@pytest.mark.parametrize("width", [80, 99, 110])
def test_a_wide_terminal_has_them_with_their_meaning(tmp_path, width):
    found = record(tmp_path, RESULTS)
    text = printed(found, width)
    assert (DOT in text) == (meaning(dots(found.metric)) in text) == (width >= 100)
    assert "mean ± sd" in text


def test_markdown_has_them_and_latex_has_not(tmp_path):
    found = record(tmp_path, RESULTS)
    lines = dots(found.metric)
    text = markdown(found)
    assert all(f"| `{line}` |" in text for line in lines)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows[: len(lines) + 2]}) == 1
    assert f"- {meaning(lines)}" in text
    assert DOT not in latex(found)
