"""What a script finds around it: nothing of its driver's job, and a port of its own."""

import json
import sys
import time

import pytest
from commanded import SCRIPTS, Told, a_run, advance, finished

from ablate.commands.surroundings import Port, variables, world_size

TORCHRUN = f"{sys.executable} -m torch.distributed.run"
RANKS = f"--nproc_per_node=2 {SCRIPTS / 'ranks.py'} --out {{run_dir}}"


def test_nothing_of_the_drivers_job_reaches_a_script(tmp_path, monkeypatch):
    theirs = {"RANK": "3", "WORLD_SIZE": "8", "MASTER_ADDR": "node7", "SLURM_PROCID": "3",
              "RAY_ADDRESS": "x", "LOCAL_RANK": "1", "OMP_NUM_THREADS": "64"}  # fmt: skip
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    monkeypatch.setenv("MY_DATA", "/data")
    code = "import json, os; print(json.dumps(dict(os.environ))); print('acc=1')"
    given = {"num_cpus": 3, "environment": {"WANDB_RUN_ID": "abc"}}
    told = finished(tmp_path, [sys.executable, "-c", code], given=given, read={"acc": r"acc=(\d)"})
    seen = json.loads(told.printed.splitlines()[0])
    assert not (theirs.keys() - {"OMP_NUM_THREADS"}) & seen.keys()
    kept = (
        "OMP_NUM_THREADS",
        "CUDA_VISIBLE_DEVICES",
        "MY_DATA",
        "PYTHONUNBUFFERED",
        "WANDB_RUN_ID",
    )
    assert [seen[name] for name in kept] == ["3", "2", "/data", "1", "abc"]
    assert int(seen["MASTER_PORT"]) > 1024


def test_a_port_is_nobody_elses_as_long_as_it_is_held(monkeypatch):
    first = Port()
    offered = iter([first.number, first.number, first.number + 1])
    monkeypatch.setattr("ablate.commands.surroundings._unused", lambda: next(offered))
    second = Port()
    assert second.number == first.number + 1
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("argv", "gpus", "size"),
    [
        ("torchrun --standalone --nproc_per_node=2 t.py", 0, 2),
        ("torchrun --nnodes 1:2 --nproc-per-node 4 t.py", 0, 8),
        ("torchrun --nproc_per_node=gpu t.py", 3, 3),
        ("accelerate launch --num_processes 2 t.py", 0, 2),
        ("python t.py --epochs 3", 2, None),
    ],
)
def test_how_many_processes_a_launcher_is_asked_for(argv, gpus, size):
    assert world_size(argv.split(), gpus) == size


def test_processes_share_the_cpus_of_their_trial():
    argv = ["torchrun", "--nproc_per_node=2", "t.py"]
    assert variables({}, 1, argv, num_cpus=8, num_gpus=0, added={})["OMP_NUM_THREADS"] == "4"


def test_torchrun_twice_at_once_on_one_machine(tmp_path):
    """Also without `--standalone`, where torchrun would take the same port each time."""
    runs = [a_run(tmp_path / name, f"{TORCHRUN} {RANKS}") for name in ("a", "b")]
    told = [Told(), Told()]
    ended = [False, False]
    deadline = time.monotonic() + 120
    while not all(ended):
        assert time.monotonic() < deadline
        for number, run in enumerate(runs):
            if not ended[number]:
                ended[number] = advance(run, told[number], lambda: True) or _step(run, told[number])
    for one in told:
        assert one.ending is None, one.printed
        assert one.curve("acc") == {1: 3.0, 2: 6.0, 3: 9.0}
        assert one.facts["world_size"] == 2
    ports = {_printed(one)["MASTER_PORT"] for one in told}
    assert len(ports) == 2


def test_the_cause_of_a_failed_rank_is_told(tmp_path):
    told = finished(tmp_path, f"{TORCHRUN} --standalone {RANKS} --fail", retries=2)
    assert told.ending is not None, (told.raised, told.printed)  # also ports are taken by others
    assert (told.ending.kind, told.ending.message) == ("KeyError", "'no such layer'")


def test_a_rank_that_aborts_after_its_exception_failed_by_that(tmp_path):
    told = finished(tmp_path, f"{TORCHRUN} --standalone {RANKS} --fail --abort", retries=2)
    assert told.ending is not None, (told.raised, told.printed)
    assert told.ending.kind == "KeyError"


def _step(run, told):
    import contextlib
    import io

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        news = run.step(0.2)
    told.hear(news)
    told.printed += printed.getvalue()
    return news.has_ended


def _printed(told):
    line = next(line for line in told.printed.splitlines() if "MASTER_PORT" in line)
    return json.loads(line[line.index("{") :])
