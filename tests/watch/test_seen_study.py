"""What is seen of a study from outside: always what a first look would see, and nothing changes."""

import itertools
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from studies import toy_study

from ablate.driver.session import execute
from ablate.events import Failure, Revision, RunEnded, RunReported, RunRetried, RunStarted
from ablate.launch.base import Options
from ablate.ledger.followed_curve import FollowedCurve, Thinned
from ablate.ledger.history import History
from ablate.ledger.ledger import Ledger
from ablate.ledger.lock import driver_lock
from ablate.ledger.lock_file import Holder
from ablate.run_row import Status
from ablate.samples.kept import KeptSamples, write_samples
from ablate.study_dir import StudyPaths
from ablate.watch import archive, news, seen_study
from ablate.watch.archive import study_told
from ablate.watch.news import StudyNews
from ablate.watch.report_now import report_page
from ablate.watch.run_details import log_tail
from ablate.watch.seen_run import StudyState
from ablate.watch.seen_study import SeenStudy
from ablate.watch.shown_curves import ShownCurves
from ablate.watch.storage import Storage
from ablate.watch.time_left import seconds_left

YAML = "study: s\nmetric: loss\nfactors: {flow: [a, b]}\nseeds: [1, 2]\n"
HOSTILE = "<script>document.title='owned'</script> \x1b[31m \u202e"


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch):
    monkeypatch.setattr(seen_study, "LEAST_PAUSE_S", 0.0)
    monkeypatch.setattr(seen_study, "SUM_PAUSE", 0.0)
    monkeypatch.setattr(news, "METRICS_EVERY_S", 0.0)
    monkeypatch.setattr(news, "FIRST_METRIC_S", 0.0)


@pytest.fixture
def paths(tmp_path):
    found = StudyPaths(tmp_path / "s")
    found.root.mkdir()
    found.study_yaml.write_text(YAML)
    yield found
    while OPENED:
        OPENED.pop().close()


OPENED = []


def planned(paths):
    """A ledger with four runs; cell `a` and seed 1 is `a1`."""
    ledger = Ledger(paths, "loss")
    ledger.open()
    OPENED.append(ledger)
    for seed in (1, 2):
        for flow in ("a", "b"):
            ledger.add(f"{flow}{seed}", run_name=f"{flow}-s{seed}", seed=seed, flow=flow)
    return ledger


def reported(run_id, *points, **facts):
    return RunReported(run_id, [(step, {"loss": value}) for step, value in points], facts)


class Screen:
    """What a page has, made of the news that it gets."""

    def __init__(self, study):
        self._news, self.metric = StudyNews(study), ""
        self.runs, self.curves, self.head = {}, {}, {}

    def refresh(self):
        told = self._news.next()
        self.head = told.get("head", self.head)
        is_anew = told.get("all") or told.get("metric", self.metric) != self.metric
        self.metric, self.curves = told.get("metric", self.metric), {} if is_anew else self.curves
        self.runs = {} if told.get("all") else self.runs
        self.runs |= told.get("runs", {})
        for run_id in told.get("hidden", ()):
            self.curves.pop(run_id, None)
        for run_id, (start, points) in told.get("points", {}).items():
            self.curves[run_id] = [*self.curves.get(run_id, [])[:start], *points]
        self.curves = {run_id: points for run_id, points in self.curves.items() if points}
        return self

    def shown(self):
        return self.runs, self.curves, self.head["counts"], self.head["state"], self.head["told"]


def tree(folder):
    return {
        str(path): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def test_it_shows_what_the_driver_did_and_leaves_no_trace(tmp_path, console):
    levels = {"no": {"fail": None}, "nan": {"fail": "nan"}, "step": {"fail": "step"}}
    study = toy_study(tmp_path, retries=0, question=HOSTILE, factors={"fail": levels, "gain": [1]})
    execute(study, Options(local=True), console)
    fewer = toy_study(tmp_path, retries=0, factors={"fail": levels, "gain": [1]}, seeds=[1])
    execute(fewer, Options(local=True), console)
    before = tree(tmp_path)
    storage = Storage.of(tmp_path)
    seen = Screen(storage.study("toys")).refresh()
    assert seen.head["counts"] == {"ok": 1, "diverged": 1, "failed": 1}  # seed 2 is asked no more
    assert (seen.head["state"], seen.head["seeds"]) == (StudyState.DONE, [1])
    assert seen.head["cells"][0] == "fail=no, gain=1"
    causes = {run["status"]: run["cause"] for run in seen.runs.values()}
    assert causes["failed"].startswith("RuntimeError: the third step is broken (toy.py:")
    failed = next(run_id for run_id, run in seen.runs.items() if run["status"] == "failed")
    log = storage.study("toys").log(failed)
    assert log[-1] == "RuntimeError: the third step is broken"
    assert "step 2 total 5.0" in log
    [line] = storage.listing()
    assert (line["study"], line["num"], line["state"]) == ("toys", 3, "done")
    told = study_told(StudyPaths(study.directory))
    assert sorted(map(len, told["curves"]["score"].values())) == [2, 2, 4]
    assert json.loads(json.dumps(told, allow_nan=False))["runs"] == seen.runs
    page = report_page(study.directory)
    assert "score" in page
    assert "files of finished runs are lost" not in page
    assert tree(tmp_path) == before
    paths, rows = StudyPaths(study.directory), np.eye(4, 2, dtype=np.float32)
    [well] = [run for run in seen.runs.values() if run["status"] == "ok"]
    kept = KeptSamples(rows=rows, shape=(2,), weights="best", step=1, solver="euler")
    write_samples(paths.samples(well["name"]), kept)
    History(paths).forget(well["run_id"])
    page = report_page(study.directory)
    assert "What each cell generates" in page
    assert "files of finished runs are lost" in page


def test_a_page_has_what_a_first_look_would_see_whatever_happens(paths):
    ledger = planned(paths)
    screen = Screen(SeenStudy(paths))

    def same():
        assert screen.refresh().shown() == Screen(SeenStudy(paths)).refresh().shown()

    same()
    with driver_lock(paths.lock):
        ledger.on_event(RunStarted("a1", "t", 1))
        ledger.on_event(reported("a1", (1, 3.0), (2, 2.0), epoch=1, step=2, seconds=float("nan")))
        ledger.compact()
        same()
        assert screen.runs["a1"]["status"] == "running"
        assert screen.head["state"] is StudyState.RUNNING
        ledger.on_event(reported("a1", (3, 1.0)))
        ledger.on_event(RunReported("a1", [(4, {"accuracy": 1.0})]))
        ledger.on_event(RunRetried("a1", Failure("E", HOSTILE)))
        same()
        assert screen.curves["a1"] == [(1, 3.0), (2, 2.0), (3, 1.0)]
        changed = RunReported("a1", [(2, {"loss": 9.0})], revision=Revision(supersedes=2))
        ledger.on_event(changed)
        same()
        assert screen.curves["a1"] == [(1, 3.0), (2, 9.0)]
        ledger.on_event(RunEnded("a1", Status.FAILED, "crashed", failure=Failure("E", HOSTILE)))
        ledger.on_event(RunStarted("b1", "t", 1))
        ledger.on_event(reported("b1", (1, float("nan")), (2, 5.0)))
        ledger.compact()
        same()
        assert screen.curves["b1"] == [(2, 5.0)]
        assert (
            screen.runs["a1"]["cause"]
            == "E: <script>document.title='owned'</script> \\x1b[31m \\u202e"
        )
        ledger.reset("a1")
        same()
        assert "a1" not in screen.curves
    same()
    assert screen.runs["b1"]["status"] == "interrupted"  # whoever drove it is gone
    ledger.close()
    same()
    with paths.journal.open("ab") as file:
        file.write(b'{"run_id": "b2", "status": "fai')  # its writer died within the line
    same()
    planned(paths).close()
    same()
    own = Ledger(paths, journal="evaluate")
    own.open()
    own.patch("b1", sharpness=0.5)
    own.close()
    same()
    paths.study_yaml.write_text(YAML.replace("flow:", "arch:"))
    same()
    assert screen.head["cells"] == ["base"]


def test_a_study_that_goes_and_comes_is_told(paths):
    planned(paths).close()
    study = SeenStudy(paths)
    screen = Screen(study).refresh()
    assert len(screen.runs) == 4
    aside = paths.root.with_name("aside")
    paths.root.rename(aside)
    assert screen.refresh().shown()[3:] == (
        StudyState.GONE,
        "the study directory is no longer there",
    )
    assert screen.runs == {}
    aside.rename(paths.root)
    assert len(screen.refresh().runs) == 4
    paths.study_yaml.write_text("study: [")
    assert screen.refresh().head["state"] is StudyState.UNREADABLE
    assert "not YAML" in screen.head["told"]
    paths.study_yaml.write_text(YAML)
    paths.format.write_text("99")
    paths.journal.unlink()
    assert "made by a newer Ablate" in screen.refresh().head["told"]


def test_a_driver_that_was_killed_holds_nothing(paths):
    planned(paths).patch("a1", started_at=None)
    code = (
        "import sys, time; from pathlib import Path; from ablate.ledger.lock import driver_lock\n"
        "with driver_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, paths.lock], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout.readline() == b"held\n"
        study = SeenStudy(paths)
        study.refresh()
        assert study.state is StudyState.RUNNING
        assert f"process {holder.pid} on" in study.head()["holder"]
        holder.kill()
    study.refresh()
    assert study.state is StudyState.WAITING


def test_a_driver_elsewhere_of_which_nothing_is_heard_is_doubted(paths, monkeypatch):
    planned(paths).close()
    elsewhere = replace(Holder.here(), machine="another", host="gpu7")
    paths.lock.write_text(json.dumps(asdict(elsewhere)))
    study = SeenStudy(paths)
    study.refresh()
    assert (study.state, study.head()["notes"]) == (StudyState.RUNNING, [])
    for journal in paths.root.rglob("*.*"):
        os.utime(journal, (0, time.time() - 2 * 3600))
    monkeypatch.setattr(seen_study, "STALE_S", 0.0)
    study = SeenStudy(paths)
    study.refresh()
    assert study.state is StudyState.RUNNING
    [note] = study.head()["notes"]
    assert note.startswith(f"process {os.getpid()} on gpu7 has written nothing for 2.0 h")


def test_of_many_runs_those_under_way_and_the_newest_have_curves(paths, monkeypatch):
    monkeypatch.setattr("ablate.watch.shown_curves.chosen.__defaults__", ("", 2))
    ledger = planned(paths)
    with driver_lock(paths.lock):
        for run_id in ("a1", "b1", "a2"):
            ledger.on_event(RunStarted(run_id, "t", 1))
            ledger.on_event(reported(run_id, (1, 1.0)))
            if run_id != "a1":
                ledger.on_event(RunEnded(run_id, Status.OK))
                time.sleep(0.002)
        study = SeenStudy(paths)
        study.refresh()
        curves = ShownCurves(paths, "loss")
        points, hidden = curves.refresh(study.runs, study.runs)
        assert (list(points), hidden, curves.num_left_out) == (["a1", "a2"], [], 1)
        ledger.on_event(RunStarted("b2", "t", 1))
        study.refresh()
        _, hidden = curves.refresh(study.runs, ["b2"])
        assert hidden == ["a2"]
        picked = ShownCurves(paths, "loss", "b1")
        assert list(picked.refresh(study.runs, study.runs)[0]) == ["b1"], "b2 has no point yet"


@pytest.mark.parametrize("num", [1, 499, 500, 501, 4321])
def test_a_long_curve_is_thinned_evenly_and_has_its_last_point(num):
    whole = [(step, float(step)) for step in range(num)]
    at_once, one_by_one = Thinned(), Thinned()
    at_once.extend(whole)
    copy = []
    for point in whole:
        start = one_by_one.extend([point])
        copy = [*copy[:start], *one_by_one.points[start:]]
    assert at_once.points == one_by_one.points == copy
    assert len(copy) <= 500
    assert (copy[0], copy[-1]) == (whole[0], whole[-1])
    gaps = {b[0] - a[0] for a, b in itertools.pairwise(copy[:-1])}
    assert len(gaps) <= 1


def test_what_is_appended_to_a_curve_is_read_once(paths, monkeypatch):
    ledger = planned(paths)
    ledger.on_event(reported("a1", *((step, 1.0) for step in range(1000))))
    curve = FollowedCurve(paths, "a1", "loss")
    curve.refresh()
    read = []
    monkeypatch.setattr(curve, "_following", lambda lines: read.append(len(lines)))
    assert curve.refresh() is None
    ledger.on_event(reported("a1", (1000, 0.5)))
    curve.refresh()
    assert read == [len(b'{"loss": 0.5, "step": 1000}\n')]


def test_time_left_is_that_of_the_last_place():
    ended = [(0, 10.0), (0, 12.0), (0, 20.0), (1, 30.0)]
    two = [([0], 2.0), ([1], 5.0)]
    assert seconds_left(ended, two, []) == 25.0
    assert seconds_left(ended, two, [0, 0]) == 10 + 12 + 12
    assert seconds_left(ended, two, [1, 0, 0]) == 25 + 12 + 12
    assert seconds_left(ended, [([0, 1], 7.0)], [0]) == 10 + 25 + 12  # a pack has one place
    assert seconds_left([], two, []) is None
    assert seconds_left(ended, [], [0]) is None
    assert seconds_left(ended, [([2], 1.0)], []) == 15.0  # the median of all


def test_time_left_counts_down_while_nothing_is_reported(paths, monkeypatch):
    monkeypatch.setattr(seen_study, "STALE_S", 0.0)
    ledger = planned(paths)
    began = datetime.now(UTC) - timedelta(seconds=30)
    with driver_lock(paths.lock):
        ledger.on_event(RunStarted("a1", "t", 1))
        ledger.on_event(reported("a1", (1, 1.0), seconds=100.0))
        ledger.on_event(RunEnded("a1", Status.OK))
        ledger.on_event(RunStarted("a2", "t", 1))
        ledger.add("a2", started_at=began)
        study = SeenStudy(paths)
        study.refresh()
        first = study.head()["left_s"]
        assert 269 < first <= 270  # and both runs of the other cell
        study.refresh()
        assert study.head()["left_s"] < first


def test_a_metric_of_one_cell_alone_is_offered_and_what_a_file_cannot_hold_is_named(
    paths, monkeypatch
):
    ledger = planned(paths)
    for run_id in ("b1", "a1", "a2", "b2"):
        names = {"loss": 1.0, **({"rare<": 2.0} if run_id == "b1" else {})}
        ledger.on_event(RunStarted(run_id, "t", 1))
        ledger.on_event(RunReported(run_id, [(1, names)]))
        if run_id != "b1":
            ledger.on_event(RunEnded(run_id, Status.OK))
    with driver_lock(paths.lock):
        assert StudyNews(SeenStudy(paths)).next()["metrics"] == ["loss", "rare<"]
    told = study_told(paths)
    assert (list(told["curves"]["rare<"]), told["metricsLeftOut"]) == (["b1"], [])
    monkeypatch.setattr(archive, "POINTS_AT_MOST", 4 * archive.POINTS_AT_LEAST)
    assert study_told(paths)["metricsLeftOut"] == ["rare<"]


def test_the_end_of_a_log_is_text(paths):
    log = paths.log("a-s1")
    log.parent.mkdir()
    lines = [f"line {number}" for number in range(5000)]
    bar = "10 %\r50 %\r\x1b[1;32m100 %\x1b[0m"
    linked = "\x1b]8;;http://evil\x07a link\x1b]8;;\x1b\\ \x1b[2J"
    log.write_bytes("\n".join([*lines, bar, linked, HOSTILE]).encode() + b"\xff\n\n")
    tail = log_tail(paths, "a-s1")
    assert len(tail) == 40
    hostile = "<script>document.title='owned'</script>  \\u202e\ufffd"
    assert tail[-3:] == ["100 %", "a link \\x1b[2J", hostile]
    for name in ("none", "../../etc/passwd", "/etc/passwd"):
        assert log_tail(paths, name) == []
