"""All that is told of one run, once somebody asks: its row, and the end of its log."""

import re
from collections.abc import Container
from datetime import datetime
from typing import Any

from ablate.errors import InputError
from ablate.numbers import clock
from ablate.run_row import RunRow
from ablate.study_dir import StudyPaths
from ablate.text import printable, printable_lines, without_middle

TAIL_BYTES = 32_768
TAIL_LINES = 40
_STYLES = re.compile(r"\x1b\[[0-9;:]*[mK]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
"""Colours, the erased rest of a line, and links and titles: what they enclose is what is said."""
MAX_CHARACTERS = 2_000
"""Of one text of a row, and of a line of a log."""


def facts_of(row: RunRow, factors: Container[str]) -> list[tuple[str, str]]:
    """What a row says, by name, for people."""
    found: dict[str, Any] = {
        "ended because": row.stop_reason,
        "epoch": row.epoch,
        "step": row.step,
        "best step": row.best_step,
        "trained": None if row.seconds is None else clock(row.seconds),
        "device": row.device,
        "launch": row.launch,
        "retries": row.retries,
        "started": row.started_at,
        "ended": row.ended_at,
        "taken from": row.reused_from,
        **{name: f"{value:.6g}" for name, value in row.metrics(factors).items()},
        "error": row.cause or None,
        "warnings": row.warnings,
    }
    return [
        (printable(name), _told(value)) for name, value in found.items() if value not in (None, "")
    ]


def log_tail(paths: StudyPaths, run_name: str) -> list[str]:
    """The last lines that a run printed; none where there is no log."""
    try:
        with paths.log(run_name).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            read = file.read(TAIL_BYTES)
    except (InputError, OSError):
        return []
    lines = read.decode("utf-8", "replace").split("\n")
    lines = lines[1:] if size > TAIL_BYTES else lines
    lines = [_STYLES.sub("", line) for line in lines]
    seen = [line.rstrip("\r").rpartition("\r")[2] for line in lines]  # of a progress bar, the last
    while seen and not seen[-1].strip():
        seen.pop()
    return [printable(without_middle(line, MAX_CHARACTERS)) for line in seen[-TAIL_LINES:]]


def _told(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return printable_lines(without_middle(str(value), MAX_CHARACTERS))
