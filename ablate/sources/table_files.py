"""CSV and Parquet files; a study's own `runs.parquet` among them."""

import datetime
import decimal
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.dotted import flatten
from ablate.errors import InputError, Problem, reason_of
from ablate.ledger.parquet_files import DamagedFileError, read_table
from ablate.run_row import RunRow, Status
from ablate.sources.found import Found, Row
from ablate.sources.statuses import COLUMNS, status_of
from ablate.spec.models import AA_SEED_OFFSET

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".tsv", ".parquet")
_LEDGER = {"run_id", "run_name", "seed", "status"}


def read_table_file(path: Path) -> Found:
    """The rows of a table.

    Raises:
        InputError: Where the file holds no table.
    """
    is_parquet = path.suffix.lower() == ".parquet"
    try:
        table = read_table(path) if is_parquet else read_csv(path)
    except DamagedFileError as error:
        problem = Problem("SOURCE", "is no table that can be read", str(path), fix=str(error))
        raise InputError(str(path), [problem]) from error
    except OSError as error:
        problem = Problem("SOURCE", "cannot be read", str(path), fix=reason_of(error))
        raise InputError(str(path), [problem]) from error
    doubled = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if doubled:
        problems = [Problem("SOURCE", "has two columns of one name", name,
                            fix="rename one of them") for name in doubled]  # fmt: skip
        raise InputError(str(path), problems)
    rows = [{name: plain(v) for name, v in row.items()} for row in table.to_pylist()]
    if is_parquet and set(table.column_names) >= _LEDGER:
        return _ledger(rows)
    return Found(what="Parquet file" if is_parquet else "CSV file", rows=_rows(rows))


def read_csv(path: Path) -> "pa.Table":
    """A CSV file whose columns have the types of their values: numbers, booleans, dates, text.

    Raises:
        DamagedFileError: Where it holds no table.
    """
    import pyarrow as pa
    from pyarrow import csv

    content = path.read_bytes()
    head = content[:65536].split(b"\n", 1)[0]
    is_tab = path.suffix.lower() == ".tsv" or (b"\t" in head and b"," not in head)
    delimiter = "\t" if is_tab else ";" if b";" in head and b"," not in head else ","
    # One block, so that a column's type is that of all its values.
    reading = csv.ReadOptions(block_size=max(1 << 16, min(len(content) + 1, 2**31 - 1)))
    try:
        return csv.read_csv(
            pa.BufferReader(content), read_options=reading,
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError) as error:  # pyarrow's are among them
        raise DamagedFileError(str(error)) from error


def plain(value: Any) -> Any:
    """A value as JSON has it: what is neither number nor boolean nor list is text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return str(value)


def _rows(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    column = _status_column(rows)
    found: list[Row] = []
    for number, row in enumerate(rows, 1):
        status = status_of(row[column]) if column else Status.OK
        cause = "" if status is Status.OK else f"{column} is {row[column]}"
        found.append(Row(name=f"row {number}", config=row, measured=row,
                         status=status or Status.OK, cause=cause))  # fmt: skip
    return found


def _status_column(rows: Sequence[Mapping[str, Any]]) -> str:
    """The column that says how each run ended: all its values are words for that."""
    names = [name for name in (rows[0] if rows else ()) if name.lower() in COLUMNS]
    known = (n for n in names if all(status_of(row[n]) is not None for row in rows))
    return next(known, "")


def _ledger(rows: Sequence[Mapping[str, Any]]) -> Found:
    """The rows of a study's ledger, whose metrics go by the names that its study calls them."""
    ends = ("_best", "_final")
    bases = {name.removesuffix(end) for row in rows for name in row for end in ends
             if name.endswith(end)}  # fmt: skip
    runs = [RunRow(row) for row in rows]
    kept = _without_second_baseline(runs)
    found: list[Row] = []
    for run in kept:
        columns = {**run, **{base: run.measured(base) for base in bases}}
        found.append(Row(name=run.run_name, config=columns, measured=columns, run=run.run_id,
                         status=run.status, cause=run.cause))  # fmt: skip
    left = len(runs) - len(kept)
    notes = _random_splits(kept)
    notes += [f"{left} runs of the ledger's second baseline (A/A) are left out"] * (left > 0)
    named = {name for row in found for name in row.measured} - {
        base for base in bases if any(f"{base}_final" in run for run in kept)
    }
    return Found(what="ledger of an Ablate study", rows=found, notes=notes, has_last_only=True,
                 named_columns=named)  # fmt: skip


def _random_splits(runs: Sequence[RunRow]) -> list[str]:
    """That a key of the config is each run's seed, as that of the split may be."""
    if len({run.seed for run in runs}) < 2:
        return []
    configs = [(run.seed, dict(flatten(json.loads(run.config or "{}")))) for run in runs]
    keys = [key for key in configs[0][1] if all(c.get(key) == seed for seed, c in configs)]
    return [
        f"{key} is each run's seed: if it decides the split, splits overlap, and the study's own "
        "report has wider intervals, over splits"
        for key in keys
    ]


def _without_second_baseline(runs: Sequence[RunRow]) -> list[RunRow]:
    """Those whose seed is not that of another run of the same config, moved by `AA_SEED_OFFSET`.

    Where splits vary with the seed, configs do: then the ledger's word for the block tells.
    """
    known = {(run.config, run.seed) for run in runs}
    seeds = {run.seed for run in runs}

    def is_second(run: RunRow) -> bool:
        seed = (run.seed or 0) - AA_SEED_OFFSET
        return (run.config, seed) in known or (run.get("block") == "again" and seed in seeds)

    return [run for run in runs if not is_second(run)]
