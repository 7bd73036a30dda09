"""A row is enough: a section, a chart, a table and a note, added as CONTRIBUTING says."""

import re

import pytest
from reports import grid
from rich.console import Console
from studies import toy_study

from ablate.analysis.records import Note
from ablate.driver.wandb_table import table_message
from ablate.report.files import latex, markdown
from ablate.report.notes import NOTES
from ablate.report.output import write_report
from ablate.report.page import Section
from ablate.report.sections import SECTIONS
from ablate.report.tables import TABLES, TableRow, TextTable
from ablate.report.terminal import print_report
from ablate.stats.verdicts import Verdict, VerdictKind
from ablate.study_dir import StudyPaths

SEED_CHART = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "data": {"values": [{"seed": 1, "score": 2.0}, {"seed": 2, "score": 3.0}]},
    "mark": "point",
    "encoding": {"x": {"field": "seed", "type": "ordinal"},
                 "y": {"field": "score", "type": "quantitative"}},
}  # fmt: skip


def seed_section(record, history):
    """A section of the report, with a chart."""
    yield Section(
        "Seeds side by side", [("seeds", SEED_CHART)], text=f"{len(record.seeds)} of them"
    )


def seed_table(record):
    """A table of the report."""
    rows = [
        TableRow(labels=[f"seed <{seed}>"], numbers=["7"], verdict=Verdict(VerdictKind.EQUIVALENT))
        for seed in record.seeds
    ]
    notes = [Note("each seed stands for itself")]
    yield TextTable(title="By seed", labels=["seed"], numbers=["runs"], rows=rows, notes=notes)


def written(tmp_path, record):
    paths = StudyPaths(tmp_path / "study")
    paths.root.mkdir()
    assert write_report(record, paths) == []
    return paths.report


def shown(record):
    console = Console(record=True, width=200)
    print_report(record, console)
    return console.export_text()


def test_a_section_and_a_chart(tmp_path, monkeypatch):
    rows = {"seeds": seed_section, **SECTIONS}
    monkeypatch.setattr("ablate.report.sections.SECTIONS", rows)
    folder = written(tmp_path, grid(tmp_path))
    page = (folder / "index.html").read_text("utf-8")
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles.index("Seeds side by side") == titles.index("Differences") - 1
    assert '<figure id="seeds" aria-label="Seeds side by side">' in page
    assert "4 of them" in page
    assert {path.suffix for path in folder.glob("figures/seeds.*")} == {".svg", ".pdf"}


def test_a_section_with_nothing_to_show_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setitem(SECTIONS, "empty", lambda record, history: [Section("Nothing", [])])
    page = (written(tmp_path, grid(tmp_path)) / "index.html").read_text("utf-8")
    assert "Nothing</h2>" not in page


@pytest.mark.parametrize("own_section", [False, True])
def test_a_table(tmp_path, monkeypatch, own_section):
    """Once in each output; on the page where its section is, or else after them."""
    monkeypatch.setitem(TABLES, "seeds", seed_table)
    if own_section:

        def section(record, history):
            return [Section("Of seeds", [], table) for table in seed_table(record)]

        monkeypatch.setitem(SECTIONS, "seeds", section)
    record = grid(tmp_path)
    folder = written(tmp_path, record)
    page = (folder / "index.html").read_text("utf-8")
    assert page.count(">seed &lt;1&gt;</td>") == 1
    assert ("<h2>Of seeds</h2>" in page, "<h2>By seed</h2>" in page) == (
        own_section,
        not own_section,
    )
    assert "| seed &lt;1&gt; | 7 | equivalent |" in (folder / "table.md").read_text("utf-8")
    assert r"seed \textless{}1\textgreater{} & 7 & equivalent \\" in latex(record)
    text = shown(record)
    assert "By seed" in text
    assert "seed <1>" in text
    assert text.count("each seed stands for itself") == 1


def test_a_table_in_the_trackers(tmp_path, monkeypatch):
    monkeypatch.setitem(TABLES, "seeds", seed_table)
    record = grid(tmp_path)
    paths = StudyPaths(tmp_path)
    paths.uid.write_text("0" * 32, encoding="utf-8")
    message = table_message(record, toy_study(tmp_path), paths)
    [table] = [t for name, t in message.end.tables.items() if name.endswith("By seed")]
    assert table.columns == ["seed", "runs", "verdict"]


def test_a_note(tmp_path, monkeypatch):
    monkeypatch.setitem(
        NOTES, "blocks", lambda metric, whole: [Note(f"{metric.name} <is> one of its kind", whole)]
    )
    record = grid(tmp_path)
    folder = written(tmp_path, record)
    page = (folder / "index.html").read_text("utf-8")
    assert re.search(r'<li class="caution">.*score &lt;is&gt; one of its kind</li>', page)
    assert "score &lt;is&gt; one of its kind" in markdown(record)
    assert "score <is> one of its kind" in (folder / "table.tex").read_text("utf-8")
    assert "score <is> one of its kind" in shown(record)
