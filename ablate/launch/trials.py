"""Makes trial configs of runs, the same under Tune and in this process."""

import locale
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.dotted import encode_keys
from ablate.plan.packing import RunPack
from ablate.plan.plan import Plan, Run
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import REPORT_KEY
from ablate.trainable.loaded_code import import_path

SMOKE_RESULTS = 2
"""Results after which a smoke run ends, if its config model declares no `smoke` keys."""


def trial_name(pack: RunPack) -> str:
    """A trial is named after its run; a pack is named `icfm-s42+3`."""
    first, *others = pack
    return first.run_name + (f"+{len(others)}" if others else "")


def trial_config(
    plan: Plan,
    pack: RunPack,
    paths: StudyPaths,
    launch: int,
    start_from: Mapping[str, Path],
    trust_owner: bool = False,
) -> dict[str, Any]:
    """The config of the trial that carries a pack of runs.

    A trainable that packs gets `{runs: [...], study_dir}`, any other its plain config with `seed`;
    what hosting needs is under `REPORT_KEY`.

    Args:
        plan: The plan.
        pack: The runs.
        paths: The study directory.
        launch: The launch's number.
        start_from: Checkpoint directories to resume from, by run id.
        trust_owner: Unpickle other users' checkpoints, see `ablate.launch.trust`.
    """
    if plan.entry.hooks.packs:
        config: dict[str, Any] = {
            "runs": [{**_named(run), "seed": run.seed, "config": plan.launch_config(run)}
                     for run in pack],
            "study_dir": str(paths.root),
        }  # fmt: skip
    else:
        [run] = pack
        config = {**encode_keys(plan.launch_config(run)), "seed": run.seed}
    config[REPORT_KEY] = {
        "runs": [{**_named(run), "start_from": _place(start_from, run)} for run in pack],
        "name": trial_name(pack),
        "folder": str(Path.cwd()),
        "study_dir": str(paths.root),
        "logdir": str(paths.trial(launch, trial_name(pack))),
        "launch": launch,
        "trainable": plan.entry.target,
        "import_path": import_path(),
        "trust_owner": trust_owner,
        "retries": plan.study.retries,
        "metric": plan.study.metric,
        "checkpoint_every_s": plan.study.checkpoint_every_s,
        "gpu": plan.study.resources.gpu,
        "encoding": locale.getpreferredencoding(False),
        "threads": max(1, int(plan.study.resources.cpu)),
        "max_results": SMOKE_RESULTS if plan.is_smoke and plan.model.smoke is None else None,
    }
    return config


def _place(folders: Mapping[str, Path], run: Run) -> str | None:
    return str(folders[run.run_id]) if run.run_id in folders else None


def _named(run: Run) -> dict[str, Any]:
    return {"run_id": run.run_id, "run_name": run.run_name}
