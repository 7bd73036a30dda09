"""Runs in Weights & Biases: Ray's `WandbLoggerCallback`, with runs of our own and one sink.

The stock callback starts two actors and a wandb-core a trial, and takes a failed trial for a
finished one. This one keeps its interface, groups the runs by study, tags the failed ones, and
hands everything to one process that nobody waits for.
"""

from collections.abc import Iterable
from typing import Any

from ray.air.integrations.wandb import WandbLoggerCallback

from ablate.context import JobContext, context_of
from ablate.events import Event, RunEnded, RunMoved, RunReported, RunRetried, RunStarted
from ablate.trial_events import TrialEvents
from ablate.wandb_messages import RunMessages
from ablate.wandb_port import INTERRUPT_TIMEOUT_S, SinkPort


class AblateWandbCallback(WandbLoggerCallback):
    """Tracks the runs of a study; a Tune callback and a listener to run events alike.

    Args:
        study_dir: The study directory: all that survives pickling, no key and no setting.
    """

    def __init__(self, study_dir: str) -> None:
        super().__init__()
        self._study_dir = study_dir
        self._translate = TrialEvents()
        self._context: JobContext | None = None
        self._port: SinkPort | None = None
        self._open: set[str] = set()
        self._launches: dict[str, int] = {}
        self._warnings: dict[str, list[str]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"study_dir": self._study_dir}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["study_dir"])

    def __del__(self) -> None:
        """The parent's would wait for actors that do not exist."""

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Finds the job of this process, and its sink unless W&B is disabled."""
        self._context = context_of(self._study_dir)
        self._translate = TrialEvents(self._context.settled())
        self._port = self._context.port()
        self._messages = RunMessages(
            self._context.plan, self._context.paths, self._context.restarts()
        )

    def log_trial_start(self, trial: Any) -> None:
        """Tune: a trial begins or goes on."""
        self._hear(self._translate.started(trial))

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        """Tune: a trial returned a result."""
        self._hear(self._translate.reported(result))

    def log_trial_save(self, trial: Any) -> None:
        """Tune: a trial saved a checkpoint; its path is in the run's summary, no upload."""

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        """Tune: a trial is over, perhaps before it ever reported."""
        self._hear(self._translate.ended(trial, failed))

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Tune: the experiment is over, or interrupted."""
        for trial in trials:
            if trial.status == "ERROR":
                self._hear(self._translate.ended(trial, failed=True))
        self.close()

    def on_event(self, event: Event) -> None:
        """Hears what happened to a run."""
        if self._port is None or self._context is None:
            return
        match event:
            case RunStarted(run_id, _, launch):
                self._launches[run_id] = launch
                self._start(run_id)
            case RunReported(run_id, points, _, warnings):
                self._start(run_id)
                self._warnings.setdefault(run_id, []).extend(warnings)
                self._port.put(self._messages.points(run_id, points))
            case RunRetried() | RunMoved():
                pass  # the run stays open: a retry goes on in it
            case RunEnded(run_id):
                self._start(run_id)
                self._open.discard(run_id)
                warnings = "\n".join(self._warnings.pop(run_id, []))
                resumed = self._context.resumed(run_id)
                launch = self._launches.get(run_id, 0)
                self._port.put(self._messages.end(event, launch, resumed, warnings))

    def tick(self) -> None:
        """Nothing is ever due: the sink has its own process."""

    def close(self) -> None:
        """Ends the sink where runs are still open, quickly: somebody interrupted them."""
        if self._context is not None and self._open:
            self._context.sink.close(INTERRUPT_TIMEOUT_S)
            self._open.clear()
        self._port = None

    def _hear(self, events: Iterable[Event]) -> None:
        for event in events:
            self.on_event(event)

    def _start(self, run_id: str) -> None:
        if run_id in self._open:
            return
        assert self._context is not None
        assert self._port is not None
        self._open.add(run_id)
        self._port.put(self._messages.start(run_id, self._context.resumed(run_id)))
