"""The page on a phone: nothing that decides is beyond the edge."""

import re

import pytest
from browser import CHROMIUM, Page
from reports import NAN, RESULTS, grid, null_grid, record

from ablate.report.charts.factors import interaction
from ablate.report.charts.forest import forest
from ablate.report.charts.theme import STEPS, colour
from ablate.report.page import page as page_of
from ablate.report.renderer import Renderer

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
)
BOXES = """[...document.querySelectorAll(%r)].map(element => {
  const box = element.getBoundingClientRect(); return [box.left, box.right, box.width]})"""


@needs_chromium
def test_answer_and_verdicts_are_on_the_screen_at_420_px(tmp_path):
    long = {f"{'变分自编码器' * n}{'x' * 90} {n}": values for n, values in RESULTS.items()}
    studies = {
        "lost": record(tmp_path, RESULTS), "long": record(tmp_path, long), "grid": grid(tmp_path),
        "failed": record(tmp_path, {1: [NAN] * 3, 2: [NAN] * 3}),
        "one": record(tmp_path, {1: [1.0, 2.0, 3.0]}),
    }  # fmt: skip
    with Page(width=420) as page:
        for name, found in studies.items():
            file = tmp_path / f"{name}.html"
            file.write_text(page_of(found, [], ""), encoding="utf-8")
            page.open(file)
            page.js("document.querySelectorAll('details').forEach(part => part.open = true)")
            boxes = page.js(BOXES % "td:last-child, .answer p, td.number:not(:empty)")
            assert len(boxes) > len(found.metric.cells), name
            for left, right, width in boxes:
                assert 0 <= left < right <= 420, name
                assert width > 0
            assert page.js("document.documentElement.scrollWidth") == 420
            texts = page.js("document.querySelector('.first tbody').innerText")
            assert "mean ± sd" in page.js(
                "getComputedStyle(document.querySelectorAll('td.number')[1], '::before').content"
            )
            assert all(cell.comparison.verdict.text in texts for cell in found.metric.cells), name


def texts_of(spec):
    with Renderer() as renderer:
        renderer.start()
        return re.findall(r"<text[^>]*>([^<]*)</text>", renderer.draw(spec).svg)


@pytest.mark.parametrize("log_scale", [False, True])
@pytest.mark.parametrize("shift", [3.0, -3.0])
def test_a_forest_has_its_zero_where_the_axis_has_no_room_for_numbers(tmp_path, shift, log_scale):
    base, near = [10.0, 12.0, 11.0], [10.1, 12.2, 11.0]
    results = {1: base, 2: near, 3: [value + shift for value in near]}
    spec = forest(record(tmp_path, results, log_scale=log_scale).metric)
    for width in (40, 150, 520):
        assert "0" in texts_of({**spec, "width": width}), width


@pytest.mark.parametrize(("make", "is_pale"), [(grid, False), (null_grid, True)])
def test_a_map_without_an_effect_is_pale_and_promises_nothing(tmp_path, make, is_pale):
    """The strongest tile of noise would be as dark as that of an effect."""
    metric = make(tmp_path).metric
    spec = interaction(metric, metric.blocks[0], 0)
    tones = spec["layer"][0]["encoding"]["color"]["scale"]["range"]
    assert (colour("tile0") not in tones) == is_pale
    assert (len(set(tones)) < STEPS) == is_pale
    assert ("better" in spec["title"]["subtitle"][0]) != is_pale
