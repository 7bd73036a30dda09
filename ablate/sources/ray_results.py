"""A folder that Ray Tune left behind: a directory a trial, with its config and its results."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.dotted import flatten
from ablate.errors import InputError, Problem
from ablate.run_row import Status
from ablate.sources.found import Found, Row
from ablate.sources.statuses import status_of
from ablate.sources.table_files import plain, read_csv
from ablate.text import first_line

PARAMS = "params.json"
_STATE = "experiment_state-*.json"
"""Tune's own record of its trials."""
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
    words = _words(folder)
    for params in sorted(folder.glob(f"*/{PARAMS}")):
        try:
            config = dict(flatten(plain(json.loads(params.read_text(encoding="utf-8")))))
            results, num_torn = _results(params.parent)
        except (OSError, ValueError) as error:
            told = f"cannot be read: {first_line(str(error))}"
            problems.append(Problem(str(params.parent), told, fix="move that trial elsewhere"))
            continue
        torn += [params.parent.name] * (num_torn > 0)
        ended = _how_it_ended(params.parent, words.get(params.parent.name, ""), results)
        rows += _trial(params.parent.name, config, results, ended)
    if problems:
        raise InputError(str(folder), problems)
    notes = [f"results that cannot be read are left out, in {', '.join(torn)}"] * bool(torn)
    if not words:
        told = "those with results and without error.txt count as finished"
        notes.append(f"no {_STATE} says how the trials ended: {told}")
    return Found(what="Ray results folder", rows=rows, notes=notes)


def _trial(
    name: str,
    config: Mapping[str, Any],
    results: list[dict[str, Any]],
    ended: tuple[Status, str],
) -> list[Row]:
    status, cause = ended
    return [
        Row(name=name, config=config, measured=measured, run=name, status=status, cause=cause)
        for measured in results or [{}]
    ]


def _words(folder: Path) -> dict[str, str]:
    """What Tune's newest record of the experiment says of each trial, by its folder's name."""
    files = sorted(folder.glob(_STATE), key=lambda path: path.stat().st_mtime)
    try:
        trials = json.loads(files[-1].read_text(encoding="utf-8"))["trial_data"] if files else []
        states = [json.loads(trial[0]) for trial in trials]
        return {state["relative_logdir"]: state["status"] for state in states}
    except (OSError, ValueError, LookupError, TypeError):  # torn, or of a version that is unlike
        return {}


def _how_it_ended(folder: Path, word: str, results: list[dict[str, Any]]) -> tuple[Status, str]:
    """What Tune's record says of a trial; without one, whether it left an error or results."""
    error = folder / "error.txt"
    known = status_of(word)
    status = known or (Status.FAILED if error.exists() else Status.OK)
    if status is Status.FAILED:
        return status, _last_line(error) or f"its state in Tune is {word}"
    if status is Status.OK:
        return (status, "") if results else (Status.PENDING, "has no result")
    return status, f"its state in Tune is {word}"


def _last_line(path: Path) -> str:
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return first_line(next((line.strip() for line in reversed(lines) if line.strip()), ""))


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
