"""Attempts, one after another: none of them leaves a gap, or a point twice."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest
from commanded import LOG, PLAIN, RESUMES, Told, a_run, advance, finished
from processes import start
from studies import command_of, wait_for

from ablate.commands.endings import ScriptFailedError
from ablate.commands.resume import newest, step_in

PRINTED = {"acc": r"acc=(\S+)", "step": r"step (\d+)"}
WHOLE = {step: 1 + step * (step + 1) / 2 for step in range(1, 11)}
WORKER = Path(__file__).parents[1] / "helpers" / "command_worker.py"


def below(process):
    return [p for p in psutil.process_iter() if str(process) in command_of(p)]


@pytest.mark.parametrize("read", [LOG, PRINTED])
def test_a_script_that_is_killed_goes_on_from_its_checkpoint(tmp_path, read):
    line = f"{PLAIN} --fail-at 8 --fail-with SIGKILL"
    told = finished(tmp_path, line, retries=1, **{**RESUMES, "read": read})
    assert told.ending is None
    assert told.curve("acc") == WHOLE
    assert "resumed at 6" in told.printed
    assert "attempt 2, from" in told.printed
    state = json.loads((tmp_path / "run" / ".ablate" / "state.json").read_text())
    assert told.facts["seconds"] == state["trained_s"] == state["seconds"], "both attempts'"


def test_points_after_the_checkpoint_give_way_also_where_steps_differ(tmp_path):
    """What was logged between the checkpoint and the end is not what the resumed one logs."""
    code = (
        (
            "import sys, os, json\n"
            "out, resumed = sys.argv[1], len(sys.argv) > 2\n"
            "with open(out + '/l.jsonl', 'a') as log:\n"
            "    for step in ((35, 45, 55) if resumed else (10, 20, 30, 40, 50)):\n"
            "        log.write(json.dumps(dict(step=step, acc=step)) + '\\n')\n"
            "    log.write('' if resumed else '{\"step\": 60, \"a'); log.flush()\n"
            "    open(out + '/at_30.pt', 'w').write('x')\n"
            "    resumed or os.kill(os.getpid(), 9)\n"
        )
        .replace("{", "{{")
        .replace("}", "}}")
    )
    told = finished(
        tmp_path, [sys.executable, "-c", code, "{run_dir}"], retries=1,
        read={"file": "l.jsonl"}, checkpoint="{run_dir}/at_*", resume="{latest}",
    )  # fmt: skip
    assert list(told.curve("acc")) == [10, 20, 30, 35, 45, 55]


def test_what_comes_before_the_first_step_is_of_none_in_later_attempts_too(tmp_path):
    """Also for a worker that reads all of them at once."""
    code = (
        "import os, sys\n"
        "again = sys.argv[1] != '0'\n"
        "print('acc=0.1, untrained')\n"
        "for i in range(1, 3 if again else 5): print(f'step {{i}} acc={{i}}', flush=True)\n"
        "again or os.kill(os.getpid(), 9)\n"
    )
    read = {"acc": r"acc=([.\d]+)", "step": r"step (\d+)"}
    command = {"line": [sys.executable, "-c", code, "{attempt}"], "read": read}
    told = finished(tmp_path, retries=1, **command)
    assert told.curve("acc") == {1: 1, 2: 2}
    again = a_run(tmp_path, **command)._reading.new(is_over=True)
    assert [point["acc"] for batch in again for _, point in batch.points] == [1, 2, 3, 4, 1, 2]


def test_without_a_checkpoint_a_run_begins_again(tmp_path):
    line = f"{PLAIN} --fail-at 5 --fail-with SIGSEGV --save-every 100"
    told = finished(tmp_path, line, retries=1, **RESUMES)
    assert told.curve("acc") == WHOLE
    assert "from the beginning" in told.printed
    state = json.loads((tmp_path / "run" / ".ablate" / "state.json").read_text())
    assert told.facts["seconds"] == state["trained_s"] < state["seconds"]


def test_a_worker_that_is_killed_takes_its_script_along_and_nothing_is_lost(tmp_path):
    """SIGKILL: the next worker, which knows nothing, reads all that the first had not told."""
    command = {"line": f"{PLAIN} --step-s 0.15", **RESUMES}
    worker = start(
        [sys.executable, WORKER, tmp_path, json.dumps(command)], stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    for line in worker.stderr:
        if int(line) >= 5:
            break
    assert below(tmp_path / "run")
    worker.kill()
    wait_for(lambda: not [p for p in below(tmp_path / "run") if p.pid != worker.pid], 10)
    told = Told()
    assert advance(a_run(tmp_path, **command), told)
    assert told.curve("acc") == WHOLE
    assert "resumed at " in told.printed


def test_a_worker_goes_on_reading_where_its_checkpoint_says(tmp_path):
    told, line = Told(), f"{PLAIN} --step-s 0.15"
    first = a_run(tmp_path, line, **RESUMES)
    advance(first, told, until=lambda: len(told.points) >= 4)
    state = json.loads(json.dumps(first.state()))
    advance(first, told, until=lambda: len(told.points) >= 6)
    first.stop()
    second, again = a_run(tmp_path, line, **RESUMES), Told()
    second.load(state)
    advance(second, again)
    assert min(again.points) >= 4, "what the first has told it knows"
    assert {**told.curve("acc"), **again.curve("acc")} == WHOLE


def test_being_ended_from_outside_uses_up_no_retry(tmp_path, monkeypatch):
    monkeypatch.setattr("ablate.commands.run.PAUSE_S", 0.1)
    line = f"{PLAIN} --fail-at 8 --fail-with SIGTERM"
    told = finished(tmp_path, line, **RESUMES)
    assert (told.ending, told.raised) == (None, None)
    assert told.curve("acc") == WHOLE
    always = f"{PLAIN} --fail-at 1 --fail-with SIGTERM --fail-times 99"
    told = finished(tmp_path / "always", always, **RESUMES)
    assert told.raised is not None, "a script that ends itself so, whatever it is given"


def test_a_script_that_saves_and_exits_well_when_its_job_is_preempted_is_not_through(tmp_path):
    """A batch system signals all processes of a job; half a training is no result."""
    code = (
        "import os, signal, sys, time\n"
        "out, resumed = sys.argv[1], len(sys.argv) > 2\n"
        "def save(*_):\n"
        "    open(out + '/at_2.pt', 'w').write('x'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "for step in ((3, 4) if resumed else (1, 2)):\n"
        "    print(f'step {{step}} acc={{step}}', flush=True)\n"
        "resumed or time.sleep(60)\n"
    )
    run = a_run(tmp_path, [sys.executable, "-c", code, "{run_dir}"], read=PRINTED,
                checkpoint="{run_dir}/*.pt", resume="{latest}")  # fmt: skip
    told = Told()
    advance(run, told, until=lambda: told.points)
    for process in below(tmp_path):
        process.terminate()
    assert advance(run, told)
    assert (told.ending, told.curve("acc")) == (None, {1: 1, 2: 2, 3: 3, 4: 4})


def test_a_checkpoint_that_cannot_be_resumed_from_is_given_up(tmp_path):
    """Torn, in a format that does not tell: the one before does."""
    out = tmp_path / "run"
    told = Told()
    advance(a_run(tmp_path, f"{PLAIN} --steps 7", **RESUMES), told)
    (out / "ckpt_6.pt").write_text('{"step": 6, "tot')
    told = finished(tmp_path, PLAIN, retries=1, **RESUMES)
    assert told.ending is None
    assert "resumed at 3" in told.printed
    assert told.curve("acc") == WHOLE


def test_a_checkpoint_is_given_up_until_it_is_written_again(tmp_path):
    """One name for all, as `last.ckpt`."""
    code = (
        "import json, os, sys\n"
        "path, attempt, resumed = sys.argv[1], sys.argv[2], sys.argv[3:]\n"
        "first = json.load(open(resumed[0])) if resumed else 0\n"
        "for step in range(first + 1, 6):\n"
        "    print(f'step {{step}} acc={{first}}', flush=True)\n"
        "    open(path, 'w').write('torn' if attempt == '0' else str(step))\n"
        "    step == 3 and attempt in '02' and os.kill(os.getpid(), 9)\n"
    )
    read = {"acc": r"acc=(\d+)", "step": r"step (\d+)"}
    argv = [sys.executable, "-c", code, "{run_dir}/last.pt", "{attempt}"]
    told = finished(tmp_path, argv, read=read, retries=3, checkpoint="{run_dir}/*.pt",
                    resume="{latest}")  # fmt: skip
    assert told.curve("acc") == {1: 0, 2: 0, 3: 0, 4: 3, 5: 3}


def test_files_beside_the_script_are_found_in_the_snapshot_of_an_earlier_launch(tmp_path):
    """A script that writes to `outputs/`, and a study that is edited before it goes on."""
    line = PLAIN.replace("{run_dir}", "out-{run_name}")
    for name, more in (("first", " --fail-at 8"), ("second", "")):
        (tmp_path / name).mkdir()
        told = finished(
            tmp_path / name, line + more, checkpoint="out-{run_name}/*.pt", read=PRINTED,
            resume="--resume {latest}", run_dir=tmp_path / "run",
        )  # fmt: skip
    assert "resumed at 6" in told.printed
    assert told.printed.count("step 1 acc") == 0, "the log has what was printed before"
    assert told.curve("acc") == WHOLE


def test_a_checkpoint_that_lay_there_before_is_of_another_run(tmp_path):
    """Beside the script, of a study before `--fresh` or of a run by hand."""
    line = PLAIN.replace("{run_dir}", "out")
    resumes = {"checkpoint": "out/*.pt", "resume": "--resume {latest}", "read": PRINTED}
    finished(tmp_path, line, run_dir=tmp_path / "before", **resumes)
    told = finished(
        tmp_path, f"{line} --lr 2 --fail-at 8 --fail-with SIGKILL", retries=1, **resumes
    )
    assert told.printed.count("resumed at 6") == 1
    assert told.curve("acc") == {step: 2 * value - 1 for step, value in WHOLE.items()}


def test_the_newest_checkpoint(tmp_path):
    def write(name, content=b"x", age_s=0):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (time.time() - age_s,) * 2)
        return str(path)

    pattern = str(tmp_path / "**" / "*.pt")
    assert newest(pattern) is None
    write("e/resnet18_9.pt", age_s=1)
    ten = write("e/resnet18_10.pt", age_s=5)
    write("e/resnet18_11.pt", b"")
    write("e/resnet18_12.pt.tmp")
    assert newest(pattern).path == ten
    assert newest(pattern).step == 10
    with zipfile.ZipFile(tmp_path / "whole", "w") as file:
        file.writestr("data", "x" * 100)
    archive = (tmp_path / "whole").read_bytes()
    write("e/resnet18_13.pt", archive[:-30])
    assert newest(pattern).path == ten, "torch's files are archives, and this one is torn"
    last = write("last.pt", archive)
    assert newest(pattern).path == last, "not all have a step: by time"
    assert newest(pattern, unusable=[newest(pattern).version]).path == ten
    folder = Path(write("checkpoint-500/model.bin")).parent
    assert newest(str(tmp_path / "checkpoint-*")).path == str(folder)
    names = ["epoch=3-step=1200.ckpt", "ckpt_e5.pt", "global_step80/mp_rank_00.pt", "best.pt"]
    run_dir = tmp_path / "epochs=7-s1"
    assert [step_in(run_dir / name, run_dir) for name in names] == [1200, 5, 80, None]


@pytest.mark.parametrize(
    ("name", "lines", "read"),
    [
        ("t.csv", "step,acc\n1,0.5\n2,0.75", {"file": "t.csv"}),
        ("t.txt", "step 1 acc=0.5\nstep 2 acc=0.75", {"acc": r"acc=(\S+)", "step": r"step (\d+)"}),
    ],
)
def test_a_number_that_a_kill_has_cut_is_no_number(tmp_path, name, lines, read):
    """`0.7` of `0.75`, in what the killed attempt wrote last."""
    code = (
        "import os, sys\n"
        "path, text, resumed = sys.argv[1], sys.argv[2], len(sys.argv) > 3\n"
        "for file in (open(path, 'a'), sys.stdout):\n"
        "    file.write(text[-13:] + '\\n' if resumed else text[:-1]); file.flush()\n"
        "open(os.path.dirname(path) + '/at_1.pt', 'w').write('x')\n"
        "resumed or os.kill(os.getpid(), 9)\n"
    )
    told = Told()
    argv = [sys.executable, "-c", code, f"{{run_dir}}/{name}", lines]
    command = {"read": read, "checkpoint": "{run_dir}/*.pt", "resume": "{latest}"}
    run = a_run(tmp_path, argv, **command)
    with pytest.raises(ScriptFailedError):
        advance(run, told)
    assert told.curve("acc") == {1: 0.5}
