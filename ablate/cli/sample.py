"""`python -m ablate.sample STUDY_DIR RUN_NAME -n 1000 -o samples.parquet`: draws from a run."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console

from ablate.cli.guard import guarded
from ablate.errors import AblateError, InputError, Problem
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import plan_study
from ablate.process.screen import Arguments, Text
from ablate.spec.load import load_saved_study
from ablate.study_dir import StudyPaths
from ablate.trainable.config_model import ConfigModel

FORMATS = (".parquet", ".npy")


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
    add("run_name", metavar="RUN_NAME", help="as in the ledger, the plan and W&B")
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
    plan = plan_study(study, ledger.started_names())
    names = {row.run_name: row for row in ledger.rows.values()}
    target = Path(arguments.o)
    problems = [*_problems(arguments, target, tuple(names), plan.model)]
    draw = plan.entry.sample()
    if draw is None:
        problems.append(Problem("trainable", "does not say how to sample", plan.entry.name))
    if problems:
        raise InputError("command line", problems)
    best = paths.best(arguments.run_name)
    if not best.exists():
        status = names[arguments.run_name].status
        raise AblateError(f"{arguments.run_name} has no best weights (it is {status}): {best}")
    assert draw is not None
    try:
        rows = draw(best, arguments.n, arguments.seed, arguments.solver, arguments.steps)
    except (RuntimeError, ValueError) as error:
        raise AblateError(f"{arguments.run_name} cannot be sampled: {error}") from error
    _write(rows, target)
    console.print(Text(f"{len(rows)} samples of {rows.shape[1]} numbers: {target}"), soft_wrap=True)
    return 0


def _problems(
    arguments: argparse.Namespace, target: Path, names: tuple[str, ...], model: ConfigModel
) -> list[Problem]:
    problems: list[Problem] = []
    if arguments.run_name not in names:
        problems.append(Problem("RUN_NAME", "is not in the ledger", arguments.run_name, names[:50]))
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


def _solvers(model: ConfigModel) -> tuple[str, ...]:
    field = model.fields.get("solver")
    return () if field is None else get_args(field.annotation)


def _write(rows: np.ndarray, target: Path) -> None:
    try:
        if target.suffix == ".npy":
            np.save(target, rows)
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        values = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
        pq.write_table(pa.table({"embedding": values}), target)
    except OSError as error:
        raise AblateError(f"{target}: cannot be written ({error.strerror})") from error


if __name__ == "__main__":
    sys.exit(main())
