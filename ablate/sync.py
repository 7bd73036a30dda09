"""`ablate sync STUDY_DIR`: brings W&B to what the ledger has, from whatever state it is in."""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from ablate.errors import AblateError, InputError, Problem
from ablate.ledger import Ledger
from ablate.loading import load_saved_study
from ablate.lock import driver_lock
from ablate.paths import StudyPaths
from ablate.plan import Plan
from ablate.replicates import plan_so_far
from ablate.report.assembly import study_record
from ablate.screen import Text
from ablate.study import ENTITY_RULE, PROJECT_RULE, Study, entity_problem, project_problem
from ablate.wandb_messages import RunMessages
from ablate.wandb_places import tracked_at
from ablate.wandb_port import SinkPort
from ablate.wandb_record import Home, WandbRecord
from ablate.wandb_settings import Destination, destination, has_credentials
from ablate.wandb_table import table_message

INCOMPLETE = 1


def build_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `ablate sync`."""
    parser.add_argument("study_dir", metavar="STUDY_DIR")
    parser.add_argument("--dry-run", action="store_true", help="say what W&B lacks; send nothing")
    parser.add_argument("--to", metavar="ENTITY/PROJECT", help="move the runs to another project")
    return parser


def sync_command(arguments: argparse.Namespace, console: Console) -> int:
    """Asks W&B what it has of each run, and sends the rest.

    Returns:
        0 where W&B has everything then (or would, with `--dry-run`), else 1.

    Raises:
        AblateError: Where there is no key, or the directory is in use.
        InputError: Where the study or the place is none.
    """
    study = load_saved_study(Path(arguments.study_dir))
    paths = StudyPaths(study.directory)
    with driver_lock(paths.lock):
        ledger = Ledger(paths, study.metric, study.mode)
        plan = plan_so_far(study, ledger)
        if not paths.uid.exists() or not ledger.started_names():
            console.print(Text("nothing to send: no run of this study has started"))
            return 0
        to = _to(study, arguments, WandbRecord(paths))
        runs = [*_runs(plan, ledger, paths), _table(plan, ledger, paths)]
        port = SinkPort(paths, to, study.tracking.patience_s, _say(console))
        port.put({"kind": "sync", "id": "", "runs": runs, "dry_run": arguments.dry_run})
        port.close()
        return _tell(runs, port.served, WandbRecord(paths), arguments.dry_run, console)


def _to(study: Study, arguments: argparse.Namespace, record: WandbRecord) -> Destination:
    """Where the runs are, or are to be from now on."""
    to = replace(destination(study), mode="online")
    if not has_credentials(to.server):
        raise AblateError(
            f"there is no API key for {to.server}: log in with `wandb login`, or set WANDB_API_KEY"
        )
    home = record.home
    if arguments.to is not None:
        to = _moved(to, arguments.to)
        asked = Home(to.server, to.entity or "", to.project)
        if home != asked and not arguments.dry_run:
            record.move(asked)
        return to
    if home is None:
        return to
    if home.server != to.server:
        problem = Problem(
            "W&B's server", f"the runs of this study are in {home}", to.server,
            fix="set WANDB_BASE_URL to that server, or move them with --to ENTITY/PROJECT",
        )  # fmt: skip
        raise InputError("command line", [problem])
    return replace(to, entity=home.entity, project=home.project)


def _moved(to: Destination, place: str) -> Destination:
    entity, slash, project = place.partition("/")
    problems: list[Problem] = []
    if not slash:
        problems.append(Problem("--to", "is no ENTITY/PROJECT", place))
    if slash and entity_problem(entity):
        problems.append(Problem("--to", entity_problem(entity), place, fix=ENTITY_RULE))
    if slash and project_problem(project):
        problems.append(Problem("--to", project_problem(project), place, fix=PROJECT_RULE))
    if problems:
        raise InputError("command line", problems)
    return replace(to, entity=entity, project=project)


def _runs(plan: Plan, ledger: Ledger, paths: StudyPaths) -> list[dict[str, Any]]:
    messages, started = RunMessages(plan, paths, ledger), ledger.started_names()
    return [messages.complete(run_id) for run_id in plan.by_id if run_id in started]


def _table(plan: Plan, ledger: Ledger, paths: StudyPaths) -> dict[str, Any]:
    record = study_record(plan, ledger.rows, tracked_at=tracked_at(plan.study))
    return table_message(record, plan.study, paths)


def _tell(
    runs: list[dict[str, Any]],
    served: Mapping[str, Mapping[str, Any]],
    record: WandbRecord,
    dry_run: bool,
    console: Console,
) -> int:
    """Says of each run what was there, and what has come of it."""
    if not served:
        console.print(Text("W&B was not reached: nothing was sent"))
        return INCOMPLETE
    num_lacking = 0
    for run in runs:
        before = served[run["start"]["name"]]
        is_whole = before["is_whole"] or record.has(run["id"], run["what"] or _open(run), "online")
        num_lacking += not (is_whole or dry_run)
        console.print(Text(_line(run, before, is_whole, dry_run)), soft_wrap=True)
    return INCOMPLETE if num_lacking else 0


def _line(run: dict[str, Any], before: Mapping[str, Any], is_whole: bool, dry_run: bool) -> str:
    name = run["start"]["name"]
    if before["is_whole"]:
        return f"{name}: complete"
    if run.get("tables"):
        there, rest = "not as the ledger has it", "the tables"
    elif not before["is_known"]:
        there, rest = "W&B does not say how many rows it has", "what it lacks"
    else:
        missing = max(run["num_rows"] - before["num_rows"], 0)
        there = f"{before['num_rows']} of {run['num_rows']} rows there"
        rest = f"{missing} rows" if missing else f"its end ({before['state'] or 'no run'} there)"
    if dry_run:
        return f"{name}: {there}; would send {rest}"
    return f"{name}: {there}; sent {rest}" + ("" if is_whole else ", not confirmed")


def _open(run: dict[str, Any]) -> str:
    return f"open {run['num_rows']}"


def _say(console: Console) -> Any:
    return lambda notice: console.print(Text(notice), soft_wrap=True)
