"""`python -m ablate.run` in processes of their own, on flow studies slow enough to be killed."""

import json
import os
import subprocess
import sys
import time

from processes import start
from studies import wait_for

from ablate.errors import AblateError

SLOW = """
study: slow
metric: sliced_w2
base: {hidden_dim: 64, num_layers: 2, epochs: EPOCHS, patience: null, sigma: 0.05}
factors: {flow: [icfm, vp]}
seeds: [1, 2]
checkpoint_every_s: 0.5
resources: {cpu: 2}
"""


def in_a_process_of_its_own(folder, *arguments):
    grid = folder / "grid.yaml"
    grid.write_text("study: t\ntrainable: toy:Counter\nmetric: score\nseeds: [1]\n")
    command = [sys.executable, "-m", "ablate.run", str(grid), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    if done.returncode == 2:
        raise AblateError(done.stderr)
    return done


class Driver:
    """`python -m ablate.run` in a process that can be killed, on the tests' cluster."""

    def __init__(self, folder, address, epochs, *arguments, study=SLOW):
        self.root = folder / "studies" / "slow"
        grid = folder / "grid.yaml"
        grid.write_text(study.replace("EPOCHS", str(epochs)))
        environment = {**os.environ, "WANDB_MODE": "offline", "TUNE_GLOBAL_CHECKPOINT_S": "1"}
        self.process = start(
            [sys.executable, "-m", "ablate.run", str(grid), "--address", address, *arguments],
            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wait_for_checkpoints_and_state(self):
        """Until two runs have been saved, and Tune knows it."""
        wait_for(self._has_saved_two, 200)
        known_at = time.time() + 0.3

        def knows():
            assert self.process.poll() is None, "it ended before it could be interrupted"
            states = self.root.glob("launches/1/experiment_state-*.json")
            return any(state.stat().st_mtime > known_at and _is_json(state) for state in states)

        wait_for(knows, 60)

    def _has_saved_two(self):
        saved = self.root.glob("launches/1/*/checkpoint_*/manifest.json")
        return len({path.parent.parent for path in saved}) >= 2

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def finish(self, timeout_s=200):
        out, err = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, out, err


def _is_json(path):
    """Whether Tune is done with writing it: it writes in place."""
    try:
        return bool(json.loads(path.read_text()))
    except ValueError:
        return False
