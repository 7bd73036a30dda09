"""How scripts end, and what of them is left: nothing."""

import sys
import time

import psutil
import pytest
from commanded import PLAIN, RESUMES, Told, a_run, advance, finished
from studies import wait_for

from ablate.commands.child import Exit
from ablate.commands.endings import Cause, ScriptFailedError, ending_of, root_traceback
from ablate.events import Failure
from ablate.losses import Loss


def python(code, *arguments):
    return [sys.executable, "-c", code.replace("{", "{{").replace("}", "}}"), *arguments]


def marked(folder):
    """The live processes whose environment names a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ABLATE_LOG", "").startswith(str(folder)):
                found += [process] * (process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            pass
    return found


def test_an_error_of_its_own_ends_a_run_at_once(tmp_path):
    told = finished(tmp_path, f"{PLAIN} --fail-at 1 --fail-with 'no such layer'", retries=3,
                    **RESUMES)  # fmt: skip
    assert told.raised is None
    assert (told.ending.kind, told.ending.message) == ("RuntimeError", "no such layer")
    assert "plain.py" in told.ending.trace
    assert told.ending.failure.lost_to is Loss.CELL


def test_an_error_after_a_checkpoint_is_tried_again_but_not_the_same_one_at_the_same_step(tmp_path):
    line = f"{PLAIN} --fail-at 5 --fail-with odd"
    told = finished(tmp_path / "once", line, retries=3, **RESUMES)
    assert told.ending is None
    told = finished(tmp_path / "always", f"{line} --fail-times 99", retries=3, **RESUMES)
    assert (told.ending.kind, told.ending.message) == ("RuntimeError", "odd")
    assert told.printed.count("attempt") == 1, "the second time at the same step was the last"


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("NCCL error: unhandled system error", Cause.MACHINE),
        ("CUDA error: uncorrectable ECC error encountered", Cause.MACHINE),
        ("CUDA error: an illegal memory access was encountered", Cause.MACHINE),
        ("CUDA error: device-side assert triggered", Cause.ITSELF),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", Cause.ITSELF),
        ("[../gloo/pair.cc:553] Connection closed by peer [127.0.0.1]:9", Cause.MACHINE),
        ("mat1 and mat2 shapes cannot be multiplied", Cause.ITSELF),
    ],
)
def test_errors_that_another_attempt_can_help(message, cause):
    printed = [
        "Traceback (most recent call last):",
        '  File "t.py", line 1',
        f"RuntimeError: {message}",
    ]
    ending = ending_of(Exit(1), printed)
    assert (ending.kind, ending.message, ending.cause) == ("RuntimeError", message, cause)
    error = ScriptFailedError.of(ending)
    assert Failure.of(error).kind == "RuntimeError"
    assert Failure.of(error).lost_to is ending.failure.lost_to


def test_a_command_that_is_not_there(tmp_path):
    told = finished(tmp_path, "no-such-command --lr 1", retries=2)
    assert told.ending.kind == "CommandNotFound"
    assert "no-such-command" in told.ending.message


def test_an_exit_code_without_a_traceback(tmp_path):
    told = finished(tmp_path, ["bash", "-c", "echo first; echo 'wrong flag' >&2; exit 3"])
    assert (told.ending.kind, told.ending.message) == ("ExitCode", "exit code 3: wrong flag")


def test_of_several_processes_the_first_that_failed_is_the_cause():
    printed = """
[rank1]: Traceback (most recent call last):
[rank0]: Traceback (most recent call last):
[rank1]:   File "t.py", line 3, in <module>
[rank0]:   File "t.py", line 9, in <module>
[rank1]: KeyError: 'no such layer'
[rank0]: RuntimeError: Connection closed by peer
Traceback (most recent call last):
  File "torchrun", line 8, in <module>
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
t.py FAILED
""".strip().splitlines()
    assert root_traceback(printed)[-1] == "KeyError: 'no such layer'"
    ended = [
        "Failures:",
        "  exitcode  : -15 (pid: 7)  (SIGTERM)",
        "Root Cause (first observed failure):",
    ]
    assert ending_of(Exit(1), [*printed, *ended, "  exitcode  : 1 (pid: 8)"]).kind == "KeyError"
    killed = ending_of(Exit(1), [*printed, *ended, "  exitcode  : -9 (pid: 8)  (SIGKILL)"])
    assert (killed.kind, killed.cause) == ("SIGKILL", Cause.SIGNAL)
    caught = ["Traceback (most recent call last):", "  File", "OSError: caught", "goes on"]
    own = ["Traceback (most recent call last):", "  File", "ValueError: last"]
    assert root_traceback([*caught, *own])[-1] == "ValueError: last"


TRACEBACK = ["Traceback (most recent call last):", '  File "t.py", line 3', "KeyError: 'layer'"]
ROOT = ["Root Cause (first observed failure):", "  exitcode  : {} (pid: 8)"]
ABORTED = ["terminate called after throwing an instance of 'c10::Error'", "  what():  [W1] x", ""]


@pytest.mark.parametrize(
    ("code", "printed", "kind"),
    [
        (-6, [*TRACEBACK, *ABORTED], "KeyError"),
        (139, [*TRACEBACK, "Segmentation fault (core dumped)"], "KeyError"),
        (1, [*(f"[rank1]: {line}" for line in TRACEBACK), "more", *ROOT], "KeyError"),
        (1, [*(f"[default1]:[rank1]: {line}" for line in TRACEBACK), "more", *ROOT], "KeyError"),
        (-6, [*TRACEBACK, "was caught; epoch 2"], "SIGABRT"),
        (-9, TRACEBACK, "SIGKILL"),
        (1, ["[rank0]: " + TRACEBACK[0], "[rank0]: OSError: Broken pipe", *ROOT], "SIGABRT"),
        (-11, [], "SIGSEGV"),
    ],
)  # fmt: skip
def test_who_crashes_after_an_exception_failed_by_it(code, printed, kind):
    assert ending_of(Exit(code), [line.format(-6) for line in printed]).kind == kind


def test_both_marks_of_a_rank_are_read():
    printed = [f"[default1]:[rank1]: {line}" for line in TRACEBACK]
    assert root_traceback(printed) == TRACEBACK


def test_what_no_system_can_start_is_told_at_once_and_each_time(tmp_path):
    read = {"acc": r"acc=(\S+)"}
    told = finished(tmp_path, [sys.executable, "{tag}"], read=read, config={"tag": "a\0b"})
    assert (told.ending.kind, "null byte" in told.ending.message) == ("CommandNotFound", True)
    for _ in range(2):  # the second attempt does not wait for the first
        told = finished(tmp_path, [sys.executable, "{tag}"], read=read, config={"tag": "a" * 2**18})
        assert "too long" in told.ending.message


def test_a_long_command_is_started(tmp_path):
    """Longer than one argument may be: a list of rows, say."""
    code = "import sys; print(f'acc={{len(sys.argv)}}')"
    line = [sys.executable, "-c", code, "{rows}"]
    told = finished(tmp_path, line, config={"rows": list(range(30_000))}, read={"acc": "acc=(.*)"})
    assert told.curve("acc") == {1: 30_001}


def test_a_script_that_stalls(tmp_path):
    code = "import time; print('step 1 acc=1', flush=True); time.sleep(60)"
    told = finished(tmp_path, python(code), read={"acc": r"acc=(\S+)"}, stalled_after_s=1.0,
                    retries=2)  # fmt: skip
    assert told.ending.kind == "Stalled"
    assert told.curve("acc") == {1: 1.0}
    assert not marked(tmp_path)


def test_a_script_that_only_draws_a_bar_does_not_stall(tmp_path):
    code = (
        "import sys, time\n"
        "for i in range(15): sys.stderr.write('.'); sys.stderr.flush(); time.sleep(0.2)\n"
        "print('acc=1')"
    )
    told = finished(tmp_path, python(code), read={"acc": r"acc=(\S+)"}, stalled_after_s=1.5)
    assert told.ending is None


def test_a_script_that_takes_too_long_over_all_its_attempts(tmp_path):
    line = f"{PLAIN} --step-s 0.4 --steps 1000 --fail-at 4 --fail-with SIGKILL"
    told = finished(tmp_path, line, retries=1, given={"time_limit_s": 3}, **RESUMES)
    assert told.ending.kind == "TimeLimit"
    assert told.ending.message == "exceeded time_limit_s: 3 of this run"
    assert max(told.points) < 12
    assert not marked(tmp_path)


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
again = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", again], start_new_session=True)
print("acc=1", flush=True)
time.sleep(60)
"""
"""Ignores SIGTERM, and has a child in a session of its own, as torchrun's are, that does, too."""


def test_what_ignores_sigterm_is_killed_after_its_grace_time_with_all_below_it(tmp_path):
    told, run = Told(), a_run(tmp_path, python(STUBBORN), read={"acc": r"acc=(\S+)"}, grace_s=0.5)
    advance(run, told, until=lambda: told.points)
    assert len(marked(tmp_path)) == 3, "the keeper, the script, and its child"
    began = time.monotonic()
    run.stop()
    assert 0.5 <= time.monotonic() - began < 8
    assert not marked(tmp_path)


def test_a_script_that_is_asked_to_end_may_save_first(tmp_path):
    code = (
        "import signal, sys, time\n"
        "def end(*_): open(sys.argv[1], 'w').write('saved'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('acc=1', flush=True)\n"
        "while True: time.sleep(0.1)\n"
    )
    saved = tmp_path / "saved"
    told, run = Told(), a_run(tmp_path, python(code, str(saved)), read={"acc": r"acc=(\S+)"})
    advance(run, told, until=lambda: told.points)
    run.stop()
    assert saved.read_text() == "saved"


def test_what_a_script_leaves_behind_ends_with_it(tmp_path, monkeypatch):
    code = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],\n"
        "                 start_new_session=True)\n"
        "print('acc=1')\n"
    )
    told = finished(tmp_path, python(code), read={"acc": r"acc=(\S+)"})
    assert told.ending is None
    assert not marked(tmp_path)


def test_where_the_keeper_itself_is_killed_nothing_is_left(tmp_path):
    told, run = Told(), a_run(tmp_path, python(STUBBORN), read={"acc": r"acc=(\S+)"})
    advance(run, told, until=lambda: told.points)
    keeper = next(p for p in marked(tmp_path) if "keeper.py" in " ".join(p.cmdline()))
    keeper.kill()
    with pytest.raises(ScriptFailedError):
        advance(run, told)
    wait_for(lambda: not marked(tmp_path), 5)
