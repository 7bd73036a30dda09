"""Runs a study: plans, reconciles with the ledger, executes what remains."""

import contextlib
import functools
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console

from ablate.analysis.kept_analysis import analysis_today, keep_analysis
from ablate.analysis.seed_rule import keep_decision, plan_so_far
from ablate.driver.code_changes import outdated_runs
from ablate.driver.command_code import code_notes
from ablate.driver.data_check import check_data
from ablate.driver.directory import make_directory, make_uid, set_aside
from ablate.driver.execute import Caller, execute_runs
from ablate.driver.ignored_factors import twins_in, watching
from ablate.driver.measuring import add_new_metrics
from ablate.driver.question import check_question, keep_earlier_report
from ablate.driver.reuse import offers_of, take_finished
from ablate.driver.study_metrics import keep_found_metrics
from ablate.errors import (
    CLUSTER_GONE,
    INTERRUPTED,
    InputError,
    Problem,
)
from ablate.events import Listener
from ablate.identity import canonical_json
from ablate.launch.base import Options, backend_of
from ablate.launch.checkpoints import ahead_of_curves, check_trust, newest_checkpoints
from ablate.ledger.history import History
from ablate.ledger.ledger import Ledger
from ablate.ledger.lock import driver_lock
from ablate.ledger.provenance import provenance
from ablate.ledger.seals import lost_files
from ablate.plan.analysis_changes import deviations_text
from ablate.plan.plan import Plan
from ablate.plan.reconcile import Remaining, changed_data, reconcile
from ablate.plan.resolved import keep_resolved
from ablate.plan.select import select_runs
from ablate.plan.twins import twin_notes
from ablate.plan.unequal import length_notes
from ablate.process.gc_pause import gc_paused
from ablate.process.interrupts import Interrupts, interrupts
from ablate.process.screen import Text
from ablate.run_row import RunRows, Status
from ablate.samples.files import drop_samples
from ablate.spec.command_checks import missing_files
from ablate.spec.load import save_study
from ablate.spec.models import Study
from ablate.study_dir import StudyPaths, as_seen_from_here
from ablate.text import some
from ablate.tracking.base import Trackers
from ablate.tracking.wandb.port import SharedSink


@dataclass(frozen=True)
class Outcome:
    """The state of a study when the command ends."""

    plan: Plan
    ledger: Ledger
    interrupted: bool
    gone: str | None = None
    """The address of the cluster, if the command ended because it is gone."""

    @property
    def exit_code(self) -> int:
        """0 all runs ok, 1 some failed, 4 the cluster is gone, 130 interrupted."""
        if self.gone:
            return CLUSTER_GONE
        if self.interrupted:
            return INTERRUPTED
        statuses = {self.ledger.rows.status(r.run_id) for r in self.plan.runs}
        return 1 if any(status.has_failed for status in statuses) else 0


def execute(
    study: Study,
    options: Options,
    console: Console,
    sink: SharedSink | None = None,
    trackers: Trackers | None = None,
    listeners: Sequence[Listener] = (),
) -> Outcome:
    """Executes the runs that a study still needs, and nothing else; see `ablate.driver.finish`.

    Args:
        study: A checked study.
        options: How to run it.
        console: Where progress is shown.
        sink: The caller's W&B sink, which stays open after the runs; by default a new one.
        trackers: The caller's trackers, which stay open after the runs; by default new ones.
        listeners: The caller's own, which also get the events of runs.
    """
    if sink is None:
        with contextlib.closing(SharedSink(study)) as own:
            return execute(study, options, console, own, trackers, listeners)
    trackers = trackers or Trackers(study)
    study = study.resolved_as({}).with_metrics({})  # once for all that follows
    with interrupts() as watched:
        return _execute(study, options, Caller(console, sink, trackers, listeners, watched))


def _execute(study: Study, options: Options, caller: Caller) -> Outcome:
    paths = StudyPaths(study.directory)
    if missing := missing_files(study):
        raise study.refusal(missing)
    if options.fresh:
        _check_from_scratch(study, options)
        set_aside(paths, options.wait_for_lock_s, caller.console)
    make_directory(study, paths)
    with driver_lock(paths.lock, options.wait_for_lock_s):
        ledger = Ledger(paths, study.metric, study.mode)
        check_question(study, ledger.rows, options)
        plan, remaining = examine(study, ledger, options)
        preflight_facts = check_data(plan, [*remaining.todo, *remaining.kept])
        plan = _with_fingerprints(plan, preflight_facts)
        remaining = _with_data_of_today(ledger, remaining, preflight_facts, options)
        remaining = _with_whole_curves(paths, ledger, remaining)
        notes = plan.seeding, *plan_notes(plan, preflight_facts), *ledger.notes, *remaining.notes
        offered = "" if options.reuse else offers_of(plan, remaining.todo, preflight_facts).note()
        for note in filter(None, (*notes, offered, *deviation_notes(plan, ledger))):
            caller.console.print(Text(f"note: {note}"), soft_wrap=True)
        if not options.trust_owner:
            going_on = {
                r.run_id: r.run_name for r in remaining.todo if r.run_id not in remaining.restart
            }
            check_trust(paths, going_on, ledger.restarts())
        if earlier := keep_earlier_report(study, paths):
            told = (
                f"note: the report on the earlier question is kept in {as_seen_from_here(earlier)}"
            )
            caller.console.print(Text(told), soft_wrap=True)
        save_study(study, paths)
        keep_resolved(study, paths)
        keep_found_metrics(plan, preflight_facts)
        make_uid(paths, bool(ledger.rows), caller.console)
        with ledger.writing(), caller.interrupts.last_resort(ledger.close):
            plan, interrupted = _run_stages(
                plan, remaining, preflight_facts, ledger, options, caller
            )
        return Outcome(plan, ledger, interrupted, caller.interrupts.gone)


def examine(study: Study, ledger: Ledger, options: Options) -> tuple[Plan, Remaining]:
    """The plan, with the names that runs already have, and the runs that remain.

    Args:
        study: A checked study.
        ledger: Its record.
        options: Which part of the plan is wanted, and what is run again.
    """
    plan = plan_so_far(study, ledger, options.is_smoke)
    runs = select_runs(plan, options.only) if options.only else plan.runs
    outdated = outdated_runs(plan, ledger.rows)
    lost = lost_files(StudyPaths(study.directory), ledger.rows, [run.run_id for run in runs])
    return plan, reconcile(plan, ledger.rows, runs, outdated, options.retry_failed, lost)


def ledger_of(study: Study, options: Options) -> Ledger:
    """A study's ledger, to be read; an empty one where it starts over."""
    is_there = not options.fresh
    return Ledger(StudyPaths(study.directory if is_there else study.directory / ".nothing"))


@gc_paused()
def plan_notes(plan: Plan, preflight_facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Notes about a plan, once its data have been checked.

    Args:
        plan: The plan.
        preflight_facts: What `check_data` returned, by run id.
    """
    twins = twin_notes(twins_in(plan, preflight_facts))
    checked = {
        run.cell.index
        for run in plan.runs
        if "same_training" in preflight_facts.get(run.run_id, {})
    }
    before = plan.base_notes if checked >= set(range(len(plan.cells))) else plan.notes
    lengths, code = length_notes(plan, preflight_facts), code_notes(plan)
    of_data = [note for facts in preflight_facts.values() for note in facts.get("notes", ())]
    return list(dict.fromkeys([*before, *lengths, *code, *twins, *of_data]))


def deviation_notes(plan: Plan, ledger: Ledger) -> list[str]:
    """What of a study's analysis is no longer as it was fixed."""
    if plan.is_smoke or not StudyPaths(plan.study.directory).analysis.exists():
        return []  # nothing is kept that it could differ from
    told = deviations_text(analysis_today(plan, ledger.rows).deviations)
    return [f"not as the analysis was fixed: {line}" for line in told]


def _run_stages(
    plan: Plan,
    remaining: Remaining,
    preflight_facts: Mapping[str, Mapping[str, Any]],
    ledger: Ledger,
    options: Options,
    caller: Caller,
) -> tuple[Plan, bool]:
    """Executes the remaining runs, then those that a seed rule adds because of their results.

    Returns:
        The final plan, and whether it was interrupted.
    """
    while True:
        keep_decision(plan)
        if options.reuse:
            remaining, notes = take_finished(plan, remaining, preflight_facts, ledger)
            for note in notes:
                caller.console.print(Text(f"note: {note}"), soft_wrap=True)
        enter = functools.partial(
            _begin, plan, remaining, preflight_facts, ledger, caller.interrupts
        )
        if remaining.todo:
            watched = watching(plan, preflight_facts, ledger, caller)
            interrupted = execute_runs(plan, remaining, ledger, options, watched, enter)
            _tell_edited(plan, remaining, ledger, caller.console)
            if not plan.is_smoke:
                keep_analysis(plan, ledger.rows)
        else:
            enter()
            interrupted = False
        if not interrupted and not plan.is_smoke:
            note = _note(caller.console)
            add_new_metrics(plan, remaining.kept, preflight_facts, ledger, note)
        later, remaining = examine(plan.study, ledger, options)
        if interrupted or later.seeds == plan.seeds:
            return later, interrupted
        preflight_facts = check_data(later, remaining.todo)
        plan = _with_fingerprints(later, preflight_facts)
        caller.console.print(Text(f"note: {plan.seeding}"), soft_wrap=True)


def _note(console: Console) -> Callable[[str], None]:
    return lambda told: console.print(Text(f"note: {told}"), soft_wrap=True)


def _tell_edited(plan: Plan, done: Remaining, ledger: Ledger, console: Console) -> None:
    """Says if training code was edited meanwhile, so that the new runs are outdated already."""
    ids = [run.run_id for run in done.todo if run.run_id in ledger.rows]
    rows = RunRows({run_id: ledger.rows[run_id] for run_id in ids})
    outdated = outdated_runs(plan, rows)
    if outdated:
        files = some(sorted(frozenset[str]().union(*outdated.values())))
        note = (
            f"note: training code was edited meanwhile; made with older code: {len(outdated)} of "
        )
        console.print(Text(f"{note}{len(rows)} runs ({files})"), soft_wrap=True)


def _begin(
    plan: Plan,
    remaining: Remaining,
    preflight_facts: Mapping[str, Mapping[str, Any]],
    ledger: Ledger,
    interrupts: Interrupts,
) -> None:
    """Records in the study directory what the command asked for."""
    if not plan.is_smoke:
        keep_analysis(plan, ledger.rows)  # with the results that are there before any is reset
    _enter_rows(plan, remaining, preflight_facts, ledger)
    interrupts.has_begun = not plan.is_smoke  # a smoke test leaves nothing to resume


def _enter_rows(
    plan: Plan,
    remaining: Remaining,
    preflight_facts: Mapping[str, Mapping[str, Any]],
    ledger: Ledger,
) -> None:
    """Adds rows for the planned runs; those to do get the code and data they are made with."""
    code = {entry.name: provenance(entry) for entry in plan.entries}
    paths = StudyPaths(plan.study.directory)
    launch = paths.next_launch
    ledger.protect(plan.factors)
    ledger.choose_by(plan.choice)
    todo = {run.run_id for run in remaining.todo}
    for run_id in remaining.restart & ledger.rows.keys():
        ledger.reset(run_id)
        ledger.patch(run_id, restarted_in=launch)
    for run in remaining.todo:
        if run.run_id in remaining.restart or run.run_id not in ledger.rows:
            shutil.rmtree(paths.run(run.run_name), ignore_errors=True)  # a script begins there
            drop_samples(paths, run.run_name)
    for run_id in todo & ledger.settled():
        ledger.patch(run_id, status=Status.INTERRUPTED)  # in case this command never gets to it
    for run_id in remaining.mixed:
        ledger.warn(run_id, ["resumed with different training code"])
    for run in plan.runs:
        facts, columns = preflight_facts.get(run.run_id, {}), dict(run.cell.labels)
        made_with = dict(code[run.cell.entry.name]) if run.run_id in todo else {}
        if run.run_id in todo and facts.get("data_fingerprint"):
            made_with["data_fingerprint"] = facts["data_fingerprint"]
        if facts.get("num_parameters"):
            columns["num_parameters"] = facts["num_parameters"]
        if run.cell.block or run.cell.is_aa:
            columns["block"] = "again" if run.cell.is_aa else run.cell.block
        if run.run_id not in ledger.rows:
            columns["planned_in"] = launch
        if ledger.rows.of(run.run_id).dropped_in:
            columns["dropped_in"] = None
        ledger.add(
            run.run_id, run_name=run.run_name, seed=run.seed, **columns,
            config=canonical_json(run.full_config), **made_with,
        )  # fmt: skip
    for run_id, row in ledger.rows.items():
        if run_id not in plan.by_id and not row.dropped_in:
            ledger.patch(run_id, dropped_in=launch)
    ledger.compact()


def _with_fingerprints(plan: Plan, preflight_facts: Mapping[str, Mapping[str, Any]]) -> Plan:
    known = {run_id: facts.get("data_fingerprint") for run_id, facts in preflight_facts.items()}
    return replace(plan, data_fingerprints={i: text for i, text in known.items() if text})


def _with_data_of_today(
    ledger: Ledger,
    remaining: Remaining,
    preflight_facts: Mapping[str, Mapping[str, Any]],
    options: Options,
) -> Remaining:
    """The remaining runs, given today's data; refuses changed data unless they are accepted.

    If accepted, finished runs are kept and unfinished ones restart: no run is trained on both.
    """
    now = {i: facts.get("data_fingerprint", "") for i, facts in preflight_facts.items()}
    going_on = [run for run in remaining.todo if run.run_id not in remaining.restart]
    changed = changed_data(ledger.rows, [*remaining.kept, *going_on], now)
    if changed and not options.accept_changed_data:
        names = some([run.run_name for run in changed])
        message = (
            f"changed since earlier runs started ({len(changed)}: {names}): "
            "new runs would not be comparable with them"
        )
        fix = "--fresh starts over, --accept-changed-data keeps finished runs anyway"
        raise InputError("the study's data", [Problem("data", message, fix=fix)])
    unfinished = {run.run_id for run in changed if run in going_on}
    return replace(remaining, restart=remaining.restart | unfinished)


def _with_whole_curves(paths: StudyPaths, ledger: Ledger, remaining: Remaining) -> Remaining:
    """The remaining runs; those restart whose checkpoints count points that are lost."""
    going_on = {run.run_id: run for run in remaining.todo if run.run_id not in remaining.restart}
    checkpoints = newest_checkpoints(paths, ledger.restarts())
    ahead = ahead_of_curves(
        {i: path for i, path in checkpoints.items() if i in going_on}, History(paths)
    )
    if not ahead:
        return remaining
    names = some([going_on[i].run_name for i in ahead])
    note = f"restarted, since points of their curves are lost ({len(ahead)}: {names})"
    return replace(
        remaining, restart=remaining.restart | set(ahead), notes=[*remaining.notes, note]
    )


def _check_from_scratch(study: Study, options: Options) -> None:
    """Checks that a fresh start can succeed, before the old directory is put aside."""
    backend_of(options).check(options)
    plan, remaining = examine(study, ledger_of(study, options), options)
    check_data(plan, remaining.todo)
