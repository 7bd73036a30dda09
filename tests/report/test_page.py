"""The report as a page: opened in a browser, where there is one."""

import json
import math
import re

import pytest
from browser import CHROMIUM, Page
from reports import grid, record, rows_of
from studies import toy_study

from ablate.analysis.build import study_record
from ablate.ledger.history import History
from ablate.plan.plan import plan_study
from ablate.report.charts.factors import interaction
from ablate.report.charts.theme import COLOURS, contrast
from ablate.report.output import write_report
from ablate.study_dir import StudyPaths

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
)
INK = "rgb(27, 31, 36)"  # on light ground
HOSTILE = "<script>document.title = 'owned'</script>"


def written(tmp_path, found, shift=0.0):
    """The report's folder, with curves in the history."""
    paths = StudyPaths(tmp_path)
    paths.history.mkdir(parents=True, exist_ok=True)
    history = History(paths)
    for run in found.runs:
        points = [
            (s, {"val_loss": 1 / s + 0.01 * run.seed + 0.1 * run.cell + shift}) for s in range(1, 9)
        ]
        history.append(run.run_id, points)
        history.finish(run.run_id)
    write_report(found, paths)
    return paths.report


def test_tables_page_and_figures_are_written(tmp_path):
    folder = written(tmp_path, grid(tmp_path))
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    charts = {"forest", "factors", "pair-a-b", "curves", "run-times"}
    figures = {f"figures/{name}.{kind}" for name in charts for kind in ("svg", "pdf")}
    texts = {"index.html", "table.md", "table.tex", "paper.tex", "methods.tex"}
    assert names == texts | figures
    for name in figures:
        content = (folder / name).read_bytes()
        assert content.startswith(b"<svg" if name.endswith("svg") else b"%PDF")
        assert b"var(--" not in content
    text = (folder / "index.html").read_text()
    assert not re.search(r"(src|href)=[\"']?https?:", text)


def test_what_users_wrote_is_text(tmp_path):
    results = {HOSTILE: [1.0, 2.0, 3.0], "b": [2.0, 3.0, math.nan]}
    found = record(tmp_path, results, question=HOSTILE, baseline={"gain": "b"})
    text = (written(tmp_path, found) / "index.html").read_text()
    assert HOSTILE not in text
    assert "&lt;script&gt;document.title" in text
    specs = re.findall(r'<script type="application/json">(.*?)</script>', text, flags=re.S)
    assert any(HOSTILE in json.dumps(json.loads(spec)) for spec in specs)


def test_heat_maps_show_what_the_runs_tell_on_one_scale(tmp_path):
    factors = {"flow": ["i", "s"], "gamma": [0.0, 0.1], "b": ["x", "y"]}
    plan = plan_study(
        toy_study(tmp_path, factors=factors, when={"gamma": {"flow": "s"}}, seeds=[1, 2, 3])
    )
    noise = iter([0.1 * ((7 * n) % 5) for n in range(18)])

    def value(labels, seed):
        return (labels["b"] == "y") * (10 if labels["flow"] == "i" else 1) + next(noise)

    found = study_record(plan, rows_of(plan, value))
    [block] = found.metric.blocks
    maps = [interaction(found.metric, block, number) for number in range(3)]
    assert maps[0] is None  # gamma has levels in one flow alone
    flow, gamma = maps[1:]
    assert flow["title"]["subtitle"][1].startswith("adj. p ")
    assert "within noise" not in flow["title"]["subtitle"][1]
    assert gamma["title"]["subtitle"][1].endswith(", within noise")
    most = max(abs(row["effect"]) for row in flow["datasets"]["rows"])
    for spec in (flow, gamma):
        scales = [layer["encoding"]["color"]["scale"]["domain"] for layer in spec["layer"]]
        assert scales == [[-most, most]] * 2


@pytest.mark.parametrize("name", ["ink", "muted", "blue", "caution", "alarm"])
def test_text_stands_out_from_every_ground(name):
    for ground in ("paper", "panel"):
        for tone, under in zip(COLOURS[name], COLOURS[ground], strict=True):
            assert contrast(tone, under) >= 4.5  # WCAG 2.2, level AA


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_draws_it_without_errors_or_requests(tmp_path, scheme):
    folder = written(tmp_path, grid(tmp_path, question=HOSTILE))
    with Page() as page:
        page.scheme(scheme)
        page.open(folder / "index.html")
        assert page.errors == []
        assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
        assert page.js("document.title") == "toys: ablation report"
        assert page.js("document.querySelectorAll('figure svg').length") == 5
        assert page.js("document.querySelectorAll('#forest svg .mark-symbol path').length") >= 5
        ground = page.js("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}[scheme]
        page.js("document.querySelectorAll('details').forEach(part => part.open = true)")
        page.hover("#forest .mark-symbol path[aria-label]")
        tooltip = page.js("document.querySelector('#vg-tooltip-element.visible')?.innerText")
        assert "adjusted" in tooltip
        for name in ("role", "aria-label"):
            assert page.js(f"document.querySelectorAll('figure svg[{name}]').length") == 5
        label = page.js("document.querySelector('#forest svg').getAttribute('aria-label')")
        assert label.startswith("score against the baseline. Simultaneous")
        page.js("document.querySelector('.log').click()")
        page.js("window.charts.then(() => 0)")
        assert page.errors == []
        page.screenshot(tmp_path / f"{scheme}.png")
        page.js("document.querySelectorAll('details').forEach(part => part.open = false)")
        assert "\n".join(page.paper()) == ""
        assert page.js("getComputedStyle(document.body).color") == INK


@needs_chromium
def test_a_logarithm_is_offered_of_positive_values_alone(tmp_path):
    with Page() as page:
        for shift, is_hidden in ((0.0, False), (-0.5, True)):
            folder = tmp_path / str(shift)
            page.open(written(folder, grid(folder), shift) / "index.html")
            assert page.js("document.querySelector('.log-y').hidden") == is_hidden
