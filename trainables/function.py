"""The face of functions: a `ray.tune.Trainable` that runs one, result by result.

The function itself is imported by its name in the worker, and never pickled.
"""

from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import PlacementGroupFactory, Trainable

from ablate.functions.signature import bound
from ablate.functions.thread import Ended, FunctionThread, Reported
from ablate.launch.ray.tune_session import BINDING, TuneSession
from ablate.launch.time_limit import GRACE_S
from ablate.trainable.hosted_trial import HostedTrial
from ablate.trainable.registry import load_object

REPORTED = "reported"
"""The folder of a checkpoint that holds the files of the function's own."""
END_S = 2.0
"""How long the end of a run waits for a function that does not wait at a report."""

LATE_S = 2.0
"""After the time is up: by then others have ended the run, if they do."""


class FunctionTrainable(Trainable):
    """Trains by a function: `target` names it, in a class derived for it."""

    target = ""
    ablate_trial = HostedTrial()

    def setup(self, config: dict[str, Any]) -> None:
        """Looks the function up; it starts with the first step."""
        self._call = bound(load_object(self.target), config)
        self._thread: FunctionThread | None = None
        self._reported: tune.Checkpoint | None = None
        self._session = self._new_session()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Ends the function of the trial before."""
        self._end(END_S)
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """One report of the function, or its end."""
        if self._thread is None:
            is_resumed = self._session.loaded_checkpoint is not None
            self._thread = FunctionThread(self._call, self._function_name, is_resumed)
            BINDING.bind(self._session)
        self._reported = None
        found = self._thread.next(self._check_time)
        if isinstance(found, Ended):
            return {"done": True, "should_checkpoint": False}
        return self._result(found)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keeps what the function reported with the last result."""
        if self._reported is None:
            name = self._function_name
            raise RuntimeError(f"{name} has reported no checkpoint with its last result")
        folder = Path(checkpoint_dir, REPORTED)
        self._reported.to_directory(str(folder))
        self._session.loaded_checkpoint = tune.Checkpoint.from_directory(str(folder))

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """Saves, and remembers where that is: the folder of `save_checkpoint` is but Tune's."""
        saved = super().save(checkpoint_dir)
        place = getattr(getattr(saved, "checkpoint", None), "path", None)
        if place is not None and Path(place, REPORTED).is_dir():
            newest = tune.Checkpoint.from_directory(str(Path(place, REPORTED)))
            self._session.loaded_checkpoint = newest
        return saved

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Gives a checkpoint to the function, which asks for it by `tune.get_checkpoint()`."""
        folder = Path(str(checkpoint), REPORTED)
        self._session.loaded_checkpoint = tune.Checkpoint.from_directory(str(folder))

    def cleanup(self) -> None:
        """Ends the function, and says where it is if it does not end."""
        clock = self.ablate_trial.clock
        thread = self._thread
        is_late = clock.left_s <= 0
        if not self._end(GRACE_S if is_late else END_S) and thread is not None and is_late:
            self.still_in = thread.where()

    still_in = ""
    """Where a function whose time was up still is; empty if it has ended."""

    def _check_time(self) -> None:
        """For hosts that do not end by themselves what takes too long."""
        clock = self.ablate_trial.clock
        if clock.left_s < -LATE_S:
            clock.check()

    @property
    def _function_name(self) -> str:
        return self.target.rpartition(":")[2]

    def _end(self, wait_s: float) -> bool:
        thread, self._thread = self._thread, None
        has_ended = thread is None or thread.end(wait_s)
        BINDING.release()
        return has_ended

    def _result(self, found: Reported) -> dict[str, Any]:
        result = {**found.metrics}
        self._reported = found.checkpoint
        # Only now: hosting saves by the clock where nothing else is said.
        result["should_checkpoint"] = found.checkpoint is not None
        if found.is_last:
            result["done"] = True
        return result

    def _report(self, metrics: Any, checkpoint: Any = None) -> None:
        """What `tune.report` calls, in the function's thread."""
        if self._thread is not None:
            self._thread.report(metrics, checkpoint)

    def _new_session(self) -> TuneSession:
        trial, has_tune = self.ablate_trial, self._storage is not None
        bundle = {"CPU": trial.cpu, **({"GPU": trial.gpu} if trial.gpu else {})}
        given = self.trial_resources if has_tune else None
        return TuneSession(
            report=self._report,
            trial_id=self.trial_id if has_tune else trial.name,
            trial_name=trial.name,
            trial_dir=str(self.logdir),
            trial_resources=given or PlacementGroupFactory([bundle]),
            experiment_name=trial.study,
        )


def function_class(target: str) -> type[FunctionTrainable]:
    """The trainable of a function, under the function's name: that is how Tune restores it.

    Args:
        target: `module:function`.
    """
    name = target.rpartition(":")[2]
    return type(name, (FunctionTrainable,), {"target": target, "__module__": __name__})
