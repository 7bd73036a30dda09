"""The rows of a study on disk: the journals, and `runs.parquet` as their view.

If the table or the main journal is damaged or missing, the rows are read from the other. Both note
the last change of each journal that they include. Later changes are applied in a fixed order: those
of the main journal first, then those of the others by name. If two commands set the same column of
a run concurrently, the value of the later journal wins. Directories of earlier versions have a
table without a journal, or a journal of changes only.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ablate.ledger.journal import MAIN, NUMBER, RESET, JournalContent, read_journal, set_aside
from ablate.ledger.parquet_files import Columns, DamagedFileError, read_table, write_columns
from ablate.run_row import COLUMNS, RunRow, RunRows, Status
from ablate.study_dir import StudyPaths

if TYPE_CHECKING:
    import pyarrow as pa

_UP_TO = "ablate_changes"
"""In the table's own notes: the number of the main journal's last change that it includes.

Of the journal `evaluate` it is `ablate_changes-evaluate`.
"""
_NEEDED = ("run_id", "run_name", "status")


def read_record(paths: StudyPaths) -> tuple[RunRows, dict[str, int], list[str]]:
    """Reads the current rows of a study.

    Returns:
        The rows by run id, the last change of each journal, and notes on damage.
    """
    journals = {name: read_journal(path) for name, path in paths.journals().items()}
    table, damage = _read_table(paths)
    in_table, main = _numbers_in(table), journals[MAIN]
    if table is None or _are_enough(journals, in_table):
        rows, included = RunRows(), dict(main.included)
    else:
        rows, included = _rows_of(table), in_table
    for name, journal in journals.items():
        for patch in journal.after(included.get(name)):
            apply_patch(rows, patch)
    notes = [*_table_notes(paths, damage, rows), *_journal_notes(paths, journals, in_table)]
    return rows, _last_of_each(journals, in_table), notes


def finished_rows(paths: StudyPaths, wanted: Collection[str]) -> RunRows:
    """The rows of those of some runs that a study has finished, from `runs.parquet` alone.

    The rest of the table is read only where there are any.

    Args:
        paths: The study directory.
        wanted: Ids of runs.

    Raises:
        DamagedFileError: If the table is torn.
        OSError: If it cannot be read.
    """
    ids, statuses = (
        column.to_pylist()
        for column in read_table(paths.runs_parquet, ("run_id", "status"), _NEEDED).columns
    )
    found = [
        number
        for number, (run_id, status) in enumerate(zip(ids, statuses, strict=True))
        if status == Status.OK and run_id in wanted
    ]
    return _rows_of(read_table(paths.runs_parquet).take(found)) if found else RunRows()


def merge_changes(paths: StudyPaths, rows: RunRows, numbers: dict[str, int]) -> None:
    """Applies the changes that other commands have written since the rows were read.

    Args:
        paths: The study directory.
        rows: The rows; updated.
        numbers: The last change of each journal that they include; updated.
    """
    for name, path in paths.journals().items():
        if name != MAIN:
            journal = read_journal(path)
            for patch in journal.after(numbers.get(name)):
                apply_patch(rows, patch)
            numbers[name] = max(numbers.get(name, 0), journal.last)


def write_rows(
    paths: StudyPaths, rows: Iterable[Mapping[str, Any]], numbers: Mapping[str, int]
) -> None:
    """Replaces `runs.parquet` atomically.

    Args:
        paths: The study directory.
        rows: Its rows.
        numbers: By journal, the last change that they include.
    """
    notes = {_note_of(name): str(number) for name, number in numbers.items()}
    write_columns(paths.runs_parquet, columns_of(rows), notes)


def columns_of(rows: Iterable[Mapping[str, Any]]) -> Columns:
    """The columns of `runs.parquet`: the ledger's own, then those of factors and metrics."""
    rows = list(rows)
    names = dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)])
    return {name: _column(name, [row.get(name) for row in rows]) for name in names}


def set_aside_damaged(paths: StudyPaths) -> None:
    """Renames damaged files, to keep them before they are written anew."""
    for path in paths.journals().values():
        if read_journal(path).damaged_before:
            set_aside(path)
    if _read_table(paths)[1]:
        set_aside(paths.runs_parquet)


def apply_patch(rows: RunRows, patch: Mapping[str, Any]) -> None:
    """Applies a change of a row."""
    run_id = patch["run_id"]
    row = rows.new(run_id)
    if patch.get(RESET):
        rows[run_id] = row.blank()
    else:
        row.update({name: value for name, value in patch.items() if name != NUMBER})


def _read_table(paths: StudyPaths) -> tuple["pa.Table | None", str]:
    """`runs.parquet`, or None, and what is wrong with it."""
    if not paths.runs_parquet.exists():
        return None, ""
    try:
        return read_table(paths.runs_parquet, needed=_NEEDED), ""
    except DamagedFileError as error:
        return None, str(error)


def _note_of(journal: str) -> str:
    """The key of the table's note on a journal."""
    return f"{_UP_TO}-{journal}" if journal != MAIN else _UP_TO


def _numbers_in(table: "pa.Table | None") -> dict[str, int]:
    """By journal, the last change that a table includes, if noted."""
    metadata = {} if table is None else table.schema.metadata or {}
    numbers: dict[str, int] = {}
    for key, value in metadata.items():
        note, _, journal = key.decode("utf-8", "replace").partition("-")
        if note == _UP_TO and value.isdigit():
            numbers[journal] = int(value)
    return numbers


def _are_enough(journals: Mapping[str, JournalContent], in_table: Mapping[str, int]) -> bool:
    """Whether the journals hold everything in the table, which then need not be read."""
    main = journals[MAIN]
    return main.is_whole and all(
        main.included.get(name, -1) >= number or _reaches(journals.get(name), number)
        for name, number in {MAIN: 0, **in_table}.items()
    )


def _reaches(journal: JournalContent | None, number: int) -> bool:
    return journal is not None and not journal.damaged_before and journal.last >= number


def _last_of_each(
    journals: Mapping[str, JournalContent], in_table: Mapping[str, int]
) -> dict[str, int]:
    numbers = {name: journal.last for name, journal in journals.items()}
    for included in (in_table, journals[MAIN].included):
        for name, number in included.items():
            numbers[name] = max(number, numbers.get(name, 0))
    return numbers


def _rows_of(table: "pa.Table") -> RunRows:
    rows = [RunRow({k: v for k, v in row.items() if v is not None}) for row in table.to_pylist()]
    return RunRows({row.run_id: row for row in rows if isinstance(row.get("run_id"), str)})


def _table_notes(paths: StudyPaths, damage: str, rows: RunRows) -> list[str]:
    if not damage:
        return []
    fate = f"the {len(rows)} runs are taken from {paths.journal.name}" if rows else (
        "nor does the journal hold any run: all begin again, from checkpoints where there are any"
    )  # fmt: skip
    return [f"{damage}; {fate}"]


def _journal_notes(
    paths: StudyPaths, journals: Mapping[str, JournalContent], in_table: Mapping[str, int]
) -> list[str]:
    notes: list[str] = []
    if not journals[MAIN].patches and not journals[MAIN].damaged_before and in_table.get(MAIN):
        notes.append(f"{paths.journal} is gone: made again from {paths.runs_parquet.name}")
    for name, journal in journals.items():
        if journal.damaged_before:
            fate = _fate(paths, journal, in_table.get(name))
            count = len(journal.damaged_before)
            lines = f"{count} damaged line{'s' if count != 1 else ''}"
            notes.append(f"{paths.journal_of(name)}: {lines}; {fate}")
    return notes


def _fate(paths: StudyPaths, journal: JournalContent, up_to: int | None) -> str:
    """What became of the content of damaged lines."""
    table = paths.runs_parquet.name
    if up_to is not None and all(n is not None and n <= up_to + 1 for n in journal.damaged_before):
        return f"what they said is in {table}"
    return (
        f"what they said of runs is taken from {table} as far as it is there: a run whose end is "
        "lost goes on from its checkpoint"
    )


def _column(name: str, values: list[Any]) -> tuple[type | None, list[Any]]:
    """A column for Parquet: of one type, or as text."""
    if name in COLUMNS:
        return COLUMNS[name], values
    kinds = {bool if isinstance(v, bool) else type(v) for v in values if v is not None}
    if kinds <= {int, float} and float in kinds:
        return float, values
    fits = all(abs(v) < 2**63 for v in values if type(v) is int)
    if len(kinds) <= 1 and kinds <= {int, float, bool, str} and fits:
        return None, values
    texts = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    return str, texts
