"""`time_limit_s`: a run that takes longer is ended, wherever it is."""

import subprocess
import sys

import pytest
from processes import start
from studies import by_name, toy_study

from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.study_dir import StudyPaths

TOLD = "exceeded time_limit_s: 1 of this run"


def study_of(folder, trainable, base=None, **changes):
    given = {"base": base or {}, "seeds": [1], "retries": 2, "time_limit_s": 1.0}
    return toy_study(folder, trainable=trainable, **{**given, **changes})


def run(study, console, **options):
    return execute(study, Options(local=True, **options), console)


def are_timed_out(rows):
    assert {(row.status, row["error_type"]) for row in rows} == {("failed", "TimeLimit")}
    assert all(row["error"].startswith(TOLD) for row in rows)
    assert {row.get("retries") for row in rows} == {None}


@pytest.mark.parametrize(
    ("trainable", "base"),
    [
        ("trained:hangs", {}),
        ("trained:hangs", {"how": "swallows"}),
        ("toy:Counter", {"step_s": 0.4, "length": 99}),
        ("trained:Swallows", {}),
    ],
)
def test_a_run_that_takes_longer_fails_for_good_and_the_study_goes_on(
    tmp_path, console, trainable, base
):
    outcome = run(study_of(tmp_path, trainable, base), console)
    assert outcome.exit_code == 1
    are_timed_out(by_name(outcome.ledger).values())
    assert len(outcome.ledger.rows) == 2
    assert {str(row.lost_to) for row in outcome.ledger.rows.values()} == {"cell"}


def test_time_counts_over_attempts(tmp_path, console):
    """Each of them alone would be in time."""
    base = {"step_s": 0.3, "fail": "step", "length": 99}
    study = study_of(tmp_path, "toy:Counter", base, checkpoint_every_s=0, retries=9)
    row = by_name(run(study, console).ledger)["gain=1-s1"]
    assert (row["error_type"], row["retries"]) == ("RuntimeError", 9)
    shorter = study_of(tmp_path / "2", "trained:Stumbles", {}, checkpoint_every_s=0, retries=9)
    row = by_name(run(shorter, console).ledger)["gain=1-s1"]
    assert row["error_type"] == "TimeLimit"
    assert 0 < row["retries"] < 9


def test_a_function_that_does_not_come_back_is_named_and_the_study_ends(
    tmp_path, console, monkeypatch
):
    monkeypatch.setattr("trainables.function.GRACE_S", 1.0)
    study = study_of(tmp_path, "trained:hangs", {"how": "c"})
    outcome = run(study, console)
    assert outcome.exit_code == 130
    rows = by_name(outcome.ledger)
    assert (rows["gain=1-s1"].status, rows["gain=2-s1"].status) == ("failed", "pending")
    assert TOLD in rows["gain=1-s1"]["error"]
    assert "in hangs" in rows["gain=1-s1"]["error"]
    assert "usleep(900_000_000)" in rows["gain=1-s1"]["traceback"]


COMMAND = """
study: t
trainable: {trainable}
metric: score
factors: {{gain: [1, 2]}}
base: {base}
seeds: [1]
time_limit_s: 1
"""
SHORT = """
import sys
import ablate.launch.local_time_limit as local, ablate.launch.time_limit as limit
local.GRACE_S = 1.0
limit.HARD_S = 3.0
from ablate.cli.run import main
sys.exit(main(sys.argv[1:]))
"""


def in_a_process(folder, trainable, base):
    grid = folder / "grid.yaml"
    grid.write_text(COMMAND.format(trainable=trainable, base=base))
    process = start(
        [sys.executable, "-c", SHORT, str(grid), "--local"], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    out, _ = process.communicate(timeout=100)
    return process.returncode, out, by_name(Ledger(StudyPaths(folder / "studies" / "t")))


def test_a_class_that_does_not_come_back_is_named_and_the_study_ends_at_once(tmp_path):
    code, out, rows = in_a_process(tmp_path, "trained:HangsInC", "{}")
    assert code == 130, out
    assert "Resume with" in out
    assert "does not come back from File" in " ".join(out.split())
    assert (rows["gain=1-s1"].status, rows["gain=2-s1"].status) == ("failed", "pending")
    assert "does not come back from" in rows["gain=1-s1"]["error"]
    assert "in step" in rows["gain=1-s1"]["error"]


def test_what_never_gives_pythons_lock_back_ends_its_process(tmp_path):
    code, out, rows = in_a_process(tmp_path, "trained:hangs", "{how: locked}")
    assert (code, "Timeout" in out, "in hangs" in out) == (1, True, True), out
    assert not any(row.status == "ok" for row in rows.values())
