"""`ablate sync STUDY_DIR`: brings W&B up to date with the ledger, from any state."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from ablate.analysis.build import study_record
from ablate.analysis.kept_analysis import analysis_today
from ablate.analysis.seed_rule import plan_so_far
from ablate.driver.wandb_table import table_message
from ablate.errors import AblateError, InputError, Problem
from ablate.ledger.ledger import Ledger
from ablate.ledger.lock import driver_lock
from ablate.plan.plan import Plan
from ablate.process.screen import Text
from ablate.spec.load import load_saved_study
from ablate.spec.models import Study
from ablate.spec.tracking import ENTITY_RULE, PROJECT_RULE, entity_problem, project_problem
from ablate.study_dir import StudyPaths
from ablate.text import quoted
from ablate.tracking.wandb.messages import RunMessages
from ablate.tracking.wandb.places import tracked_at
from ablate.tracking.wandb.port import SinkPort
from ablate.tracking.wandb.protocol import Complete, ServerState, Sync
from ablate.tracking.wandb.record import Home, WandbRecord
from ablate.tracking.wandb.script_runs import tag_messages
from ablate.tracking.wandb.settings import Destination, destination, has_credentials

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
        0 if W&B has everything afterwards (or would, with `--dry-run`), else 1.

    Raises:
        AblateError: If there is no key, or the directory is in use.
        InputError: If the study or the destination is invalid.
    """
    study = load_saved_study(Path(arguments.study_dir))
    paths = StudyPaths(study.directory)
    with driver_lock(paths.lock):
        ledger = Ledger(paths, study.metric, study.mode)
        plan = plan_so_far(study, ledger)
        if not paths.uid.exists() or not ledger.started_names():
            console.print(Text("nothing to send: no run of this study has started"))
            return 0
        home = WandbRecord(paths).home
        to = _to(study, arguments, home)
        moves = home is not None and not home.fits(to) and not arguments.dry_run
        runs = [*_runs(plan, ledger, paths), _table(plan, ledger, paths)]
        port = _port(paths, to, study.tracking.patience_s, console, moves)
        console.print(Text(f"asking {to.server} for {len(runs)} runs"), soft_wrap=True)
        port.put(Sync(runs=runs, dry_run=arguments.dry_run))
        for tag in () if arguments.dry_run else tag_messages(plan, ledger, paths):
            port.put(tag)
        port.close()
        num_lacking = _tell(runs, port, WandbRecord(paths), arguments.dry_run, console)
        if num_lacking and not arguments.dry_run:
            again = quoted(["ablate", "sync", arguments.study_dir])
            message = (
                f"W&B lacks {num_lacking} run{'s' if num_lacking > 1 else ''}; try again: {again}"
            )
            console.print(Text(message), soft_wrap=True)
        return INCOMPLETE if num_lacking and not arguments.dry_run else 0


def _port(
    paths: StudyPaths, to: Destination, patience_s: float, console: Console, moves: bool
) -> SinkPort:
    try:
        return SinkPort(paths, to, patience_s, _say(console), moves)
    except OSError as error:
        raise AblateError(f"W&B's process cannot be started: {error.strerror}") from error


def _to(study: Study, arguments: argparse.Namespace, home: Home | None) -> Destination:
    """Where the runs are, or will be from now on."""
    to = replace(destination(study), mode="online")
    if not has_credentials(to.server):
        raise AblateError(
            f"there is no API key for {to.server}: log in with `wandb login`, or set WANDB_API_KEY"
        )
    if arguments.to is not None:
        return _moved(to, arguments.to)
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
        problems.append(Problem("--to", "is not of the form ENTITY/PROJECT", place))
    if slash and entity_problem(entity):
        problems.append(Problem("--to", entity_problem(entity), place, fix=ENTITY_RULE))
    if slash and project_problem(project):
        problems.append(Problem("--to", project_problem(project), place, fix=PROJECT_RULE))
    if problems:
        raise InputError("command line", problems)
    return replace(to, entity=entity, project=project)


def _runs(plan: Plan, ledger: Ledger, paths: StudyPaths) -> list[Complete]:
    messages, started = RunMessages(plan, paths, ledger), ledger.started_names()
    own = [run_id for run_id, run in plan.by_id.items() if not plan.tracks_itself(run)]
    return [messages.complete(run_id) for run_id in own if run_id in started]


def _table(plan: Plan, ledger: Ledger, paths: StudyPaths) -> Complete:
    kept = analysis_today(plan, ledger.rows)
    record = study_record(plan, ledger.rows, tracked_at=tracked_at(plan.study), kept=kept)
    return table_message(record, plan.study, paths)


def _tell(
    runs: Sequence[Complete], port: SinkPort, record: WandbRecord, dry_run: bool, console: Console
) -> int:
    """Prints what W&B had of each run and what was sent; returns how many it still lacks."""
    if not port.served:
        console.print(Text("W&B did not answer; nothing was sent"))
        return len(runs)
    num_lacking = 0
    for run in runs:
        name = run.start.name
        before = port.served.get(name, ServerState(name=name))
        is_whole = before.is_whole or record.has(run.wandb_id, run.state, "online")
        num_lacking += not is_whole
        state = _there(run, before)
        if not before.is_whole:
            state += f"; would send {_rest(run, before)}" if dry_run else _done(
                port.sent.get(name), is_whole
            )  # fmt: skip
        console.print(Text(f"{name}: {state}"), soft_wrap=True)
    return num_lacking


def _there(run: Complete, before: ServerState) -> str:
    if before.is_whole:
        return "complete"
    if run.end.tables:
        return "not as the ledger has it"
    if not before.is_known:
        return "W&B does not say how many rows it has"
    return f"{before.num_rows} of {run.num_rows} rows there"


def _rest(run: Complete, before: ServerState) -> str:
    if run.end.tables:
        return "the tables"
    if not before.is_known:
        return "what it lacks"
    missing = max(run.num_rows - before.num_rows, 0)
    return f"{missing} rows" if missing else "its end and summary"


def _done(num_sent: int | None, is_whole: bool) -> str:
    if num_sent is None:
        return "; not sent"
    sent = f"; sent {num_sent} rows" if num_sent else "; sent its end and summary"
    return sent if is_whole else f"{sent}, not confirmed"


def _say(console: Console) -> Callable[[str], None]:
    return lambda notice: console.print(Text(notice), soft_wrap=True)
