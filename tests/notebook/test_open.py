"""`ablate.open`: what a notebook shows of a study, and what it gives of its runs."""

import os
import sys
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
import toy
from browser import CHROMIUM, Page
from rich.console import Console
from studies import stop_at_result, toy_study

import ablate
from ablate.driver.run_study import run_study
from ablate.ledger.ledger import Ledger
from ablate.notebook.chosen_run import chosen_run
from ablate.run_row import RunRow, RunRows
from ablate.samples.kept import KeptSamples, write_samples
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import TrainableHooks

HOSTILE = ['"><script>window.hacked = 1</script>', "two\nlines & 'quotes'\x1b[31m"]
INK = "rgb(27, 31, 36)"
"""On light ground."""
NAME = '<i onmouseover="window.hacked = 2">'


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A study that was stopped: two seeds have ended, of the third one run is under way."""
    study = toy_study(
        tmp_path_factory.mktemp("open"), factors={"gain": [1, 2], NAME: HOSTILE}, seeds=[1, 2, 3],
        base={"length": 2}, question="Is <script> text?",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, open(os.devnull, "w") as nowhere:
        stop_at_result(patch, 17)
        with pytest.raises(KeyboardInterrupt):
            run_study(study, Console(file=nowhere), local=True)
    return study.directory


def tree(folder):
    return {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


class Tags(HTMLParser):
    """All tags, and the attributes that could do something."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.harmful = set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.harmful += [name for name, _ in attrs if name.startswith("on") or name == "src"]


def test_a_study_is_shown_as_it_stands_and_is_not_touched(directory):
    before = tree(directory)
    opened = ablate.open(str(directory))
    text, html = repr(opened), opened._repr_html_()
    assert len(opened.frame()) == 12
    assert opened.curves("gain=2-two_lines_quotes_31m-s1")["score"].tolist() == [3.0, 8.0]
    assert tree(directory) == before
    assert text.startswith("8/12 done, ")
    assert "score (higher is better)" in text
    assert "<script>window.hacked = 1</script>" in text
    assert "\x1b" not in text
    assert "8/12 done, " in html
    found = Tags(html)
    assert found.harmful == []
    assert found.tags >= {"table", "svg", "style"}
    assert not found.tags & {"script", "i", "link", "img", "html", "body"}


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)")
def test_a_notebooks_theme_is_followed_and_nothing_is_fetched(directory, tmp_path):
    file = tmp_path / "cell.html"
    cell = ablate.open(directory)._repr_html_()
    file.write_text(f"<!doctype html><meta charset=utf-8><body>{cell}", encoding="utf-8")
    colour = "getComputedStyle(document.querySelector('.ablate %s')).%s"
    with Page(width=380) as page:
        page.open(file)
        for light in (True, False):
            page.js(f"document.body.dataset.jpThemeLight = '{str(light).lower()}'")
            for of in (("h3", "color"), ("figure text", "fill")):
                assert (page.js(colour % of) == INK) == light
        assert page.js("document.documentElement.scrollWidth") == 380
        right = "document.querySelector('.ablate td.verdict').getBoundingClientRect().right"
        assert page.js(right) <= 380, "the verdict is in sight"
        assert page.js("String(window.hacked)") == "undefined"
        assert "\n".join(page.paper()) == ""
        assert page.js(colour % ("h3", "color")) == INK
        assert (page.errors, page.requests) == ([], [file.as_uri()])


def test_a_frame_has_all_runs_in_either_library_and_says_what_to_install(directory, monkeypatch):
    opened = ablate.open(directory)
    table = pq.read_table(StudyPaths(directory).runs_parquet)
    pandas, polars = opened.frame(), opened.frame("polars")
    assert isinstance(polars, pl.DataFrame)
    assert list(pandas.columns) == polars.columns == table.column_names
    assert pandas["run_name"].tolist() == table["run_name"].to_pylist()
    assert set(polars["status"]) == {"ok", "interrupted", "pending"}
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert isinstance(opened.frame(), pl.DataFrame)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ablate.InputError, match="neither pandas nor polars is installed"):
        opened.frame()
    with pytest.raises(ablate.InputError, match="choices: pandas, polars"):
        opened.frame("dask")


def test_samples_are_tensors_of_the_run_that_is_meant(directory):
    opened, paths = ablate.open(directory), StudyPaths(directory)
    ended = [row for row in Ledger(paths).rows.values() if row.status == "ok"]
    one, best = ended[0].run_name, max(ended, key=lambda row: row["score_final"]).run_name
    for name, value in ((one, 1.0), (best, 2.0)):
        rows = np.full((3, 4), value, np.float32)
        kept = KeptSamples(rows=rows, shape=(2, 2), weights="best", step=1, solver="euler")
        write_samples(paths.samples(name), kept)
    assert torch.equal(opened.samples("best"), torch.full((3, 2, 2), 2.0))
    assert torch.equal(opened.samples(one), torch.ones(3, 2, 2))
    assert len(opened.curves("best")) == 2


def test_as_much_of_a_name_as_tells_it_apart_is_enough():
    rows = RunRows({n: RunRow(run_id=n, run_name=n) for n in ("mlp-s1", "mlp-s11", "dit-s1")})
    found = {w: chosen_run(w, None, rows, bool, "s").run_name for w in ("d", "mlp-s1", "mlp-s11")}
    assert found == {"d": "dit-s1", "mlp-s1": "mlp-s1", "mlp-s11": "mlp-s11"}


@pytest.mark.parametrize(
    ("run", "told"),
    [("gain=7", "is no run of the study"), ("gain", "is how several runs begin"),
     ("", "is no run of the study"), ("NONE", "nothing says how to make some"),
     ("TORN", "cannot be read"), ("best", "nothing says how to make some")],
)  # fmt: skip
def test_a_run_without_samples_is_told_with_the_way_to_some(directory, run, told):
    opened, paths = ablate.open(directory), StudyPaths(directory)
    names = opened.frame()["run_name"].tolist()
    torn = paths.samples(names[1])
    torn.parent.mkdir(exist_ok=True)
    for kept in torn.parent.iterdir():
        kept.unlink()
    if run == "TORN":
        torn.write_text("PAR1")
    asked = {"NONE": names[2], "TORN": names[1]}.get(run, run)
    with pytest.raises(ablate.InputError) as raised:
        opened.samples(asked)
    text = str(raised.value)
    assert text.startswith(str(directory))
    assert told in text
    hook = "TrainableHooks.keep_samples"
    fixes = {"NONE": hook, "best": hook, "TORN": "ablate evaluate",
             "gain": f"fix: write one of {names[0]}, "}  # fmt: skip
    assert fixes.get(run, f"choices: {names[0]}") in text


def test_where_the_trainable_makes_samples_they_can_be_made_later(directory, monkeypatch):
    monkeypatch.setattr(toy.Counter, "ablate", TrainableHooks(keep_samples="toy:none"), False)
    opened = ablate.open(directory)
    with pytest.raises(
        ablate.InputError, match=r"\(it is ok\)[^$]*fix: ablate evaluate .* --samples"
    ):
        opened.samples(opened.frame()["run_name"][2])


def test_what_is_no_study_is_told_and_pythons_own_open_stays(tmp_path):
    with pytest.raises(ablate.InputError, match=r"is not a study directory[^$]*fix: give"):
        ablate.open(tmp_path)
    names = {}
    exec("from ablate import *", names)
    assert "open" not in names
    assert "load_study" in names
