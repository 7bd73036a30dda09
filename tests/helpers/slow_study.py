"""A study slow enough to be interrupted, run by the command as its users run it."""

import json
import subprocess
import sys

import psutil
from processes import start
from studies import wait_for

from ablate.ledger.ledger import Ledger
from ablate.study_dir import StudyPaths

GRID = (
    "study: slow\ntrainable: toy:Counter\nmetric: score\n"
    "base: BASE\nfactors: {gain: [1, 2]}\nseeds: [1]\n"
    "checkpoint_every_s: 0\n"
)


class SlowStudy:
    """`python -m ablate.run` on a slow grid, whose runs go on until `enough` exists.

    Or for `length` steps.
    """

    def __init__(self, folder, *arguments, length=None):
        self.root = folder / "studies" / "slow"
        self.enough = folder / "enough"
        size = {"length": length} if length else {"until": str(self.enough)}
        (folder / "grid.yaml").write_text(GRID.replace("BASE", json.dumps({"step_s": 0.2, **size})))
        self.process = start(
            [sys.executable, "-m", "ablate.run", "grid.yaml", *arguments], cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def wait_for_checkpoint(self):
        wait_for(lambda: self.process.poll() is None and list(self.checkpoints()), 200)

    def checkpoints(self):
        return self.root.glob("launches/1/*/checkpoint_*/manifest.json")

    def below(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, timeout_s=60):
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        finally:
            self.process.kill()
            self.process.wait()
        return self.process.returncode, out, err

    def statuses(self):
        return {row["status"] for row in Ledger(StudyPaths(self.root)).rows.values()}

    def told(self):
        """How many steps of each run are recorded."""
        ledger = Ledger(StudyPaths(self.root))
        return {run_id: len(ledger.history(run_id)) for run_id in ledger.rows}

    def assert_counted(self, before):
        """All runs ended without a retry, went on from where they were, counted each step once."""
        ledger = Ledger(StudyPaths(self.root))
        for run_id, row in ledger.rows.items():
            steps = [point["step"] for point in ledger.history(run_id)]
            assert steps == list(range(1, max(steps) + 1))
            assert len(steps) >= before[run_id]
            assert row["score_final"] == sum(row["gain"] * step + 1 for step in steps)
            assert (row["status"], row.get("retries")) == ("ok", None)
