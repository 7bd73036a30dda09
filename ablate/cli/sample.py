"""`python -m ablate.sample STUDY_DIR RUN_NAME -n 1000 -o samples.parquet`: draws from a run."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console

from ablate.analysis.best_run import best_run
from ablate.analysis.seed_rule import plan_so_far
from ablate.cli.guard import guarded
from ablate.errors import AblateError, InputError, Problem
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import Plan
from ablate.process.screen import Arguments, Text
from ablate.spec.load import load_saved_study
from ablate.study_dir import StudyPaths
from ablate.trainable.joint_model import JointModel
from ablate.trainable.registry import TrainableEntry

FORMATS = (".parquet", ".npy")
BEST = "best"
"""Stands for the best run; a run's own name ends in its seed."""
MOST_NAMES, NAMES_SHOWN = 30, 10
"""Names of runs that are all shown where one is unknown; and of more, those nearest to it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Draws samples; returns the exit code."""
    return guarded(lambda console: sample_command(build_parser().parse_args(argv), console))


def build_parser(parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """The arguments of `python -m ablate.sample` and of `ablate sample`."""
    parser = parser or Arguments(
        prog="python -m ablate.sample",
        description="Draws samples from the best weights of a run, in the data's own coordinates.",
    )
    add = parser.add_argument
    add("study_dir", metavar="STUDY_DIR")
    add("run_name", metavar="RUN_NAME",
        help="as in the ledger, the plan and W&B; or best, by the study's metric")  # fmt: skip
    add("-n", type=int, default=1000, metavar="NUM", help="number of samples (1000)")
    add("-o", required=True, metavar="FILE", help="a .parquet or .npy file")
    add("--seed", type=int, default=0, help="of the noise (0)")
    add("--solver", help="of the ODE; the run's own by default")
    add("--steps", type=int, help="of the solver; the run's own by default")
    return parser


def sample_command(arguments: argparse.Namespace, console: Console) -> int:
    """Draws samples and writes them.

    Raises:
        AblateError: If there is no such run, or the file cannot be written.
    """
    study = load_saved_study(Path(arguments.study_dir))
    paths = StudyPaths(study.directory)
    ledger = Ledger(paths)
    plan = plan_so_far(study, ledger)
    names = {row.run_name: row for row in ledger.rows.values()}
    target = Path(arguments.o)
    problems = [*_name_problems(arguments.run_name, tuple(names), plan)]
    problems += _problems(arguments, target, plan.model)
    name = arguments.run_name
    if not problems and name == BEST:
        name = _best(plan, ledger, paths, console)
    entry = _trained_with(plan, name)
    if entry.hooks.sample is None:
        problems.append(Problem("trainable", "does not say how to sample", entry.name))
    if problems:
        raise InputError("command line", problems)
    best = paths.best(name)
    if not best.exists():
        raise AblateError(f"{name} has no best weights (it is {names[name].status}): {best}")
    draw = entry.sample()
    assert draw is not None
    try:
        rows = draw(best, arguments.n, arguments.seed, arguments.solver, arguments.steps)
    except (RuntimeError, ValueError) as error:
        raise AblateError(f"{name} cannot be sampled: {error}") from error
    _write(rows, target)
    numbers = "x".join(map(str, rows.shape[1:]))
    console.print(Text(f"{len(rows)} samples of {numbers} numbers: {target}"), soft_wrap=True)
    return 0


def _trained_with(plan: Plan, name: str) -> TrainableEntry:
    """The trainable of a run; of one that is no longer planned, the first."""
    own = (run.cell.entry for run in plan.runs if run.run_name == name)
    return next(own, plan.entries[0])


def _best(plan: Plan, ledger: Ledger, paths: StudyPaths, console: Console) -> str:
    """The name of the best run, after saying which it is.

    Raises:
        AblateError: If no run has both a result and its weights.
    """
    found = best_run(plan, ledger.rows, lambda run: paths.best(run.run_name).exists())
    if found is None:
        raise AblateError(
            f"no finished run has both best weights and a value of {plan.study.metric}, so none is "
            f"the best: {paths.root}"
        )
    for line in found.told:
        console.print(Text(line), soft_wrap=True)
    return found.run.run_name


def _name_problems(name: str, names: tuple[str, ...], plan: Plan) -> list[Problem]:
    """Why a name is none of a run: of many names the nearest are shown."""
    metric = plan.study.metric
    if name == BEST and not plan.model.metric(metric).ranks:
        told = f"neither lower nor higher {metric} is better, so no run is the best"
        return [Problem("RUN_NAME", told, name, fix="name a run")]
    if name == BEST or name in names:
        return []
    near = difflib.get_close_matches(name, names, n=NAMES_SHOWN, cutoff=0.3)
    shown = names if len(names) <= MOST_NAMES else near
    return [Problem("RUN_NAME", "is not in the ledger", name, (*shown, BEST))]


def _problems(arguments: argparse.Namespace, target: Path, model: JointModel) -> list[Problem]:
    problems: list[Problem] = []
    if arguments.n < 1:
        problems.append(Problem("-n", "should be at least 1", arguments.n))
    if arguments.steps is not None and arguments.steps < 1:
        problems.append(Problem("--steps", "should be at least 1", arguments.steps))
    if target.suffix not in FORMATS:
        problems.append(Problem("-o", "has no known format", arguments.o, FORMATS))
    elif not target.absolute().parent.is_dir():
        problems.append(Problem("-o", "its folder does not exist", arguments.o))
    solvers = _solvers(model)
    if arguments.solver is not None and arguments.solver not in solvers:
        problems.append(Problem("--solver", "is not a solver", arguments.solver, solvers))
    return problems


def _solvers(model: JointModel) -> tuple[str, ...]:
    found = (each.fields.get("solver") for each in model.models)
    return tuple(name for field in found if field for name in get_args(field.annotation))


def _write(rows: np.ndarray, target: Path) -> None:
    try:
        if target.suffix == ".npy":
            np.save(target, rows)
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        values = pa.array(rows.ravel())
        for size in reversed(rows.shape[1:]):
            values = pa.FixedSizeListArray.from_arrays(values, size)
        pq.write_table(pa.table({"embedding": values}), target)
    except OSError as error:
        raise AblateError(f"{target}: cannot be written ({error.strerror})") from error


if __name__ == "__main__":
    sys.exit(main())
