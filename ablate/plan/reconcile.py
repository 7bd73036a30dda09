"""Compares a plan with the ledger: the runs that remain to be done."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ablate.plan.plan import Plan, Run
from ablate.run_row import RunRows, Status
from ablate.text import some


@dataclass(frozen=True)
class Remaining:
    """Runs to do, and how; `kept` are those that need nothing more."""

    todo: Sequence[Run]
    restart: frozenset[str]
    """Ids of runs whose earlier results and checkpoints no longer count."""
    kept: Sequence[Run]
    notes: Sequence[str]
    mixed: frozenset[str] = frozenset()
    """Ids of runs that resume with other training code than they started with."""
    crashed: frozenset[str] = frozenset()
    """Ids of runs that had failed: each runs alone, since one may have crashed the others."""

    def without(self, done: Collection[str]) -> "Remaining":
        """What remains once some of the runs to do have come to their results otherwise."""
        ids = frozenset(done)
        return replace(
            self,
            todo=[run for run in self.todo if run.run_id not in ids],
            kept=[*self.kept, *(run for run in self.todo if run.run_id in ids)],
            restart=self.restart - ids,
            mixed=self.mixed - ids,
            crashed=self.crashed - ids,
        )


def reconcile(
    plan: Plan,
    rows: RunRows,
    runs: Sequence[Run],
    outdated: Mapping[str, frozenset[str]],
    retry_failed: bool = False,
    lost: Mapping[str, str] | None = None,
) -> Remaining:
    """Compares what is planned with what the ledger holds.

    Args:
        plan: The plan.
        rows: The ledger's rows by run id.
        runs: The wanted part of the plan: all of it, or what `--only` names.
        outdated: Runs made or started with other code than today's, with the changed files.
        retry_failed: Whether to rerun failed and diverged runs, and those with lost files.
        lost: What has happened to the files of runs, by run id.
    """
    lost = lost or {}
    other = {run.run_id: outdated[run.run_id] for run in runs if run.run_id in outdated}
    rerun = plan.study.on_code_change == "rerun"
    restart: set[str] = set()
    begun: set[str] = set()
    crashed: set[str] = set()
    todo: list[Run] = []
    kept: list[Run] = []
    for run in runs:
        status = rows.status(run.run_id)
        stale = (run.run_id in other and rerun) or (retry_failed and run.run_id in lost)
        again = (retry_failed and status.has_failed) or (status is Status.OK and stale)
        if status.has_ended and not again:
            kept.append(run)
            continue
        todo.append(run)
        if stale or status is Status.DIVERGED:  # resumed, it would diverge again
            restart.add(run.run_id)
        if status is Status.FAILED:
            crashed.add(run.run_id)
        if run.run_id in other and status is not Status.OK:
            begun.add(run.run_id)
    finished = sum(rows.status(i) is Status.OK for i in other)
    files = frozenset[str]().union(*other.values())
    notes = [*_code_notes(finished, len(begun), rerun, files), *_dropped_notes(plan, rows)]
    notes += [] if retry_failed else lost_notes(rows, lost)
    failed = [r for r in kept if rows.status(r.run_id).has_failed]
    if failed:
        notes.append(_kept_note(len(failed)))
    return Remaining(
        todo, frozenset(restart), kept, notes, frozenset(begun - restart), frozenset(crashed)
    )


def changed_data(rows: RunRows, runs: Sequence[Run], now: Mapping[str, str]) -> list[Run]:
    """Runs, finished or started, whose data had another fingerprint than today's.

    Args:
        rows: The ledger's rows by run id.
        runs: The runs to look at.
        now: Today's fingerprint by run id.
    """
    return [run for run in runs if run.run_id in now and _has_begun_with_other(rows, run, now)]


def _has_begun_with_other(rows: RunRows, run: Run, now: Mapping[str, str]) -> bool:
    row = rows.of(run.run_id)
    fingerprint = row.data_fingerprint if row.started_at is not None else None
    return fingerprint not in (None, now[run.run_id])


def _code_notes(finished: int, begun: int, rerun: bool, files: Collection[str]) -> list[str]:
    changed = f"; changed: {some(sorted(files))}" if files else ""
    rule = f"(on_code_change: {'rerun' if rerun else 'keep'}){changed}"
    notes: list[str] = []
    if finished:
        what = "1 run was" if finished == 1 else f"{finished} runs were"
        fate = "run again" if rerun else "kept"
        notes.append(f"{what} made with different training code: {fate} {rule}")
    if begun:
        what = "1 unfinished run" if begun == 1 else f"{begun} unfinished runs"
        fate = "starting over" if rerun else "resuming with today's"
        notes.append(f"{what} started with different training code: {fate} {rule}")
    return notes


def _dropped_notes(plan: Plan, rows: RunRows) -> list[str]:
    dropped = [i for i, row in rows.items() if i not in plan.by_id and row.status.has_ended]
    if not dropped:
        return []
    count = len(dropped)
    what = "1 run in the ledger is" if count == 1 else f"{count} runs in the ledger are"
    return [f"{what} no longer planned: kept, but not in the table"]


def _kept_note(count: int) -> str:
    if count == 1:
        return "1 run failed earlier and is kept (--retry-failed runs it again)"
    return f"{count} runs failed earlier and are kept (--retry-failed runs them again)"


def lost_notes(rows: RunRows, lost: Mapping[str, str]) -> list[str]:
    """A note on lost files; empty if there are none."""
    if not lost:
        return []
    losses = [f"{rows[run_id].run_name}: {loss}" for run_id, loss in list(lost.items())[:5]]
    more = f"; and {len(lost) - 5} more runs" if len(lost) > 5 else ""
    return [f"files of finished runs are lost: {'; '.join(losses)}{more} "
            "(--retry-failed recreates them)"]  # fmt: skip
