"""The file system of the study directory fails: the study stops, no run does, and it goes on."""

import contextlib
import ctypes
import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from studies import by_name, flow_study, toy_study
from toy import Counter

from ablate.cli.main import main
from ablate.driver.session import execute
from ablate.errors import StorageError
from ablate.events import Broadcast, RunEnded
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.storage import fault_of
from ablate.study_dir import StudyPaths

PR_CAPBSET_DROP, DAC_OVERRIDE, DAC_READ_SEARCH = 24, 1, 2


def run(study, console, **options):
    return execute(study, Options(**{"local": True, **options}), console)


def numbers(ledger):
    rows = by_name(ledger)
    names = ("status", "retries", "step", "val_loss_best", "sliced_w2_best", "score_final")
    return {n: ([r.get(k) for k in names], ledger.history(r["run_id"])) for n, r in rows.items()}


@pytest.fixture
def small(tmp_path):
    """A file system of 16 MB of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no small file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


class Disk:
    """Fills and empties a small file system."""

    def __init__(self, folder):
        self._fill = folder / "fill"

    def fill(self, but=0):
        with open(self._fill, "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
            file.truncate(file.tell() - but)

    def empty(self):
        self._fill.unlink()


class Filling(Counter):
    """Fills the disk in its third step, once; then its checkpoints have no room, or its log."""

    def step(self):
        marker = Path(self.config["marker"])
        if self.iteration == 2 and not marker.exists():
            marker.touch()
            Disk(Path(self.config["disk"])).fill(but=self.config.get("but", 0))
        return super().step()

    def save_checkpoint(self, checkpoint_dir):
        return {"total": self.total, "ballast": bytes(self.config.get("ballast", 0))}


def filling(small, tmp_path, **base):
    return toy_study(
        small, trainable="test_storage_failures:Filling", checkpoint_every_s=0, seeds=[1],
        base={"length": 6, "marker": str(tmp_path / "marker"), "disk": str(small), **base},
    )  # fmt: skip


def expected(tmp_path, console):
    """What the same study says that nothing disturbs."""
    return numbers(
        run(toy_study(tmp_path / "whole", base={"length": 6}, seeds=[1]), console).ledger
    )


FULL = {"all is full": {}, "no room for a checkpoint": {"but": 300_000, "ballast": 800_000}}


@pytest.mark.parametrize("what", FULL)
def test_a_full_disk_stops_the_study_and_with_room_it_goes_on(small, tmp_path, console, what):
    study = filling(small, tmp_path, **FULL[what])
    with pytest.raises(StorageError, match="No space left on device") as told:
        run(study, console)
    assert str(small) in str(told.value)
    assert not {"failed", "diverged"} & {
        row["status"] for row in Ledger(StudyPaths(study.directory)).rows.values()
    }
    Disk(small).empty()
    outcome = run(study, console)
    assert outcome.exit_code == 0
    assert numbers(outcome.ledger) == expected(tmp_path, console)


@pytest.mark.ray
@pytest.mark.parametrize("what", FULL)
def test_a_full_disk_under_ray(small, tmp_path, console, ray_cluster, what):
    study = filling(small, tmp_path, **FULL[what])
    with pytest.raises(StorageError, match="No space left on device"):
        run(study, console, local=False)
    statuses = {row["status"] for row in Ledger(StudyPaths(study.directory)).rows.values()}
    assert not {"failed", "diverged"} & statuses
    Disk(small).empty()
    outcome = run(study, console, local=False)
    assert outcome.exit_code == 0
    assert numbers(outcome.ledger) == expected(tmp_path, console)


class Removing(Counter):
    """The study directory is gone from the second step on."""

    def step(self):
        if self.iteration == 1:
            shutil.rmtree(self.config["root"], ignore_errors=True)
        return super().step()


@pytest.mark.parametrize("local", [True, pytest.param(False, marks=pytest.mark.ray)])
def test_a_directory_that_is_removed_does_not_come_back(tmp_path, console, request, local):
    if not local:
        request.getfixturevalue("ray_cluster")
    study = toy_study(
        tmp_path, trainable="test_storage_failures:Removing", seeds=[1],
        base={"root": str(tmp_path / "toys")},
    )  # fmt: skip
    with pytest.raises(StorageError, match=str(study.directory)):
        run(study, console, local=local)
    assert not (study.directory / "ledger").exists()
    assert not (study.directory / "logs").exists()


def test_best_weights_without_room_are_no_failed_run(small, tmp_path, console, monkeypatch):
    """Torch says nothing of the disk: RuntimeError, unexpected pos."""
    changes = {"base": {"hidden_dim": 256, "num_layers": 6, "epochs": 2}, "seeds": [1]}
    study = flow_study(small, checkpoint_every_s=1000, **changes)
    disk, made = Disk(small), Ledger.on_event

    def fill(self, event):
        if isinstance(event, RunEnded):
            disk.fill(but=200_000)
        made(self, event)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "on_event", fill)
        with pytest.raises(StorageError, match=r"No space left on device"):
            run(study, console)
    disk.empty()
    found = numbers(run(study, console).ledger)
    assert found == numbers(run(flow_study(tmp_path / "whole", **changes), console).ledger)
    assert [values[0] for values, _ in found.values()] == ["ok", "ok"]


GRID = (
    "study: it's\ntrainable: toy:Counter\nmetric: score\nmode: max\nbase: {length: 2000}\n"
    "seeds: [1]\ncheckpoint_every_s: 0.1\n"
)


def test_a_file_that_may_not_grow_ends_with_3_and_the_command_to_go_on(tmp_path):
    """Without root: a limit on the size of files, which the log, the curve and the journal meet."""
    grid = tmp_path / "grid.yaml"
    grid.write_text(GRID.replace("it's", "its"))

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))

    command = [sys.executable, "-m", "ablate.run", str(grid), "--local", "--storage", "a b"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60,
                          preexec_fn=limited)  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "error: the study's storage failed: " in done.stderr
    assert "File too large" in done.stderr
    assert "python -m ablate.run --resume 'a b/its' --local" in done.stderr
    assert "Traceback" not in done.stderr
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    ledger = Ledger(StudyPaths(tmp_path / "a b" / "its"))
    [row] = ledger.rows.values()
    assert (row["status"], row["score_final"], row.get("retries")) == ("ok", 2003000.0, None)
    assert [point["step"] for point in ledger.history(row["run_id"])] == list(range(1, 2001))


def refusing(number, path):
    def refuse(*args, **options):
        raise OSError(number, os.strerror(number), str(path))

    return refuse


@pytest.mark.parametrize(
    "where",
    ["ablate.ledger.history.History.append", "ablate.ledger.journal.Journal.append",
     "ablate.ledger.ledger.write_rows", "ablate.ledger.ledger.write_whole",
     "ablate.launch.local._save", "ablate.launch.run_logs._Tee.write"],
)  # fmt: skip
def test_whatever_is_written_the_runs_do_not_fail(tmp_path, console, monkeypatch, where):
    study = toy_study(tmp_path, seeds=[1], base={"length": 3}, checkpoint_every_s=0)
    begun = []
    with monkeypatch.context() as patch:
        made = Ledger.on_event

        def listen(self, event):
            if not begun:
                begun.append(event)
                patch.setattr(where, refusing(errno.EROFS, study.directory / "x"))
            made(self, event)

        patch.setattr(Ledger, "on_event", listen)
        with pytest.raises(StorageError, match="x: Read-only file system"):
            run(study, console)
    outcome = run(study, console)
    assert outcome.exit_code == 0
    assert {row.get("retries") for row in outcome.ledger.rows.values()} == {None}
    assert outcome.exit_code == 0


def test_what_a_run_itself_does_with_files_is_its_own_failure(tmp_path):
    paths = StudyPaths(tmp_path)
    paths.uid.write_text("x")
    elsewhere = OSError(errno.ENOSPC, "No space left on device", "/elsewhere/data.npy")
    missing = FileNotFoundError(errno.ENOENT, "No such file", str(tmp_path / "mine.npy"))
    for error in (elsewhere, missing, ValueError("bad"), OSError(errno.ENOSPC, "no file named")):
        assert fault_of(error, paths) is None
    wrapped = RuntimeError("saving failed")
    wrapped.__cause__ = PermissionError(errno.EACCES, "denied", str(tmp_path / "logs" / "a.log"))
    assert fault_of(wrapped, paths).path == str(tmp_path / "logs" / "a.log")
    paths.uid.unlink()
    assert "no longer there" in fault_of(missing, paths).reason


def test_the_record_hears_first_and_watchers_fail_alone(capsys):
    heard, said = [], []

    class Listener:
        def __init__(self, name, fails=None):
            self.name, self.fails = name, fails

        def on_event(self, event):
            heard.append(self.name)
            if self.fails:
                raise self.fails

    event = RunEnded("a", "ok")
    watched = Broadcast(Listener("record"), [Listener("bad", ValueError("x")), Listener("good")],
                        lambda: heard.append("stop"), said.append)  # fmt: skip
    watched.on_event(event)
    watched.on_event(event)
    assert heard == ["record", "bad", "good"] * 2
    assert said == ["Listener failed, and the study goes on: ValueError: x"]
    assert "ValueError: x" in capsys.readouterr().err
    heard.clear()
    full = OSError(errno.ENOSPC, "No space left on device", "journal")
    broken = Broadcast(Listener("record", full), [Listener("good")], lambda: heard.append("stop"))
    broken.on_event(event)
    broken.on_event(event)
    assert heard == ["record", "stop"]
    assert str(broken.failure).startswith("the study's storage failed: journal: No space left")


def without_privilege():
    """Lets file permissions hold for root, too."""
    if not os.geteuid():
        libc = ctypes.CDLL(None)
        for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def command(*arguments, **options):
    """A command in a process of its own, for whom file permissions hold."""
    return subprocess.run(
        [sys.executable, "-m", "ablate.cli", *map(str, arguments)], capture_output=True, text=True,
        preexec_fn=without_privilege, timeout=60, **options,
    )  # fmt: skip


@pytest.fixture
def read_only(tmp_path, console):
    """A finished study that may only be read."""
    study = flow_study(tmp_path / "theirs", seeds=[1, 2])
    run(study, console)
    shutil.rmtree(study.directory / "report", ignore_errors=True)
    folders = [path for path in study.directory.rglob("*") if path.is_dir()]
    for path in [study.directory, *folders]:
        path.chmod(0o555)
    yield study.directory
    for path in [study.directory, *folders]:
        path.chmod(0o755)


def test_a_directory_that_may_only_be_read(read_only):
    done = command("report", read_only)
    assert done.returncode == 0, done.stderr
    assert "sliced_w2" in done.stdout
    assert "note: the report was not written: " in done.stdout
    assert "Permission denied" in done.stdout
    assert command("status", read_only).stdout.endswith("4 runs: 4 ok\n")
    for arguments in (["evaluate", read_only, "--metric", "mmd"],
                      ["run", "--local", "--resume", read_only]):  # fmt: skip
        done = command(*arguments)
        assert done.returncode == 2
        assert "Permission denied" in done.stderr
        assert str(read_only) in done.stderr
        assert "Traceback" not in done.stderr


def test_a_report_that_cannot_be_written_ends_a_run_with_3(tmp_path, console, monkeypatch, capsys):
    grid = tmp_path / "grid.yaml"
    grid.write_text(GRID.replace("it's", "its").replace("2000", "4"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ablate.report.output.write_atomically", refusing(errno.EDQUOT, "t.md"))
    assert main(["run", str(grid), "--local"]) == 3
    shown = capsys.readouterr()
    assert "the study's storage failed: t.md: Disk quota exceeded" in shown.err
    assert "not enough" in shown.out or "baseline" in shown.out
