"""A study that trains while a browser shows it, and the same page once it is a file."""

import pytest
from browser import CHROMIUM, Page
from slow_study import SlowStudy
from studies import wait_for

from ablate.cli.main import main
from ablate.watch.page import HERE, SCRIPTS
from ablate.watch.server import Server
from ablate.watch.storage import Storage

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
)
DRAWN = "[...document.querySelectorAll('.lines path')].map(path => path.getAttribute('d').length)"
TOLD = """[...document.querySelectorAll('h1, .summary, .grid th, .grid button, .lines path')]
  .map(element => element.getAttribute('aria-label') ?? element.textContent)"""
AXES = "[...document.querySelectorAll('.axes text')].map(text => text.textContent)"
STATE = "document.querySelector('.state strong').textContent"


CHART = "\n".join((HERE / name).read_text("utf-8") for name in SCRIPTS[:3])
ENORMOUS = """
  const chart = new Chart(document.createElement('div'), () => 0);
  chart.runOf = () => null;
  chart.set('a', 0, [[1e17, 1.7e308], [1e17 + 32, -1.7e308]]);
  const scale = chart.scaled(600);
  const places = [scale.toX(1e17 + 32), scale.toY(1.7e308), scale.toY(-1.7e308)];
  chart.set('b', 0, [[Infinity, 1]]);
  return [places.every(Number.isFinite), places[1] < places[2], chart.axesOf(scale, 600).length > 8,
    ticks(...scale.x, 6).length, ticks(0, 10, 5), ticks(0, .3, 3), chart.scaled(600)];
"""

LOOKS = """
  const looks = new Looks();
  const cells = [...Array(40).keys()].map(cell => [cell, cell % 20 + cell / 100]);
  const look = cell => Object.values(looks.of(cell));
  const told = () => cells.map(([cell]) => [cell, ...look(cell)])
    .filter(([_, hue]) => hue !== 'muted');
  looks.rank(15, cells);
  const few = new Set(cells.slice(0, 15).map(([cell]) => look(cell).join(' '))).size;
  looks.rank(40, cells, 0);
  const many = told();
  cells[19][1] = -1;
  looks.rank(40, cells, 100);
  const soon = told();
  looks.rank(40, cells, 6000);
  return [few, many, JSON.stringify(soon) === JSON.stringify(many), told()];
"""
LOW, HIGH = [0, 1, 2, 20, 21], [18, 19, 37, 38, 39]
"""Of 40 cells those that end lowest, and highest."""


def focused(page):
    return page.js("document.activeElement.getAttribute('aria-label')")


def test_what_trains_is_seen_at_once_by_mouse_and_keyboard_and_kept_as_a_file(tmp_path, capsys):
    (tmp_path / "studies").mkdir()
    server = Server(Storage.of(tmp_path / "studies"), "127.0.0.1", 0)
    with server.serving(), Page() as page:
        page.visit(server.url)
        wait_for(lambda: "No studies yet" in page.js("document.body.innerText"))
        marks = [3, [0, 2, 4, 6, 8, 10], [0, 0.1, 0.2, 0.3]]
        assert page.js(f"(() => {{{CHART}{ENORMOUS}}})()") == [True, True, True, *marks, None]
        few, many, is_same, later = page.js(f"(() => {{{CHART}{LOOKS}}})()")
        assert (few, is_same) == (15, True)
        assert [(cell, bool(dash)) for cell, _, dash in many] == sorted(
            [(cell, False) for cell in LOW] + [(cell, True) for cell in HIGH]
        )
        assert len({(hue, dash) for _, hue, dash in many}) == 10
        stays = [look for look in many if look[0] not in (2, 19)]
        assert [look for look in later if look in many] == stays, "who stays keeps its look"
        assert {cell for cell, _, _ in later} == {*LOW, *HIGH, 17} - {2}
        slow = SlowStudy(tmp_path, "--local")
        wait_for(lambda: page.js("document.querySelectorAll('.studies tbody tr').length"))
        page.visit(page.js("document.querySelector('.studies a').href"))
        wait_for(lambda: page.js(DRAWN))
        first = page.js(DRAWN)
        wait_for(lambda: page.js(DRAWN)[0] > first[0])  # no reload: points arrive
        assert page.js(STATE).startswith("▶ slow: running, process")
        assert page.js("document.querySelector('.running tbody tr').innerText").startswith("gain=1")
        page.js("document.getElementById('log').focus()")
        page.press("Tab")
        assert focused(page).startswith("gain=1, seed 1: running")
        wait_for(
            lambda: page.js("document.querySelectorAll('.has-lit .lines path.lit').length") == 1
        )
        page.press("ArrowDown")
        assert focused(page) == "gain=2, seed 1: waiting"
        page.press("ArrowUp")
        page.press("Enter")
        log = "document.querySelector('.drawer:not([hidden]) .log')?.textContent"
        wait_for(lambda: "step 1 total 2.0" in (page.js(log) or ""))
        page.press("Escape")
        assert page.js("document.querySelector('.drawer').hidden")
        slow.enough.touch()
        wait_for(lambda: page.js(STATE) == "✓ slow: done")
        wait_for(
            lambda: page.js("document.querySelector('.summary').textContent") == "2 of 2 runs done"
        )
        assert len(page.js(DRAWN)) == 2
        seen, axes = page.js(TOLD), page.js(AXES)
        requests = [url for url in page.requests if not url.startswith("data:")]
        assert {url.split("/")[2] for url in requests} == {f"127.0.0.1:{server.port}"}
        slow.process.kill()  # it makes its report, which is made here, too
        slow.process.wait()
        assert main(["report", str(slow.root), "--metric", "score", "--with-curves"]) == 0
        assert "runs and curves: " in capsys.readouterr().out
        page.visit("about:blank")
        page.requests.clear()
        page.open(slow.root / "report" / "study.html")
        wait_for(lambda: page.js(AXES))
        assert (page.js(TOLD), page.js(AXES)) == (seen, axes)
        page.js("document.querySelector('.grid button').click()")
        assert "score_final" in page.js("document.querySelector('.drawer').innerText")
        assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
        assert "\n".join(page.paper()) == ""
        shown = "getComputedStyle(document.querySelector('.drawer')).position"
        assert page.js(shown) == "static", "the picked run is printed, too"
        assert page.errors == []
