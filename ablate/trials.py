"""Runs as the configs of trials, the same under Tune and in this process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.events import PRIVATE_KEY
from ablate.paths import StudyPaths
from ablate.plan import Plan, Run

SHORT_RESULTS = 2
"""After how many results a short run ends where its config model knows no shorter training."""


def trial_config(
    plan: Plan, run: Run, paths: StudyPaths, launch: int, start_from: Mapping[str, Path]
) -> dict[str, Any]:
    """The config of the trial that carries a run.

    A trainable that packs gets `{runs: [...], study_dir}`, every other one its plain config with
    `seed`; what hosting needs travels under the private key.
    """
    config: dict[str, Any] = plan.launch_config(run)
    if plan.entry.packs:
        item = {"run_id": run.run_id, "run_name": run.run_name, "seed": run.seed, "config": config}
        config = {"runs": [item], "study_dir": str(paths.root)}
    else:
        config = {**config, "seed": run.seed}
    start = start_from.get(run.run_id)
    carried = {
        "run_id": run.run_id,
        "run_name": run.run_name,
        "start_from": str(start) if start else None,
    }
    config[PRIVATE_KEY] = {
        "runs": [carried],
        "study_dir": str(paths.root),
        "logdir": str(paths.launch(launch) / run.run_name),
        "launch": launch,
        "metric": plan.study.metric,
        "checkpoint_every_s": plan.study.checkpoint_every_s,
        "threads": max(1, int(plan.study.resources.cpu)),
        "max_results": SHORT_RESULTS if plan.short and not hasattr(plan.model, "smoke") else None,
    }
    return config
