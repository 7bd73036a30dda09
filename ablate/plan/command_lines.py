"""The command lines that runs of a plan start, as a reader of the plan sees them."""

import shlex
from collections.abc import Iterator

from ablate.commands.render import RunContext, render
from ablate.plan.plan import Plan
from ablate.study_dir import StudyPaths


def varied_keys(plan: Plan) -> tuple[str, ...]:
    """The config keys, dotted, that factors set."""
    return tuple(sorted({key for factor in plan.factors.values() for key in factor.keys}))


def first_lines(plan: Plan) -> Iterator[str]:
    """Of each command the line of its first run: what a script is told is easily not as meant."""
    for entry in plan.entries:
        if entry.command is None:
            continue
        run = next(run for run in plan.runs if run.cell.entry.name == entry.name)
        context = RunContext(
            config=run.config, seed=run.seed, run_id=run.run_id, run_name=run.run_name,
            run_dir=str(StudyPaths(plan.study.directory).run(run.run_name)),
            varied=varied_keys(plan), num_gpus=plan.study.resources.gpu,
        )  # fmt: skip
        yield f"{run.run_name} is started as: {shlex.join(render(entry.command, context))}"
