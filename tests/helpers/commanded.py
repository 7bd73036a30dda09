"""Commands driven as a worker does, without Ray and without a study."""

import contextlib
import io
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from ablate.commands.endings import ScriptFailedError
from ablate.commands.run import CommandRun
from ablate.commands.spec import Command

SCRIPTS = Path(__file__).parent / "scripts"
PLAIN = f"{sys.executable} {SCRIPTS / 'plain.py'} --out {{run_dir}} --seed {{seed}}"
LOG = {"file": "log.jsonl"}
RESUMES = {"checkpoint": "{run_dir}/*.pt", "resume": "--resume {latest}", "read": LOG}


@dataclass
class Told:
    """What a run has told, as the ledger keeps it."""

    points: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    warnings: list = field(default_factory=list)
    ending: object = None
    printed: str = ""
    raised: Exception | None = None

    def hear(self, news):
        if news.batch.supersedes is not None:
            self.points = {s: p for s, p in self.points.items() if s < news.batch.supersedes}
        for step, metrics in news.batch.points:
            self.points.setdefault(step, {}).update(metrics)
        self.facts |= news.facts
        self.warnings += news.warnings
        self.ending = news.ending

    def curve(self, metric):
        return {step: p[metric] for step, p in sorted(self.points.items()) if metric in p}


def a_run(folder, line, config=None, seed=1, given=None, run_dir=None, **command):
    """A run of a command in a folder."""
    made = Command.model_validate({"command": line, "grace_s": 5, **command})
    run = {"run_id": "a", "run_name": "a-s1", "seed": seed, "config": config or {}}
    basis = {"folder": str(folder), "num_cpus": 1, "num_gpus": 0, "launch": 1}
    return CommandRun(made, run, {**basis, **(given or {})}, run_dir or Path(folder) / "run")


def advance(run, told, until=lambda: False, timeout_s=60):
    """Until the run has ended, or something holds; True where it has ended."""
    deadline = time.monotonic() + timeout_s
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            while not until():
                assert time.monotonic() < deadline, f"too slow: {printed.getvalue()}"
                news = run.step(0.2)
                told.hear(news)
                if news.has_ended:
                    return True
        finally:
            told.printed += printed.getvalue()
    return False


def finished(folder, line, **command):
    """A run of a command from its start to its end, with as many retries as help."""
    told = Told()
    for _ in range(command.pop("retries", 0) + 1):
        run = a_run(folder, line, **command)
        told.raised = None
        try:
            advance(run, told)
            break
        except ScriptFailedError as error:
            told.raised = error
    return told
