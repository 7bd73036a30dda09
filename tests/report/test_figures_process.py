"""Figures are drawn in a process of their own: what it dies of is named, and costs one figure."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from browser import CHROMIUM, Page
from reports import grid, record, rows_of
from studies import toy_study

from ablate.analysis.build import study_record
from ablate.cli.run import build_parser, run_command
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.plan.plan import plan_study
from ablate.report import renderer as renderers
from ablate.report.output import prepare_report, write_report
from ablate.report.renderer import NotDrawnError, Renderer
from ablate.study_dir import StudyPaths

POINT = {"data": {"values": [{"a": 1}]}, "mark": "point"}
DEADLY = """
import os
from ablate.report import figures

answer = figures.answer

def answer_or_die(request):
    return os.abort() if "against the baseline" in str(request) else answer(request)

figures.answer = answer_or_die
figures.main()
"""


def figures_of(folder):
    return {path.name for path in (folder / "report" / "figures").glob("*")}


@pytest.fixture
def deadly(monkeypatch):
    """A renderer that dies of forest plots."""
    monkeypatch.setattr(renderers, "COMMAND", (sys.executable, "-c", DEADLY))


def test_a_figure_that_kills_the_renderer_is_named_and_the_others_are_drawn(tmp_path, deadly):
    undrawn = write_report(grid(tmp_path), StudyPaths(tmp_path))
    assert undrawn == ["figure forest: the renderer crashed (SIGABRT)"]
    assert figures_of(tmp_path) == {
        f"{name}.{kind}" for name in ("factors", "pair-a-b", "run-times") for kind in ("svg", "pdf")
    }
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert "figure forest: the renderer crashed (SIGABRT)" in page
    assert (tmp_path / "report" / "table.tex").exists()


def test_the_terminal_names_what_was_not_drawn(tmp_path, monkeypatch, console, deadly):
    study = toy_study(tmp_path, trainable="toy:Noisy", base={}, seeds=[1, 2, 3])
    execute(study, Options(local=True), console)
    arguments = build_parser().parse_args(["--resume", str(study.directory), "--local"])
    assert run_command(arguments, console) == 0
    assert "not drawn: figure forest: the renderer crashed (SIGABRT)" in console.export_text()


def test_what_cannot_be_drawn_is_no_crash(tmp_path):
    with Renderer() as renderer:
        with pytest.raises(NotDrawnError, match=r"\w"):
            renderer.draw({"mark": {"type": 5}, "data": "no"})
        assert renderer.draw(POINT).pdf.startswith(b"%PDF")


def test_a_signal_to_every_process_leaves_it_drawing():
    with Renderer() as renderer:
        renderer.draw(POINT)
        for number in (signal.SIGTERM, signal.SIGUSR1):
            os.kill(renderer._process.pid, number)
        assert renderer.draw(POINT).pdf.startswith(b"%PDF")


def test_a_renderer_that_dies_while_it_waits_is_started_again():
    with Renderer() as renderer:
        renderer.draw(POINT)
        os.kill(renderer._process.pid, signal.SIGKILL)
        renderer._process.wait()
        with pytest.raises(NotDrawnError, match="SIGKILL"):
            renderer.draw(POINT)
        assert renderer.draw(POINT).svg.startswith("<svg")


def test_a_figure_has_its_time(monkeypatch):
    with Renderer() as renderer:
        renderer.draw(POINT)
        monkeypatch.setattr(renderers, "TIME_LIMIT_S", 0.0)
        with pytest.raises(NotDrawnError, match="took more than 0 s"):
            renderer.draw({**POINT, "data": {"values": [{"a": n} for n in range(20_000)]}})


def test_a_renderer_that_cannot_be_started_costs_the_figures_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(renderers, "COMMAND", ("/nowhere/python",))
    undrawn = write_report(grid(tmp_path), StudyPaths(tmp_path))
    assert any("figure factors: the renderer cannot be started" in told for told in undrawn)
    assert (tmp_path / "report" / "index.html").exists()


REPORT = """
import sys
from pathlib import Path
from pathlib import Path
from reports import grid
from ablate.study_dir import StudyPaths
from ablate.report.output import write_report

folder = Path(sys.argv[1])
undrawn = write_report(grid(folder), StudyPaths(folder))
(folder / "undrawn").write_text("\\n".join(undrawn), "utf-8")
"""


@pytest.mark.parametrize(
    ("lacking", "undrawn"), [("ulimit -v 4000000", 4), ("exec 0<&-", 0), ("exec 2>&-", 0)]
)
def test_a_report_is_made_whatever_the_renderer_lacks(tmp_path, lacking, undrawn):
    """A small address space, no standard input, no standard error."""
    path = os.pathsep.join([os.environ["PYTHONPATH"], str(Path(__file__).parents[2])])
    command = f'{lacking}; exec "$0" -c "$1" "$2"'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, REPORT, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = (tmp_path / "undrawn").read_text("utf-8").splitlines()
    assert len([line for line in told if line.startswith("figure ")]) == undrawn
    assert len(figures_of(tmp_path)) == 8 - 2 * undrawn
    assert "toys" in (tmp_path / "report" / "index.html").read_text("utf-8")
    assert (tmp_path / "report" / "table.md").exists()


@pytest.mark.parametrize(
    "name", ["a\\b", "a\\", "\\u0041", "x#", "a\x1bb\n", "caf\udce9", "var(--none)", "\ufffe",
             "'\"`", "${x}", "datum.value", "x" * 300]
)  # fmt: skip
def test_any_name_of_levels_factors_and_metrics_is_drawn(tmp_path, name):
    noise = {name: [1.0, 2.0, 4.0], f"other {name[:20]}": [2.0, 3.5, 3.0]}
    found = record(tmp_path, noise)
    renamed = grid_of(tmp_path, name)
    for number, each in enumerate((found, renamed)):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert write_report(each, StudyPaths(folder)) == []
        drawn = "".join(path.read_text("utf-8") for path in folder.rglob("*.svg"))
        assert not re.search("[\x00-\x08\x0b-\x1f]", drawn)


def grid_of(tmp_path, name):
    """Two factors and a metric of a name."""
    factors = {name: [1, 2, 3], f"b {name}"[:200]: ["x", "y"]}
    plan = plan_study(toy_study(tmp_path, metric=f"{name} m", factors=factors, seeds=[1, 2, 3]))
    noise = iter([0.01 * ((7 * n) % 5) for n in range(18)])
    rows = rows_of(plan, lambda labels, seed: seed + labels[name] + next(noise))
    for row in rows.values():
        if row["status"] == "ok":
            row[f"{name} m_best"] = row.pop("score_best")
    return study_record(plan, rows)


def test_charts_of_factors_that_files_cannot_tell_apart_are_all_kept(tmp_path):
    factors = {"a b": [1, 2], "a_b": ["x", "y"], "c" * 200: [1, 2], "c" * 201: [1, 2]}
    plan = plan_study(toy_study(tmp_path, factors=factors, seeds=[1, 2, 3]))
    noise = iter([0.01 * ((7 * n) % 5) for n in range(48)])
    found = study_record(plan, rows_of(plan, lambda labels, seed: seed + next(noise)))
    assert write_report(found, StudyPaths(tmp_path)) == []
    pairs = [path for path in figures_of(tmp_path) if path.startswith("pair-")]
    assert len(pairs) == 2 * 6
    assert max(map(len, pairs)) < 120


def test_a_prepared_renderer_is_the_one_that_draws(tmp_path, kept_renderer):
    kept_renderer.undo()  # it ends with the report, as users' do
    with Renderer() as renderer:
        prepare_report(renderer)
        process = renderer._process
        assert write_report(grid(tmp_path), StudyPaths(tmp_path), renderer) == []
        assert renderer._process is process
    assert process.poll() is not None


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)")
def test_a_browser_draws_any_names_without_errors(tmp_path):
    found = grid_of(tmp_path, "a\\b\x1b\n")
    write_report(found, StudyPaths(tmp_path))
    with Page() as page:
        page.open(tmp_path / "report" / "index.html")
        assert page.errors == []
        assert page.js("document.querySelectorAll('figure svg').length") == 4
        page.js("document.querySelectorAll('details').forEach(part => part.open = true)")
        page.hover("#forest .mark-symbol path[aria-label]")
        tooltip = page.js("document.querySelector('#vg-tooltip-element.visible')?.innerText")
        assert re.search(r"cell\ta\\b\\x1b\\n=\d, b", tooltip)
