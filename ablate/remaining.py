"""What a study still needs: the plan compared with the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.ledger import ENDED, Row
from ablate.plan import Plan, Run


@dataclass(frozen=True)
class Remaining:
    """Runs to do, and how; `kept` are those that are done."""

    todo: Sequence[Run]
    restart: frozenset[str]
    """Ids of runs whose earlier results and checkpoints no longer count."""
    kept: Sequence[Run]
    notes: Sequence[str]


def remaining(
    plan: Plan,
    rows: Mapping[str, Row],
    runs: Sequence[Run],
    code_hash: str,
    retry_failed: bool = False,
) -> Remaining:
    """Compares what is planned with what the ledger holds.

    Args:
        plan: The plan.
        rows: The ledger's rows by run id.
        runs: The part of the plan that is wanted, all of it or what `--only` names.
        code_hash: The trainable's code as it is now.
        retry_failed: Whether failed and diverged runs are run again.
    """
    stale = {run.run_id for run in runs if _is_stale(rows.get(run.run_id), code_hash)}
    rerun = stale if plan.study.on_code_change == "rerun" else set[str]()
    restart: set[str] = set(rerun)
    todo: list[Run] = []
    kept: list[Run] = []
    for run in runs:
        status = rows.get(run.run_id, {}).get("status", "pending")
        again = retry_failed and status in ("failed", "diverged")
        if again and status == "diverged":
            restart.add(run.run_id)  # going on from where it diverged would diverge again
        (todo if status not in ENDED or again or run.run_id in rerun else kept).append(run)
    notes = [*_code_notes(len(stale), bool(rerun)), *_dropped_notes(plan, rows)]
    failed = [r for r in kept if rows[r.run_id]["status"] != "ok"]
    if failed:
        notes.append(
            f"{_runs(len(failed))} failed before and kept so (--retry-failed runs them again)"
        )
    return Remaining(todo, frozenset(restart), kept, notes)


def changed_data(rows: Mapping[str, Row], kept: Sequence[Run], now: Mapping[str, str]) -> list[Run]:
    """Finished runs whose data had another fingerprint than today's.

    Args:
        rows: The ledger's rows by run id.
        kept: Finished runs.
        now: Today's fingerprint by run id.
    """
    return [
        run
        for run in kept
        if run.run_id in now
        and rows[run.run_id].get("data_fingerprint", now[run.run_id]) != now[run.run_id]
    ]


def _is_stale(row: Mapping[str, Any] | None, code_hash: str) -> bool:
    return bool(row) and row["status"] == "ok" and row.get("code_hash", code_hash) != code_hash


def _code_notes(stale: int, rerun: bool) -> list[str]:
    if not stale:
        return []
    fate = "run again (on_code_change: rerun)" if rerun else "kept (on_code_change: keep)"
    return [f"{_runs(stale)} made by other training code than today's: {fate}"]


def _dropped_notes(plan: Plan, rows: Mapping[str, Row]) -> list[str]:
    dropped = [i for i, row in rows.items() if i not in plan.by_id and row["status"] in ENDED]
    if not dropped:
        return []
    return [f"{_runs(len(dropped))} in the ledger no longer planned: kept there, not in the table"]


def _runs(count: int) -> str:
    return f"{count} run is" if count == 1 else f"{count} runs are"
