"""Tune experiments over the runs of a plan, new or restored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Tuner

from ablate.launch.command_trials import command_trials
from ablate.launch.host import hosted
from ablate.launch.ray.callback import RunEventsCallback
from ablate.launch.ray.cluster import Place
from ablate.launch.ray.launch_record import LaunchRecord
from ablate.launch.ray.retry_limit import retry_limited
from ablate.launch.ray.searcher import PlanSearcher
from ablate.launch.ray.time_limit import end_worker
from ablate.launch.trials import trial_config
from ablate.plan.packing import RunPack
from ablate.plan.plan import Plan, Run
from ablate.process.interrupts import Interrupts
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import REPORT_KEY
from ablate.trainable.registry import TrainableEntry


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One Tune experiment over runs of a plan.

    Attributes:
        plan: The plan.
        entry: The trainable of its runs.
        paths: The study directory.
        number: The launch's own number.
        trackers: Tune callbacks that come before the ledger's.
        interrupts: Stops Tune in good order.
        trust_owner: Unpickle other users' checkpoints, see `ablate.launch.trust`.
        place: Where trials run.
        environment: Variables of the scripts of commands, by run.
    """

    plan: Plan
    entry: TrainableEntry
    paths: StudyPaths
    number: int
    trackers: Sequence[tune.Callback]
    interrupts: Interrupts
    place: Place
    trust_owner: bool = False
    environment: Callable[[Run], Mapping[str, str]] | None = None

    def start(self, packs: Sequence[RunPack], start_from: Mapping[str, Path]) -> None:
        """Trains packs of runs in a new experiment, each run from its checkpoint if it has one."""
        commands = command_trials(self.plan, self.paths, self.environment, [self.entry])
        configs = [
            trial_config(
                self.plan, pack, self.paths, self.number, start_from, self.trust_owner, commands
            )
            for pack in packs
        ]
        runs = [run for pack in packs for run in pack]
        LaunchRecord.of(self.plan.study, runs).write(self.paths.launch_record(self.number))
        study = self.plan.study
        trainable = self._trainable()
        self._fit(
            Tuner(
                tune.with_resources(retry_limited(trainable), _resources(study.resources)),
                tune_config=tune.TuneConfig(
                    search_alg=PlanSearcher(configs, study.max_concurrent),
                    num_samples=len(configs),
                    # An actor kept for the next trial would leave no room for other studies.
                    reuse_actors=_reusable(trainable) and not self.place.is_shared,
                    trial_name_creator=_trial_name,
                    trial_dirname_creator=_trial_name,
                ),
                run_config=tune.RunConfig(
                    name=str(self.number),
                    storage_path=str(self.paths.launches),
                    callbacks=[*self.trackers, RunEventsCallback(str(self.paths.root))],
                    # Trials count their own failures.
                    failure_config=tune.FailureConfig(max_failures=-1),
                    # Hosting asks for checkpoints by training time.
                    checkpoint_config=tune.CheckpointConfig(
                        num_to_keep=1, checkpoint_frequency=0, checkpoint_at_end=False
                    ),
                    verbose=0,
                ),
            )
        )

    def restore(self) -> None:
        """Resumes an interrupted experiment, each run from its latest checkpoint."""
        trainable = retry_limited(self._trainable())
        trainable = tune.with_resources(trainable, _resources(self.plan.study.resources))
        self._fit(
            Tuner.restore(
                str(self.paths.launch(self.number)), trainable=trainable, resume_unfinished=True
            )
        )

    def _fit(self, tuner: Tuner) -> None:
        try:
            tuner.fit()
        finally:
            self.interrupts.tune_ended()

    def _trainable(self) -> type[Any]:
        return hosted(self.entry.load_class(), end_worker)


def _resources(resources: Any) -> dict[str, float]:
    return {"cpu": resources.cpu, "gpu": resources.gpu}


def _reusable(trainable: type[Any]) -> bool:
    """Whether actors can be reused: the default `reset_config` says no, and trials would fail."""
    owner = next(c for c in trainable.__mro__ if "reset_config" in c.__dict__)
    return not owner.__module__.startswith("ray.")


def _trial_name(trial: Any) -> str:
    return trial.config[REPORT_KEY]["name"]
