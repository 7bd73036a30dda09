"""What a script prints: patterns over it, and what of it belongs into the run's log."""

import contextlib
import ctypes
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ablate.commands.file_records import FileRecords
from ablate.commands.records import Record, number_of, step_of
from ablate.commands.tail import Tail, lines_of

STEP = "step"
"""The name of the pattern that finds the step."""
BAR_S = 30.0
"""Between copies of a progress bar that has not ended its line."""
LEFT_BYTES = 2**24
"""Of what a script prints, how much stays on disk when it has been read."""
_PUNCH_HOLE = 3
"""Linux's FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE."""
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_RANKED = re.compile(r"(?:\[rank(\d+)\]: ?|\[default(\d+)\]:)+")
"""Before what a process of torchrun prints: torch's `[rank0]: `, `--tee`'s `[default1]:`, both."""
_TEED = re.compile(r"(?=\[default\d+\]:)")
"""Where `--tee` begins to copy a process: also amid a line that another one has not ended."""


def plain(line: str) -> str:
    """A line without the colours and movements of a terminal."""
    return _ANSI.sub("", line).replace("\b", "")


def of_rank(line: str) -> tuple[int | None, str]:
    """The process that printed a line, where that is marked, and what it printed."""
    match = _RANKED.match(line)
    return (int(match[1] or match[2]), line[match.end() :]) if match else (None, line)


class Patterns(FileRecords):
    """What patterns find in the lines that a script prints, those of its first process.

    Args:
        path: The file with what it prints.
        patterns: By metric; that of the step is called `step`. A pattern's first group is the
            number, or all of it.
    """

    only_grows = True

    def __init__(self, path: Path, patterns: Mapping[str, str]) -> None:
        super().__init__(path, None)
        self._patterns = {name: re.compile(text) for name, text in patterns.items()}
        self._rank: int | None = None
        self.found: dict[str, int] = dict.fromkeys(patterns, 0)

    def text_of(self, name: str) -> str:
        """A pattern as it is written."""
        return self._patterns[name].pattern

    def new(self, upto: int | None, is_final: bool) -> Iterator[Record]:
        """See `FileRecords`; a carriage return ends a line, too."""
        while lines := lines_of(self.tail, upto, is_final, b"\n\r"):
            for line in lines:
                for text in self._of_first(plain(line)):
                    yield from self._of_line(text)

    def _of_first(self, line: str) -> Iterator[str]:
        """What of a line the first process printed; what is marked by nobody may be its own."""
        for piece in _TEED.split(line):
            rank, text = of_rank(piece)
            if _TEED.match(piece):  # up to the next mark: a bar returns to the line's beginning
                self._rank = rank
            if not (self._rank if rank is None else rank):
                yield text

    def _of_line(self, line: str) -> Iterator[Record]:
        values = {name: text for name in self._patterns if (text := self._match(name, line))}
        step = step_of(_tidy(values.pop(STEP, "")))
        if step is not None:
            self._at = step
            self.found[STEP] += 1
        numbers = {n: number for n, text in values.items()
                   if (number := number_of(_tidy(text))) is not None}  # fmt: skip
        for name in numbers:
            self.found[name] += 1
        if self._at is not None and numbers:
            yield Record(numbers, self._at)
        elif STEP not in self._patterns:
            for name, number in numbers.items():
                yield Record({name: number}, counted=name)

    def _match(self, name: str, line: str) -> str:
        match = self._patterns[name].search(line)
        if match is None:
            return ""
        groups = [group for group in match.groups() if group is not None]
        return groups[0] if groups else match[0]

    def state(self) -> dict[str, Any]:
        """The place, and what was found until there."""
        return {**super().state(), "found": self.found, "at": self._at, "rank": self._rank}

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from a place."""
        super().load(state)
        self.found = {**self.found, **state["found"]}
        self._at, self._rank = state["at"], state.get("rank")


class LogCopy:
    """Copies what a script prints into its run's log; of a progress bar the last state alone.

    Args:
        path: The file with what it prints.
        write: Takes text.
    """

    def __init__(self, path: Path, write: Callable[[str], Any]) -> None:
        self.tail = Tail(path, only_grows=True)
        self.has_bars = False
        """Whether lines were drawn over, as progress bars do: numbers come again and again."""
        self._write = write
        self._shown_at = time.monotonic()

    def copy(self, is_final: bool = False) -> None:
        """Copies the lines that have ended, and now and then one that has not."""
        while lines := lines_of(self.tail, None, is_final):
            self.has_bars |= any("\r" in line.rstrip("\r") for line in lines)
            self._write("".join(f"{_last_state(line)}\n" for line in lines))
            self._shown_at = time.monotonic()
        now = time.monotonic()
        if now - self._shown_at > BAR_S and (waiting := self.tail.peek()):
            self._shown_at = now
            self._write(f"{_last_state(waiting.decode('utf-8', 'replace'))}\n")


def free_space(path: Path, upto: int) -> None:
    """Gives back the disk space of what was read of a large file; offsets in it stay as they are.

    A progress bar writes gigabytes in a week. Where the file system cannot, nothing happens.
    """
    if upto - LEFT_BYTES < LEFT_BYTES:
        return
    with contextlib.suppress(OSError, AttributeError), path.open("r+b") as file:
        libc = ctypes.CDLL(None, use_errno=True)
        length = ctypes.c_int64(upto - LEFT_BYTES)
        libc.fallocate(file.fileno(), _PUNCH_HOLE, ctypes.c_int64(0), length)


def last_lines(path: Path, offset: int, most_bytes: int = 2**16) -> list[str]:
    """The last lines that a script printed since an offset, as a terminal would show them."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(offset, size - most_bytes))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [_last_state(line) for line in text.split("\n") if line.strip()]


def _last_state(line: str) -> str:
    """What a terminal shows of a line in the end."""
    return plain(next((part for part in reversed(line.split("\r")) if part.strip()), ""))


def _tidy(text: str) -> str:
    """A number for people as one for machines: `1,024`, `93.1%`, `0.1,`."""
    text = text.strip().rstrip("%,;:.")
    return text.replace(",", "") if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", text) else text
