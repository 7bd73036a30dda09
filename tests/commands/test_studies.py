"""Whole studies of commands: what a researcher sees."""

import sys
from pathlib import Path

from commanded import LOG, PLAIN, RESUMES, SCRIPTS
from outcomes import histories
from studies import by_name, stop_at_result

import ablate
from ablate.driver.session import execute
from ablate.events import Revision
from ablate.images.logged import logged_images
from ablate.launch.base import Options
from ablate.ledger.history import History
from ablate.spec.load import read_study
from ablate.study_dir import StudyPaths

WHOLE = [1 + step * (step + 1) / 2 for step in range(1, 11)]


def study_of(storage, command, **changes):
    raw = {
        "study": "scripts",
        "trainable": {"grace_s": 5, **command},
        "metric": "acc",
        "mode": "max",
        "base": {"lr": 1},
        "seeds": [1],
        "checkpoint_every_s": 0.2,
        "storage": str(storage),
    }
    return read_study({**raw, **changes}, "test")


def line(*arguments):
    return " ".join([PLAIN, "--lr {lr}", *arguments])


def curve(ledger, name):
    return [p["acc"] for p in histories(ledger)[name]]


def test_a_grid_of_a_script(tmp_path, console):
    study = study_of(tmp_path, {"command": line(), "read": LOG}, factors={"lr": [1, 2]})
    outcome = execute(study, Options(local=True), console)
    assert outcome.exit_code == 0, console.export_text()
    rows = by_name(outcome.ledger)
    assert {name: row["acc_final"] for name, row in rows.items()} == {"lr=1-s1": 56, "lr=2-s1": 111}
    assert (rows["lr=1-s1"]["step"], rows["lr=1-s1"]["stop_reason"]) == (10, "done")
    assert curve(outcome.ledger, "lr=1-s1") == WHOLE
    log = StudyPaths(study.directory).log("lr=1-s1").read_text()
    assert "step 10 acc=56.0\ndone\n" in log


def test_a_script_shows_pictures(tmp_path, console):
    here = Path(ablate.__file__).parents[1]
    script = f"env PYTHONPATH={here} {sys.executable} {SCRIPTS / 'paints.py'} {{run_dir}} {{seed}}"
    command = {"command": script, "samples": "{run_dir}/samples/*.png"}
    study = study_of(tmp_path, command, base={}, factors={})
    outcome = execute(study, Options(local=True), console)
    assert outcome.exit_code == 0, console.export_text()
    [run] = outcome.plan.runs
    found = logged_images(StudyPaths(study.directory).run(run.run_name))
    last = [f"samples/step-{step}.png" for step in (8, 9, 10, 11)]
    assert [(one.name, one.step, one.num) for one in found] == [
        ("grid", 11, 1), *((name, None, 11) for name in last)
    ]  # fmt: skip
    assert not outcome.ledger.rows[run.run_id].warnings


def test_a_run_is_not_lost_to_its_pictures(tmp_path, console):
    here = Path(ablate.__file__).parents[1]
    paints = f"{sys.executable} {SCRIPTS / 'paints.py'} $0 {{seed}}"
    script = f"sh -c ': > $0/.ablate/images; PYTHONPATH={here} {paints}' {{run_dir}}"
    command = {"command": script, "samples": "{run_dir}/samples/*.png"}
    outcome = execute(
        study_of(tmp_path, command, base={}, factors={}), Options(local=True), console
    )
    assert outcome.exit_code == 0, console.export_text()
    [row] = outcome.ledger.rows.values()
    assert "trainable.samples: no pictures could be kept: " in row.warnings
    log = StudyPaths(outcome.plan.study.directory).log(row.run_name).read_text()
    assert "ablate.log_image: grid is not kept: " in log


def test_interrupted_and_run_again_equals_uninterrupted(tmp_path, console, monkeypatch):
    study = study_of(tmp_path, {"command": line("--step-s 0.2"), **RESUMES})
    with monkeypatch.context() as patch:
        stop_at_result(patch, 4)
        assert execute(study, Options(local=True), console).exit_code == 130
    outcome = execute(study, Options(local=True), console)
    assert outcome.exit_code == 0
    [name] = by_name(outcome.ledger)
    assert curve(outcome.ledger, name) == WHOLE
    assert "attempt 2, from" in StudyPaths(study.directory).log(name).read_text()


def test_a_crash_is_retried_and_a_run_that_starts_over_has_nothing_of_before(tmp_path, console):
    fails = "--fail-at 8 --fail-with SIGKILL --fail-times {times}"
    study = study_of(
        tmp_path, {"command": line(fails), **RESUMES},
        base={"lr": 1, "times": 1}, factors={"times": [1, 9]}, retries=1,
    )  # fmt: skip
    outcome = execute(study, Options(local=True), console)
    rows = by_name(outcome.ledger)
    told = {n: (r["status"], r.get("retries"), r.get("error_type")) for n, r in rows.items()}
    assert told == {"times=1-s1": ("ok", 1, None), "times=9-s1": ("failed", 1, "SIGKILL")}
    assert curve(outcome.ledger, "times=1-s1") == WHOLE
    paths = StudyPaths(study.directory)
    (paths.run("times=9-s1") / "failures").write_text("x" * 9)
    outcome = execute(study, Options(local=True, retry_failed=True), console)
    assert by_name(outcome.ledger)["times=9-s1"]["status"] == "ok"
    assert curve(outcome.ledger, "times=9-s1") == WHOLE


def test_a_smoke_test_finds_what_is_never_read(tmp_path, console):
    from ablate.driver.smoke import try_cells

    study = study_of(tmp_path, {"command": line(), "read": {"acc": r"accuracy (\S+)"}})
    assert try_cells(study, Options(local=True), console).exit_code == 1
    assert "NothingRead: trainable.read.acc" in console.export_text()


def test_a_smoke_test_ends_a_long_script_after_two_results(tmp_path, console):
    from ablate.driver.smoke import try_cells

    study = study_of(tmp_path, {"command": line("--steps 1000 --step-s 0.3"), "read": LOG})
    assert try_cells(study, Options(local=True), console).exit_code == 0
    assert "start, end and are measured" in console.export_text()


def test_the_studys_metric_that_is_not_among_what_is_read(tmp_path, console):
    study = study_of(tmp_path, {"command": line(), "read": LOG}, metric="f1")
    execute(study, Options(local=True), console)
    text = console.export_text()
    assert "`f1`, the study's metric, was never a finite number: it measured acc" in text


def test_later_points_supersede_earlier_ones_in_the_ledger(tmp_path):
    paths = StudyPaths(tmp_path)
    paths.history.mkdir(parents=True)
    history = History(paths)
    history.append("a", [(10, {"x": 1.0}), (20, {"x": 2.0}), (30, {"x": 3.0})])
    history.append("a", [(20, {"y": 9.0}), (30, {"y": 9.5})], Revision())
    history.append("a", [(25, {"x": 2.5})], Revision(25))
    wanted = [
        {"step": 10, "x": 1.0}, {"step": 20, "x": 2.0, "y": 9.0}, {"step": 25, "x": 2.5},
    ]  # fmt: skip
    assert history.read("a") == History(paths).read("a") == wanted
    history.finish("a")
    assert history.read("a") == wanted
    History(paths).append("a", [(15, {"x": 0.5})], Revision(15))
    assert [point["step"] for point in History(paths).read("a")] == [10, 15]


def test_a_resumed_run_that_is_soon_interrupted_again_keeps_what_it_has(
    tmp_path, console, monkeypatch
):
    """Its curve is then shorter than it was: no point of it is lost."""
    study = study_of(tmp_path, {"command": line("--step-s 0.3"), **RESUMES}, checkpoint_every_s=0)
    for results in (6, 2):
        with monkeypatch.context() as patch:
            stop_at_result(patch, results)
            assert execute(study, Options(local=True), console).exit_code == 130
    outcome = execute(study, Options(local=True), console)
    [name] = by_name(outcome.ledger)
    assert curve(outcome.ledger, name) == WHOLE
    assert "restarted" not in console.export_text()
    log = StudyPaths(study.directory).log(name).read_text()
    assert "attempt 3, from" in log
    assert log.count("step 1 acc") == 1
