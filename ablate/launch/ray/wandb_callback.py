"""Weights & Biases on Ray Tune: a silent `WandbLoggerCallback`, since one sink serves all runs.

The stock callback starts two actors and a wandb-core per trial, and mistakes a failed trial for a
finished one. Here one process serves all runs: `WandbTracker` gets their events, on Ray as in
local mode, after the ledger.
"""

from typing import Any

from ray.air.integrations.wandb import WandbLoggerCallback


class AblateWandbCallback(WandbLoggerCallback):
    """W&B's callback in a launch: keeps Tune from adding the stock one.

    Its hooks do nothing: `RunEventsCallback` translates trials, once for all listeners.

    Args:
        study_dir: The study directory, the only thing that is pickled: no key and no setting.
    """

    def __init__(self, study_dir: str) -> None:
        super().__init__()
        self._study_dir = study_dir

    def __getstate__(self) -> dict[str, Any]:
        return {"study_dir": self._study_dir}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["study_dir"])

    def __del__(self) -> None:
        """Does nothing: the parent's would wait for actors that do not exist."""

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """The parent's would ask for an API key."""

    def log_trial_start(self, trial: Any) -> None:
        """A trial begins: told as run events."""

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        """A trial returned a result: told as run events."""

    def log_trial_save(self, trial: Any) -> None:
        """A trial saved a checkpoint: its path is in the run's summary, no upload."""

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        """A trial is over: told as run events."""

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """The experiment is over: the parent's would wait for its actors."""
