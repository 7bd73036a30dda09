"""Runs that their scripts bring to W&B themselves: what we tell these, and how failures are told.

With `tracking: {runs: script}` a command's script makes its own W&B run, in the place and under the
id that ours would have. Afterwards the ones that failed get the tag `failed`.
"""

from collections.abc import Iterator
from typing import Any

from ablate.ledger.ledger import Ledger
from ablate.plan.plan import Plan, Run
from ablate.study_dir import StudyPaths
from ablate.tracking.wandb.messages import RunMessages
from ablate.tracking.wandb.protocol import Tag
from ablate.tracking.wandb.settings import Destination


def script_environment(
    plan: Plan, ledger: Ledger, paths: StudyPaths, to: Destination, run: Run
) -> dict[str, str]:
    """The variables by which `wandb.init()` in a run's script makes the run that ours would be.

    What the script itself gives to `init` takes precedence, as always with W&B.
    """
    if not plan.tracks_itself(run):
        return {}
    if plan.is_smoke or to.mode == "disabled":
        return {"WANDB_MODE": "disabled"}
    start = RunMessages(plan, paths, ledger).start(run.run_id)
    variables: dict[str, Any] = {
        "WANDB_MODE": to.mode,
        "WANDB_BASE_URL": to.server,
        "WANDB_ENTITY": to.entity,
        "WANDB_PROJECT": to.project,
        "WANDB_RUN_ID": start.wandb_id,
        "WANDB_RUN_GROUP": start.group,
        "WANDB_JOB_TYPE": start.job_type,
        "WANDB_NAME": start.name,
        "WANDB_NOTES": start.notes,
        # A comma would be the next tag's.
        "WANDB_TAGS": ",".join(tag.replace(",", ";") for tag in start.tags),
        "WANDB_RESUME": "allow",
        "WANDB_DIR": str(paths.wandb),
    }
    return {name: value for name, value in variables.items() if value is not None}


def tag_messages(plan: Plan, ledger: Ledger, paths: StudyPaths) -> Iterator[Tag]:
    """For each run that its script tracks and that has failed, what W&B is to be told."""
    messages = RunMessages(plan, paths, ledger)
    for run in plan.runs:
        row = ledger.rows.of(run.run_id)
        if plan.tracks_itself(run) and row.status.has_failed:
            yield messages.tag(run.run_id)
