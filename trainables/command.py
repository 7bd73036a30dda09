"""A training script as a Ray Tune trainable; all that it does is in `ablate.commands`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.tune import Trainable

from ablate.commands.run import CommandRun, News
from ablate.commands.run_state import read_state, write_state
from ablate.commands.spec import Command
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import REPORT_KEY, RunReport

STEP_S = 1.0
"""Between results in which nothing is new."""


class CommandTrainable(Trainable):
    """Starts a command for its one run, and reports what is read of it.

    Its config is that of a trainable that packs, and `command` and `given`, see
    `ablate.launch.command_trials`. The script resumes from checkpoints of its own; those of this
    class hold what is needed to read on.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Stores the config; nothing is started yet."""
        self._config = config
        self._open: CommandRun | None = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """A reused actor forgets the run it had."""
        self.cleanup()
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Returns what is new after a second, or as soon as there are points."""
        news = self._command_run().step(STEP_S)
        return {"done": news.has_ended, REPORT_KEY: [self._report(news)]}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Writes how far the script's results have been read."""
        write_state(Path(checkpoint_dir), self._run_id, self._command_run().state())

    def load_checkpoint(self, checkpoint: str) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Reads on from there."""
        self.load_runs({self._run_id: checkpoint})

    def load_runs(self, folders: Mapping[str, str]) -> None:
        """Reads on from the checkpoint directory of the run."""
        self.cleanup()
        self._open = None
        state = read_state(Path(folders[self._run_id]), self._run_id)
        if state is not None:
            self._command_run().load(state)

    def cleanup(self) -> None:
        """Ends the script, if it still runs."""
        if self._open is not None:
            self._open.stop()

    @property
    def _run_id(self) -> str:
        return self._config["runs"][0]["run_id"]

    def _command_run(self) -> CommandRun:
        if self._open is None:
            [run] = self._config["runs"]
            command = Command.model_validate(self._config["command"])
            folder = StudyPaths(Path(self._config["study_dir"])).run(run["run_name"])
            self._open = CommandRun(command, run, self._config["given"], folder.absolute())
        return self._open

    def _report(self, news: News) -> RunReport:
        report = RunReport(
            run_id=self._run_id,
            status="running",
            points=news.batch.points,
            times=news.batch.times,
            facts=news.facts,
            warnings=news.warnings,
            amends=True,
        )
        if news.batch.supersedes is not None:
            report["supersedes"] = news.batch.supersedes
        if news.ending is not None:
            report["status"], report["failure"] = "failed", news.ending.dump()
            report["stop_reason"] = "crashed"
        elif news.has_ended:
            report["status"], report["stop_reason"] = "ok", "done"
        return report
