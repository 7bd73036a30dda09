"""What each cell generates: chosen, told, and opened in a browser."""

import json
import re
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from browser import CHROMIUM, Page
from reports import NAN, record

from ablate.images.logged import FOUND, MOST_BYTES, LoggedImage, keep_image, logged_folder
from ablate.images.png import encode_png
from ablate.ledger.history import History
from ablate.report.charts.pictures import sheet
from ablate.report.output import write_report
from ablate.report.page import page as page_of
from ablate.report.pictures.clouds import num_outside, plane_of, ranked
from ablate.report.pictures.gallery import gallery_of
from ablate.report.pictures.grids import Limits, grid_of
from ablate.report.pictures.median_runs import CELLS_SHOWN, median_runs
from ablate.report.pictures.shown import Gallery
from ablate.report.sections import figures_of, sections_of
from ablate.samples.kept import KeptData, KeptSamples, write_data, write_samples
from ablate.study_dir import StudyPaths

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
)
HOSTILE = "<script>document.title = 'owned'</script>&\"'\\b"
VALUES = [10.0, 12.0, 11.0]
MADE = {"weights": "best", "step": 400, "solver": "midpoint, 50 steps"}


def rows(num, dim, seed=1):
    return np.random.default_rng(seed).standard_normal((num, dim)).astype(np.float32)


def keep(place, run, kept_rows, shape, **more):
    write_samples(place.samples(run), KeptSamples(rows=kept_rows, shape=shape, **{**MADE, **more}))


def study(tmp_path, names, **changes):
    """A study with a cell a name, and the median run of each cell."""
    found = record(tmp_path, dict.fromkeys(names, VALUES), **changes)
    paths = StudyPaths(tmp_path)
    return found, paths, [run.run_name for run in median_runs(found)[0]]


def captions(gallery):
    return [shown.caption for group in gallery.groups for shown in group.pictures]


def test_the_lower_median_by_the_metric_stands_for_a_cell_and_baselines_are_first(tmp_path):
    results = {1: [3.0, 1.0, 2.0], 2: [5.0, 5.0, 4.0], 3: [9.0, NAN, 7.0], 4: [NAN] * 3}
    runs, num_left_out = median_runs(record(tmp_path, results, baseline={"gain": 3}))
    shown = {run.cell.labels["gain"]: (run.run_name, run.num) for run in runs}
    assert list(shown) == ["3", "1", "2", "4"]
    assert shown == {
        "3": ("gain=3-s3", 2), "1": ("gain=1-s3", 3), "2": ("gain=2-s1", 3), "4": ("", 0),
    }  # fmt: skip
    assert num_left_out == 0


def test_of_many_cells_a_bounded_number_is_shown_and_said(tmp_path):
    found, paths, runs = study(tmp_path, range(30), baseline={"gain": 29})
    assert len(runs) == CELLS_SHOWN
    write_data(paths.sampled_data("d"), KeptData(rows=rows(64, 3072), shape=(3, 32, 32)))
    before = len(page_of(found, [], ""))
    for run in runs:
        keep(paths, run, rows(31, 3072), (3, 32, 32), data="d")
    section, *_ = sections_of(found, History(paths), paths)
    gallery, [group] = section.gallery, section.gallery.groups
    assert [shown.title for shown in group.pictures[:3]] == ["data", "gain=29", "gain=0"]
    assert group.pictures[1].is_baseline
    assert "24 of 30 cells" in gallery.text
    after = len(page_of(found, [section], ""))
    assert 500_000 < after - before < 1_500_000  # noise does not get smaller
    assert re.match(
        r"(16|9|4) of 31 samples, run gain=29-s3 \(median of 3 by", captions(gallery)[1]
    )


def test_tall_images_are_not_enlarged_beyond_measure():
    grid = grid_of(rows(33, 400), (400, 1), Limits(0, 1), side=8)
    assert (grid.width, grid.height) == (15, 5 * 401 - 1)


def pixels_of(png):
    width, height, _, colours = struct.unpack(">IIBB", png[16:26])
    channels = {4: 2, 6: 4}[colours]
    start, length = png.index(b"IDAT") + 4, struct.unpack(">I", png[33:37])[0]
    lines = np.frombuffer(zlib.decompress(png[start : start + length]), np.uint8)
    return lines.reshape(height, -1)[:, 1:].reshape(height, width, channels)


@pytest.mark.parametrize("shape", [(2, 2), (1, 2, 2), (2, 2, 1)])
def test_tiles_have_the_limits_of_all_and_what_is_not_finite_is_blank(shape):
    images = np.array([[0, 16, 8, 99], [-5, np.nan, 4, np.inf]], np.float32)
    grid = grid_of(images, shape, Limits(0, 16), side=8)
    times = grid.width // 5  # two tiles of two pixels, and the one between
    pixels = pixels_of(grid.png)[::times, ::times]
    assert pixels[..., 0].tolist() == [[0, 255, 0, 0, 0], [128, 255, 0, 64, 0]]
    assert pixels[..., 1].tolist() == [[255, 255, 0, 255, 0], [255, 255, 0, 255, 0]]


def test_colours_keep_their_places(tmp_path):
    image = np.arange(12, dtype=np.float32)
    first, last = (
        grid_of(image[None], shape, Limits(0, 11), 1) for shape in ((3, 2, 2), (2, 2, 3))
    )
    assert pixels_of(first.png)[0, 0].tolist() == [0, 93, 185, 255]
    assert pixels_of(last.png)[0, 0].tolist() == [0, 23, 46, 255]


def test_a_plane_is_around_the_data_whatever_they_are():
    for data in (np.zeros((3, 2)), np.full((2, 2), 1e30), np.array([[1, 5], [2, 5], [np.nan, 0]])):
        plane = plane_of(data.astype(np.float32), ("x", "y"))
        assert plane.low[0] < plane.high[0]
        assert plane.low[1] < plane.high[1]
        assert num_outside(data[:2].astype(np.float32), plane) == 0


def test_single_numbers_are_shown_by_their_size(tmp_path):
    values = np.array([[3], [1], [np.nan], [2]], np.float32)
    assert ranked(values).tolist()[0::3] == [[3, pytest.approx(5 / 6)], [2, 0.5]]
    found, paths, runs = study(tmp_path, range(2))
    write_data(paths.sampled_data("d"), KeptData(rows=rows(500, 1), shape=(1,)))
    for run, one in zip(runs, (rows(256, 1), np.full((3, 1), np.nan, np.float32)), strict=True):
        keep(paths, run, one, (1,), data="d")
    [group] = gallery_of(found, paths).groups
    assert "share of samples that is smaller" in group.text
    assert [len(shown.cloud.points) for shown in group.pictures] == [400, 256, 0]
    assert group.pictures[1].alt.startswith("256 samples of gain=0: mean -0.10, spread 0.91")
    assert "3 not finite, not drawn" in group.pictures[2].caption


def test_what_is_not_there_is_a_sentence(tmp_path):
    found, paths, runs = study(tmp_path, range(7))
    found = replace(found, can_sample=True)
    alone = gallery_of(found, paths)
    assert "ablate evaluate STUDY_DIR --samples" in alone.text
    assert gallery_of(replace(found, can_sample=False), paths) == Gallery()
    assert gallery_of(replace(found, origin="elsewhere"), paths) == Gallery()
    keep(paths, runs[0], rows(3, 2), (2,), data="../../up")
    keep(paths, runs[1], np.full((3, 2), np.nan, np.float32), (2,))
    keep(paths, runs[2], np.ones((3, 5), np.float32), (5,), projected=rows(3, 2))
    keep(paths, runs[3], rows(3, 5), (5,))
    keep(paths, runs[4], np.zeros((0, 2), np.float32), (2,))
    keep(paths, runs[5], rows(3, 2), (2,))
    torn = paths.samples(runs[5])
    torn.write_bytes(torn.read_bytes()[:-20])
    gallery = gallery_of(found, paths)
    assert len(gallery.groups) == 3
    told = " ".join(captions(gallery))
    assert "3 not finite, not drawn" in told
    assert "rows of shape (5,) are no picture" in told
    empty, damaged, absent = gallery.absent
    assert "the file has none" in empty
    assert f"samples/{runs[5]}.parquet: not a whole Parquet file" in damaged
    assert str(tmp_path) not in damaged
    assert f"no samples of run {runs[6]}, none are kept; ablate evaluate" in absent


def test_table_and_pictures_of_different_weights_are_told_once_a_group(tmp_path):
    found, paths, runs = study(tmp_path, range(2))
    for run in runs:
        keep(paths, run, rows(3, 2), (2,))
    final = replace(found.metric, value_text="final weights")
    found = replace(found, metric=final, chosen_by="lowest val_loss")
    [group] = gallery_of(found, paths).groups
    told = "The table is of the final weights, these pictures of the best ones (lowest val_loss)."
    assert told in group.text
    best = replace(found.metric, value_text="best weights by val_loss")
    [group] = gallery_of(replace(found, metric=best), paths).groups
    assert "The table is" not in group.text


def test_where_seeds_split_the_data_all_cells_show_one_seed(tmp_path):
    found = record(tmp_path, {1: [3.0, 1.0, 2.0], 2: [5.0, 6.0, 4.0], 3: [1.0, 2.0, NAN]})
    runs, _ = median_runs(replace(found, has_splits=True))
    assert [run.run_name for run in runs] == ["gain=1-s3", "gain=2-s3", "gain=3-s1"]
    assert [run.seed for run in runs] == [3, 3, None]


def test_groups_stand_apart_for_a_reason(tmp_path):
    found, paths, runs = study(tmp_path, range(5))
    for name, seed in (("a", 1), ("a-300", 1), ("b", 2)):
        near = np.full(9, 0.25 if name == "a" else 0.5, np.float32)
        write_data(
            paths.sampled_data(name), KeptData(rows=rows(9, 2, seed), shape=(2,), nearest=near)
        )
    near = np.full(9, 2, np.float32)
    for run, name in zip(runs, ("a", "a-300", "b", "torn"), strict=False):
        keep(paths, run, rows(9, 2), (2,), data=name, nearest=near)
    keep(paths, runs[4], rows(9, 4), (2, 2))
    groups = gallery_of(found, paths).groups
    assert [group.heading for group in groups] == [
        "Rows of shape (2,): 2 cells", "Other data: 1 cell",
        "No rows of their data are there: 1 cell", "Rows of another shape, (2, 2): 1 cell",
    ]  # fmt: skip
    data, first, second = (shown.caption for shown in groups[0].pictures)
    assert data == "9 test rows"  # how near is told of each cell's own training rows
    assert "nearest training row at 2.00 (median; test rows at 0.250)" in first
    assert "test rows at 0.500" in second
    assert "nearest training row at 0.500 (median)" in groups[1].pictures[0].caption


def test_one_far_row_does_not_decide_the_axes_and_a_page_of_clouds_is_small(tmp_path):
    found, paths, runs = study(tmp_path, range(24))
    around = np.random.default_rng(1).uniform(-3, 3, (2047, 2)).astype(np.float32)
    far = np.concatenate([around, np.full((1, 2), 1e6, np.float32)])
    write_data(paths.sampled_data("d"), KeptData(rows=far, shape=(2,)))
    ways = np.linspace(rows(64, 2, 3), rows(64, 2), 17, axis=1).astype(np.float32)
    for run in runs:
        keep(paths, run, rows(2000, 2), (2,), data="d", paths=ways)
    section, *_ = sections_of(found, History(paths), paths)
    [group] = section.gallery.groups
    assert max(*group.plane.high, -min(group.plane.low)) < 10
    assert "1 test row outside the axes" in captions(section.gallery)[0]
    assert captions(section.gallery)[1].startswith("512 of 2000 samples, run")
    shown = page_of(found, [section], "")
    assert len(shown) - len(page_of(found, [], "")) < 600_000
    assert shown.count(group.plane.density) == 1
    assert len(json.dumps(sheet(group))) < 600_000


def test_pictures_of_ones_own_have_a_sheet_a_name_and_what_they_share_is_said_once(tmp_path):
    found, paths, runs = study(tmp_path, ["a", "b"])
    wide, tall = (encode_png(bytes(num), *size, 1) for num, size in (
        (600, (300, 2)), (60_000, (1, 60_000))
    ))  # fmt: skip
    for run in runs:
        folder = logged_folder(paths.run(run))
        for number in range(8, 12):
            name = f"samples/step-{number}.png"
            keep_image(folder / FOUND, LoggedImage(name, num=11), tall if number == 8 else wide)
    sections = sections_of(found, History(paths), paths)
    gallery = sections[0].gallery
    assert gallery.text == (
        "The last 4 of 11 pictures of each cell's median run by score, best value."
    )
    assert [group.heading for group in gallery.groups] == [
        f"samples/step-{number}.png" for number in range(8, 12)
    ]
    assert (
        captions(gallery)[0]
        == f"samples/step-8.png, run {runs[0]} (median of 3 by score, best value)"
    )
    sheets = {name: spec for name, spec in figures_of(sections) if name.startswith("pictures")}
    assert list(sheets) == [f"pictures-samples_step-{number}" for number in range(8, 12)]
    panel, first_tall = (sheets[name]["concat"][0] for name in list(sheets)[1::-1])
    assert panel["title"]["subtitle"] == ["samples/step-9.png", f"run {runs[0]}"]
    assert (panel["height"], first_tall["height"]) == (1, 440)
    shown = page_of(found, sections, "")
    assert shown.count("4 of 11") == 1
    assert "crisp" in shown.partition("step-9.png</h3>")[0]
    assert "crisp" not in shown.partition("step-9.png</h3>")[2]


def full_study(tmp_path):
    """Cells of every kind, good and bad, with names that people should not give."""
    names = [HOSTILE, "icfm", "x" * 120, *range(6)]
    found, paths, runs = study(tmp_path, names, baseline={"gain": "icfm"})
    images = {"shape": (1, 8, 8), "data": "images", "nearest": np.full(256, 2.5, np.float32)}
    write_data(paths.sampled_data("images"), KeptData(rows=rows(64, 64), shape=(1, 8, 8)))
    keep(paths, runs[0], rows(256, 64), **images)
    bad = rows(256, 64, 2)
    bad[:3] = np.nan
    keep(paths, runs[1], bad, **images)
    ways = np.linspace(rows(64, 2, 3), rows(64, 2), 17, axis=1).astype(np.float32)
    write_data(paths.sampled_data("moons"), KeptData(rows=rows(500, 2), shape=(2,)))
    for run in runs[2:4]:
        points = np.concatenate([rows(255, 2), np.full((1, 2), 50, np.float32)])
        keep(paths, run, points, (2,), data="moons", paths=ways)
    data = KeptData(rows=rows(99, 2), shape=(384,), explained=0.31)
    write_data(paths.sampled_data("texts"), data)
    keep(paths, runs[4], rows(200, 384), (384,), data="texts", projected=rows(200, 2))
    keep(paths, runs[5], np.ones((256, 2), np.float32), (2,))
    folder = logged_folder(paths.run(runs[6]))
    small, large = encode_png(bytes(30), 5, 6, 1), encode_png(bytes(4), 2, 2, 1) + bytes(MOST_BYTES)
    keep_image(folder, LoggedImage(HOSTILE, 3, num=40), small)
    keep_image(folder, LoggedImage("large"), large)
    return found, paths


@needs_chromium
def test_a_browser_shows_every_kind_without_errors_or_requests(tmp_path):
    found, paths = full_study(tmp_path)
    assert write_report(found, paths) == []
    with Page(width=380) as page:
        for scheme in ("light", "dark"):
            page.scheme(scheme)
            page.open(paths.report / "index.html")
            assert page.errors == []
            assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
            assert page.js("document.title") == "toys: ablation report"
            page.js("document.querySelectorAll('details').forEach(part => part.open = true)")
            assert page.js("document.documentElement.scrollWidth") == 380
            ink, paper = page.js("""['.picture b', 'body'].map(name =>
                getComputedStyle(document.querySelector(name)))
                .map((style, at) => at ? style.backgroundColor : style.color)""")
            assert ink != paper
        sizes = page.js("""[...document.querySelectorAll('.picture img')].map(image =>
            [image.naturalWidth > 0, image.width >= 100, image.height > 0])""")
        assert sizes == [[True] * 3] * 4
        told = page.js("""[...document.querySelectorAll('.picture img, .picture svg')]
            .map(shown => shown.alt ?? shown.getAttribute('aria-label'))""")
        text = page.js("document.querySelector('.pictures').parentElement.innerText")
        shades = page.js("""[...document.querySelectorAll('.picture svg image')]
            .filter(image => image.outerHTML.includes('data:image/png')).length""")
        points = page.js("document.querySelectorAll('.picture .mark-symbol path').length")
        page.screenshot(tmp_path / "page.png")
    assert len(told) == 4 + 6
    assert all(told)
    for kind in ("256 samples of gain=icfm: mean -0.0", f"256 samples of gain={HOSTILE}",
                 "3 not finite, left blank", "1 outside the axes", "500 test rows",
                 "mean (1, 1), spread (0, 0)", f"{HOSTILE} of gain="):  # fmt: skip
        assert any(kind in each for each in told), kind
    for sentence in ("64 of 256 samples, run", "(median of 3 by score, best value), best "
                     "weights at step 400, midpoint, 50 steps",
                     "nearest training row at 2.50 (median)",
                     "31 % of their variance", "2 of 40 pictures", "300 kB, too large for the page",
                     "no samples of run"):  # fmt: skip
        assert sentence in text, sentence
    assert shades == 5
    assert points == 2 * 256 + 400 + 99 + 200 + 256
    for name in ("samples", "samples-2", "samples-3", "samples-4", "pictures"):
        drawn = (paths.report / "figures" / f"{name}.svg").read_text("utf-8")
        assert "var(--" not in drawn
        assert "<script" not in drawn
        assert (paths.report / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
