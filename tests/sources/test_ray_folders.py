"""Folders in the shape of Ray Tune's; in `test_ray_trials.py` Tune itself writes one."""

import json

import numpy as np
import pytest
from judging import FID, judged, verdicts

from ablate.errors import InputError

ASKED = ("--factors", "net.flow", "--metric", "eval/fid")


def write_trial(folder, number, flow, seed, fid, results=3, **files):
    """A trial that approaches its result from above."""
    trial = folder / f"train_abc_{number:05d}"
    trial.mkdir(parents=True)
    config = {"net": {"flow": flow, "width": 8}, "seed": seed}
    (trial / "params.json").write_text(json.dumps(config))
    lines = [
        {"eval": {"fid": fid + results - step}, "training_iteration": step, "config": config,
         "done": False}
        for step in range(1, results + 1)
    ]  # fmt: skip
    (trial / "result.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name, content in files.items():
        (trial / name.replace("_", ".")).write_text(content)
    return trial


def write_state(folder, **words):
    """What Tune says of how the trials ended."""
    trials = [
        [json.dumps({"relative_logdir": p.parent.name,
                     "status": words.get(p.parent.name[-5:], "TERMINATED")}), "{}"]
        for p in sorted(folder.glob("*/params.json"))
    ]  # fmt: skip
    (folder / "experiment_state-2026-01-01.json").write_text(json.dumps({"trial_data": trials}))


@pytest.fixture
def folder(tmp_path):
    """An experiment of 12 trials."""
    number = 0
    for flow, values in FID.items():
        for seed, fid in enumerate(values):
            write_trial(tmp_path / "nets", number, flow, seed, fid)
            number += 1
    return tmp_path / "nets"


def test_each_trial_counts_with_its_last_result(folder):
    write_state(folder)
    record = judged(folder, *ASKED)
    assert record.metric.values == pytest.approx(np.array(list(FID.values())))
    assert verdicts(record)["net.flow=vp"] == "better"
    assert record.notes == ["each run counts with its last training_iteration, 3"]
    assert judged(folder, *ASKED, "--step", "2").metric.values[0, 0] == FID["icfm"][0] + 1


def test_trials_are_missing_by_how_they_ended(folder):
    write_trial(folder, 12, "late", 0, 3.0)
    write_trial(folder, 13, "late", 1, 3.0, results=0)
    (folder / "train_abc_00005" / "error.txt").write_text("Traceback ...\nValueError: no\n\n")
    write_state(folder, **{"00005": "ERROR", "00012": "RUNNING", "00013": "PENDING"})
    (folder / "train_abc_00006" / "error.txt").write_text("from a first try, before the restart")
    record = judged(folder, *ASKED)
    assert [(run.run_name[-5:], run.status, run.cause) for run in record.missing] == [
        ("00012", "pending", "its state in Tune is RUNNING"),
        ("00005", "failed", "ValueError: no"),
        ("00013", "pending", "its state in Tune is PENDING"),
    ]


@pytest.mark.parametrize("state", [None, "", "{}", '{"trial_data": [[1]]}'])
def test_without_a_record_of_how_trials_ended_that_is_said(folder, state):
    if state is not None:
        (folder / "experiment_state-1.json").write_text(state)
    (folder / "train_abc_00005" / "error.txt").write_text("ValueError: no")
    with (folder / "train_abc_00002" / "result.json").open("a") as file:
        file.write('{"eval": {"fi')
    record = judged(folder, *ASKED)
    assert [run.run_name[-5:] for run in record.missing] == ["00005"]
    assert any("says how the trials ended" in note for note in record.notes)
    assert any("left out, in train_abc_00002" in note for note in record.notes)


def test_tables_of_progress_do_where_there_are_no_lines(folder):
    for path in folder.glob("*/result.json"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        rows = [f"{line['eval']['fid']},{line['training_iteration']},x" for line in lines]
        table = "\n".join(["eval/fid,training_iteration,config/net/flow", *rows])
        path.with_name("progress.csv").write_text(table)
        path.unlink()
    record = judged(folder, *ASKED)
    assert record.metric.values == pytest.approx(np.array(list(FID.values())))
    assert verdicts(record)["net.flow=vp"] == "better"


@pytest.mark.parametrize(
    ("place", "told", "fix"),
    [
        ("..", "holds no trials", "give one of the experiments"),
        ("train_abc_00001", "is one trial", "give "),
        ("none", "is not there", "give a .csv"),
    ],
)
def test_the_wrong_folder_is_refused_with_the_right_one(folder, place, told, fix):
    with pytest.raises(InputError, match=told) as error:
        judged(folder / place, *ASKED)
    assert error.value.problems[0].fix.startswith(fix)


def test_a_config_that_is_torn_is_named(folder):
    (folder / "train_abc_00001" / "params.json").write_text("{")
    with pytest.raises(InputError, match="train_abc_00001: cannot be read"):
        judged(folder, *ASKED)
