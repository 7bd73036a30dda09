"""Flow-matching training as a Ray Tune trainable; the training itself is in `trainables.flow`.

The driver imports this module to pass the class to Tune; torch is imported with the first pack, in
the worker.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune import Trainable

from ablate.samples.files import keep
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import REPORT_KEY, RunReport
from trainables.flow.config.elsewhere import told_of
from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import check_same, load_dataset
from trainables.flow.engine.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from trainables.flow.engine.state import Progress, RunSpec

if TYPE_CHECKING:
    import torch

    from trainables.flow.engine.pack import Pack
    from trainables.flow.engine.run import FlowRun

STEP_S = 1.0
"""Training time between results: long compared with Tune's overhead, short to a viewer."""
BEST_EVERY_S = 10.0
"""Between writes of a running run's best weights; they are also written when it ends."""


class FlowMatchingTrainable(Trainable):
    """Trains the runs of `config["runs"]`, all of one shape, as one pack.

    Each is `{run_id, run_name, seed, config}`. With `study_dir` in the config, best weights go to
    `checkpoints/<run_name>/best.pt` in it, and what they generate to `samples/`. Runs are built on
    first use, so a reused actor costs nothing between trials.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Stores the config; nothing is built yet."""
        self._config = config
        self._forget()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """A reused actor forgets the runs it had."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Trains for about a second; returns the first run's metrics, and the runs' reports.

        There is one report for each run whose end has not been reported yet, including runs that
        had already ended when they were loaded: whoever received that report may be gone.
        """
        pack = self._pack()
        _train(pack)
        self._write_best(pack)
        self._keep_samples(pack)
        reported = [run for run in pack.runs if run.spec.run_id not in self._ended]
        reports = [self._report(pack, run) for run in reported]
        self._ended |= {run.spec.run_id for run in reported if run.progress.status != "running"}
        progress = pack.runs[0].progress
        return {
            "epoch": progress.epoch,
            "step": progress.step,
            "val_loss": progress.val_loss,
            "done": not pack.active,
            REPORT_KEY: reports,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Writes one file per run, named by its id and loadable on its own."""
        pack = self._pack()
        for run in pack.runs:
            write_checkpoint(Path(checkpoint_dir, f"{run.spec.run_id}.pt"), pack.run_state(run))

    def load_checkpoint(self, checkpoint: str) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Loads each run from its file in one directory.

        Raises:
            CheckpointError: If a run's file is missing or torn.
        """
        run_ids = [run["run_id"] for run in self._config["runs"]]
        for run_id in run_ids:
            if not _state_file(checkpoint, run_id).exists():
                raise CheckpointError(f"{run_id}: no such checkpoint in {checkpoint}")
        self.load_runs(dict.fromkeys(run_ids, checkpoint))

    def load_runs(self, folders: Mapping[str, str]) -> None:
        """Loads some runs, each from the checkpoint directory of any pack it was in.

        The others start from the beginning, as does a run that its directory lacks, with a
        warning.

        Args:
            folders: Checkpoint directories by run id.

        Raises:
            CheckpointError: If a run's file is torn, or a run is not of this pack.
        """
        self._forget()
        pack = self._pack()
        foreign = folders.keys() - {run.spec.run_id for run in pack.runs}
        if foreign:
            raise CheckpointError(f"{', '.join(sorted(foreign))}: not among the runs of this pack")
        for run in pack.runs:
            if run.spec.run_id in folders:
                self._load(pack, run, folders[run.spec.run_id])
        pack.settle()

    def cleanup(self) -> None:
        """Frees the runs."""
        self._built = None

    def _forget(self) -> None:
        """Resets all runs, and what has been written and reported of them."""
        self._built: Pack | None = None
        self._best_written: dict[str, int] = {}
        self._best_due_s = 0.0
        self._ended: set[str] = set()
        self._absent: dict[str, str] = {}
        self._reported_warnings: set[tuple[str, str]] = set()

    def _load(self, pack: "Pack", run: "FlowRun", folder: str) -> None:
        run_id = run.spec.run_id
        path = _state_file(folder, run_id)
        if not path.exists():
            self._absent[run_id] = f"{path}: no such checkpoint; the run starts from the beginning"
            return
        try:
            pack.load_run_state(run, read_checkpoint(path))
        except CheckpointError as error:
            raise CheckpointError(f"{run_id}: {error}") from error

    def _pack(self) -> "Pack":
        if self._built is None:
            from trainables.flow.device import ready_device
            from trainables.flow.engine.pack import Pack

            specs = [
                RunSpec(run["run_id"], run["seed"], FlowConfig.model_validate(run["config"]))
                for run in self._config["runs"]
            ]
            device = ready_device(specs[0].config)
            datasets = [load_dataset(spec.config.data) for spec in specs]
            for run, spec, data in zip(self._config["runs"], specs, datasets, strict=True):
                check_same(spec.config.data, data, run.get("data_fingerprint"))
            self._built = Pack(specs, datasets, device)
        return self._built

    def _report(self, pack: "Pack", run: "FlowRun") -> RunReport:
        from trainables.flow.device import device_name
        from trainables.flow.engine.reflow import teacher_cost

        progress = run.progress
        report = RunReport(
            run_id=run.spec.run_id,
            status=progress.status,
            times=list(run.curves.times),
            points=run.curves.drain(),
            facts={
                "epoch": progress.epoch,
                "step": progress.step,
                "best_epoch": progress.best_epoch,
                "best_step": progress.best_step,
                "device": device_name(pack.device),
                "num_parameters": run.num_parameters,
                "data_fingerprint": run.dataset.fingerprint,
                "stats_mismatch": run.normalisation.mismatch,
                **self._checkpoint(run),
                **teacher_cost(run),
            },
            warnings=self._new_warnings(run),
        )
        if progress.status != "running":
            report["stop_reason"], report["error"] = progress.stop_reason, progress.error
        if progress.status == "ok":
            report["metrics"] = {**_losses(progress), **run.final_metrics}
        return report

    def _new_warnings(self, run: "FlowRun") -> list[str]:
        """A run's warnings that have not been reported yet."""
        run_id = run.spec.run_id
        texts = [self._absent.get(run_id, ""), run.normalisation.mismatch, *run.progress.warnings]
        new = [text for text in texts if text and (run_id, text) not in self._reported_warnings]
        self._reported_warnings |= {(run_id, text) for text in new}
        return new

    def _checkpoint(self, run: "FlowRun") -> dict[str, str]:
        """Where the run's best weights are, once there are any."""
        if self._paths is None or run.spec.run_id not in self._best_written:
            return {}
        return {"checkpoint": str(self._paths.best(self._run_name(run)))}

    def _write_best(self, pack: "Pack") -> None:
        due = time.monotonic() >= self._best_due_s
        if due:
            self._best_due_s = time.monotonic() + BEST_EVERY_S
        for run in pack.runs:
            progress = run.progress
            if not due and progress.status == "running":
                continue
            if self._paths is None or not run.has_best:
                continue
            if self._best_written.get(run.spec.run_id) == progress.best_step:
                continue
            self._best_written[run.spec.run_id] = progress.best_step
            write_checkpoint(self._paths.best(self._run_name(run)), best_state(run))

    def _keep_samples(self, pack: "Pack") -> None:
        """Keeps samples of runs that have ended; what goes wrong becomes a warning of the run."""
        if self._paths is None:
            return
        for run in pack.runs:
            if run.progress.status == "running" or run.spec.run_id in self._ended:
                continue
            if not (run.spec.config.keep_samples and run.has_best):
                continue
            try:
                _keep_samples(self._paths, self._run_name(run), run, pack.device)
            except Exception as error:  # noqa: BLE001 - the run's results are not lost to it
                told = f"its samples could not be kept: {told_of(error)}"
                run.progress.warnings.append(told)

    @property
    def _paths(self) -> StudyPaths | None:
        root = self._config.get("study_dir")
        return None if root is None else StudyPaths(Path(root))

    def _run_name(self, run: "FlowRun") -> str:
        names = {item["run_id"]: item["run_name"] for item in self._config["runs"]}
        return names[run.spec.run_id]


def _train(pack: "Pack") -> None:
    """Trains for about a second, at least an epoch."""
    from trainables.flow.randomness import global_generators

    deadline = time.monotonic() + STEP_S
    with global_generators():  # people's code draws from them, also in this process
        while pack.active:
            pack.train_epoch()
            if time.monotonic() >= deadline:
                break


def _state_file(folder: str, run_id: str) -> Path:
    return Path(folder, f"{run_id}.pt")


def _keep_samples(paths: StudyPaths, name: str, run: "FlowRun", device: "torch.device") -> None:
    from trainables.flow.evaluation.kept import kept_data, kept_samples

    config, dataset, progress = run.spec.config, run.dataset, run.progress
    samples = kept_samples(
        config, dataset, run.normalisation.current, progress.best, progress.best_step, device
    )
    keep(paths, name, samples, lambda: kept_data(config.data, dataset, device))


def best_state(run: "FlowRun") -> dict[str, Any]:
    """What `best.pt` holds: enough to draw samples without the study directory."""
    progress = run.progress
    return {
        "run_id": run.spec.run_id,
        "seed": run.spec.seed,
        "config": run.spec.config.model_dump(mode="json"),
        "dim": run.dataset.dim,
        "shape": list(run.dataset.shape),
        "weights": progress.best,
        "epoch": progress.best_epoch,
        "step": progress.best_step,
        "val_loss": progress.best_val_loss,
        "normalisation": run.normalisation.state_dict(),
    }


def _losses(progress: Progress) -> dict[str, float]:
    return {
        "val_loss_best": progress.best_val_loss,
        "val_loss_final": progress.val_loss,
        "train_loss_best": progress.best_train_loss,
        "train_loss_final": progress.train_loss,
    }
