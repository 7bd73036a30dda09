"""A folder that Ray Tune left behind: a directory a trial, with its config and its results."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.dotted import flatten
from ablate.errors import InputError, Problem
from ablate.run_row import Status
from ablate.sources.found import Found, Row
from ablate.sources.table_files import plain, read_csv
from ablate.text import first_line

PARAMS = "params.json"
_CONFIG = "config"
_CSV_CONFIG = "config/"


def is_ray_results(folder: Path) -> bool:
    """Whether a folder is an experiment of Ray Tune."""
    return any(folder.glob(f"*/{PARAMS}"))


def read_ray_results(folder: Path) -> Found:
    """Every result of every trial; of a trial without any, one row that says so.

    Raises:
        InputError: Where a file of a trial cannot be read.
    """
    rows: list[Row] = []
    problems: list[Problem] = []
    torn: list[str] = []
    for params in sorted(folder.glob(f"*/{PARAMS}")):
        try:
            config = dict(flatten(plain(json.loads(params.read_text(encoding="utf-8")))))
            results, num_torn = _results(params.parent)
        except (OSError, ValueError) as error:
            told = f"cannot be read: {first_line(str(error))}"
            problems.append(Problem(str(params.parent), told, fix="move that trial elsewhere"))
            continue
        torn += [params.parent.name] * (num_torn > 0)
        rows += _trial(params.parent, config, results)
    if problems:
        raise InputError(str(folder), problems)
    notes = [f"results that cannot be read are left out, in {', '.join(torn)}"] * bool(torn)
    return Found(what="Ray results folder", rows=rows, notes=notes)


def _trial(folder: Path, config: Mapping[str, Any], results: list[dict[str, Any]]) -> list[Row]:
    status, cause = _how_it_ended(folder, results)
    return [
        Row(name=folder.name, config=config, measured=measured, run=folder.name, status=status,
            cause=cause)
        for measured in results or [{}]
    ]  # fmt: skip


def _how_it_ended(folder: Path, results: list[dict[str, Any]]) -> tuple[Status, str]:
    """What the trial's files say: an error, a last result that is `done`, or neither."""
    error = folder / "error.txt"
    if error.exists():
        lines = error.read_text(encoding="utf-8", errors="replace").split("\n")
        told = [line.strip() for line in lines if line.strip()]
        return Status.FAILED, first_line(told[-1] if told else "error.txt is there")
    if not results:
        return Status.PENDING, "has no result"
    if results[-1].get("done") in (True, None):
        return Status.OK, ""
    return Status.INTERRUPTED, "its last result is not marked as done"


def _results(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """The results of a trial in their order, and how many cannot be read."""
    lines, table = folder / "result.json", folder / "progress.csv"
    if lines.exists() and lines.stat().st_size:
        return _of_lines(lines.read_text(encoding="utf-8"))
    if table.exists() and table.stat().st_size:
        return [
            {name: plain(v) for name, v in row.items() if not name.startswith(_CSV_CONFIG)}
            for row in read_csv(table).to_pylist()
        ], 0
    return [], 0


def _of_lines(text: str) -> tuple[list[dict[str, Any]], int]:
    found: list[dict[str, Any]] = []
    num_torn = 0
    for line in filter(str.strip, text.split("\n")):
        try:
            result = json.loads(line)
        except ValueError:  # cut off where the trial was killed
            num_torn += 1
            continue
        result.pop(_CONFIG, None)
        found.append(dict(_slashed(plain(result))))
    return found, num_torn


def _slashed(result: Mapping[str, Any], prefix: str = "") -> Any:
    """Names and values of a nested result, as Tune calls them: `eval/acc`."""
    for key, value in result.items():
        if isinstance(value, Mapping) and value:
            yield from _slashed(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value
