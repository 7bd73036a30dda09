"""Small studies for tests."""

import contextlib
import time

import psutil

from ablate.spec.load import read_study

ONE_AT_A_TIME = {"cpu": 4}
"""All of the tests' cluster: one worker for all trials, where it does not matter how many."""


def flow_study(storage, **changes):
    """Two flows, two seeds, digits: 4 runs of half a second."""
    raw = {
        "study": "flows",
        "metric": "sliced_w2",
        "base": {"hidden_dim": 64, "num_layers": 2, "epochs": 6},
        "factors": {"flow": ["icfm", "vp"]},
        "seeds": [1, 2],
        "storage": str(storage),
    }
    return read_study({**raw, **changes}, "test")


def toy_study(storage, **changes):
    """A foreign trainable that counts."""
    raw = {
        "study": "toys",
        "trainable": "toy:Counter",
        "metric": "score",
        "mode": "max",
        "base": {"length": 4},
        "factors": {"gain": [1, 2]},
        "seeds": [1, 2],
        "pairing": "seed",
        "retries": 1,
        "storage": str(storage),
    }
    return read_study({**raw, **changes}, "test")


def stop_at_result(patch, number):
    """Ctrl-C when the listeners hear of the given result."""
    results = 0

    def stop(self):
        nonlocal results
        results += 1
        if results == number:
            raise KeyboardInterrupt

    patch.setattr("ablate.tracking.terminal.Progress.tick", stop)


def wait_for(condition, timeout_s=120):
    """Until something holds; fails where it takes too long."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def command_of(process):
    """A process's command; nothing where it has ended meanwhile."""
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def by_name(ledger):
    return {row["run_name"]: row for row in ledger.rows.values()}
