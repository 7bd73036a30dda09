"""Files of a study directory that are torn, empty, zeroed, junk or somebody else's."""

import json
import os
import pickle
import signal
from collections import Counter

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from studies import by_name, flow_study, stop_at_result, toy_study

from ablate.cli.main import main
from ablate.driver.session import execute
from ablate.events import RunReported
from ablate.launch.base import Options
from ablate.launch.manifest import is_whole, read_manifest, write_manifest
from ablate.launch.ray.launch_record import LaunchRecord, restorable_launch
from ablate.ledger.history import History
from ablate.ledger.journal import NUMBER, read_journal
from ablate.ledger.ledger import Ledger
from ablate.ledger.rows import write_rows
from ablate.plan.plan import plan_study
from ablate.run_row import RunRows
from ablate.study_dir import StudyPaths

HARMS = {
    "torn": lambda data: data[: len(data) * 2 // 3],
    "empty": lambda data: b"",
    "zeroed": lambda data: bytes(len(data)),
    "junk": lambda data: b"\xff\xfe not what was here \x00\n" * 9,
}


def harm(path, how):
    path.write_bytes(HARMS[how](path.read_bytes()))


def run(study, console, **options):
    return execute(study, Options(**{"local": True, **options}), console)


@pytest.fixture
def done(tmp_path, console):
    """A finished study of four runs."""
    study = toy_study(tmp_path)
    run(study, console)
    console.export_text()
    paths = StudyPaths(study.directory)
    return study, Ledger(paths).rows, paths


def told(console):
    return " ".join(console.export_text().split())


def frame(paths):
    return pd.read_parquet(paths.runs_parquet).drop(columns="warnings")


@pytest.mark.parametrize("how", HARMS)
def test_the_table_is_made_again_from_the_journal(done, console, capsys, how):
    study, rows, paths = done
    before = frame(paths)
    harm(paths.runs_parquet, how)
    assert Ledger(paths).rows == rows
    assert main(["report", str(study.directory)]) == 0
    assert "the 4 runs are taken from journal.jsonl" in " ".join(capsys.readouterr().out.split())
    again = run(study, console)
    assert "the 4 runs are taken from journal.jsonl" in told(console)
    assert again.ledger.rows == rows
    pd.testing.assert_frame_equal(frame(paths), before)
    assert paths.runs_parquet.with_suffix(".damaged").exists()
    assert not Ledger(paths).notes


def test_a_table_of_something_else_is_not_taken_for_the_ledger(done, console):
    study, rows, paths = done
    pq.write_table(pa.table({"run_id": [1, 2], "price": [0.5, 1.5]}), paths.runs_parquet)
    assert run(study, console).ledger.rows == rows
    assert "has no column run_name, status" in told(console)


@pytest.mark.parametrize("how", [*HARMS, "gone"])
def test_the_journal_is_made_again_from_the_table(done, console, how):
    study, rows, paths = done
    if how == "gone":
        paths.journal.unlink()
    else:
        harm(paths.journal, how)
    found = Ledger(paths)
    assert {i: row["score_final"] for i, row in found.rows.items()} == {
        i: row["score_final"] for i, row in rows.items()
    }
    assert found.notes
    outcome = run(study, console)
    assert {row["ended_at"] for row in outcome.ledger.rows.values()} == {
        row["ended_at"] for row in rows.values()
    }
    assert len(read_journal(paths.journal).patches) == 4
    assert not Ledger(paths).notes


def test_after_a_good_end_the_journal_has_a_whole_row_a_run(done):
    _, rows, paths = done
    content = read_journal(paths.journal)
    assert content.is_whole
    assert [patch["run_id"] for patch in content.patches] == list(rows)
    paths.runs_parquet.unlink()
    assert Ledger(paths).rows == rows


def test_a_bad_byte_in_the_middle_hides_no_line_after_it(tmp_path, console, monkeypatch):
    """Where the table was written after the line, nothing is lost; else the rest still counts."""
    study = toy_study(tmp_path, seeds=[1])
    run(study, console)
    paths = StudyPaths(study.directory)
    ledger = Ledger(paths)
    a, b = ledger.rows
    ledger.open()
    ledger.patch(a, error="first")
    ledger.compact()
    ledger.patch(a, error="second")
    ledger.patch(b, error="third")
    lines = paths.journal.read_bytes().split(b"\n")
    for spoilt, errors, covered in (
        (-4, ("second", "third"), True),
        (-3, ("first", "third"), False),
    ):
        damaged = [*lines]
        damaged[spoilt] = damaged[spoilt].replace(b"error", b"er\xffor")
        paths.journal.write_bytes(b"\n".join(damaged))
        found = Ledger(paths)
        assert (found.rows[a]["error"], found.rows[b]["error"]) == errors
        assert ("what they said is in runs.parquet" in " ".join(found.notes)) == covered
    ledger._journal.close()


def test_a_line_that_begins_within_a_torn_one(done):
    """A disk that was full for a moment."""
    _, rows, paths = done
    first = next(iter(rows))
    patch = json.dumps({"run_id": first, "error": "late", NUMBER: 10**6}).encode()
    with paths.journal.open("ab") as file:
        file.write(b'{"run_id": "' + first.encode() + b'", "err' + patch + b"\n")
    found = Ledger(paths)
    assert found.rows[first]["error"] == "late"
    assert "1 damaged line;" in found.notes[0]


def test_directories_of_earlier_versions_are_read(done, console):
    """A table alone, or with a journal of changes that have no numbers."""
    study, rows, paths = done
    paths.journal.unlink()
    write_rows(paths, rows.values(), {})
    table = pq.read_table(paths.runs_parquet)
    pq.write_table(table.replace_schema_metadata({}), paths.runs_parquet)
    assert {row["status"] for row in Ledger(paths).rows.values()} == {"ok"}
    assert not Ledger(paths).notes
    first = next(iter(rows))
    paths.journal.write_text(json.dumps({"run_id": first, "status": "failed"}) + '\n{"run_id": "')
    found = Ledger(paths)
    assert [row["status"] for row in found.rows.values()] == ["failed", "ok", "ok", "ok"]
    assert not found.notes
    assert run(study, console).exit_code == 1


def test_both_are_lost(done, console):
    study, rows, paths = done
    harm(paths.runs_parquet, "junk")
    harm(paths.journal, "junk")
    outcome = run(study, console)
    assert "nor does the journal hold any run: all begin again" in told(console)
    assert by_name(outcome.ledger).keys() == {row["run_name"] for row in rows.values()}
    assert outcome.exit_code == 0


@pytest.mark.parametrize("how", [*HARMS, "another run's", "gone"])
def test_one_bad_curve_costs_that_curve_alone(done, console, capsys, how):
    study, rows, paths = done
    a, b, *_ = rows
    curve = paths.history / f"{a}.parquet"
    before = History(paths).read(a)
    if how == "another run's":
        curve.write_bytes((paths.history / f"{b}.parquet").read_bytes())
    elif how == "gone":
        curve.unlink()
    else:
        harm(curve, how)
    fate = "is gone" if how == "gone" else "is not the one that the run wrote"
    assert main(["report", str(study.directory)]) == 0
    assert f"gain=1-s1: the curve {fate}" in " ".join(capsys.readouterr().out.split())
    assert run(study, console).exit_code == 0
    assert f"gain=1-s1: the curve {fate} (--retry-failed recreates them)" in told(console)
    again = run(study, console, retry_failed=True).ledger
    assert History(paths).read(a) == before
    assert again.rows[a]["score_final"] == rows[a]["score_final"]
    assert again.rows[b]["ended_at"] == rows[b]["ended_at"]


def test_best_weights_that_are_gone_or_anothers(tmp_path, console):
    study = flow_study(tmp_path, seeds=[1])
    rows = by_name(run(study, console).ledger)
    paths = StudyPaths(study.directory)
    icfm, vp = paths.best("icfm-s1"), paths.best("vp-s1")
    content = icfm.read_bytes()
    assert rows["icfm-s1"]["checkpoint_bytes"] == len(content)
    swapped = paths.root / "x"
    icfm.rename(swapped)
    vp.rename(icfm)
    swapped.rename(vp)
    assert icfm.stat().st_size == len(content)
    run(study, console)
    both = "icfm-s1: best.pt is not the one that the run wrote; vp-s1: best.pt is not the one"
    assert both in told(console)
    icfm.unlink()
    again = by_name(run(study, console, retry_failed=True).ledger)
    assert {name: row["checkpoint_crc32"] for name, row in again.items()} == {
        name: row["checkpoint_crc32"] for name, row in rows.items()
    }
    assert icfm.read_bytes() == content
    run(study, console)
    assert "lost" not in told(console)


@pytest.mark.parametrize("how", HARMS)
def test_a_decision_on_seeds_is_made_again(tmp_path, console, how):
    rule = {"min": 2, "max": 6, "until": {"half_width": 0.1}}
    study = toy_study(tmp_path, trainable="toy:Noisy", seeds=rule, base={})
    seeds = run(study, console).plan.seeds
    assert len(seeds) == 6
    path = StudyPaths(study.directory).seed_decisions
    harm(path, how)
    assert run(study, console).plan.seeds == seeds
    assert "Decided once more from the same results, for seeds.json was damaged" in told(console)
    assert json.loads(path.read_text())[0]["num"] == 6


@pytest.mark.parametrize("how", [*HARMS, "foreign", "of another shape"])
def test_what_was_fixed_before_is_not_guessed(done, console, capsys, how):
    """Of a damaged file it is not known what the analysis was: nothing is said to be fixed."""
    study, rows, paths = done
    study = study.model_copy(update={"margin": 1.0})
    whole = json.loads(paths.analysis.read_text())
    if how == "foreign":
        paths.analysis.write_text('{"price": [1, 2]}')
    elif how == "of another shape":
        paths.analysis.write_text(json.dumps({**whole, "fixed": 7}))
    else:
        harm(paths.analysis, how)
    for _ in range(2):
        assert main(["report", str(study.directory)]) == 0
        assert "analysis not kept: analysis.json was damaged" in capsys.readouterr().out
        assert run(study, console).ledger.rows == rows
    assert paths.analysis.with_suffix(".damaged").exists()
    text = (paths.report / "table.md").read_text()
    assert "margin ±1, whether it was fixed beforehand was not kept: analysis.json was" in text


@pytest.mark.parametrize("how", HARMS)
def test_a_study_file_and_an_identity_are_written_anew(done, console, capsys, how):
    study, rows, paths = done
    whole = paths.study_yaml.read_bytes()
    harm(paths.study_yaml, how)
    if how == "torn":  # within a word: what ends with a line may be a whole study
        paths.study_yaml.write_bytes(whole[: whole.index(b"factors:") + 4])
    harm(paths.uid, how)
    for command in ("report", "status"):
        assert main([command, str(study.directory)]) == 2
        shown = capsys.readouterr().err
        assert str(paths.study_yaml) in shown
        assert "run the study's own YAML again" in " ".join(shown.split())
    assert run(study, console).ledger.rows == rows
    assert ".uid was lost and is recreated" in told(console)
    assert main(["status", str(study.directory)]) == 0


@pytest.mark.parametrize("how", HARMS)
def test_what_a_run_goes_on_from(tmp_path, console, monkeypatch, how):
    """A torn manifest, state or curve: the run begins again where it must, and ends the same."""
    study = toy_study(tmp_path, factors={"gain": [1]}, seeds=[1], checkpoint_every_s=0,
                      base={"length": 6})  # fmt: skip
    paths = StudyPaths(study.directory)
    for name in ("manifest.json", "state.pkl", "curve"):
        with monkeypatch.context() as patch:
            stop_at_result(patch, 4)
            assert run(study, console, fresh=True).exit_code == 130
        [folder] = paths.launches.glob("1/*/checkpoint_*")
        [run_id] = Ledger(paths).rows
        harm(paths.history / f"{run_id}.jsonl" if name == "curve" else folder / name, how)
        outcome = run(study, console)
        assert outcome.ledger.rows[run_id]["score_final"] == 27.0
        assert [p["step"] for p in outcome.ledger.history(run_id)] == [1, 2, 3, 4, 5, 6]
        assert "Traceback" not in paths.log("gain=1-s1").read_text()


@pytest.mark.parametrize("text", ["[]", "{}", '{"runs": 3, "files": {}}', '{"files": []}', "1"])
def test_a_manifest_of_another_kind_seals_nothing(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    assert not is_whole(tmp_path)
    with pytest.raises(ValueError, match=r"manifest.json: not a checkpoint's manifest"):
        read_manifest(tmp_path)
    write_manifest(tmp_path, {"runs": []})
    assert is_whole(tmp_path)


@pytest.mark.parametrize("how", HARMS)
@pytest.mark.parametrize(
    "name", ["launch.json", "tuner.pkl", "experiment_state-1.json", "search_gen_state-1.json"]
)
def test_a_launch_whose_state_is_torn_is_not_restored(tmp_path, name, how):
    study = toy_study(tmp_path)
    paths, runs = StudyPaths(study.directory), plan_study(study).runs
    LaunchRecord.of(study, runs).write(paths.launch_record(1))
    for pickled in ("tuner.pkl", "search_gen_state-1.json"):
        (paths.launch(1) / pickled).write_bytes(b"\x80\x05K*.")
    (paths.launch(1) / "searcher-state-1.pkl").write_text('{"issued": 4}')
    (paths.launch(1) / "experiment_state-1.json").write_text('{"trial_data": []}')
    assert restorable_launch(paths, study, runs, RunRows()) == (1, "")
    harm(paths.launch(1) / name, how)
    number, why_not = restorable_launch(paths, study, runs, RunRows())
    assert number is None
    assert "torn" in why_not


@pytest.mark.ray
def test_a_tune_state_that_is_torn_or_only_looks_whole(tmp_path, console, ray_cluster, monkeypatch):
    """The runs go on from their own checkpoints, in a launch of its own each time."""
    study = toy_study(tmp_path, seeds=[1], base={"length": 9, "step_s": 0.2}, checkpoint_every_s=0)
    paths = StudyPaths(study.directory)
    interrupted_on_ray(study, console, monkeypatch)
    (paths.launch(1) / "tuner.pkl").write_bytes(pickle.dumps({"not": "a tuner"}))
    interrupted_on_ray(study, console, monkeypatch)
    assert "the Tune state of launch 1 cannot be read" in told(console)
    state = max(paths.launch(2).glob("experiment_state-*.json"))
    state.write_text(state.read_text()[:2000])
    outcome = run(study, console, local=False)
    torn = "the Tune state of launch 2 is torn or missing; resuming from the runs' own"
    assert torn in " ".join(told(console).split())
    rows = by_name(outcome.ledger)
    assert sorted(row["score_final"] for row in rows.values()) == [54.0, 99.0]
    assert 3 in {row["launch"] for row in rows.values()}
    for name in rows:
        assert paths.log(name).read_text().count("step 1 ") == 1


def interrupted_on_ray(study, console, monkeypatch):
    """The study, until both its runs have told of some steps."""
    told, asked = Counter(), []

    def interrupt(self, event):
        told[event.run_id] += isinstance(event, RunReported)
        if len(told) == 2 and min(told.values()) >= 2 and not asked:
            asked.append(os.kill(os.getpid(), signal.SIGINT))

    with monkeypatch.context() as patch:
        patch.setattr("ablate.tracking.terminal.Progress.on_event", interrupt)
        assert run(study, console, local=False).exit_code == 130
