"""A study slow enough to be interrupted, run by the command as its users run it."""

import subprocess
import sys

import psutil
from processes import start
from studies import wait_for

from ablate.ledger.ledger import Ledger
from ablate.study_dir import StudyPaths

GRID = (
    "study: slow\ntrainable: toy:Counter\nmetric: score\n"
    "base: {step_s: 0.2, length: LENGTH}\nfactors: {gain: [1, 2]}\nseeds: [1]\n"
    "checkpoint_every_s: 0\n"
)


class SlowStudy:
    """`python -m ablate.run` on a slow grid."""

    def __init__(self, folder, *arguments, length=500):
        self.root = folder / "studies" / "slow"
        (folder / "grid.yaml").write_text(GRID.replace("LENGTH", str(length)))
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
