"""Cells that are compared with none, since the design lacks their partners."""

import io

import pytest
from reports import rows_of
from rich.console import Console
from studies import toy_study

from ablate.analysis.build import study_record
from ablate.plan.plan import plan_study
from ablate.report.dots import REFERENCE, dots
from ablate.report.files import latex, markdown
from ablate.report.methods import methods
from ablate.report.paper import paper
from ablate.report.strips import strips
from ablate.report.tables import metric_table
from ablate.report.terminal import print_report

FACTORS = {"aug": ["none", "mix", "cut"], "net": ["mlp", "unet", "vit"]}
BASELINE = {"aug": "none"}
ALONE = ["aug=mix, net=unet", "aug=cut, net=unet"]
WHY = "there is no cell with the baseline's levels that is otherwise the same"


@pytest.fixture
def found(tmp_path):
    """Of `unet` there is no cell without augmentation; its results are far from all others."""
    raw = {"baseline": BASELINE, "exclude": [{"aug": "none", "net": "unet"}]}
    plan = plan_study(toy_study(tmp_path, factors=FACTORS, seeds=[1, 2, 3], **raw))
    noise = iter([((7 * n) % 11) / 10 for n in range(24)])
    return study_record(plan, rows_of(plan, lambda c, s: 9 * (c["net"] == "unet") + next(noise)))


def test_no_bar_marks_a_mean_that_they_are_compared_with(found):
    cells = found.metric.cells
    assert [cell.name for cell in found.metric.alone] == ALONE
    lines, pictures = dots(found.metric), strips(found.metric, found.seeds)
    for cell, line, picture in zip(cells, lines, pictures, strict=True):
        if cell.name in ALONE:
            assert REFERENCE not in line
        assert ("<line" in picture) == (cell.name not in ALONE)


def test_every_output_says_why(found):
    console = Console(file=io.StringIO(), width=400)
    print_report(found, console)
    assert f"not compared: {'; '.join(ALONE)}: {WHY}" in console.file.getvalue()
    for text in (markdown(found), latex(found), methods(found)):
        assert WHY in text
        assert "each cell against aug=none" in text or "compared with aug=none" in text
    told = "aug=none, all else equal; 2 cells have no partner"
    for text in (metric_table(found, found.metric).title, methods(found), paper(found)):
        assert told in " ".join(text.split())


def test_pairs_have_no_column_of_what_they_are_compared_with(tmp_path):
    plan = plan_study(toy_study(tmp_path, factors=FACTORS, compare="pairs", baseline=BASELINE))
    noise = iter([((7 * n) % 11) / 10 for n in range(18)])
    found = study_record(plan, rows_of(plan, lambda c, s: next(noise)))
    assert "against" not in metric_table(found, found.metric).labels
    assert found.metric.alone == []
    assert "- each seed: ● runs, all rows on one scale" in markdown(found)
