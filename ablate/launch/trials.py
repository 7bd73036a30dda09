"""Makes trial configs of runs, the same under Tune and in this process."""

import locale
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.dotted import encode_keys
from ablate.launch.command_trials import CommandTrials, command_trials
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
    commands: CommandTrials | None = None,
) -> dict[str, Any]:
    """The config of the trial that carries a pack of runs.

    A trainable that packs gets `{runs: [...], study_dir}`, any other its plain config with `seed`,
    and a command also how it is started; what hosting needs is under `REPORT_KEY`.

    Args:
        plan: The plan.
        pack: The runs.
        paths: The study directory.
        launch: The launch's number.
        start_from: Checkpoint directories to resume from, by run id.
        trust_owner: Unpickle other users' checkpoints, see `ablate.launch.trust`.
        commands: How commands are started; by default from a snapshot of its own.
    """
    entry = pack[0].cell.entry
    code_files = ""
    if entry.hooks.packs:
        config: dict[str, Any] = {
            "runs": [_of_pack(plan, run) for run in pack],
            "study_dir": str(paths.root),
        }  # fmt: skip
        if entry.command is not None:
            commands = commands or command_trials(plan, paths)
            code = commands.codes[entry.name]
            config["command"], code_files = code.command, code.files
            config["given"] = commands.given(plan, pack[0], launch)
    else:
        [run] = pack
        config = {**encode_keys(plan.launch_config(run)), "seed": run.seed}
    config[REPORT_KEY] = _of_host(plan, pack) | {
        "runs": [{**_named(run), "start_from": _place(start_from, run)} for run in pack],
        "name": trial_name(pack),
        "folder": str(Path.cwd()),
        "study_dir": str(paths.root),
        "logdir": str(paths.trial(launch, trial_name(pack))),
        "launch": launch,
        "code_files": code_files,
        "trust_owner": trust_owner,
    }
    return config


def _of_host(plan: Plan, pack: RunPack) -> dict[str, Any]:
    """What hosting needs to know of the study."""
    smoke, entry = pack[0].cell.model.smoke, pack[0].cell.entry
    return {
        "trainable": entry.target,
        "import_path": import_path(),
        "retries": plan.study.retries,
        "metric": plan.study.metric,
        "checkpoint_every_s": plan.study.checkpoint_every_s,
        "stop": plan.stop_rule.plain(),
        # A command ends its script by itself, with all that it started.
        "time_limit_s": None if entry.command else plan.study.time_limit_s,
        "cpu": plan.study.resources.cpu,
        "gpu": plan.study.resources.gpu,
        "encoding": locale.getpreferredencoding(False),
        "threads": max(1, int(plan.study.resources.cpu)),
        "max_results": SMOKE_RESULTS if plan.is_smoke and smoke is None else None,
    }


def _of_pack(plan: Plan, run: Run) -> dict[str, Any]:
    """What a trainable that packs gets of one run."""
    told = {**_named(run), "seed": run.seed, "config": plan.launch_config(run)}
    if known := plan.data_fingerprints.get(run.run_id):
        told["data_fingerprint"] = known
    return told


def _place(folders: Mapping[str, Path], run: Run) -> str | None:
    return str(folders[run.run_id]) if run.run_id in folders else None


def _named(run: Run) -> dict[str, Any]:
    return {"run_id": run.run_id, "run_name": run.run_name}
