"""The event files that TensorBoard reads: each point once, whatever came between."""

import struct
import subprocess
import sys

import pytest
from studies import stop_at_result, toy_study

from ablate.driver.finish import complete_study
from ablate.driver.run_study import run_study
from ablate.events import RunEnded, RunReported, RunStarted
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.run_row import Status
from ablate.study_dir import StudyPaths
from ablate.tracking.base import TrackedStudy
from ablate.tracking.tensorboard.tracker import TensorBoardTracker

TENSORBOARD = {"trackers": ["tensorboard"]}


def events_in(folder):
    """All events of a folder, as TensorBoard reads it: file by file, each up to where it ends."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.glob("*tfevents*")):
        with path.open("rb") as file:
            while header := file.read(12):
                yield Event.FromString(file.read(struct.unpack("<Q", header[:8])[0]))
                assert len(file.read(4)) == 4, f"{path} is torn"


def values_in(folder):
    """Values by tag: of scalars as (step, number), else as they are."""
    found = {}
    for event in events_in(folder):
        for value in event.summary.value:
            is_scalar = value.HasField("simple_value")
            what = (event.step, value.simple_value) if is_scalar else value
            found.setdefault(value.tag, []).append(what)
    return found


def words(values):
    return b"\n".join(value.tensor.string_val[0] for value in values).decode()


def hparams(values):
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    [value] = values
    return HParamsPluginData.FromString(value.metadata.plugin_data.content)


def shown(study):
    """By name, what each run's folder has."""
    folder = StudyPaths(study.directory).tensorboard
    return {path.name: values_in(path) for path in folder.iterdir()}


def bytes_of(study):
    folder = StudyPaths(study.directory).tensorboard
    return {path: path.read_bytes() for path in folder.rglob("*tfevents*")}


def test_curves_results_failures_and_the_answer_are_there(tmp_path, console):
    factors = {"gain": [1, 2.5], "fail": ["none", "step", "nan"]}
    study = toy_study(tmp_path, factors=factors, retries=0, question="Why?", **TENSORBOARD)
    run_study(study, console, local=True)
    runs = shown(study)
    good, failed, lost = (runs[f"gain=2.5-{end}-s1"] for end in ("none", "step", "nan"))
    assert good["score"] == [(1, 3.5), (2, 9.5), (3, 18.0), (4, 29.0)]
    assert good["result/score"] == [(4, 29.0)]
    start = hparams(good["_hparams_/session_start_info"]).session_start_info.hparams
    told = {name: value.WhichOneof("kind") for name, value in start.items()}
    assert told == {"gain": "number_value", "fail": "string_value", "seed": "number_value"}
    assert start["gain"].number_value == 2.5
    assert '"length": 4' in words(good["config"])
    ends = [hparams(run["_hparams_/session_end_info"]).session_end_info.status
            for run in (good, failed, lost)]  # fmt: skip
    assert ends == [1, 2, 2], "success, and twice failure"
    assert (failed["failed"], lost["diverged"]) == ([(2, 1.0)], [(3, 1.0)])
    assert "RuntimeError: the third step is broken" in words(failed["status"])
    assert "failed" not in good
    columns = hparams(runs["report"]["_hparams_/experiment"]).experiment
    assert [info.name for info in columns.hparam_infos] == ["gain", "fail", "seed"]
    assert [info.name.tag for info in columns.metric_infos] == ["result/score"]
    [table] = [tag for tag in runs["report"] if "each cell against" in tag]
    assert words(runs["report"][table]).startswith("| gain | fail | ok/planned |")
    assert "step, nan failed" in words(runs["report"]["answer"])


def test_one_that_is_added_later_has_all_of_it_and_the_same_command_writes_nothing(
    tmp_path, console
):
    base = {"length": 3, "step_s": 0.02}
    run_study(toy_study(tmp_path, base=base), console, local=True)
    more = toy_study(tmp_path, base=base, seeds=[1, 2, 3], **TENSORBOARD)
    ledger = run_study(more, console, local=True)
    paths = StudyPaths(more.directory)
    assert len(ledger.rows) == 6
    for row in ledger.rows.values():
        events = events_in(paths.tensorboard_run(row.run_name))
        curve = [event for event in events if "score" in [v.tag for v in event.summary.value]]
        points = ledger.timed_history(row.run_id)
        assert [event.wall_time for event in curve] == [p["_timestamp"] for _, p in points]
        assert curve[-1].wall_time - curve[0].wall_time > 0.03, "the times of measuring"
    before = bytes_of(more)
    run_study(more, console, local=True)
    assert bytes_of(more) == before


def test_a_run_that_was_interrupted_goes_on(tmp_path, console, monkeypatch):
    study = toy_study(tmp_path, base={"length": 6}, seeds=[1], checkpoint_every_s=0, **TENSORBOARD)
    with monkeypatch.context() as patch:
        stop_at_result(patch, 9)
        assert complete_study(study, Options(local=True), console).interrupted
    folder = StudyPaths(study.directory).tensorboard_run("gain=2-s1")
    begun = values_in(folder)["score"]
    assert 1 <= len(begun) < 6
    run_study(study, console, local=True)
    whole = values_in(folder)["score"]
    assert (whole[: len(begun)], [step for step, _ in whole]) == (begun, [1, 2, 3, 4, 5, 6])


class Told:
    """A study of two runs whose tracker hears of them, and may then die."""

    def __init__(self, folder, value="last", **changes):
        self.study = toy_study(folder, **changes)
        self.paths = StudyPaths(self.study.directory)
        self.paths.root.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(self.paths, "score", "max")
        self.ledger.open()
        for run_id in ("a", "b"):
            self.ledger.add(run_id, run_name=f"{run_id}-s1", seed=1, gain=1, config="{}")
        directory = self.study.directory
        tracked = TrackedStudy(
            study=self.study, directory=directory, ledger=self.ledger, value=value
        )
        self.tracker = TensorBoardTracker(tracked)

    def hear(self, run_id, steps, *, factor=1.0, ends=None):
        points = [(step, {"score": factor * step, "_timestamp": 1e9 + step}) for step in steps]
        events = [RunStarted(run_id, run_id, 1), RunReported(run_id, points)]
        events += [RunEnded(run_id, ends)] * (ends is not None)
        for event in events:
            self.ledger.on_event(event)
            self.tracker.on_event(event)

    def end(self):
        self.tracker.close()
        self.ledger.close()

    def steps(self, run_id):
        values = values_in(self.paths.tensorboard_run(f"{run_id}-s1"))
        return [step for step, _ in values.get("score", [])]


def cut(path):
    """As a process that was killed leaves it: within a record."""
    path.write_bytes(path.read_bytes()[:-7])


def lose_the_end(path):
    """As a machine without power leaves it."""
    content = path.read_bytes()
    path.write_bytes(content[:-30] + bytes(30))


def of_another_run(path):
    other = next(p for p in path.parents[1].rglob("*.curve") if p.parent != path.parent)
    path.write_bytes(other.read_bytes())


def empty(path):
    """As a process that was killed leaves it before it has flushed anything."""
    path.write_bytes(b"")


def remove(path):
    path.unlink()


@pytest.mark.parametrize("damage", [None, cut, lose_the_end, of_another_run, empty, remove])
def test_however_a_file_was_left_each_point_is_there_once(tmp_path, damage):
    first = Told(tmp_path)
    first.hear("a", range(1, 5))
    first.hear("b", range(1, 4), factor=2)
    first.end()
    folder = first.paths.tensorboard_run("a-s1")
    [curve] = folder.glob("*.curve")
    if damage:
        damage(curve)
    then = Told(tmp_path)
    then.hear("a", range(3, 7))  # it goes on from a checkpoint, and says some of it again
    then.hear("b", range(4, 6), factor=2, ends=Status.OK)
    then.tracker.complete(["b"])
    then.end()
    assert (then.steps("a"), then.steps("b")) == ([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5])
    assert curve.exists() == (damage is None), "what is sound is left as it is"
    assert len(values_in(folder)["_hparams_/session_start_info"]) == 1


def test_a_run_that_starts_over_begins_new_files(tmp_path):
    told = Told(tmp_path)
    told.hear("a", range(1, 5), ends=Status.OK)
    told.end()
    before = set(told.paths.tensorboard_run("a-s1").iterdir())
    again = Told(tmp_path)
    again.ledger.reset("a")
    again.ledger.add("a", run_name="a-s1", seed=1, gain=1, config="{}")
    again.hear("a", range(1, 3), ends=Status.OK)
    again.end()
    assert again.steps("a") == [1, 2]
    assert not before & set(again.paths.tensorboard_run("a-s1").iterdir())
    events = list(events_in(again.paths.tensorboard_run("a-s1")))
    assert any(event.session_log.status == 1 for event in events), "an open TensorBoard forgets"


@pytest.mark.parametrize("is_told_again", [True, False])
def test_what_counts_takes_the_place_of_what_was_reported(tmp_path, is_told_again):
    """As where a run goes back to its own checkpoint, and then measures other numbers."""
    told = Told(tmp_path)
    told.hear("a", range(1, 5))
    told.ledger._history.forget("a")
    told.ledger._history.append("a", [(1, {"score": 1.0}), (2, {"score": 5.0})])
    folder = told.paths.tensorboard_run("a-s1")
    if is_told_again:
        told.tracker.on_event(RunReported("a", [(2, {"score": 5.0})]))
        told.tracker.close()
        assert values_in(folder)["score"] == [(1, 1.0), (2, 5.0)]
    told.tracker.on_event(RunEnded("a", Status.OK))
    told.end()
    assert values_in(folder)["score"] == [(1, 1.0), (2, 5.0)]


def test_numbers_of_one_step_may_come_one_by_one(tmp_path):
    told = Told(tmp_path)
    told.tracker.on_event(RunStarted("a", "a", 1))
    told.ledger._history.append("a", [(1, {"score": 1.0, "loss": 2.0}), (2, {"score": 3.0})])
    for points in ([(1, {"score": 1.0})], [(1, {"loss": 2.0})], [(2, {"score": 3.0})]):
        told.tracker.on_event(RunReported("a", points))
    folder = told.paths.tensorboard_run("a-s1")
    [curve] = folder.glob("*.curve")
    told.tracker.close()
    values = values_in(folder)
    assert (values["score"], values["loss"]) == ([(1, 1.0), (2, 3.0)], [(1, 2.0)])
    told.tracker.on_event(RunEnded("a", Status.OK))
    told.end()
    assert (values_in(folder)["score"], curve.exists()) == (values["score"], True)


def test_a_failed_run_that_is_tried_again_is_no_longer_marked(tmp_path, console):
    changes = {"base": {"marker": str(tmp_path / "marker")}, "retries": 0, **TENSORBOARD}
    study = toy_study(tmp_path, trainable="toy:Fragile", **changes)
    run_study(study, console, local=True)
    assert "failed" in shown(study)["gain=1-s1"]
    run_study(study, console, local=True, retry_failed=True)
    run = shown(study)["gain=1-s1"]
    assert "failed" not in run
    assert hparams(run["_hparams_/session_end_info"]).session_end_info.status == 1
    assert [step for step, _ in run["score"]] == [1, 2, 3, 4]


@pytest.mark.parametrize(("value", "result"), [("best", 7.0), ("last", 9.0)])
def test_the_result_is_the_value_that_verdicts_are_about(tmp_path, value, result):
    told = Told(tmp_path, value)
    told.hear("a", [1, 2])
    metrics = {"score_best": 7.0, "score_final": 9.0, "other": 1.0}
    for listener in (told.ledger, told.tracker):
        listener.on_event(RunEnded("a", Status.OK, metrics=metrics))
    told.end()
    values = values_in(told.paths.tensorboard_run("a-s1"))
    assert {tag: v for tag, v in values.items() if tag.startswith("result/")} == {
        "result/score": [(2, result)]
    }


def test_a_factor_that_is_added_is_a_column_of_earlier_runs_too(tmp_path):
    first = Told(tmp_path)
    first.hear("a", [1, 2], ends=Status.OK)
    first.end()
    then = Told(tmp_path, factors={"gain": [1, 2], "deep": [True, False]})
    then.ledger.add("a", deep=False)
    then.tracker.complete(["a"])
    then.end()
    values = values_in(then.paths.tensorboard_run("a-s1"))
    start = hparams(values["_hparams_/session_start_info"]).session_start_info.hparams
    assert (start["gain"].number_value, start["deep"].bool_value) == (1, False)
    assert then.steps("a") == [1, 2]


def test_the_same_content_has_the_same_bytes_in_every_process(tmp_path):
    """Else each command would write all runs anew: protobuf's maps have no order of their own."""
    factors = {f"{letter}_factor": [1, 2] for letter in "qahzmcb"}
    told = Told(tmp_path, factors=factors)
    told.ledger.add("a", **dict.fromkeys(factors, 1))
    told.hear("a", [1])
    told.end()
    [start] = values_in(told.paths.tensorboard_run("a-s1"))["_hparams_/session_start_info"]
    content = start.metadata.plugin_data.content
    places = {name: content.index(name.encode()) for name in factors}
    assert sorted(factors) == sorted(factors, key=places.__getitem__)


def test_it_needs_no_torch_and_a_plan_not_even_its_own_library(tmp_path):
    (tmp_path / "grid.yaml").write_text(
        "study: s\nmetric: sliced_w2\nfactors: {flow: [icfm, vp]}\nseeds: [1]\n"
        "trackers: [tensorboard]\n"
    )
    code = (
        "import sys; from ablate.cli.run import main\n"
        "assert main(['grid.yaml', '--plan']) == 0\n"
        "assert not {'tensorboardX', 'torch', 'ray'} & set(sys.modules), 'heavy'\n"
        "from ablate.tracking.tensorboard.library import tensorboardx\n"
        "tensorboardx()\n"
        "assert 'tensorboardX' in sys.modules and 'torch' not in sys.modules, 'heavy'\n"
        "import torch"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
