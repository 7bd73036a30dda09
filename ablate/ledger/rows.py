"""The rows of a study on disk: the journal, and `runs.parquet` as its view.

Where one of the two is damaged or gone the other one has the rows. Tables without a journal, or
with a journal of mere changes, are of earlier versions and read as well.
"""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ablate.ledger.journal import NUMBER, RESET, JournalContent, read_journal
from ablate.ledger.parquet_files import DamagedFileError, read_table, write_columns
from ablate.run_row import COLUMNS, RunRow, RunRows
from ablate.study_dir import StudyPaths

if TYPE_CHECKING:
    import pyarrow as pa

_UP_TO = "ablate_changes"
"""In the table's own notes: the number of the last change that it includes."""
_NEEDED = ("run_id", "run_name", "status")


def read_record(paths: StudyPaths) -> tuple[RunRows, int, list[str]]:
    """The rows of a study as of now, by run id.

    Returns:
        The rows, the number of their last change, and what is to be told of how they were read.
    """
    journal, (table, damage) = read_journal(paths.journal), _read_table(paths)
    up_to = _up_to(table)
    last = max((patch.get(NUMBER, 0) for patch in journal.patches), default=0)
    is_enough = journal.is_whole and not journal.damaged_before and last >= (up_to or 0)
    rows = RunRows() if is_enough or table is None else _rows_of(table)
    for patch in journal.patches:
        if is_enough or up_to is None or patch.get(NUMBER, 0) > up_to:
            _apply(rows, patch)
    notes = [*_told_table(paths, damage, rows), *_told_journal(paths, journal, up_to)]
    return rows, max(up_to or 0, last), notes


def write_rows(paths: StudyPaths, rows: Iterable[Mapping[str, Any]], number: int) -> None:
    """Writes `runs.parquet` so that a reader sees the old table or the new one.

    Args:
        paths: The study directory.
        rows: Its rows.
        number: The last change that they include.
    """
    rows = list(rows)
    names = dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)])
    columns = {name: _column(name, [row.get(name) for row in rows]) for name in names}
    write_columns(paths.runs_parquet, columns, {_UP_TO: str(number)})


def set_aside_damaged(paths: StudyPaths) -> None:
    """Keeps what cannot be read under another name, before it is written anew."""
    if read_journal(paths.journal).damaged_before:
        paths.journal.replace(paths.journal.with_suffix(".damaged"))
    if _read_table(paths)[1]:
        paths.runs_parquet.replace(paths.runs_parquet.with_suffix(".damaged"))


def _apply(rows: RunRows, patch: Mapping[str, Any]) -> None:
    run_id = patch["run_id"]
    row = rows.new(run_id)
    if patch.get(RESET):
        rows[run_id] = row.blank()
    else:
        row.update({name: value for name, value in patch.items() if name != NUMBER})


def _read_table(paths: StudyPaths) -> tuple["pa.Table | None", str]:
    """`runs.parquet`, None where there is none; and what is wrong with it."""
    if not paths.runs_parquet.exists():
        return None, ""
    try:
        return read_table(paths.runs_parquet, needed=_NEEDED), ""
    except DamagedFileError as error:
        return None, str(error)


def _up_to(table: "pa.Table | None") -> int | None:
    """The last change that a table includes, if it says so."""
    known = {} if table is None else table.schema.metadata or {}
    written = known.get(_UP_TO.encode(), b"")
    return int(written) if written.isdigit() else None


def _rows_of(table: "pa.Table") -> RunRows:
    found = [RunRow({k: v for k, v in row.items() if v is not None}) for row in table.to_pylist()]
    return RunRows({row.run_id: row for row in found if isinstance(row.get("run_id"), str)})


def _told_table(paths: StudyPaths, damage: str, rows: RunRows) -> list[str]:
    if not damage:
        return []
    fate = f"the {len(rows)} runs are taken from {paths.journal.name}" if rows else (
        "nor does the journal hold any run: all begin again, from checkpoints where there are any"
    )  # fmt: skip
    return [f"{damage}; {fate}"]


def _told_journal(paths: StudyPaths, journal: JournalContent, up_to: int | None) -> list[str]:
    if not journal.damaged_before:
        is_gone = not journal.patches and up_to
        return [f"{paths.journal} is gone: made again from {paths.runs_parquet.name}"] * bool(
            is_gone
        )
    count = len(journal.damaged_before)
    told = f"{paths.journal}: {count} damaged line{'s' if count != 1 else ''}"
    if up_to is not None and all(n is not None and n <= up_to + 1 for n in journal.damaged_before):
        return [f"{told}; what they said is in {paths.runs_parquet.name}"]
    return [f"{told}; what they said of runs is taken from {paths.runs_parquet.name} as far as it "
            "is there: a run whose end is lost goes on from its checkpoint"]  # fmt: skip


def _column(name: str, values: list[Any]) -> tuple[type | None, list[Any]]:
    """A column as Parquet takes it: of one type, or as text."""
    if name in COLUMNS:
        return COLUMNS[name], values
    kinds = {bool if isinstance(v, bool) else type(v) for v in values if v is not None}
    if kinds <= {int, float} and float in kinds:
        return float, values
    fits = all(abs(v) < 2**63 for v in values if type(v) is int)
    if len(kinds) <= 1 and kinds <= {int, float, bool, str} and fits:
        return None, values
    shown = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    return str, shown
