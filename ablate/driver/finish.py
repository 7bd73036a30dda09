"""A whole command over a study: executes what remains, then reports and tracks the results."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console

from ablate.analysis.build import study_record
from ablate.analysis.kept_analysis import analysis_today
from ablate.analysis.records import StudyRecord
from ablate.driver.session import Outcome, execute
from ablate.driver.wandb_table import table_message
from ablate.errors import StorageError
from ablate.events import Listener
from ablate.launch.base import Options
from ablate.ledger.seals import lost_files
from ablate.plan.reconcile import lost_notes
from ablate.process.screen import Text
from ablate.report.output import prepare_report, write_report
from ablate.report.renderer import Renderer
from ablate.report.tables import tables_of
from ablate.report.terminal import print_report, print_undrawn
from ablate.report.warm_up import Preparation
from ablate.report.words import answers
from ablate.spec.models import Study
from ablate.study_dir import StudyPaths, as_seen_from_here
from ablate.tracking.base import TrackedStudy, TrackedTable, Trackers
from ablate.tracking.wandb.places import lacking_messages, tracked_at, wandb_places
from ablate.tracking.wandb.port import SharedSink
from ablate.tracking.wandb.protocol import Complete
from ablate.tracking.wandb.record import WandbRecord
from ablate.tracking.wandb.settings import Destination


def complete_study(
    study: Study,
    options: Options,
    console: Console,
    given: frozenset[str] = frozenset(),
    listeners: Sequence[Listener] = (),
) -> Outcome:
    """Runs what a study still needs, then writes the report and tables, and completes W&B.

    Args:
        study: A checked study.
        options: How to run it.
        console: Where progress, tables and places are shown.
        given: The keys of `tracking` that were given on the command line.
        listeners: The caller's own, which also get the events of runs.
    """
    trackers = Trackers(study)
    with contextlib.closing(SharedSink(study, given)) as sink, Renderer() as renderer:
        ahead = [] if options.local else [Preparation(functools.partial(prepare_report, renderer))]
        outcome = execute(study, options, console, sink, trackers, [*ahead, *listeners])
        table = None
        try:
            table = _report(outcome, sink, trackers, renderer, console)
            sink.close()
        finally:  # even if the user does not wait for W&B
            _print_places(outcome, sink.to, table, console)
    return outcome


def _report(
    outcome: Outcome, sink: SharedSink, trackers: Trackers, renderer: Renderer, console: Console
) -> Complete | None:
    """Prints and writes the report; returns what W&B is to have of it, where it is to."""
    plan, ledger, study = outcome.plan, outcome.ledger, outcome.plan.study
    paths = StudyPaths(study.directory)
    study_yaml = paths.study_yaml.read_text(encoding="utf-8")
    lost = lost_notes(ledger.rows, lost_files(paths, ledger.rows, plan.by_id))
    kept = analysis_today(plan, ledger.rows)
    record = study_record(plan, ledger.rows, study_yaml=study_yaml, notes=lost, kept=kept)
    print_report(record, console)
    tracks = not outcome.interrupted and sink.to.mode != "disabled"
    say = _say(console)
    if tracks:
        sink.put(lacking_messages(plan, ledger, sink.to.mode), say)
        sink.wait_for_answer()
    record = replace(record, tracked_at=tracked_at(study))
    try:
        undrawn = write_report(record, paths, renderer)
    except OSError as error:
        raise StorageError.of(error, paths.report) from error
    print_undrawn(undrawn, console)
    _complete(trackers, record, outcome, say)
    if not tracks:
        return None
    table = table_message(record, study, paths)
    is_there = WandbRecord(paths).has(table.wandb_id, table.state, sink.to.mode)
    sink.put([] if is_there else [table], say)
    sink.no_more()
    return table


def _complete(
    trackers: Trackers, record: StudyRecord, outcome: Outcome, say: Callable[[str], None]
) -> None:
    """Sends the trackers what they missed, and the tables."""
    plan, ledger = outcome.plan, outcome.ledger
    directory, value = plan.study.directory, plan.value
    tracked = TrackedStudy(study=plan.study, directory=directory, ledger=ledger, value=value)
    trackers.open(tracked, say)
    rows = ledger.rows
    trackers.complete([r.run_id for r in plan.runs if rows.status(r.run_id).has_ended], say)
    tables = [
        TrackedTable(title=table.title, columns=table.columns, rows=[r.texts for r in table.rows])
        for table in tables_of(record)
    ]
    trackers.tables(tables, answers(record), say)
    trackers.close(say)


def _say(console: Console) -> Callable[[str], None]:
    return lambda notice: console.print(Text(notice), soft_wrap=True)


def _print_places(
    outcome: Outcome, to: Destination, table: Complete | None, console: Console
) -> None:
    paths = StudyPaths(outcome.plan.study.directory)
    console.print()
    places = {
        "ledger": paths.runs_parquet,
        "report": paths.report / "index.html",
        "best weights": paths.root / "checkpoints",
        "TensorBoard": paths.tensorboard,
    }
    for name, path in ((name, path) for name, path in places.items() if path.exists()):
        console.print(Text(f"{name + ':':<14}{as_seen_from_here(path)}"), soft_wrap=True)
    study_dir = str(as_seen_from_here(paths.root))
    for name, place in wandb_places(outcome.plan, outcome.ledger, to, study_dir, table):
        console.print(Text(f"{name + ':':<14}{place}"), soft_wrap=True)
