"""What a study still needs: the plan compared with the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.ledger import ENDED
from ablate.plan import Plan, Run
from ablate.rows import Row
from ablate.seals import lost_notes


@dataclass(frozen=True)
class Remaining:
    """Runs to do, and how; `kept` are those that are done."""

    todo: Sequence[Run]
    restart: frozenset[str]
    """Ids of runs whose earlier results and checkpoints no longer count."""
    kept: Sequence[Run]
    notes: Sequence[str]
    mixed: frozenset[str] = frozenset()
    """Ids of runs that go on with other training code than they began with."""
    crashed: frozenset[str] = frozenset()
    """Ids of runs that had failed: each goes alone, for one of them may have crashed others."""


def remaining(
    plan: Plan,
    rows: Mapping[str, Row],
    runs: Sequence[Run],
    code_hash: str,
    retry_failed: bool = False,
    lost: Mapping[str, str] | None = None,
) -> Remaining:
    """Compares what is planned with what the ledger holds.

    Args:
        plan: The plan.
        rows: The ledger's rows by run id.
        runs: The part of the plan that is wanted, all of it or what `--only` names.
        code_hash: The trainable's code as it is now.
        retry_failed: Whether failed and diverged runs are run again, and those with lost files.
        lost: By run, what has happened to its files.
    """
    lost = lost or {}
    outdated = {run.run_id for run in runs if _is_outdated(rows.get(run.run_id), code_hash)}
    rerun = plan.study.on_code_change == "rerun"
    restart: set[str] = set()
    begun: set[str] = set()
    crashed: set[str] = set()
    todo: list[Run] = []
    kept: list[Run] = []
    for run in runs:
        status = rows.get(run.run_id, {}).get("status", "pending")
        stale = (run.run_id in outdated and rerun) or (retry_failed and run.run_id in lost)
        again = (retry_failed and status in ("failed", "diverged")) or (status == "ok" and stale)
        if status in ENDED and not again:
            kept.append(run)
            continue
        todo.append(run)
        if stale or status == "diverged":  # it would diverge again from where it did
            restart.add(run.run_id)
        if status == "failed":
            crashed.add(run.run_id)
        if run.run_id in outdated and status != "ok":
            begun.add(run.run_id)
    finished = sum(rows[i]["status"] == "ok" for i in outdated)
    notes = [*_code_notes(finished, len(begun), rerun), *_dropped_notes(plan, rows)]
    notes += [] if retry_failed else lost_notes(rows, lost)
    failed = [r for r in kept if rows[r.run_id]["status"] != "ok"]
    if failed:
        notes.append(
            f"{_runs(len(failed))} failed before and kept so (--retry-failed runs them again)"
        )
    return Remaining(
        todo, frozenset(restart), kept, notes, frozenset(begun - restart), frozenset(crashed)
    )


def changed_data(rows: Mapping[str, Row], runs: Sequence[Run], now: Mapping[str, str]) -> list[Run]:
    """Runs, finished or begun, whose data had another fingerprint than today's.

    Args:
        rows: The ledger's rows by run id.
        runs: The runs to look at.
        now: Today's fingerprint by run id.
    """
    return [
        run
        for run in runs
        if run.run_id in now
        and rows.get(run.run_id, {}).get("data_fingerprint", now[run.run_id]) != now[run.run_id]
    ]


def _is_outdated(row: Mapping[str, Any] | None, code_hash: str) -> bool:
    """Whether a run was made, or begun, with other code."""
    if not row or not row.get("started_at"):
        return False
    return row.get("code_hash", code_hash) != code_hash


def _code_notes(finished: int, begun: int, rerun: bool) -> list[str]:
    notes: list[str] = []
    if finished:
        fate = "run again (on_code_change: rerun)" if rerun else "kept (on_code_change: keep)"
        notes.append(f"{_runs(finished)} made by other training code than today's: {fate}")
    if begun:
        fate = "begins again (on_code_change: rerun)" if rerun else "goes on (on_code_change: keep)"
        notes.append(f"what was begun with other training code {fate}: {begun} of the runs")
    return notes


def _dropped_notes(plan: Plan, rows: Mapping[str, Row]) -> list[str]:
    dropped = [i for i, row in rows.items() if i not in plan.by_id and row["status"] in ENDED]
    if not dropped:
        return []
    return [f"{_runs(len(dropped))} in the ledger no longer planned: kept there, not in the table"]


def _runs(count: int) -> str:
    return f"{count} run is" if count == 1 else f"{count} runs are"
