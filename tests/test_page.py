"""The report as a page: opened in a browser, where there is one."""

import json
import math
import re

import pytest
from browser import CHROMIUM, Page
from reports import grid, record

from ablate.history import History
from ablate.paths import StudyPaths
from ablate.report.output import write_report

HOSTILE = "<script>document.title = 'owned'</script>"


def written(tmp_path, found):
    """The report's folder, with curves in the history."""
    paths = StudyPaths(tmp_path)
    paths.history.mkdir(parents=True, exist_ok=True)
    history = History(paths)
    for run in found.runs:
        points = [(s, {"val_loss": 1 / s + 0.01 * run.seed + 0.1 * run.cell}) for s in range(1, 9)]
        history.append(run.run_id, points)
        history.finish(run.run_id)
    write_report(found, paths)
    return paths.report


def test_tables_page_and_figures_are_written(tmp_path):
    folder = written(tmp_path, grid(tmp_path))
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    charts = {"forest", "factors", "pair-a-b", "curves", "run-times"}
    figures = {f"figures/{name}.{kind}" for name in charts for kind in ("svg", "pdf")}
    assert names == {"index.html", "table.md", "table.tex", *figures}
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


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)")
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
        page.hover("#forest .mark-symbol path[aria-label]")
        tooltip = page.js("document.querySelector('#vg-tooltip-element.visible')?.innerText")
        assert "adjusted" in tooltip
        page.js("document.querySelector('.log').click()")
        page.js("window.charts.then(() => 0)")
        assert page.errors == []
        page.screenshot(tmp_path / f"{scheme}.png")
