"""To whom the result of a failed run is lost: as it is raised, told by a worker, and kept."""

import errno
import os
from dataclasses import asdict

import pytest
from studies import toy_study

from ablate.events import Failure, RunEnded, events_of_report
from ablate.launch.ray.attempts import Attempt, Attempts
from ablate.ledger.ledger import Ledger
from ablate.losses import Loss
from ablate.plan.plan import plan_study
from ablate.run_row import RunRow, Status
from ablate.study_dir import StudyPaths

CudaOutOfMemory = type("OutOfMemoryError", (RuntimeError,), {"__module__": "torch"})
NodeDied = type("NodeDiedError", (Exception,), {"__module__": "ray.exceptions"})
OwnerDied = type("OwnerDiedError", (type("ObjectLostError", (Exception,), {}),), {})


def os_error(number):
    return OSError(number, os.strerror(number), "/elsewhere/cache")


def behind(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        os_error(errno.ENOSPC), os_error(errno.EDQUOT), os_error(errno.ESTALE),
        os_error(errno.ETIMEDOUT), ConnectionResetError("by peer"), NodeDied("gone"),
        OwnerDied("gone"), behind(RuntimeError("unable to write"), os_error(errno.EIO)),
    ],
)  # fmt: skip
def test_machines_lose_runs(error):
    assert Failure.of(error).lost_to is Loss.INFRASTRUCTURE


@pytest.mark.parametrize(
    "error",
    [
        CudaOutOfMemory("CUDA out of memory"), MemoryError(), os_error(errno.ENOMEM),
        FloatingPointError("nan"), ValueError("No space left on device"),
        FileNotFoundError(errno.ENOENT, "no such file", "rows.npy"), TimeoutError("solver"),
        behind(ValueError("empty"), MemoryError()),
    ],
)  # fmt: skip
def test_runs_lose_themselves_and_so_does_what_is_not_known(error):
    assert Failure.of(error).lost_to is Loss.CELL


@pytest.mark.parametrize(
    ("trace", "lost_to"),
    [
        ("ray.exceptions.ObjectFetchTimedOutError: too slow", Loss.INFRASTRUCTURE),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory", Loss.CELL),
        ("The actor died unexpectedly, by SIGKILL maybe", Loss.CELL),
    ],
)
def test_a_name_is_enough(trace, lost_to):
    assert Failure.of_trace(trace).lost_to is lost_to


def test_what_is_known_outlives_worker_driver_and_ledger(tmp_path):
    """A worker notes it beside the trial, a later one reports it, the ledger keeps it."""
    attempts = Attempts(tmp_path / "trial", 0)
    attempts.add(Attempt(Failure.of(os_error(errno.ENOSPC))))
    fatal = attempts.fatal(lambda node: True)
    study = toy_study(tmp_path, seeds=[1])
    run = plan_study(study).runs[0]
    report = {"run_id": run.run_id, "status": "failed", "failure": asdict(fatal.failure)}
    *_, ended = events_of_report(report)
    assert isinstance(ended, RunEnded)
    paths = StudyPaths(study.directory)
    paths.root.mkdir()
    ledger = Ledger(paths)
    with ledger.writing():
        ledger.add(run.run_id, run_name=run.run_name, seed=run.seed)
        ledger.on_event(ended)
    assert Ledger(paths).rows[run.run_id].loss("score") is Loss.INFRASTRUCTURE


@pytest.mark.parametrize(
    ("columns", "lost_to"),
    [
        ({"status": Status.DIVERGED}, Loss.CELL),
        ({"status": Status.FAILED, "error_type": "WorkerDied"}, Loss.CELL),
        ({"status": Status.FAILED, "error_type": "NodeDiedError"}, Loss.INFRASTRUCTURE),
        ({"status": Status.OK, "score": float("nan")}, Loss.CELL),
        ({"status": Status.OK, "score": 1.0}, None),
        ({"status": Status.OK}, None),
        ({"status": Status.INTERRUPTED, "error_type": "ValueError"}, None),
        ({}, None),
    ],
)
def test_rows_say_it_those_of_earlier_versions_too(columns, lost_to):
    assert RunRow(columns).loss("score") is lost_to
